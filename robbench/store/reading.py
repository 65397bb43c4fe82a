"""Opening, reading and verifying a store.  pathlib is left out: it takes as long to import as an answer takes."""

from __future__ import annotations

import json
import os
from functools import cached_property
from typing import Any

import h5py
import numpy as np

from robbench.errors import DamagedStore, NewerFormat, NotAStore, StoreError, UnknownArchitecture, UnknownSpace
from robbench.spaces import SearchSpace, space_named
from robbench.store.arrays import Fitted, Header, Name, unpack
from robbench.store.layout import (
    FORMAT,
    FORMAT_VERSION,
    ROOT,
    VERSION_1_SPACE,
    damage_named,
    digest_of,
    digest_of_root,
    header_of,
    path_of,
    path_of_surrogate,
    paths_of_datasets,
    unescaped,
)
from robbench.store.rows import Rows

_CHUNK_CACHE = 8 << 20
"""Bytes of unpacked chunks that are kept for each array, so that rows asked for one by one are not unpacked from the same chunk again and again."""


class Store:
    """A store opened for reading.  Opening reads a few attributes; names, headers and arrays are read when first asked for.

    Arguments:
        path: an HDF5 file written by RobBench.

    Raises:
        NotAStore: no such file, not HDF5, or not ours.
        DamagedStore: cut short or corrupt.
        NewerFormat: written in a later format version.
        UnknownSpace: of a search space that this RobBench does not know.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.path.abspath(os.fspath(path))
        """Absolute, so that it means the same after a change of folder and in another process."""
        self.file_name = os.path.basename(self.path)
        """The last part of the path, for messages."""
        self._file = _open(self.path)
        self.version = int(self._file.attrs["format_version"])
        """Of the format."""
        try:
            self.space: SearchSpace[Any] = _space_of(self.path, self._file, self.version)
        except (UnknownSpace, DamagedStore):
            self._file.close()
            raise
        self._headers: dict[Name, Header] = {}

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def default_dataset(self) -> str:
        """The dataset that a query means when it names none: the first that was put in."""
        if "default_dataset" not in self._file.attrs:
            raise StoreError(f"{self.path} holds no measurements; `robbench import` puts some in.")
        return str(self._file.attrs["default_dataset"])

    @cached_property
    def rows(self) -> Rows:
        """The architectures and classes that the store holds."""
        return _StoredRows(self)

    @property
    def has_published_index(self) -> bool:
        """Whether the store carries the published index of each architecture."""
        return f"/{self._exact}/published_index" in self._file

    def published_index(self) -> np.ndarray:
        """For each exact row, its published index: ``(exact,)``, integers; only if `has_published_index`."""
        return self._read(f"/{self._exact}/published_index")

    def datasets(self) -> list[str]:
        """The datasets that arrays were measured on, sorted."""
        return list(self._trainings)

    def trainings(self, dataset: str) -> list[str]:
        """The training protocols of a dataset, sorted."""
        return self._trainings[dataset]

    def names(self) -> list[Name]:
        """Every array of measurements in the store, sorted."""
        return list(self._names)

    def __contains__(self, name: Name) -> bool:
        return name in self._names

    def header(self, name: Name) -> Header:
        """Rows, axes, unit and provenance of an array, without reading its values."""
        if name not in self._headers:
            with damage_named(self.path, path_of(name)):
                self._headers[name] = header_of(self._file[path_of(name)])
        return self._headers[name]

    def shape(self, name: Name) -> tuple[int, ...]:
        """``(rows, axes…)``."""
        return tuple(self._file[path_of(name)].shape)

    def read(self, name: Name, row: int | None = None) -> np.ndarray:
        """The values of an array, or of one of its rows: float64, NaN where nothing was measured.

        Raises:
            DamagedStore: a chunk does not match its checksum.
        """
        with damage_named(self.path, path_of(name)):
            dataset = self._file[path_of(name)]
            return unpack(dataset[()] if row is None else dataset[row], dataset.attrs.get("denominator"))

    def surrogates(self) -> list[tuple[str, str, str]]:
        """The (dataset, training, target) of every surrogate, sorted."""
        return sorted({(path[0], path[1], path[2]) for path in self._links("surrogates") if len(path) == 3})

    def about_surrogate(self, dataset: str, training: str, target: str) -> dict[str, Any]:
        """What is said of a surrogate, without reading its model."""
        path = path_of_surrogate(dataset, training, target)
        with damage_named(self.path, path):
            about: dict[str, Any] = json.loads(self._file[path]["training_rows"].attrs["about"])
        return about

    def surrogate(self, dataset: str, training: str, target: str) -> Fitted:
        """A surrogate, every array of it.

        Raises:
            DamagedStore: a part is missing, or does not match its checksum.
        """
        path = path_of_surrogate(dataset, training, target)
        about = self.about_surrogate(dataset, training, target)
        with damage_named(self.path, path):
            arrays = {name: item[()] for name, item in self._file[path].items()}
            rows, calibration = arrays.pop("training_rows"), arrays.pop("calibration")
        return Fitted(dataset, training, target, rows, calibration, arrays, about)

    @cached_property
    def _names(self) -> dict[Name, None]:
        """The names of all arrays, sorted; a dict, in which one is found at once."""
        return dict.fromkeys(sorted(Name(*path) for path in self._links("metrics") if len(path) == len(Name._fields)))

    @cached_property
    def _trainings(self) -> dict[str, list[str]]:
        """Dataset → training protocols, both sorted."""
        found: dict[str, dict[str, None]] = {}
        for name in self._names:
            found.setdefault(name.dataset, {})[name.training] = None
        return {dataset: list(trainings) for dataset, trainings in found.items()}

    def _links(self, group: str) -> list[list[str]]:
        """The parts of the path of everything in a group; nothing is opened for it."""
        found: list[bytes] = []
        with damage_named(self.path, f"/{group}"):
            if group in self._file:
                opened = self._file[group].id  # its links are read only as long as it is kept
                opened.links.visit(found.append)
        return [list(map(unescaped, path.decode().split("/"))) for path in found]

    @property
    def _exact(self) -> str:
        return "cells" if self.version == 1 else "exact"

    def _read(self, path: str) -> np.ndarray:
        with damage_named(self.path, path):
            values: np.ndarray = self._file[path][()]
        return values

    def _texts(self, path: str) -> tuple[str, ...]:
        return tuple(text.decode() for text in self._read(path).tolist())


class _StoredRows(Rows):
    """The rows of an opened store, each part of which is read when it is first asked for."""

    def __init__(self, store: Store) -> None:
        self.space = store.space.name
        self._store = store

    @cached_property
    def exact(self) -> tuple[str, ...]:  # type: ignore[override]
        return self._store._texts(f"/{self._store._exact}/spec")

    @cached_property
    def class_of(self) -> np.ndarray:  # type: ignore[override]
        return self._store._read(f"/{self._store._exact}/class").astype(np.uint32)

    @cached_property
    def keys(self) -> tuple[str, ...]:  # type: ignore[override]
        return self._store._texts("/classes/key")

    @cached_property
    def classes(self) -> tuple[str, ...]:  # type: ignore[override]
        return self._store._texts("/classes/spec")


def verify(path: str | os.PathLike[str]) -> int:
    """Read every byte of a store, compare it with the manifest, and the rows with the search space.

    Returns:
        How many datasets were checked.

    Raises:
        DamagedStore: a dataset is missing, was added by another hand, or has changed; or the rows are not architectures of the store's space;
            the message names it.
    """
    with Store(path) as store:
        with damage_named(store.path, "/manifest"):
            manifest: dict[str, str] = json.loads(store._file["manifest"][()])
        root = manifest.pop(ROOT, None)
        if root != (None if store.version == 1 else digest_of_root(store._file)):
            raise DamagedStore(
                f"{path}: the root attributes have changed since they were written; restore the file from a copy, or build it again."
            )
        present = paths_of_datasets(store._file)
        for item in sorted(present | manifest.keys()):
            if item not in present:
                raise DamagedStore(
                    f"{path}: {item} is in the manifest and not in the file; restore the file from a copy, or build it again."
                )
            if item not in manifest:
                raise DamagedStore(f"{path}: {item} is in the file and not in the manifest; it was not put there by RobBench.")
            with damage_named(store.path, item):
                digest = digest_of(store._file[item])
            if digest != manifest[item]:
                raise DamagedStore(f"{path}: {item} has changed since it was written; restore the file from a copy, or build it again.")
        _check_rows(store)
    return len(manifest)


def _check_rows(store: Store) -> None:
    rows, where = store.rows, f"{store.path}: the rows are damaged:"
    if (
        len(rows.class_of) != len(rows.exact)
        or len(rows.keys) != len(rows.classes)
        or rows.class_of.max(initial=0) >= max(len(rows.keys), 1)
    ):
        raise DamagedStore(f"{where} architectures and classes do not go together.")
    for spec, group in zip(rows.exact, rows.class_of, strict=True):
        try:
            key = store.space.key(store.space.parse(spec))
        except UnknownArchitecture as error:
            raise DamagedStore(f"{where} {error}") from error
        if key != rows.keys[group]:
            raise DamagedStore(f"{where} {spec} is of the class {key}, and the store has it in {rows.keys[group]}.")


def _space_of(path: str, file: h5py.File, version: int) -> SearchSpace[Any]:
    with damage_named(path, "/"):
        name = str(file.attrs["space"])
    if version == 1 and name != VERSION_1_SPACE:
        raise DamagedStore(f"{path} says that it is of the space {name!r}; every store of format version 1 is of {VERSION_1_SPACE}.")
    try:
        return space_named(name)
    except UnknownSpace as error:
        raise UnknownSpace(f"{path} cannot be used: {error} Install a newer RobBench, if it is of a newer one.") from error


def _open(path: str) -> h5py.File:
    if os.path.isdir(path):
        raise NotAStore(f"{path} is a folder; expected a store, which is one file.")
    if not os.path.isfile(path):
        raise NotAStore(f"{path} does not exist; expected a store. `robbench import` makes one from published data.")
    try:
        file = h5py.File(path, "r", rdcc_nbytes=_CHUNK_CACHE)
    except OSError as error:
        if "truncated" in str(error):
            raise DamagedStore(f"{path} is cut short: {error}. Restore it from a copy, or build it again.") from error
        if "signature" in str(error):
            raise NotAStore(f"{path} is not an HDF5 file; expected a store written by RobBench.") from error
        raise DamagedStore(f"{path} cannot be opened: {error}.") from error
    version = None
    with damage_named(path, "/"):
        if isinstance(found := file.attrs.get("format"), str) and found == FORMAT:
            version = int(file.attrs["format_version"])
    if version is None:
        file.close()
        raise NotAStore(f"{path} is an HDF5 file, but not a RobBench store (no attribute format={FORMAT!r}).")
    if version > FORMAT_VERSION:
        file.close()
        raise NewerFormat(f"{path} is of format version {version}; this RobBench reads up to {FORMAT_VERSION}. Install a newer RobBench.")
    return file
