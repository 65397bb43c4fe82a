"""Reading a store.  pathlib is left out: it takes as long to import as an answer takes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from robbench.errors import DamagedStore, StoreError, UnknownSpace
from robbench.spaces import SearchSpace
from robbench.store.arrays import Fitted, Header, Name, unpack
from robbench.store.chunks import Dataset
from robbench.store.layout import (
    blocks,
    check_values,
    damage_named,
    header_of,
    path_of,
    path_of_surrogate,
    unescaped,
)
from robbench.store.opening import opened, space_of
from robbench.store.rows import Rows


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
        self.given = os.fspath(path)
        """As it was given, for commands that are pasted where the path was typed."""
        self.file_name = os.path.basename(self.path)
        """The last part of the path, for messages."""
        self._file = opened(self.path)
        self.version = int(self._file.attrs["format_version"])
        """Of the format."""
        try:
            self.space: SearchSpace[Any] = space_of(self.path, self._file)
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
        name = self._file.attrs["default_dataset"]
        if not isinstance(name, str) or name not in self._trainings:
            raise DamagedStore(f"{self.path}: its default dataset is {name!r}; it holds {', '.join(self._trainings)}.")
        return name

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
                self._headers[name] = self._header(name)
        return self._headers[name]

    def shape(self, name: Name) -> tuple[int, ...]:
        """``(rows, axes…)``."""
        return tuple(self._dataset(path_of(name)).shape)

    def blocks(self, name: Name) -> Iterator[slice]:
        """Rows of an array that stand together in the file, to be read one after the other where all are too many."""
        with damage_named(self.path, path_of(name)):
            return blocks(self._dataset(path_of(name)))

    def read(self, name: Name, row: int | slice | None = None) -> np.ndarray:
        """The values of an array, of one of its rows, or of a slice of them: float64, NaN where nothing was measured.

        Raises:
            DamagedStore: a chunk does not match its checksum.
        """
        header = self.header(name)
        with damage_named(self.path, path_of(name)):
            dataset = self._dataset(path_of(name))
            values = unpack(dataset[()] if row is None else dataset[row], dataset.attrs.get("denominator"))
            check_values(header, values)
        return values

    def surrogates(self) -> list[tuple[str, str, str]]:
        """The (dataset, training, target) of every surrogate, sorted."""
        return sorted({(path[0], path[1], path[2]) for path in self._links("surrogates") if len(path) == 3})

    def about_surrogate(self, dataset: str, training: str, target: str) -> dict[str, Any]:
        """What is said of a surrogate, without reading its model."""
        path = path_of_surrogate(dataset, training, target)
        with damage_named(self.path, path):
            about: dict[str, Any] = json.loads(self._dataset(f"{path}/training_rows").attrs["about"])
        return about

    def training_rows(self, dataset: str, training: str, target: str) -> np.ndarray:
        """The rows that a surrogate was fitted on, without reading its model: ``(n,)``."""
        return self._read(f"{path_of_surrogate(dataset, training, target)}/training_rows")

    def surrogate(self, dataset: str, training: str, target: str) -> Fitted:
        """A surrogate, every array of it.

        Raises:
            DamagedStore: a part is missing, or does not match its checksum.
        """
        path = path_of_surrogate(dataset, training, target)
        about = self.about_surrogate(dataset, training, target)
        with damage_named(self.path, path):
            arrays = {name: self._dataset(f"{path}/{name}")[()] for name in self._file[path]}
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
        """The parts of the path of everything in a group."""
        found: list[str] = []
        with damage_named(self.path, f"/{group}"):
            if group in self._file:
                self._file[group].visititems(lambda path, _: found.append(path))
        return [list(map(unescaped, path.split("/"))) for path in found]

    def _dataset(self, path: str) -> Dataset:
        found = self._file[path]
        if not isinstance(found, Dataset):
            raise ValueError("it is a group; expected an array")
        found.check_size()
        return found

    def _header(self, name: Name) -> Header:
        dataset = self._dataset(path_of(name))
        header = header_of(dataset)
        count = len(self._file["/classes/key" if header.rows == "class" else f"/{self._exact}/spec"])
        if len(dataset) != count:
            raise ValueError(f"it has {len(dataset)} rows, and there are {count}")
        return header

    @property
    def _exact(self) -> str:
        return "cells" if self.version == 1 else "exact"

    def _read(self, path: str) -> np.ndarray:
        with damage_named(self.path, path):
            values: np.ndarray = self._dataset(path)[()]
        return values

    def _texts(self, path: str) -> tuple[str, ...]:
        texts = self._read(path).tolist()
        with damage_named(self.path, path):
            decoded = b"\0".join(texts).decode().split("\0") if texts else []  # all at once: one by one takes a third of a first answer
            if len(decoded) != len(texts):
                raise ValueError("its texts have null characters in them")
        return tuple(decoded)


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
