"""Opening a store's file, and what is checked before anything is read from it."""

from __future__ import annotations

import os
from typing import Any

import h5py
import numpy as np

from robbench.errors import DamagedStore, NewerFormat, NotAStore, UnknownSpace
from robbench.spaces import SearchSpace, space_named
from robbench.store.layout import FORMAT, FORMAT_VERSION, VERSION_1_SPACE, damage_named
from robbench.store.safety import paths_in
from robbench.store.seal import check_seal

_CHUNK_CACHE = 8 << 20
"""Bytes of unpacked chunks that are kept for each array, so that rows asked for one by one are not unpacked from the same chunk again and again."""


def opened(path: str) -> tuple[h5py.File, list[str]]:
    """A store's file, open for reading, once its seal, its version and its links have been checked, and the path of everything in it.

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
        sealed = check_seal(path)
        file = _without_lock_if_need_be(path)
    except PermissionError as error:
        raise NotAStore(f"{path} cannot be read: {error.strerror}.") from error
    except OSError as error:
        if "truncated" in str(error):
            raise DamagedStore(f"{path} is cut short: {error}. Restore it from a copy, or build it again.") from error
        if "signature" in str(error):
            raise NotAStore(f"{path} is not an HDF5 file; expected a store written by RobBench.") from error
        raise DamagedStore(f"{path} cannot be opened: {error}.") from error
    try:
        _check(file, path, sealed)
        with damage_named(path, "/"):
            return file, paths_in(file, path)
    except BaseException:
        file.close()
        raise


def _without_lock_if_need_be(path: str) -> h5py.File:
    """The file, read without a lock where the system has none, or another process holds it: a store is replaced, and never written in place."""
    try:
        return h5py.File(path, "r", rdcc_nbytes=_CHUNK_CACHE)
    except OSError as error:
        if "lock" not in str(error):
            raise
        return h5py.File(path, "r", rdcc_nbytes=_CHUNK_CACHE, locking=False)


def _check(file: h5py.File, path: str, sealed: bool) -> None:
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


def space_of(path: str, file: h5py.File) -> SearchSpace[Any]:
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
