"""Making and extending a store."""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from robbench.store.arrays import MISSING, Array, Fitted, Header, Name, as_floats, pack, unpack
from robbench.errors import Contradiction, StoreError
from robbench.spaces import nb201
from robbench.spaces.nb201.identity import class_partition
from robbench.store.layout import (
    FORMAT,
    FORMAT_VERSION,
    blocks,
    damage_named,
    digest_of,
    header_of,
    path_of,
    path_of_surrogate,
    paths_of_rows,
)
from robbench.store.reading import Store

_CHUNK_BYTES = 1 << 20


class Changes(NamedTuple):
    """What `extend` did: names of arrays added, filled where they had gaps, and found already there."""

    added: list[Name]
    filled: list[Name]
    unchanged: list[Name]


def extend(path: str | os.PathLike[str], arrays: Iterable[Array], published_index: np.ndarray | None = None) -> Changes:
    """Put arrays into a store, which is made if there is none; all of them, or none.

    The new file takes the old one's place when it is complete, so a reader or a crash never sees half of it.  Where every array is
    already there, the file is not touched.  Arrays are taken one at a time, so they may be made one at a time.

    Arguments:
        path: the store.
        arrays: measurements over all classes, or all cells, in the order of `spaces.nb201`.
        published_index: ``(15625,)``: the index in NAS-Bench-201 of each cell; None if the source has none.

    Returns:
        What changed.

    Raises:
        Contradiction: an array differs from what the store holds under its name, or the index does.
        StoreError: the file at `path` is not a store that can be extended, or is read-only, or the folder cannot be written.
    """
    from robbench.store.atomic import replacing_hdf5

    path = Path(path)
    if not path.parent.is_dir():
        raise StoreError(f"{path.parent} is not a folder; make it first, or name another path for the store.")
    try:
        with replacing_hdf5(path) as new:
            changes = _fill(new, path, arrays, published_index)
            _refuse_read_only(path)
        if changes.filled:  # what was replaced would stay in the file as dead space
            with replacing_hdf5(path) as new:
                _copy(path, new)
    except _Unchanged as nothing:
        return nothing.changes
    except OSError as error:
        raise StoreError(f"{path} could not be written: {error}. What was there before is unchanged.") from error
    return changes


def put_surrogate(path: str | os.PathLike[str], fitted: Fitted) -> None:
    """Put a surrogate into a store, in the place of one of the same dataset, training and target.

    The new file takes the old one's place when it is complete.

    Raises:
        StoreError: the file at `path` is not a store, is read-only, or cannot be written; it stays as it was.
    """
    from robbench.store.atomic import replacing_hdf5

    path = Path(path)
    with Store(path):  # else there would be nothing to copy
        pass
    _refuse_read_only(path)
    try:
        with replacing_hdf5(path) as new:
            _put_surrogate(new, path, fitted)
    except OSError as error:
        raise StoreError(f"{path} could not be written: {error}. What was there before is unchanged.") from error


def _refuse_read_only(path: Path) -> None:
    if path.exists() and not path.stat().st_mode & stat.S_IWUSR:  # the folder may still let it be replaced
        raise StoreError(f"{path} is read-only, so nothing can be put into it; copy it, or make it writable.")


def _put_surrogate(new: h5py.File, path: Path, fitted: Fitted) -> None:
    where = path_of_surrogate(fitted.dataset, fitted.training, fitted.target)
    _copy(path, new, but=where)
    parts = {"training_rows": fitted.training_rows, "calibration": fitted.calibration, **fitted.arrays}
    for name, values in parts.items():
        # Weights, which are float32, hardly shrink, and to inflate them takes as long as to read them and everything else.
        _create(new, f"{where}/{name}", values, compression=None if values.dtype == np.float32 else "gzip")
    new[where]["training_rows"].attrs["about"] = json.dumps(fitted.about, sort_keys=True)
    manifest = {item: digest for item, digest in json.loads(new["manifest"][()]).items() if not item.startswith(f"{where}/")}
    manifest |= {f"{where}/{name}": digest_of(new[f"{where}/{name}"]) for name in parts}
    _write_manifest(new, manifest)


