"""Are functional twins repeated measurements of one thing?  Writes docs/twins.md.

Needs the published data (ROBBENCH_REFERENCE, or ../shared/reference beside the repository).  Half a minute on one core; the imported store is kept in
scratch/twins/, or in the folder that ROBBENCH_SCRATCH names.  n: 6,466 classes in 4,930 groups of twins.

    python benchmarks/twins.py
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from published import ROOT, TARGETS, published_store, row, table

from robbench import RobBench, analysis
from robbench.measurements.metrics import parse
from robbench.measurements.question import Question
from robbench.spaces.nb201 import Cell
from robbench.spaces.nb201.identity import INPUT, Sum, Term, expression, twin_key

CACHE = Path(os.environ.get("ROBBENCH_SCRATCH", ROOT / "scratch")) / "twins"
DATASETS = ["cifar10", "cifar100"]
RESAMPLES = 2000

TEXT = """# Are twins repeated measurements of one thing?

Produced by `benchmarks/twins.py`.  The noise ceiling takes all functional twins for that ([surrogates.md](surrogates.md)).  They are one function of the same
operations, and yet two networks where one computes an operation twice, each time with weights of its own, and the other once, and passes it on twice; and
where a convolution of zeros adds an offset.  Strict twins agree in both.

In brackets are 95% intervals, by a bootstrap of groups of twins.  F has the variance between kinds of twins over that of strict twins: about 1 if twins were
exchangeable.  What a doubled operation, or a convolution of zeros, adds is by least squares within groups of twins.

They are not exchangeable.  Doubled operations make a difference, only in part of one sign; convolutions of zeros add nothing that can be seen.  So the
ceiling by all twins is right for a predictor that sees functions, as ours do: to it, such twins are one.  A predictor that sees which operations are computed
twice, as the features `wiring` let one, may come up to the ceiling by strict twins; and a difference between two trainings of one network is better judged by the noise of strict twins.
"""


def main() -> None:
    bench = RobBench(published_store(CACHE))
    lines = [line for dataset in DATASETS for line in exchangeable(bench, dataset)]
    (ROOT / "docs" / "twins.md").write_text("\n".join([TEXT, *lines]), encoding="utf-8")


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


def _numbered(keys: Sequence[Hashable]) -> np.ndarray:
    known: dict[Hashable, int] = {}
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
        f"## {dataset}",
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


if __name__ == "__main__":
    main()
