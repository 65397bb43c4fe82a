"""Functions of a cell as numbers: every term that a cell computes, in an order in which each comes after what it is applied to.

    sum     what a node holds: terms, sorted; equal terms stand side by side
    term    an operation and the sum that it is applied to; the cell's input is ``("0", ())``; an operation with weights of its own may have a mark, ``"3#2"``,
            by which equal terms are told apart

The table has a block for each term, equal ones once, and one for the output:

    term2:3         1 if the second term is the operation 3, otherwise 0
    term2(term1     how often the first term is in the sum that the second is applied to
    term2(0         the same of the cell's input
    output(term1    how often the first term is in the output
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from robbench.spaces.space import Features

Sum = tuple["Term", ...]
Term = tuple[str, Sum]

INPUT, OUTPUT, MARK = "0", "output", "#"
_APPLIED = re.compile(r"term([0-9]+):(.+)")
_HELD = re.compile(r"(?:term([0-9]+)|output)\((?:term([0-9]+)|0)")


def terms(sums: Sequence[Sum], operations: Sequence[str], most: int) -> Features:
    """The table of outputs of cells.

    Arguments:
        sums: what the output of each cell holds.
        operations: every operation of a term, without marks.
        most: how many terms a cell has at most.

    Returns:
        ``(cells, features)``: counts.
    """
    names = [f"{block}:{op}" for block in _blocks(most)[:-1] for op in operations]
    names += [f"{block}({held}" for place, block in enumerate(_blocks(most)) for held in (INPUT, *_blocks(most)[:place])]
    column = {name: index for index, name in enumerate(names)}
    row: dict[Sum, int] = {}
    rows = np.array([row.setdefault(total, len(row)) for total in sums], np.intp)
    values = np.zeros((len(row), len(names)))
    for total, index in row.items():
        for name, number in _counts(total).items():
            values[index, column[name]] = number
    return Features(tuple(names), values[rows])


class Layout(NamedTuple):
    """Where a table of features has its blocks."""

    applied: np.ndarray
    """``(terms, operations)``, integers: the columns that say what operation a term is."""
    held: np.ndarray
    """``(terms + 1, 1 + terms)``, integers: the columns that say how often the input, and each term, is in the sum of a block; -1 where it comes later."""

    @classmethod
    def of(cls, names: Sequence[str]) -> Layout | None:
        """By the names of the features; None where they have no terms, or not all of a block."""
        applications = [(column, match) for column, name in enumerate(names) if (match := _APPLIED.fullmatch(name))]
        holdings = [(column, match) for column, name in enumerate(names) if (match := _HELD.fullmatch(name))]
        operations = tuple(dict.fromkeys(match[2] for _, match in applications))
        most = max((int(match[1]) for _, match in applications), default=0)
        applied = np.full((most, len(operations)), -1, np.intp)
        held = np.full((most + 1, most + 1), -1, np.intp)
        for column, match in applications:
            applied[int(match[1]) - 1, operations.index(match[2])] = column
        for column, match in holdings if most else ():
            held[int(match[1]) - 1 if match[1] else most, int(match[2] or 0)] = column
        there = most and (applied >= 0).all() and (held[np.tri(most + 1, dtype=bool)] >= 0).all()
        return cls(applied, held) if there else None

    def others(self, features: int) -> np.ndarray:
        """The columns that are of no block, of so many: ``(others,)``, intp."""
        return np.setdiff1d(np.arange(features), np.concatenate([self.applied.ravel(), self.held[self.held >= 0]]))

    def check(self, features: int) -> None:
        """Raise ValueError where the columns are not those of a table with so many features."""
        terms = len(self.held) - 1
        earlier = np.tri(terms + 1, dtype=bool)
        shapes = self.applied.ndim == self.held.ndim == 2 and len(self.applied) == terms and self.held.shape[1] == terms + 1
        if not shapes or any(columns.dtype.kind not in "iu" for columns in self):
            raise ValueError("the columns of the terms do not fit together")
        named = np.concatenate([self.applied.ravel(), self.held[earlier]])
        if not ((named >= 0) & (named < features)).all():
            raise ValueError("the columns of the terms are not among the features")


def _blocks(most: int) -> list[str]:
    return [*(f"term{number}" for number in range(1, most + 1)), OUTPUT]


def _counts(total: Sum) -> Counter[str]:
    found: Counter[str] = Counter()
    place = {term: f"term{number}" for number, term in enumerate(_distinct(total), start=1)}
    place[INPUT, ()] = INPUT
    for term, block in place.items():
        if block != INPUT:
            found[f"{block}:{term[0].partition(MARK)[0]}"] = 1
            found.update(f"{block}({place[inner]}" for inner in term[1])
    found.update(f"{OUTPUT}({place[term]}" for term in total)
    return found


def _distinct(total: Sum) -> list[Term]:
    """The terms of a sum and all that these are applied to, each once, by depth; the input is none of them."""
    depth: dict[Term, int] = {}

    def visit(term: Term) -> int:
        if not term[1]:
            return 0
        if term not in depth:
            depth[term] = 1 + max(map(visit, term[1]))
        return depth[term]

    for term in total:
        visit(term)
    return sorted(depth, key=lambda term: (depth[term], term))
