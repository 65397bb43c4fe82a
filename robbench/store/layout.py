"""The layout's names and encodings, shared by reading and writing; the package's docstring draws it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np

from robbench.errors import DamagedStore
from robbench.store.arrays import Header, Name

FORMAT = "robbench"
FORMAT_VERSION = 2
ROOT = "/"
"""Where the manifest has the digest of the root attributes."""
ROOT_ATTRIBUTES = ("format", "format_version", "space", "default_dataset")
VERSION_1_SPACE = "nb201"
VERSION_1_ROWS = {"cell": "exact"}
"""What version 1 called the kinds of rows, where it called them otherwise."""


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
    rows = str(attributes["rows"])
    return Header(VERSION_1_ROWS.get(rows, rows), axes, str(attributes["unit"]), json.loads(attributes["provenance"]))


def paths_of_datasets(file: h5py.File) -> set[str]:
    """The paths of all datasets in the groups that this format knows."""
    found: set[str] = set()
    for group in ("classes", "cells", "exact", "metrics", "surrogates"):
        if group in file:
            file[group].visititems(
                lambda path, item, group=group: found.add(f"/{group}/{path}") if isinstance(item, h5py.Dataset) else None
            )
    return found


def paths_of_rows(file: h5py.File) -> set[str]:
    return {f"/{group}/{name}" for group in ("classes", "exact") for name in file[group]}


def digest_of(dataset: h5py.Dataset) -> str:
    digest = hashlib.sha256(_as_json([dataset.dtype.str, dataset.shape, _plain(dict(dataset.attrs.items()))]))
    for block in blocks(dataset):
        digest.update(np.ascontiguousarray(dataset[block]).tobytes())
    return digest.hexdigest()


def digest_of_root(file: h5py.File) -> str:
    return hashlib.sha256(_as_json(_plain({name: file.attrs[name] for name in ROOT_ATTRIBUTES if name in file.attrs}))).hexdigest()


def _plain(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: value.tolist() if isinstance(value, np.ndarray | np.generic) else value for name, value in attributes.items()}


def _as_json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, default=repr).encode()


@contextmanager
def damage_named(path: str | os.PathLike[str], item: str) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise DamagedStore(f"{path}: {item} cannot be read: {error}. Restore the file from a copy, or build it again.") from error
