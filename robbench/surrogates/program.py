"""The terms of many cells, equal ones once, in an order in which they can be computed; and networks that run along them, in numpy or in torch alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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


class Program(NamedTuple):
    """All terms of some cells."""

    levels: tuple[np.ndarray, ...]
    """Of each depth, ``(operations, terms, before)``, float64: how often each of those before, of which the input is the first, is in the sum that a term is the
    operation of.  An operation that has fewer terms there than another has sums of nothing besides."""
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
        levels, place = _levels(list(known), layout.applied.shape[1])
        output = np.zeros((len(values), 1 + sum(held.shape[0] * held.shape[1] for held in levels)))
        np.add.at(output, (np.arange(len(values))[:, np.newaxis], place[number]), _counts(values, layout.held[-1]))
        return cls(levels, output)


def vectors(parts: Mapping[str, Any], levels: Sequence[Any], join: Callable[[list[Any], int], Any]) -> Any:
    """What the input and every term are to networks: ``(members, 1 + terms, width)``.

    An operation is a network of one hidden layer on the sum, standardised.

    Arguments:
        parts: arrays or tensors: ``start`` (members, 1, width), and of all operations ``inner``, ``outer`` (members, operations, width, width) and
            ``inner_bias``, ``outer_bias`` (members, operations, 1, width).
        levels: of a program, as arrays or tensors alike.
        join: concatenates them along an axis.
    """
    found = parts["start"]
    for held in levels:
        total = join([(sums @ found)[:, None] for sums in held], 1)
        total = total - total.mean(-1)[..., None]
        total = total / ((total**2).mean(-1)[..., None] + _SMALL) ** 0.5
        applied = (total @ parts["inner"] + parts["inner_bias"]).clip(0) @ parts["outer"] + parts["outer_bias"]
        found = join([found, applied.reshape(len(found), -1, found.shape[-1])], 1)
    return found


def _counts(values: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return values[:, columns].round().astype(np.intp)


def _levels(terms: list[tuple[int, ...]], operations: int) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """The levels of terms, each an operation and what is in its sum, number · 256 + count; and the place of each number, ``(1 + terms,)``."""
    depth = [0]
    for _, *inner in terms:
        depth.append(1 + max((depth[one // _MOST] for one in inner), default=0))
    place, before, levels = np.zeros(len(depth), np.intp), 1, []
    for level in range(1, max(depth) + 1):
        here = sorted((number for number, one in enumerate(depth) if one == level), key=lambda number: terms[number - 1])
        of = [[number for number in here if terms[number - 1][0] == operation] for operation in range(operations)]
        held = np.zeros((operations, max(map(len, of)), before))
        for operation, numbers in enumerate(of):
            for row, number in enumerate(numbers):
                place[number] = before + operation * held.shape[1] + row
                for one in terms[number - 1][1:]:
                    held[operation, row, place[one // _MOST]] = one % _MOST
        levels.append(held)
        before += held.shape[0] * held.shape[1]
    return tuple(levels), place