class _Unchanged(Exception):
    """Everything is in the store already, so the file is not to be replaced."""

    def __init__(self, changes: Changes) -> None:
        super().__init__()
        self.changes = changes


def _fill(new: h5py.File, path: Path, arrays: Iterable[Array], published_index: np.ndarray | None) -> Changes:
    """Write what is at `path` and the arrays into a new file; raises _Unchanged where that would be the same again."""
    if path.exists():
        _copy(path, new)
    else:
        new.attrs.update(format=FORMAT, format_version=FORMAT_VERSION, space="nb201")
        _write_rows(new)
    manifest = json.loads(new["manifest"][()]) if "manifest" in new else {}
    indexed = published_index is not None and _add_index(new, published_index)
    changes = Changes([], [], [])
    for array in arrays:
        new.attrs.setdefault("default_dataset", array.name.dataset)
        getattr(changes, _put(new, array)).append(array.name)
    if not (changes.added or changes.filled or indexed):
        raise _Unchanged(changes)
    touched = {path_of(name) for name in changes.added + changes.filled} | (paths_of_rows(new) if indexed or not manifest else set())
    manifest |= {item: digest_of(new[item]) for item in sorted(touched)}
    _write_manifest(new, manifest)
    return changes


def _write_manifest(file: h5py.File, manifest: dict[str, str]) -> None:
    file.pop("manifest", None)
    file["manifest"] = json.dumps(manifest, sort_keys=True, indent=0)


def _copy(path: Path, new: h5py.File, but: str = "") -> None:
    """Copy all that is in a store, also what this version does not know; but not what is to be replaced, whose space would stay."""
    with Store(path) as old:

        def copy(item: str) -> None:
            if but.startswith(f"{item}/"):
                for name in old._file[item]:
                    copy(f"{item}/{name}")
            elif item != but:
                old._file.copy(item, new.require_group(item.rpartition("/")[0] or "/"))

        for name in old._file:
            with damage_named(path, f"/{name}"):
                copy(f"/{name}")
        new.attrs.update(old._file.attrs)


def _write_rows(file: h5py.File) -> None:
    """The rows that every store of NAS-Bench-201 has, in the order of `spaces.nb201.cells`."""
    partition = class_partition()
    specs = np.array([str(cell).encode() for cell in nb201.cells()])
    _create(file, "/classes/key", np.array([key.encode() for key in partition.keys]))
    _create(file, "/classes/spec", specs[list(partition.representative)])
    _create(file, "/cells/spec", specs)
    _create(file, "/cells/class", np.array(partition.group, np.uint16))


def _add_index(file: h5py.File, index: np.ndarray) -> bool:
    """Write the published index, and make the evaluated cell of each class (its lowest index) the representative."""
    if "cells/published_index" in file:
        if not np.array_equal(file["cells/published_index"][()], index):
            raise Contradiction("the source numbers the cells of NAS-Bench-201 in another way than the store does; one of them is damaged.")
        return False
    _create(file, "/cells/published_index", index.astype(np.uint16))
    order = np.lexsort((index, file["cells/class"][()]))
    _, first = np.unique(file["cells/class"][()][order], return_index=True)
    file["classes/spec"][...] = file["cells/spec"][()][order[first]]
    return True


