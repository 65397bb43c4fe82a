"""What was measured again: the store keeps its numbers, where the new ones differ from them by rounding only.

A network is measured again where builds overlap.  With other networks beside it in its stack, or on another machine, convolutions round otherwise, so that the last
digits of a proxy, and now and then an image, come out otherwise.  What differs by more is of another network, and refused by `robbench.store.writing.extend`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from robbench_builders.confidences import SUMMARIES
from robbench_builders.results.origins import measured
from robbench.store import Store
from robbench.store.arrays import MISSING, Array, Name
from robbench.store.blockwise import Blocks
from robbench.store.rows import Rows

SHARE_OF_IMAGES = 0.01
"""The share of the images, and at least one of them, whose outcome rounding may change."""
RELATIVE_DIFFERENCE = 1e-4
"""Relative difference of other numbers."""


def without_what_is_there(arrays: Iterable[Array], rows: Rows, into: Path) -> Iterator[Array]:
    """The arrays, in which a number that the store has but for rounding is missing; so is an outcome whose accuracy is, and what else a store has of it.

    Arguments:
        arrays: over these rows; others of a threat after its accuracy.
        into: the store; there need not be one.
    """
    if not into.exists():
        yield from arrays
        return
    there = np.zeros(0, bool)
    with Store(into) as store:
        for array in arrays:
            if array.name.measure == "outcomes":
                yield array._replace(values=_masked(array.values, there))
            elif array.name.measure in SUMMARIES:
                held = _over_rows_and_seeds(array, rows, store, measured)
                yield array if held is None else array._replace(values=_without(array.values, there & (held == 1)))
            else:
                there = _is_there(array, rows, store)
                yield array._replace(values=np.where(there, np.nan, array.values[:]))


def _is_there(array: Array, rows: Rows, store: Store) -> np.ndarray:
    """Where the store has the number: bool, of the array's shape."""
    new, old = np.asarray(array.values[:]), _over_rows_and_seeds(array, rows, store, Store.read)
    if old is None:
        return np.zeros(new.shape, bool)
    if array.name.metric == "training_seconds":
        return np.asarray(~np.isnan(old))  # a clock says something else each time
    if array.header.unit == "fraction" and "images" in array.header.provenance:
        images = array.header.provenance["images"]
        return np.asarray(np.abs(old - new) <= max(1, SHARE_OF_IMAGES * images) / images + 1e-9)
    return np.asarray(np.isclose(old, new, rtol=RELATIVE_DIFFERENCE))


def _over_rows_and_seeds(array: Array, rows: Rows, store: Store, read: Callable[[Store, Name], np.ndarray]) -> np.ndarray | None:
    """What is read of the array that a store has, over the array's rows and seeds, NaN where it has none; None where it has no such array."""
    axes = array.header.axes
    if array.name not in store:
        return None
    header = store.header(array.name)
    if header.rows != array.header.rows or {**header.axes, "seed": []} != {**axes, "seed": []}:
        return None
    held = read(store, array.name)
    names, row_of = (rows.keys, store.rows.class_row) if header.rows == "class" else (rows.exact, store.rows.exact_row)
    known = [row for row, name in enumerate(names) if name in row_of]
    if "seed" in axes:
        held = _over(axes["seed"], header.axes["seed"], held, 1 + list(axes).index("seed"))
    old = np.full((len(names), *held.shape[1:]), np.nan)
    old[known] = held[[row_of[names[row]] for row in known]]
    return old


def _without(values: Blocks | np.ndarray, where: np.ndarray) -> Blocks:
    """Counts, or other numbers, that are missing there."""
    missing = MISSING if values.dtype == np.uint16 else np.nan

    def read(rows: slice) -> np.ndarray:
        found = np.array(values[rows])
        found[where[rows]] = missing
        return found

    return Blocks(values.shape, values.dtype, read)


def _over(seeds: list[float | int | str], held: list[float | int | str], values: np.ndarray, axis: int) -> np.ndarray:
    """The store's values, whose seeds stand along an axis, over these seeds; NaN where it has none."""
    values = np.moveaxis(values, axis, 0)
    found = np.full((len(seeds), *values.shape[1:]), np.nan)
    for at, seed in enumerate(seeds):
        if seed in held:
            found[at] = values[held.index(seed)]
    return np.moveaxis(found, 0, axis)


def _masked(outcomes: Blocks | np.ndarray, there: np.ndarray) -> Blocks:
    def read(rows: slice) -> np.ndarray:
        found = np.ma.masked_array(outcomes[rows])
        found[there[rows]] = np.ma.masked
        return found

    return Blocks(outcomes.shape, outcomes.dtype, read)
