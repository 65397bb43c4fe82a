"""The store: one HDF5 file, format version 1.  The only module that knows the layout.

/                   attributes: format="robbench", format_version=1, space="nb201", default_dataset
/classes/key        (6466,)           S16      key of each isomorphism class (see spaces/identity.py)
/classes/spec       (6466,)           S        arch string of the representative: the evaluated cell where the index is known
/cells/spec         (15625,)          S        arch string of each exact cell
/cells/class        (15625,)          u2       row in /classes
/cells/published_index (15625,)       u2       index of the cell in NAS-Bench-201; only where a source brought it
/metrics/<dataset>/<training>/<name>/<measure>
                    (rows, axes…)     u2|f4|f8|u1 one array; attributes:
                        rows          "class" or "cell": what its first axis runs over
                        axes          names of the other axes, in order: eps, severity, seed, label, prediction, …
                        <axis>        the values along that axis: eps in units of images in [0, 1], seeds as integers; none where it only counts
                        denominator   u2 only: the value is the code / denominator, exactly; the code 65535 is "not measured"
                        unit          of the values
                        provenance    JSON: source, citation, recipe
/manifest           scalar            JSON: the path of every dataset → sha256 of its type, shape, attributes and bytes

Outcomes are u1: eight images a byte, the first in its highest bit.  Floats hold NaN where nothing was measured.  "/" in a name is written %2F.  Every chunk carries a fletcher32 checksum.  Groups that
this version does not know are left alone, and kept when a store is extended.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from robbench.arrays import MISSING, Array, Header, Name, as_floats, pack, unpack
from robbench.errors import Contradiction, DamagedStore, NewerFormat, NotAStore, StoreError
from robbench.spaces import nb201
from robbench.spaces.identity import class_partition

FORMAT = "robbench"
FORMAT_VERSION = 1
_CHUNK_BYTES = 1 << 20


class Changes(NamedTuple):
    """What `extend` did: names of arrays added, filled where they had gaps, and found already there."""

    added: list[Name]
    filled: list[Name]
    unchanged: list[Name]


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
        self.path = Path(path)
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

    def class_keys(self) -> list[str]:
        """The key of each class row."""
        return [key.decode() for key in self._read("/classes/key").tolist()]

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
        return self._groups(f"/metrics/{_escaped(dataset)}")

    def names(self) -> list[Name]:
        """Every array of measurements in the store, sorted."""
        found: list[Name] = []

        def visit(path: str, item: object) -> None:
            if isinstance(item, h5py.Dataset) and path.count("/") == 3:
                found.append(Name(*map(_unescaped, path.split("/"))))

        with _damage_named(self.path, "/metrics"):
            if "metrics" in self._file:
                self._file["metrics"].visititems(visit)
        return sorted(found)

    def __contains__(self, name: Name) -> bool:
        return _path(name) in self._file

    def header(self, name: Name) -> Header:
        """Rows, axes, unit and provenance of an array, without reading it."""
        with _damage_named(self.path, _path(name)):
            return _header(self._file[_path(name)])

    def shape(self, name: Name) -> tuple[int, ...]:
        """``(rows, axes…)``."""
        return tuple(self._file[_path(name)].shape)

    def read(self, name: Name, row: int | None = None) -> np.ndarray:
        """The values of an array, or of one of its rows: float64, NaN where nothing was measured.

        Raises:
            DamagedStore: a chunk does not match its checksum.
        """
        dataset = self._file[_path(name)]
        with _damage_named(self.path, _path(name)):
            return unpack(dataset[()] if row is None else dataset[row], dataset.attrs.get("denominator"))

    def _groups(self, path: str) -> list[str]:
        with _damage_named(self.path, path):
            return sorted(map(_unescaped, self._file[path]))

    def _read(self, path: str) -> np.ndarray:
        with _damage_named(self.path, path):
            values: np.ndarray = self._file[path][()]
        return values


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
        StoreError: the file at `path` is not a store that can be extended, or the folder cannot be written.
    """
    path = Path(path)
    changes = Changes([], [], [])
    with _new_file(path) as new:
        if path.exists():
            with Store(path) as old:
                for item in old._file:
                    with _damage_named(path, f"/{item}"):
                        old._file.copy(item, new)
                new.attrs.update(old._file.attrs)
        else:
            new.attrs.update(format=FORMAT, format_version=FORMAT_VERSION, space="nb201")
            _write_rows(new)
        manifest = json.loads(new["manifest"][()]) if "manifest" in new else {}
        indexed = published_index is not None and _add_index(new, published_index)
        for array in arrays:
            new.attrs.setdefault("default_dataset", array.name.dataset)
            getattr(changes, _put(new, array)).append(array.name)
        if not (changes.added or changes.filled or indexed):
            raise _Unchanged
        touched = {_path(name) for name in changes.added + changes.filled} | (_tables(new) if indexed or not manifest else set())
        manifest |= {item: _digest(new[item]) for item in sorted(touched)}
        new.pop("manifest", None)
        new["manifest"] = json.dumps(manifest, sort_keys=True, indent=0)
    return changes


