"""Are functional twins repeated measurements of one thing?  What `benchmarks/ceiling.py` says of it.

Twins of NAS-Bench-201 are one function of the same operations, and still two networks: where an operation is computed twice, each time has weights of its own;
where it is computed once and passed on twice, they are shared; and a convolution of zeros adds an offset.  Strict twins agree in both.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from published import TARGETS, row, table

from robbench import RobBench, analysis
from robbench.measurements.metrics import parse
from robbench.measurements.question import Question
from robbench.spaces.nb201 import Cell
from robbench.spaces.nb201.identity import INPUT, Sum, Term, expression, twin_key

RESAMPLES = 2000


class Kinds(NamedTuple):
    """Of each class, ``(classes,)``."""

    group: np.ndarray
    """Of functional twins."""
    doubled: np.ndarray
    """How many operations are computed again that another edge computes on the same sum."""
    zeros: np.ndarray
    """How many convolutions of zeros reach the output."""
    strict: np.ndarray
    """Groups of twins that agree in both, and in where their zeros are."""


def kinds(bench: RobBench) -> Kinds:
    cells = [Cell.parse(str(arch)) for arch in bench.measurements.lookup.archs("class")]
    computed, zeros = np.array([_computed(cell) for cell in cells]).T
    doubled = computed - [len(_terms(expression(cell))) for cell in cells]
    keys = [(twin_key(cell), twin_key(cell, zero_conv=True)) for cell in cells]
    strict = [(*key, *rest) for key, rest in zip(keys, zip(doubled.tolist(), zeros.tolist(), strict=True), strict=True)]
    return Kinds(_numbered([key for key, _ in keys]), doubled, zeros, _numbered(strict))


def _numbered(keys: list[object]) -> np.ndarray:
    known: dict[object, int] = {}
    return np.array([known.setdefault(key, len(known)) for key in keys])


def _computed(cell: Cell) -> tuple[int, int]:
    """How many edges compute something of the input, and how many are convolutions of zeros, of those that reach the output."""
    live, reach = [True], [False, False, False, True]
    for incoming in cell.inputs:
        live.append(any(op != "none" and live[source] for op, source in incoming))
    counts = [0, 0]
    for node, incoming in reversed(list(enumerate(cell.inputs, start=1))):
        for op, source in incoming if reach[node] else ():
            if op != "none":
                reach[source] = True
            if op.startswith(("nor_conv", "avg_pool")) and live[source]:
                counts[0] += 1
            elif op.startswith("nor_conv"):
                counts[1] += 1
    return counts[0], counts[1]


def _terms(total: Sum) -> set[Term]:
    return {found for term in total if term != INPUT for found in (term, *_terms(term[1]))}


def exchangeable(bench: RobBench, dataset: str) -> list[str]:
    """Noise and ceiling by all twins and by strict ones; what kinds of twins differ by, and whether by more than noise."""
    found = kinds(bench)
    lines: list[list[str]] = []
    for target in TARGETS:
        values = bench.measurements.column(Question(parse(target), dataset, None)).values
        there = ~np.isnan(values)
        wide, strict = (analysis.ceiling_of(values[there], groups[there], RESAMPLES) for groups in (found.group, found.strict))
        degrees = wide.degrees_of_freedom - strict.degrees_of_freedom
        between = (wide.noise**2 * wide.degrees_of_freedom - strict.noise**2 * strict.degrees_of_freedom) / degrees
        cells = [f"{wide.noise:.4f}", f"{strict.noise:.4f}", f"{between**0.5:.4f}", f"{between / strict.noise**2:.2f}"]
        cells += [f"{one.r2:.4f} ({one.low:.4f} to {one.high:.4f})" for one in (wide, strict)]
        numbers = np.stack([found.doubled, found.zeros], axis=1)[there]
        cells += [f"{slope:+.4f} ({low:+.4f} to {high:+.4f})" for slope, low, high in offsets(values[there], found.group[there], numbers)]
        lines.append(cells)
    head = [
        f"### {dataset}",
        "",
        f"Degrees of freedom: {wide.degrees_of_freedom} by all twins, {strict.degrees_of_freedom} by strict ones.",
        "",
    ]
    return [
        *head,
        *table(["", *TARGETS]),
        *(row(name, list(cells)) for name, cells in zip(ROWS, zip(*lines, strict=True), strict=True)),
        "",
    ]


ROWS = (
    "noise by all twins",
    "noise by strict twins",
    "spread between kinds of twins, noise included",
    "F of that, against strict twins",
    "ceiling by all twins",
    "ceiling by strict twins",
    "each doubled operation adds",
    "each convolution of zeros adds",
)


def offsets(values: np.ndarray, group: np.ndarray, numbers: np.ndarray) -> list[tuple[float, float, float]]:
    """What one more of each number adds within a group of twins, by least squares, and its 95% interval, by a bootstrap of groups."""
    count = np.bincount(group)

    def centred(column: np.ndarray) -> np.ndarray:
        return np.asarray(column - (np.bincount(group, column) / np.maximum(count, 1))[group])

    given, wanted = np.stack([centred(column) for column in numbers.T.astype(float)], axis=1), centred(values)
    products, along = given[:, :, np.newaxis] * given[:, np.newaxis], given * wanted[:, np.newaxis]
    of_group = [np.stack([np.bincount(group, part) for part in flat.T], axis=1) for flat in (products.reshape(len(values), -1), along)]
    known = np.flatnonzero(count)
    weight = np.random.default_rng(0).multinomial(len(known), np.full(len(known), 1 / len(known)), RESAMPLES)

    def slopes(weight: np.ndarray) -> np.ndarray:
        size = numbers.shape[1]
        left, right = (weight @ part[known] for part in of_group)
        return np.asarray(np.linalg.solve(left.reshape(-1, size, size), right[..., np.newaxis])[..., 0])

    whole = slopes(np.ones((1, len(known))))[0]
    low, high = np.quantile(slopes(weight), [0.025, 0.975], axis=0)
    return [(float(one), float(least), float(most)) for one, least, most in zip(whole, low, high, strict=True)]
