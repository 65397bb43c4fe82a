"""The layout's names and encodings, shared by reading and writing; the package's docstring draws it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

import h5py
import numpy as np

from robbench.store.arrays import Header, Name
from robbench.errors import DamagedStore

FORMAT = "robbench"
FORMAT_VERSION = 1


def path_of(name: Name) -> str:
    return "/metrics/" + "/".join(map(escaped, name))


def path_of_surrogate(dataset: str, training: str, target: str) -> str:
    return "/surrogates/" + "/".join(map(escaped, (dataset, training, target)))


def escaped(part: str) -> str:
    return part.replace("%", "%25").replace("/", "%2F")


def unescaped(part: str) -> str:
    return part.replace("%2F", "/").replace("%25", "%")


def blocks(dataset: h5py.Dataset) -> Iterator[slice]:
    """Slices of rows, one chunk each: what is big passes through memory a chunk at a time."""
    rows = dataset.chunks[0] if dataset.chunks else len(dataset)
    return (slice(start, start + rows) for start in range(0, len(dataset), rows))


def header_of(dataset: h5py.Dataset) -> Header:
    attributes = dataset.attrs
    axes = {str(axis): list(attributes[axis].tolist()) if axis in attributes else [] for axis in attributes["axes"]}
    return Header(str(attributes["rows"]), axes, str(attributes["unit"]), json.loads(attributes["provenance"]))


def paths_of_datasets(file: h5py.File) -> set[str]:
    """The paths of all datasets in the groups that this format knows."""
    found: set[str] = set()
    for group in ("classes", "cells", "metrics", "surrogates"):
        if group in file:
            file[group].visititems(
                lambda path, item, group=group: found.add(f"/{group}/{path}") if isinstance(item, h5py.Dataset) else None
            )
    return found


def paths_of_rows(file: h5py.File) -> set[str]:
    return {f"/{group}/{name}" for group in ("classes", "cells") for name in file[group]}


def digest_of(dataset: h5py.Dataset) -> str:
    attributes = {name: value.tolist() if isinstance(value, np.ndarray | np.generic) else value for name, value in dataset.attrs.items()}
    digest = hashlib.sha256(json.dumps([dataset.dtype.str, dataset.shape, attributes], sort_keys=True, default=repr).encode())
    for block in blocks(dataset):
        digest.update(np.ascontiguousarray(dataset[block]).tobytes())
    return digest.hexdigest()


@contextmanager
def damage_named(path: str | os.PathLike[str], item: str) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise DamagedStore(f"{path}: {item} cannot be read: {error}. Restore the file from a copy, or build it again.") from error
