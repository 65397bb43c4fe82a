"""Opening, reading and verifying a store.  pathlib is left out: it takes as long to import as an answer takes."""

from __future__ import annotations

import json
import os
from typing import Any

import h5py
import numpy as np

from robbench.store.arrays import Fitted, Header, Name, unpack
from robbench.errors import DamagedStore, NewerFormat, NotAStore, StoreError
from robbench.store.layout import (
    FORMAT,
    FORMAT_VERSION,
    damage_named,
    digest_of,
    escaped,
    header_of,
    path_of,
    path_of_surrogate,
    paths_of_datasets,
    unescaped,
)


class Store:
    """A store opened for reading.  Opening reads a few attributes; arrays are read when asked for.

    Arguments:
        path: an HDF5 file written by RobBench.

    Raises:
        NotAStore: no such file, not HDF5, or not ours.
        DamagedStore: cut short or corrupt.
        NewerFormat: written in a later format version.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        """As given."""
        self.file_name = os.path.basename(self.path)
        """The last part of the path, for messages."""
        self._file = _open(self.path)

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

    @property
    def has_published_index(self) -> bool:
        """Whether the store carries the published index of each cell."""
        return "cells/published_index" in self._file

    def class_keys(self) -> list[bytes]:
        """The key of each class row, in ASCII."""
        keys: list[bytes] = self._read("/classes/key").tolist()
        return keys

    def class_specs(self) -> list[str]:
        """The arch string of each class row's representative."""
        return [spec.decode() for spec in self._read("/classes/spec").tolist()]

    def cell_specs(self) -> list[str]:
        """The arch string of each cell row."""
        return [spec.decode() for spec in self._read("/cells/spec").tolist()]

    def cell_classes(self) -> np.ndarray:
        """For each cell row, its class row: ``(cells,)``, uint16."""
        return self._read("/cells/class")

    def published_index(self) -> np.ndarray:
        """For each cell row, its published index: ``(cells,)``, uint16; only if `has_published_index`."""
        return self._read("/cells/published_index")

    def datasets(self) -> list[str]:
        """The datasets that arrays were measured on, sorted."""
        return self._groups("/metrics")

    def trainings(self, dataset: str) -> list[str]:
        """The training protocols of a dataset, sorted."""
        return self._groups(f"/metrics/{escaped(dataset)}")

    def names(self) -> list[Name]:
        """Every array of measurements in the store, sorted."""
        found: list[Name] = []

        def visit(path: str, item: object) -> None:
            if isinstance(item, h5py.Dataset) and path.count("/") == 3:
                found.append(Name(*map(unescaped, path.split("/"))))

        with damage_named(self.path, "/metrics"):
            if "metrics" in self._file:
                self._file["metrics"].visititems(visit)
        return sorted(found)

    def __contains__(self, name: Name) -> bool:
        return path_of(name) in self._file

    def header(self, name: Name) -> Header:
        """Rows, axes, unit and provenance of an array, without reading it."""
        with damage_named(self.path, path_of(name)):
            return header_of(self._file[path_of(name)])

    def shape(self, name: Name) -> tuple[int, ...]:
        """``(rows, axes…)``."""
        return tuple(self._file[path_of(name)].shape)

    def read(self, name: Name, row: int | None = None) -> np.ndarray:
        """The values of an array, or of one of its rows: float64, NaN where nothing was measured.

        Raises:
            DamagedStore: a chunk does not match its checksum.
        """
        dataset = self._file[path_of(name)]
        with damage_named(self.path, path_of(name)):
            return unpack(dataset[()] if row is None else dataset[row], dataset.attrs.get("denominator"))

    def surrogates(self) -> list[tuple[str, str, str]]:
        """The (dataset, training, target) of every surrogate, sorted."""
        found: list[tuple[str, str, str]] = []

        def visit(path: str, item: object) -> None:
            if isinstance(item, h5py.Group) and path.count("/") == 2:
                dataset, training, target = map(unescaped, path.split("/"))
                found.append((dataset, training, target))

        with damage_named(self.path, "/surrogates"):
            if "surrogates" in self._file:
                self._file["surrogates"].visititems(visit)
        return sorted(found)

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

    def _groups(self, path: str) -> list[str]:
        with damage_named(self.path, path):
            return sorted(map(unescaped, self._file[path]))

    def _read(self, path: str) -> np.ndarray:
        with damage_named(self.path, path):
            values: np.ndarray = self._file[path][()]
        return values


def verify(path: str | os.PathLike[str]) -> int:
    """Read every byte of a store and compare it with the manifest.

    Returns:
        How many datasets were checked.

    Raises:
        DamagedStore: a dataset is missing, was added by another hand, or has changed; the message names it.
    """
    with Store(path) as store:
        with damage_named(store.path, "/manifest"):
            manifest: dict[str, str] = json.loads(store._file["manifest"][()])
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
    return len(manifest)


def _open(path: str) -> h5py.File:
    if os.path.isdir(path):
        raise NotAStore(f"{path} is a folder; expected a store, which is one file.")
    if not os.path.isfile(path):
        raise NotAStore(f"{path} does not exist; expected a store. `robbench import` makes one from published data.")
    try:
        file = h5py.File(path, "r")
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
