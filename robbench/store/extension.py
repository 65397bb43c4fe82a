"""A store extended: rows joined, arrays added, compared, or filled where they had gaps."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from robbench.commands import command
from robbench.errors import Contradiction, StoreError
from robbench.store.arrays import MISSING, Array, Header, Name, as_floats, unpack
from robbench.store.blockwise import Blocks, placed, spread
from robbench.store.files import copied, create_dataset, names_in, write_array, write_manifest
from robbench.store.layout import FORMAT, FORMAT_VERSION, blocks, check_header, check_values, damage_named, header_of, path_of
from robbench.store.reading import Store
from robbench.store.rows import Rows


class Changes(NamedTuple):
    """What `extend` did: names of arrays added, filled where they had gaps, and found already there; and how many rows were added."""

    added: list[Name]
    filled: list[Name]
    unchanged: list[Name]
    rows: int


Joined = Callable[[Name, dict[str, Any], dict[str, Any]], dict[str, Any] | None]
"""From an array's name and the provenances of what the store holds of it and of what would fill its gaps: the provenance of both together; None where
they do not go together."""


def of_one_source(name: Name, present: dict[str, Any], new: dict[str, Any]) -> dict[str, Any] | None:
    """Numbers of one source go together, whichever they are."""
    return new if present.get("source") == new.get("source") else None


class Unchanged(Exception):
    """Everything is in the store already, so the file is not to be replaced."""

    def __init__(self, changes: Changes) -> None:
        super().__init__()
        self.changes = changes


class Extension:
    """A new file with what is at `path`, which arrays are put into.

    Arguments:
        new: the file, still empty.
        path: the store that it extends, if there is one.
        rows: what the arrays run over.
        joined: says what may fill the gaps of what.
    """

    def __init__(self, new: h5py.File, path: str | os.PathLike[str], rows: Rows, joined: Joined) -> None:
        self.file, self.path, self.rows, self._joined = new, path, rows, joined
        self.changed: set[str] = set()
        """Paths of datasets whose digests are to be taken."""
        self._unmeasured: dict[Name, np.ndarray | None] = {}
        self._given: dict[Name, np.ndarray] = {}
        """Accuracy → where the one that is put in lacks a measurement."""
        if Path(path).exists():
            held = _held_rows(path, rows)
            self.manifest = copied(path, new)
            self.union = held.joined(rows)
            self.added_rows = len(self.union.exact) - len(held.exact)
            if self.added_rows:
                self._add_rows(held)
        else:
            self.manifest, self.union, self.added_rows = {}, rows, 0
            new.attrs.update(format=FORMAT, format_version=FORMAT_VERSION, space=rows.space)
            self._write_rows()
        self.places = {kind: self.union.places(kind, rows) for kind in ("class", "exact")}

    def put(self, arrays: Iterable[Array], published_index: np.ndarray | None) -> Changes:
        """Write the arrays; raises Unchanged where the file would be the same again."""
        indexed = published_index is not None and self._put_index(published_index)
        changes = Changes([], [], [], self.added_rows)
        for array in arrays:
            self.file.attrs.setdefault("default_dataset", array.name.dataset)
            masked = self._masked(array)
            self._put(self._placed(masked if path_of(array.name) in self.file else array), changes)
            del array, masked  # before the next is made: it may be large
        if not (changes.added or changes.filled or changes.rows or indexed):
            raise Unchanged(changes)
        write_manifest(self.file, self.manifest, changed=self.changed)
        return changes

    def _write_rows(self) -> None:
        for path, values in {
            "/classes/key": np.array([key.encode() for key in self.union.keys]),
            "/classes/spec": np.array([spec.encode() for spec in self.union.classes]),
            "/exact/spec": np.array([spec.encode() for spec in self.union.exact]),
            "/exact/class": self.union.class_of,
        }.items():
            self.file.pop(path, None)
            create_dataset(self.file, path, values)
            self.changed.add(path)

    def _add_rows(self, held: Rows) -> None:
        """Pad every array with what says "not measured"; rows that were there keep their numbers."""
        if "exact/published_index" in self.file:
            raise StoreError(
                "the store carries a published index of all its architectures, so architectures without one cannot be added to it."
            )
        self._write_rows()
        for name in names_in(self.file):
            path, dataset = path_of(name), self.file[path_of(name)]
            rows = self.union.count(header_of(dataset).rows) or 0
            if rows > len(dataset):
                values = Blocks(dataset.shape, dataset.dtype, dataset.__getitem__)
                padded = create_dataset(self.file, None, placed(values, np.arange(len(dataset)), rows, _missing(dataset.dtype)))
                padded.attrs.update(dict(dataset.attrs.items()))
                del self.file[path]
                self.file[path.encode()] = padded
                self.changed.add(path)

    def _put_index(self, index: np.ndarray) -> bool:
        """Write the published index, and make the evaluated member of each class (that of the lowest index) its representative."""
        place = self.places["exact"]
        if place is not None and len(place) < len(self.union.exact):
            raise StoreError("the source numbers some of the store's architectures only; a store has a published index of all, or none.")
        if place is not None:
            index = index[np.argsort(place)]
        if "exact/published_index" in self.file:
            if not np.array_equal(self.file["exact/published_index"][()], index):
                raise Contradiction("the source numbers the architectures in another way than the store does; one of them is damaged.")
            return False
        create_dataset(self.file, "/exact/published_index", index.astype(np.uint32))
        order = np.lexsort((index, self.union.class_of))
        _, first = np.unique(self.union.class_of[order], return_index=True)
        self.file["classes/spec"][...] = self.file["exact/spec"][()][order[first]]
        self.changed |= {"/classes/spec", "/exact/published_index"}
        return True

    def _placed(self, array: Array) -> Array:
        """The array over the rows of the store."""
        _check(array, self.rows)
        array = _with_checked_values(array)
        place = self.places[array.header.rows]
        if place is None:
            return array
        rows = self.union.count(array.header.rows) or 0
        return array._replace(values=placed(array.values, place, rows, _missing(array.values.dtype)))

    def _put(self, array: Array, changes: Changes) -> None:
        """Write an array, or compare it with the one that is there, and note which."""
        path = path_of(array.name)
        array = self._over_all_seeds(array)
        if array.name.measure == "accuracy":
            self._unmeasured_before(array.name)
        if path not in self.file:
            write_array(self.file, array)
            changes.added.append(array.name)
        elif self._has_gaps_for(array):
            header = array.header._replace(provenance=self._provenance(array))
            write_array(self.file, self._filled(array._replace(header=header)))
            changes.filled.append(array.name)
        else:
            changes.unchanged.append(array.name)
            return
        self.changed.add(path)

    def _over_all_seeds(self, array: Array) -> Array:
        """The array over the store's seeds and then its own, to which the store's array is extended; as it is, where it differs in more than seeds."""
        path, axes = path_of(array.name), array.header.axes
        if path not in self.file:
            return array
        present = self.file[path]
        header = header_of(present)
        if header.axes == axes or {**header.axes, "seed": []} != {**axes, "seed": []}:
            return array
        held, seeds = header.axes["seed"], list(dict.fromkeys([*header.axes["seed"], *axes["seed"]]))
        axis = 1 + list(axes).index("seed")
        if len(seeds) > len(held):
            stored = Blocks(present.shape, present.dtype, present.__getitem__)
            grown = create_dataset(self.file, None, spread(stored, axis, range(len(held)), len(seeds), _missing(present.dtype)))
            grown.attrs.update({**present.attrs, "seed": seeds})
            del self.file[path]
            self.file[path] = grown
            self.changed.add(path)
        values = spread(array.values, axis, [seeds.index(seed) for seed in axes["seed"]], len(seeds), _missing(array.values.dtype))
        return array._replace(header=array.header._replace(axes={**axes, "seed": seeds}), values=values)

    def _has_gaps_for(self, array: Array) -> bool:
        """Whether the array has measurements that the one in the store lacks; raises Contradiction where they disagree."""
        present = self.file[path_of(array.name)]
        header = header_of(present)
        if (header.rows, list(header.axes.items()), present.shape) != (
            array.header.rows,
            list(array.header.axes.items()),
            array.values.shape,
        ):
            raise Contradiction(
                _disagreement(self.path, array, header, f"the store's runs over {_axes(header)}, the new one over {_axes(array.header)}")
            )
        gaps = False
        for block in blocks(present):
            old, lacking = self._stored(array.name, block)
            given = array.values[block]
            new, missing = as_floats(np.ma.getdata(given)), _is_missing(given)
            differ = (old != new) & ~lacking & ~missing
            if differ.any():
                where = tuple(index[0] for index in np.nonzero(differ))
                specs = self.union.classes if header.rows == "class" else self.union.exact
                spec = specs[where[0] + block.start]
                raise Contradiction(
                    _disagreement(self.path, array, header, f"for {spec} the store has {old[where]:g}, the new one {new[where]:g}")
                )
            gaps |= bool((lacking & ~missing).any())
        return gaps

    def _provenance(self, array: Array) -> dict[str, Any]:
        """Of an array and what the store holds of it, whose gaps it fills; raises Contradiction where they do not go together."""
        present = header_of(self.file[path_of(array.name)])
        joined = self._joined(array.name, present.provenance, array.header.provenance)
        if joined is None:
            raise Contradiction(_disagreement(self.path, array, present, "it would fill gaps with numbers of another source"))
        return joined

    def _filled(self, array: Array) -> Array:
        """The array with what the store has where it lacks a measurement."""

        def read(block: slice) -> np.ndarray:
            (old, lacking), filled = self._stored(array.name, block), array.values[block].copy()
            taken = _is_missing(filled) & ~lacking
            filled[taken] = old[taken]
            return filled

        return array._replace(values=Blocks(array.values.shape, array.values.dtype, read))

    def _stored(self, name: Name, block: slice) -> tuple[np.ndarray, np.ndarray]:
        """Some rows of an array in the store, and where nothing was measured: both ``(rows, axes…)``."""
        present = self.file[path_of(name)]
        with damage_named(self.file.filename, path_of(name)):
            values = unpack(present[block], present.attrs.get("denominator"))
        if values.dtype != np.uint8:
            return values, np.isnan(values)
        unmeasured = self._unmeasured_before(name)
        lacking = np.zeros(values.shape, bool)
        return values, lacking if unmeasured is None else lacking | unmeasured[block, ..., np.newaxis]

    def _unmeasured_before(self, name: Name) -> np.ndarray | None:
        """Where the store, before it was extended, had no accuracy and so no outcomes: ``(rows, levels, seeds)``, bool; None where it says nothing of it."""
        accuracy = name._replace(measure="accuracy")
        if accuracy not in self._unmeasured:
            self._unmeasured[accuracy] = self._unmeasured_now(accuracy)
        return self._unmeasured[accuracy]

    def _unmeasured_now(self, name: Name) -> np.ndarray | None:
        path = path_of(name._replace(measure="accuracy"))
        if path not in self.file:
            return None
        with damage_named(self.file.filename, path):
            return np.asarray(np.isnan(unpack(self.file[path][()], self.file[path].attrs.get("denominator"))))

    def _masked(self, array: Array) -> Array:
        """The array; of outcomes that do not say what is missing, masked where the accuracy is, which a source gives before them."""
        if array.name.measure == "accuracy":
            self._given[array.name] = np.isnan(as_floats(array.values[:]))
        unmeasured = self._given.get(array.name._replace(measure="accuracy")) if array.values.dtype == np.uint8 else None
        if unmeasured is None:
            return array

        def read(block: slice) -> np.ndarray:
            given = array.values[block]
            if isinstance(given, np.ma.MaskedArray):
                return given
            return np.ma.masked_array(given, np.broadcast_to(unmeasured[block, ..., np.newaxis], given.shape))

        return array._replace(values=Blocks(array.values.shape, array.values.dtype, read))


def _held_rows(path: str | os.PathLike[str], rows: Rows) -> Rows:
    """The rows of a store, read whole; raises StoreError where it is of another search space."""
    with Store(path) as store:
        if store.space.name != rows.space:
            raise StoreError(
                f"{path} is of the search space {store.space.name}, and what is to be put into it is of {rows.space}; name another file."
            )
        held = store.rows
        return Rows(held.space, held.exact, held.class_of, held.keys, held.classes)


def _check(array: Array, rows: Rows) -> None:
    """Refuse an array that is not what its header says."""
    count = rows.count(array.header.rows)
    shape = (count, *(len(points) or None for points in array.header.axes.values()))
    fits = len(shape) == array.values.ndim and all(want in (None, have) for want, have in zip(shape, array.values.shape, strict=True))
    if count is None or not fits:
        raise StoreError(f"{array.name} has values of shape {array.values.shape}; expected {shape} for {_axes(array.header)}.")
    try:
        check_header(array.header, array.values.shape, array.values.dtype, 1 if array.values.dtype == np.uint16 else None)
    except ValueError as error:
        raise _misdescribed(array.name, error) from error
    if any(part in ("", ".", "..") for part in array.name):
        raise StoreError(f"{array.name} has an empty part, or a part that is only dots; each of its four parts needs a name.")


def _with_checked_values(array: Array) -> Array:
    """The array, whose values are compared with its header: at once, or a block when it is read."""

    def checked(values: np.ndarray) -> np.ndarray:
        try:
            check_values(array.header, values)
        except ValueError as error:
            raise _misdescribed(array.name, error) from error
        return values

    if isinstance(array.values, np.ndarray):
        return array._replace(values=checked(array.values))
    return array._replace(values=array.values.mapped(checked, array.values.dtype))


def _misdescribed(name: Name, error: ValueError) -> StoreError:
    return StoreError(f"{name} is not what its header says: {error}.")


def _missing(dtype: np.dtype[Any]) -> Any:
    """What says "not measured" in an array as it is stored, or as a source gives it; of outcomes, a missing accuracy says so."""
    if dtype.kind == "f":
        return dtype.type(np.nan)
    return dtype.type(MISSING if dtype == np.uint16 else 0)


def _is_missing(values: np.ndarray) -> np.ndarray:
    """Where an array that a source gives has no measurement: ``(rows, axes…)``, bool."""
    if isinstance(values, np.ma.MaskedArray):
        return np.asarray(np.ma.getmaskarray(values))
    if values.dtype.kind == "f":
        return np.asarray(np.isnan(values))
    return np.asarray(values == MISSING) if values.dtype == np.uint16 else np.zeros(values.shape, bool)


def _disagreement(path: str | os.PathLike[str], array: Array, present: Header, what: str) -> str:
    old, new = (" ".join(str(header.provenance.get(field, "?")) for field in ("source", "file")) for header in (present, array.header))
    return (
        f"{array.name} in the store is from {old} and differs from the one of {new}: {what}."
        " To keep both, put the new one under another training protocol's name (--training)."
        f" To keep the new one alone, take the other out first: `{command('remove', path, '/'.join(array.name[:3]))}`."
    )


def _axes(header: Header) -> str:
    return f"{header.rows} rows" + "".join(f", {name} {values}" for name, values in header.axes.items())
