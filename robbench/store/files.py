"""What a store file is written with: copies of stores, datasets, arrays, the manifest."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Collection, Iterable

import h5py
import numpy as np

from robbench.store.arrays import Array, Name, pack
from robbench.store.blockwise import Blocks
from robbench.store.chunks import FLETCHER32, GZIP, SHUFFLE, Dataset
from robbench.store.hdf5 import Group
from robbench.store.layout import (
    FORMAT_VERSION,
    ROOT,
    VERSION_1_ROWS,
    blocks,
    damage_named,
    digest_of,
    digest_of_root,
    path_of,
    paths_of_datasets,
    unescaped,
)
from robbench.store.opening import check_everything
from robbench.store.reading import Store
from robbench.store.structures import TEXT

_CHUNK_BYTES = 1 << 20


def copied(path: str | os.PathLike[str], new: h5py.File, but: Collection[str] = ()) -> dict[str, str]:
    """Copy all that is in a store, also what this version does not know; but not what is to be replaced or left out, paths of which are given.

    Returns:
        The manifest, which the new file has, too.
    """
    with Store(path) as old:
        check_everything(old.path, old._file)
        with damage_named(path, "/"):
            _copy_group(old._file, new, but)
        version = old.version
    manifest: dict[str, str] = json.loads(new["manifest"][()])
    return _upgraded(new, manifest) if version == 1 else manifest


def _copy_group(old: Group, new: h5py.Group, but: Collection[str]) -> None:
    _copy_attributes(old, new)
    for name in old:
        item = old[name]
        if item.name in but:
            continue
        if isinstance(item, Group):
            _copy_group(item, new.create_group(name.encode()), but)  # as bytes: for others than ASCII, HDF5 would write newer structures
        else:
            _copy_dataset(item, new)


def _copy_dataset(old: Dataset, new: h5py.Group) -> None:
    name = old.name.rpartition("/")[2].encode()
    if old.chunks is None:
        dataset = new.create_dataset(name, data=old[()], dtype=h5py.string_dtype() if old.dtype == TEXT else old.dtype)
    else:
        packed = {
            "compression": "gzip" if GZIP in old.filters else None,
            "shuffle": SHUFFLE in old.filters,
            "fletcher32": FLETCHER32 in old.filters,
        }
        dataset = new.create_dataset(name, old.shape, old.dtype, chunks=old.chunks, **packed)
        for offset, skipped, content in old.packed_chunks():
            dataset.id.write_direct_chunk(offset, content, skipped)
    _copy_attributes(old, dataset)


def _copy_attributes(old: Group | Dataset, new: h5py.Group | h5py.Dataset) -> None:
    for name, value in old.attrs.items():
        new.attrs.create(name, value, dtype=h5py.string_dtype() if np.asarray(value).dtype == TEXT else None)


def _upgraded(new: h5py.File, manifest: dict[str, str]) -> dict[str, str]:
    """Turn what was copied from a store of version 1 into version 2, and give its manifest."""
    new.move("cells", "exact")
    manifest = {item: digest for item, digest in manifest.items() if not item.startswith("/cells/")}
    for item in ("/exact/class", "/exact/published_index", *(path for path in paths_of_datasets(new) if path.endswith("/training_rows"))):
        if item in new:
            values, attributes = new[item][()], dict(new[item].attrs.items())
            del new[item]
            create_dataset(new, item, values.astype(np.uint32)).attrs.update(attributes)
    for name in names_in(new):
        attributes = new[path_of(name)].attrs
        attributes["rows"] = VERSION_1_ROWS.get(attributes["rows"], attributes["rows"])
    new.attrs["format_version"] = FORMAT_VERSION
    return write_manifest(new, manifest, changed=paths_of_datasets(new))


def names_in(file: h5py.File) -> list[Name]:
    """The names of all arrays of measurements."""
    paths = (path.split("/")[2:] for path in paths_of_datasets(file) if path.startswith("/metrics/"))
    return [Name(*map(unescaped, parts)) for parts in paths]


def write_manifest(file: h5py.File, manifest: dict[str, str], changed: Iterable[str]) -> dict[str, str]:
    """Take the digests of what changed, and write the manifest."""
    manifest = {**manifest, **{item: digest_of(file[item]) for item in sorted(changed)}, ROOT: digest_of_root(file)}
    file.pop("manifest", None)
    file["manifest"] = json.dumps(manifest, sort_keys=True, indent=0)
    return manifest


def write_array(file: h5py.File, array: Array) -> None:
    """Write an array; one of its name that is there is taken out when it is written, so that it can be made of that."""
    path, header = path_of(array.name), array.header
    values, denominator = _packed(array)
    dataset = create_dataset(file, None, values)
    dataset.attrs["rows"] = header.rows
    dataset.attrs["axes"] = list(header.axes)
    for axis, points in header.axes.items():
        if points:
            dataset.attrs[axis] = points
    if denominator is not None:
        dataset.attrs["denominator"] = denominator
    dataset.attrs["unit"] = header.unit
    dataset.attrs["provenance"] = json.dumps(header.provenance, sort_keys=True)
    file.pop(path, None)
    file[path.encode()] = dataset


def _packed(array: Array) -> tuple[np.ndarray | Blocks, int | None]:
    if isinstance(array.values, np.ndarray) or array.values.dtype.kind == "f":
        return pack(array.values[:], array.header.provenance.get("images"))
    return array.values, 1 if array.values.dtype == np.uint16 else None  # of counts


def create_dataset(file: h5py.File, path: str | None, values: np.ndarray | Blocks, compression: str | None = "gzip") -> h5py.Dataset:
    """A new data set, which has no path yet where that is None."""
    row_bytes = values.dtype.itemsize * math.prod(values.shape[1:])
    rows = max(1, min(values.shape[0], _CHUNK_BYTES // row_bytes))
    dataset = file.create_dataset(
        path if path is None else path.encode(),
        values.shape,
        values.dtype,
        chunks=(rows, *values.shape[1:]),
        compression=compression,
        shuffle=bool(compression),
        fletcher32=True,
    )
    for block in blocks(dataset):
        dataset[block] = np.ma.filled(values[block], 0)  # what is masked are outcomes, and the accuracy says that they are missing
    return dataset