def verify(path: str | os.PathLike[str]) -> int:
    """Read every byte of a store and compare it with the manifest.

    Returns:
        How many datasets were checked.

    Raises:
        DamagedStore: a dataset is missing, was added by another hand, or has changed; the message names it.
    """
    with Store(path) as store:
        with _damage_named(store.path, "/manifest"):
            manifest: dict[str, str] = json.loads(store._file["manifest"][()])
        present = _datasets(store._file)
        for item in sorted(present | manifest.keys()):
            if item not in present:
                raise DamagedStore(
                    f"{path}: {item} is in the manifest and not in the file; restore the file from a copy, or build it again."
                )
            if item not in manifest:
                raise DamagedStore(f"{path}: {item} is in the file and not in the manifest; it was not put there by RobBench.")
            with _damage_named(store.path, item):
                digest = _digest(store._file[item])
            if digest != manifest[item]:
                raise DamagedStore(f"{path}: {item} has changed since it was written; restore the file from a copy, or build it again.")
    return len(manifest)


def _open(path: Path) -> h5py.File:
    if path.is_dir():
        raise NotAStore(f"{path} is a folder; expected a store, which is one file.")
    if not path.is_file():
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
    with _damage_named(path, "/"):
        if isinstance(found := file.attrs.get("format"), str) and found == FORMAT:
            version = int(file.attrs["format_version"])
    if version is None:
        file.close()
        raise NotAStore(f"{path} is an HDF5 file, but not a RobBench store (no attribute format={FORMAT!r}).")
    if version > FORMAT_VERSION:
        file.close()
        raise NewerFormat(f"{path} is of format version {version}; this RobBench reads up to {FORMAT_VERSION}. Install a newer RobBench.")
    return file


@contextmanager
def _damage_named(path: Path, item: str) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise DamagedStore(f"{path}: {item} cannot be read: {error}. Restore the file from a copy, or build it again.") from error


class _Unchanged(Exception):
    """Nothing to write: leave the old file as it is."""


