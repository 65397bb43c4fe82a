"""Opening a store's file, and what is checked before anything is read from it."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from robbench.errors import DamagedStore, NewerFormat, NotAStore, UnknownSpace
from robbench.spaces import SearchSpace, space_named
from robbench.store.content import Content
from robbench.store.hdf5 import File
from robbench.store.layout import FORMAT, FORMAT_VERSION, VERSION_1_SPACE, damage_named
from robbench.store.objects import Object
from robbench.store.seal import SIZE, check_seal
from robbench.store.structures import SIGNATURE


def opened(path: str) -> File:
    """A store's file, open for reading, once its seal and its version have been checked.

    Raises:
        NotAStore: no such file, not HDF5, or not ours.
        DamagedStore: cut short or corrupt, or not a file of RobBench's making.
        NewerFormat: written in a later format version.
    """
    if os.path.isdir(path):
        raise NotAStore(f"{path} is a folder; expected a store, which is one file.")
    if not os.path.lexists(path):
        raise NotAStore(f"{path} does not exist; expected a store. `robbench import` makes one from published data.")
    if not os.path.isfile(path):
        raise NotAStore(
            f"{path} is not a file that can be read from any place (a device, a pipe, or a link that leads nowhere); expected a store."
        )
    try:
        content = Content(path)
        sealed = check_seal(path, content)
    except PermissionError as error:
        raise NotAStore(f"{path} cannot be read: {error.strerror}.") from error
    except (OSError, ValueError) as error:
        raise DamagedStore(f"{path} cannot be opened: {error}.") from error
    try:
        file = _parsed(path, content, sealed)
        _check(file, path, sealed)
    except BaseException:
        content.close()
        raise
    return file


def _parsed(path: str, content: Content, sealed: bool) -> File:
    base = SIZE if sealed else 0
    with damage_named(path, "/"):
        head = content.take(base, min(len(SIGNATURE) + 1, content.size - base))
        if not sealed and head[: len(SIGNATURE)] != SIGNATURE:
            raise NotAStore(f"{path} is not an HDF5 file; expected a store written by RobBench.")
        if not sealed and head[len(SIGNATURE) :] not in (b"", b"\0"):
            raise NotAStore(f"{path} is an HDF5 file, but not a RobBench store (it is of a later version of HDF5's format).")
        file = File(content, base)
    if base + file.length > content.size and not sealed:
        raise DamagedStore(
            f"{path} is cut short: it has {content.size} bytes, and had {file.length}. Restore it from a copy, or build it again."
        )
    return file


def _check(file: File, path: str, sealed: bool) -> None:
    version: int | None = None
    with damage_named(path, "/"):
        if isinstance(found := file.attrs.get("format"), str) and found == FORMAT:
            version = _version(file.attrs["format_version"])
    if version is None:
        raise NotAStore(f"{path} is an HDF5 file, but not a RobBench store (no attribute format={FORMAT!r}).")
    if version > FORMAT_VERSION:
        raise NewerFormat(f"{path} is of format version {version}; this RobBench reads up to {FORMAT_VERSION}. Install a newer RobBench.")
    if sealed != (version > 1):
        raise DamagedStore(
            f"{path} is of format version {version}, and has {'a' if sealed else 'no'} seal; restore it from a copy, or build it again."
        )


def _version(value: object) -> int:
    if not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"its format_version is {value!r}")
    return int(value)


def check_everything(path: str, file: File) -> None:
    """Raise DamagedStore where anything in the file is not as RobBench writes it, whether this version knows it or not; no array is read."""

    def check(_: str, item: Object) -> None:
        with damage_named(path, item.name):
            item.check()

    with damage_named(path, "/"):
        file.visititems(check)


def space_of(path: str, file: File) -> SearchSpace[Any]:
    """The search space that a file says it is of; raises UnknownSpace, and DamagedStore where it cannot be."""
    version = int(file.attrs["format_version"])
    with damage_named(path, "/"):
        name = str(file.attrs["space"])
    if version == 1 and name != VERSION_1_SPACE:
        raise DamagedStore(f"{path} says that it is of the space {name!r}; every store of format version 1 is of {VERSION_1_SPACE}.")
    try:
        return space_named(name)
    except UnknownSpace as error:
        raise UnknownSpace(f"{path} cannot be used: {error} Install a newer RobBench, if it is of a newer one.") from error
