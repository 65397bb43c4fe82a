"""The terms of many cells, equal ones once, in an order in which they can be computed; and networks that run along them, in numpy or in torch alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple, Self

import numpy as np

from robbench.spaces.terms import Layout

_MOST = 256
"""How often a term may be in a sum."""
_SMALL = 1e-5
"""Added to a variance, as batch norm does."""


class Settings(NamedTuple):
    """Hyper-parameters."""

    members: int
    width: int
    """Of the vector that a term is, and of what is between the two layers of an operation."""
    hidden: tuple[int, ...]
    """The width of each layer between the output of the cell, with the other features beside it, and the targets."""
    epochs: int
    fewest_steps: int
    """So few rows are seen more often."""
    batch: int
    rate: float
    decay: float
    held_out: int
    """Each member leaves out one row of so many, other ones than the next member, and keeps the weights that err least there; 0: none does."""


class Level(NamedTuple):
    """Terms of one operation that are applied to what was computed before."""

    operation: int
    held: Any
    """An array or tensor ``(terms, before)``, float64: how often each of those before, of which the input is the first, is in the sum that a term is applied to."""


class Program(NamedTuple):
    """All terms of some cells."""

    levels: tuple[Level, ...]
    output: np.ndarray
    """``(cells, 1 + terms)``, float64: how often the input, and each term in the order of the levels, is in the output."""

    @classmethod
    def of(cls, values: np.ndarray, layout: Layout) -> Self:
        """The program of rows of features ``(cells, features)``, which have their terms where the layout says."""
        known: dict[tuple[int, ...], int] = {}
        number = np.zeros((len(values), len(layout.held)), np.intp)
        for slot, columns in enumerate(layout.applied):
            applied = values[:, columns]
            there = applied.any(axis=1)
            held = _counts(values[there], layout.held[slot, : slot + 1])
            written = np.sort(np.where(held > 0, number[there, : slot + 1] * _MOST + held, 0), axis=1)
            distinct, place = np.unique(np.column_stack([applied[there].argmax(axis=1), written]), axis=0, return_inverse=True)
            found = [known.setdefault((op, *filter(None, rest)), len(known) + 1) for op, *rest in distinct.tolist()]
            number[there, slot + 1] = np.array(found, np.intp)[place.reshape(-1)]
        levels, order = _levels(list(known))
        output = np.zeros((len(values), 1 + len(known)))
        np.add.at(output, (np.arange(len(values))[:, np.newaxis], order[number]), _counts(values, layout.held[-1]))
        return cls(levels, output)


def vectors(parts: Mapping[str, Any], levels: Sequence[Level], join: Callable[[list[Any], int], Any]) -> Any:
    """What the input and every term are to networks: ``(members, 1 + terms, width)``.

    Arguments:
        parts: arrays or tensors, as `Graph` lists them.
        levels: with arrays of the same kind.
        join: concatenates them along an axis.
    """
    found = parts["start"]
    for _, deep in groupby(levels, key=lambda level: level.held.shape[1]):
        found = join([found, *[_applied(parts, level, found) for level in deep]], 1)
    return found


def _applied(parts: Mapping[str, Any], level: Level, found: Any) -> Any:
    """An operation: a network of one hidden layer on the sum, standardised."""
    total, op = level.held @ found, level.operation
    total = total - total.mean(-1)[..., None]
    total = total / ((total**2).mean(-1)[..., None] + _SMALL) ** 0.5
    return (total @ parts[f"inner{op}"] + parts[f"inner_bias{op}"]).clip(0) @ parts[f"outer{op}"] + parts[f"outer_bias{op}"]


def _counts(values: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return values[:, columns].round().astype(np.intp)


def _levels(terms: list[tuple[int, ...]]) -> tuple[tuple[Level, ...], np.ndarray]:
    """The levels of terms, each an operation and what is in its sum, number · 256 + count; and the place of each number, ``(1 + terms,)``."""
    depth = [0]
    for _, *held in terms:
        depth.append(1 + max((depth[one // _MOST] for one in held), default=0))
    ranked = sorted(range(1, len(depth)), key=lambda number: (depth[number], terms[number - 1]))
    order = np.zeros(len(depth), np.intp)
    order[ranked] = np.arange(1, len(depth))

    def levels() -> Iterator[Level]:
        before = 1
        for _, alike in groupby(ranked, key=lambda number: depth[number]):
            deep = list(alike)
            for operation, group in groupby(deep, key=lambda number: terms[number - 1][0]):
                numbers = list(group)
                held = np.zeros((len(numbers), before))
                for row, number in enumerate(numbers):
                    for one in terms[number - 1][1:]:
                        held[row, order[one // _MOST]] = one % _MOST
                yield Level(operation, held)
            before += len(deep)

    return tuple(levels()), order