class _Disk(io.FileIO):
    """What HDF5 writes to.  It crashes on an error that is raised while it closes a file, so the first one is kept for `_new_file`."""

    error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all of it, unless the disk has failed."""
        rest = memoryview(data).cast("B")
        while rest and self.error is None:
            try:
                rest = rest[super().write(rest) :]
            except OSError as error:
                self.error = error
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        """Cut or extend, unless the disk has failed."""
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return self.tell()


@contextmanager
def _new_file(path: Path) -> Iterator[h5py.File]:
    """A new HDF5 file that takes the place of `path` when the block ends, and leaves no trace if it does not."""
    from robbench.atomic import replacing

    if not path.parent.is_dir():
        raise StoreError(f"{path.parent} is not a folder; make it first, or name another path for the store.")
    from_block: BaseException | None = None
    try:
        with replacing(path) as buffer:
            disk = _Disk(buffer.fileno(), "r+", closefd=False)
            try:
                with h5py.File(disk, "w") as file:
                    try:
                        yield file
                    except BaseException as error:
                        from_block = error
                        raise
            finally:
                if disk.error is not None:  # whatever else went wrong follows from this
                    raise disk.error
    except _Unchanged:
        return
    except OSError as error:
        if error is from_block:  # of reading what was to be written
            raise
        raise StoreError(f"{path} could not be written: {error}. What was there before is unchanged.") from error


def _path(name: Name) -> str:
    return "/metrics/" + "/".join(map(_escaped, name))


def _escaped(part: str) -> str:
    return part.replace("%", "%25").replace("/", "%2F")


def _unescaped(part: str) -> str:
    return part.replace("%2F", "/").replace("%25", "%")


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
    path = _path(array.name)
    if path not in file:
        _write(file, array)
        return "added"
    present = file[path]
    header = _header(present)
    if (header.rows, list(header.axes.items())) != (
        array.header.rows,
        list(array.header.axes.items()),
    ) or present.shape != array.values.shape:
        raise Contradiction(_disagreement(array, header, f"the store's runs over {_axes(header)}, the new one over {_axes(array.header)}"))
    gaps = False
    for block in _blocks(present):
        with _damage_named(Path(file.filename), path):
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
    old = unpack(present[()], present.attrs.get("denominator"))
    del file[path]
    filled = np.where(np.isnan(old), as_floats(array.values), old)
    if array.values.dtype == np.uint16:
        filled = np.where(np.isnan(filled), MISSING, filled).astype(np.uint16)
    _write(file, array._replace(values=filled))
    return "filled"


def _check(array: Array) -> None:
    """Refuse an array that is not what its header says."""
    rows = {"class": len(class_partition().keys), "cell": nb201.SIZE}.get(array.header.rows)
    shape = (rows, *(len(points) or None for points in array.header.axes.values()))
    fits = len(shape) == array.values.ndim and all(want in (None, have) for want, have in zip(shape, array.values.shape, strict=True))
    if rows is None or not (fits or "image" in array.header.axes):
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
    dataset = _create(file, _path(array.name), values)
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


def _create(file: h5py.File, path: str, values: np.ndarray) -> h5py.Dataset:
    row_bytes = values.dtype.itemsize * math.prod(values.shape[1:])
    rows = max(1, min(len(values), _CHUNK_BYTES // row_bytes))
    dataset = file.create_dataset(
        path, values.shape, values.dtype, chunks=(rows, *values.shape[1:]), compression="gzip", shuffle=True, fletcher32=True
    )
    for block in _blocks(dataset):
        dataset[block] = values[block]
    return dataset


def _blocks(dataset: h5py.Dataset) -> Iterator[slice]:
    """Slices of rows, one chunk each: what is big passes through memory a chunk at a time."""
    rows = dataset.chunks[0] if dataset.chunks else len(dataset)
    return (slice(start, start + rows) for start in range(0, len(dataset), rows))


def _header(dataset: h5py.Dataset) -> Header:
    attributes = dataset.attrs
    axes = {str(axis): list(attributes[axis].tolist()) if axis in attributes else [] for axis in attributes["axes"]}
    return Header(str(attributes["rows"]), axes, str(attributes["unit"]), json.loads(attributes["provenance"]))


def _datasets(file: h5py.File) -> set[str]:
    """The paths of all datasets in the groups that this format knows."""
    found: set[str] = set()
    for group in ("classes", "cells", "metrics"):
        if group in file:
            file[group].visititems(
                lambda path, item, group=group: found.add(f"/{group}/{path}") if isinstance(item, h5py.Dataset) else None
            )
    return found


def _tables(file: h5py.File) -> set[str]:
    return {f"/{group}/{name}" for group in ("classes", "cells") for name in file[group]}


def _digest(dataset: h5py.Dataset) -> str:
    attributes = {name: value.tolist() if isinstance(value, np.ndarray | np.generic) else value for name, value in dataset.attrs.items()}
    digest = hashlib.sha256(json.dumps([dataset.dtype.str, dataset.shape, attributes], sort_keys=True, default=repr).encode())
    for block in _blocks(dataset):
        digest.update(np.ascontiguousarray(dataset[block]).tobytes())
    return digest.hexdigest()