def _put(file: h5py.File, array: Array) -> str:
    """Write an array, or compare it with the one that is there; returns the field of `Changes` that it belongs to."""
    _check(array)
    path = path_of(array.name)
    if path not in file:
        _write(file, array)
        return "added"
    present = file[path]
    header = header_of(present)
    if (header.rows, list(header.axes.items())) != (
        array.header.rows,
        list(array.header.axes.items()),
    ) or present.shape != array.values.shape:
        raise Contradiction(_disagreement(array, header, f"the store's runs over {_axes(header)}, the new one over {_axes(array.header)}"))
    gaps = False
    for block in blocks(present):
        with damage_named(Path(file.filename), path):
            old = unpack(present[block], present.attrs.get("denominator"))
        new = as_floats(array.values[block])
        differ = (old != new) & ~np.isnan(old) & ~np.isnan(new)
        if differ.any():
            where = tuple(index[0] for index in np.nonzero(differ))
            row = where[0] + block.start
            spec = file["classes/spec" if header.rows == "class" else "cells/spec"][row].decode()
            raise Contradiction(_disagreement(array, header, f"for {spec} the store has {old[where]:g}, the new one {new[where]:g}"))
        gaps |= bool((np.isnan(old) & ~np.isnan(new)).any())
    if not gaps:
        return "unchanged"
    if header.provenance.get("source") != array.header.provenance.get("source"):
        raise Contradiction(_disagreement(array, header, "it would fill gaps with numbers of another source"))
    filled = array.values.copy()
    for block in blocks(present):  # in the type of the values: as floats, confusion matrices may not fit in memory
        old, missing = unpack(present[block], present.attrs.get("denominator")), np.isnan(as_floats(filled[block]))
        filled[block][missing] = (np.where(np.isnan(old), MISSING, old) if filled.dtype == np.uint16 else old)[missing]
    del file[path]
    _write(file, array._replace(values=filled))
    return "filled"


def _check(array: Array) -> None:
    """Refuse an array that is not what its header says."""
    rows = {"class": len(class_partition().keys), "cell": nb201.SIZE}.get(array.header.rows)
    shape = (rows, *(len(points) or None for points in array.header.axes.values()))
    fits = len(shape) == array.values.ndim and all(want in (None, have) for want, have in zip(shape, array.values.shape, strict=True))
    if rows is None or not fits:
        raise StoreError(f"{array.name} has values of shape {array.values.shape}; expected {shape} for {_axes(array.header)}.")
    if any(part in ("", ".", "..") for part in array.name):
        raise StoreError(f"{array.name} has an empty part, or a part that is only dots; each of its four parts needs a name.")


def _disagreement(array: Array, present: Header, what: str) -> str:
    old, new = (" ".join(str(header.provenance.get(field, "?")) for field in ("source", "file")) for header in (present, array.header))
    return (
        f"{array.name} in the store is from {old} and differs from the one of {new}: {what}."
        " To keep both, import the new one under another training protocol's name (--training)."
    )


def _axes(header: Header) -> str:
    return f"{header.rows} rows" + "".join(f", {name} {values}" for name, values in header.axes.items())


def _write(file: h5py.File, array: Array) -> None:
    values, denominator = pack(array.values, array.header.provenance.get("images"))
    dataset = _create(file, path_of(array.name), values)
    header = array.header
    dataset.attrs["rows"] = header.rows
    dataset.attrs["axes"] = list(header.axes)
    for axis, points in header.axes.items():
        if points:
            dataset.attrs[axis] = points
    if denominator is not None:
        dataset.attrs["denominator"] = denominator
    dataset.attrs["unit"] = header.unit
    dataset.attrs["provenance"] = json.dumps(header.provenance, sort_keys=True)


def _create(file: h5py.File, path: str, values: np.ndarray, compression: str | None = "gzip") -> h5py.Dataset:
    row_bytes = values.dtype.itemsize * math.prod(values.shape[1:])
    rows = max(1, min(len(values), _CHUNK_BYTES // row_bytes))
    dataset = file.create_dataset(
        path,
        values.shape,
        values.dtype,
        chunks=(rows, *values.shape[1:]),
        compression=compression,
        shuffle=bool(compression),
        fletcher32=True,
    )
    for block in blocks(dataset):
        dataset[block] = values[block]
    return dataset
