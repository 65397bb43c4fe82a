"""The layout's names and encodings, shared by reading and writing; the package's docstring draws it."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from robbench.errors import DamagedStore
from robbench.store.arrays import DENOMINATORS, Header, Name

if TYPE_CHECKING:
    import h5py

    from robbench.store.chunks import Dataset
    from robbench.store.hdf5 import Group

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
    return part.replace("%2F", "/").replace("%25", "%") if "%" in part else part


def blocks(dataset: Dataset | h5py.Dataset) -> Iterator[slice]:
    """Slices of rows, one chunk each: what is big passes through memory a chunk at a time."""
    rows = dataset.chunks[0] if dataset.chunks else len(dataset)
    return (slice(start, start + rows) for start in range(0, len(dataset), rows))


def header_of(dataset: Dataset | h5py.Dataset) -> Header:
    """The header of an array; raises ValueError, KeyError or TypeError where its attributes are not those of one, or do not fit the array."""
    attributes = dataset.attrs
    axes = {_text(axis): list(attributes[axis].tolist()) if axis in attributes else [] for axis in attributes["axes"]}
    rows = _text(attributes["rows"])
    header = Header(VERSION_1_ROWS.get(rows, rows), axes, _text(attributes["unit"]), json.loads(_text(attributes["provenance"])))
    check_header(header, dataset.shape, dataset.dtype, attributes.get("denominator"))
    return header


def check_header(header: Header, shape: tuple[int, ...], dtype: np.dtype[Any], denominator: Any) -> None:
    """Raise ValueError where a header does not fit an array of this shape and type."""
    if header.rows not in ("class", "exact"):
        raise ValueError(f"its rows are {header.rows!r}; expected 'class' or 'exact'")
    if len(shape) != 1 + len(header.axes) or any(
        points and len(points) != size for points, size in zip(header.axes.values(), shape[1:], strict=False)
    ):
        raise ValueError(f"it is of shape {shape}, and its axes have {[len(points) for points in header.axes.values()]} points")
    for axis in (header.level_axis, "seed" if "seed" in header.axes else None):
        if axis is not None and not (
            header.axes[axis] and all(isinstance(point, int | float) and math.isfinite(point) for point in header.axes[axis])
        ):
            raise ValueError(f"its axis {axis} is {header.axes[axis]}; expected finite numbers")
    if not isinstance(header.provenance, dict):
        raise ValueError("its provenance is not an object")
    images = header.provenance.get("images", 1)
    if not isinstance(images, int) or images < 1 or ("image" in header.axes and "images" not in header.provenance):
        raise ValueError(f"it is of {images!r} images; expected a number of them")
    if dtype == np.uint8 and (list(header.axes)[-1:] != ["image"] or shape[-1] != -(-images // 8)):
        raise ValueError("its outcomes are not eight images a byte")
    if dtype not in (np.uint8, np.uint16, np.float32, np.float64):
        raise ValueError(f"its type is {dtype}")
    possible = (1, *DENOMINATORS, images) if dtype == np.uint16 else (None,)
    if not (denominator is None or isinstance(denominator, int | np.integer)) or denominator not in possible:
        raise ValueError(f"its denominator is {denominator!r}, its type {dtype}, and it is of {images} images")


def check_values(header: Header, values: np.ndarray) -> None:
    """Raise ValueError where fractions ``(rows, axes…)``, of which NaN is missing, are not in [0, 1]."""
    if header.unit == "fraction" and values.dtype.kind == "f":
        measured = values[~np.isnan(values)]
        if measured.size and not (measured.min() >= 0 and measured.max() <= 1):
            raise ValueError("its fractions are not in [0, 1]")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.80} is not text")
    return value


def paths_of_datasets(file: Group | h5py.File) -> set[str]:
    """The paths of all datasets in the groups that this format knows."""
    found: set[str] = set()
    for group in ("classes", "cells", "exact", "metrics", "surrogates"):
        if group in file:
            file[group].visititems(lambda path, item, group=group: found.add(f"/{group}/{path}") if hasattr(item, "shape") else None)
    return found


def digest_of(dataset: Dataset | h5py.Dataset) -> str:
    digest = hashlib.sha256(_as_json([dataset.dtype.str, dataset.shape, _plain(dict(dataset.attrs.items()))]))
    for block in blocks(dataset):
        digest.update(np.ascontiguousarray(dataset[block]).tobytes())
    return digest.hexdigest()


def digest_of_root(file: Group | h5py.File) -> str:
    return hashlib.sha256(_as_json(_plain({name: file.attrs[name] for name in ROOT_ATTRIBUTES if name in file.attrs}))).hexdigest()


def _plain(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: value.tolist() if isinstance(value, np.ndarray | np.generic) else value for name, value in attributes.items()}


def _as_json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, default=repr).encode()


@contextmanager
def damage_named(path: str | os.PathLike[str], item: str) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise DamagedStore(f"{path}: {item} cannot be read: {error}. Restore the file from a copy, or build it again.") from error
