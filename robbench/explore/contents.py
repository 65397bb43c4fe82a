"""What of a store the explorer shows.

A point is a class, as its representative, with the numbers that `RobBench.table` has for it: what belongs to exact architectures is that of the
representative.  Every exact architecture can be found, and leads to its class.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from robbench.arguments import options_checked
from robbench.clock import clock
from robbench.errors import CannotPlot, NotMeasured
from robbench.explore.noise import noise_table
from robbench.measurements.columns import Column
from robbench.measurements.directions import EITHER_WAY
from robbench.measurements.measurements import Measurements
from robbench.measurements.metrics import Metric, level_text, parse
from robbench.measurements.noise import twin_groups
from robbench.measurements.provenance import completed
from robbench.measurements.question import STANDARD, UNTRAINED, Question
from robbench.spaces import SearchSpace

if TYPE_CHECKING:
    from robbench.bench import RobBench

DERIVED = ("mean_adversarial", "mean_corruption", "worst_case")
"""Derived metrics that have columns; a harmonic mean is of two numbers that are both there."""


@dataclass(frozen=True)
class Numbers:
    """One metric of all classes, and what is said of it."""

    question: Question
    values: np.ndarray
    """``(classes,)``, float64; NaN where not measured."""
    how: str
    rows: str
    """What the metric belongs to: "class" or "exact"."""
    unit: str
    seeds: int
    """How many trainings a value is the mean over; 0 where the store says nothing of seeds."""
    terms: int
    """How many numbers a value is the mean of: seeds, or terms of a formula; at least 1."""
    by: str
    """Which source it was imported from, or built by; empty where nobody measured."""
    source: str
    """That, and all that is said of how it was measured, in a line."""
    noise: list[tuple[float, float]]
    """See `noise_table`; empty for what is no accuracy of a class."""
    images: tuple[int, ...]
    """Of how many images the value may be a fraction."""

    @property
    def metric(self) -> Metric:
        """What was measured."""
        return self.question.metric

    @property
    def better(self) -> int:
        """1 where more is better, −1 where less is, 0 where it depends on what is asked."""
        if self.metric.name in EITHER_WAY:
            return 0
        return 1 if self.metric.entry.higher_is_better else -1

    def described(self) -> dict[str, Any]:
        """What the page says of it."""
        metric, kind = self.metric, self.metric.entry.kind
        everywhere = kind == "attribute"
        return {
            "metric": str(metric),
            "name": metric.name,
            "level": None if metric.level is None else level_text(metric.name, metric.level),
            "kind": kind,
            "axis": metric.entry.axis,
            "accuracy": metric.measure == "accuracy",
            "dataset": "" if everywhere else self.question.dataset,
            "training": "" if everywhere else self.question.training,
            "unit": self.unit,
            "about": metric.entry.about,
            "how": self.how,
            "by": self.by,
            "rows": self.rows,
            "seeds": self.seeds,
            "better": self.better,
            "noise": [[round(mean, 5), float(f"{deviation:.3g}")] for mean, deviation in self.noise],
        }


@dataclass(frozen=True)
class Contents:
    """What the page shows of a store."""

    store: str
    space: SearchSpace[Any]
    exact: tuple[Any, ...]
    """Every exact architecture of the store."""
    class_of: np.ndarray
    """``(exact,)``, intp."""
    representatives: np.ndarray
    """``(classes,)``, intp: the exact row of each class's representative."""
    keys: tuple[str, ...]
    twins: np.ndarray
    """``(classes,)``, intp: the group of functional twins of each."""
    index: np.ndarray | None
    """``(exact,)``: the published index, where the store carries it."""
    columns: tuple[Numbers, ...]
    start: tuple[int, int, int]
    """The columns that the first picture shows: across, up, and in colour."""


@options_checked
def contents(bench: RobBench, *, datasets: Sequence[str] | None = None, progress: bool = False) -> Contents:
    """What the explorer shows of a store.

    Arguments:
        bench: on the store.
        datasets: those whose numbers are shown; all of them if left out.
        progress: show on stderr, where that is a terminal, what is done and for how long.

    Raises:
        NotMeasured: the store holds no such dataset.
        CannotPlot: nothing in it is one number an architecture.
        DamagedStore: a part of the store cannot be read.
    """
    measurements = bench.measurements
    store, lookup = measurements.store, measurements.lookup
    unknown = [name for name in datasets or () if name not in bench.datasets]
    if unknown:
        raise NotMeasured(f"dataset {unknown[0]!r} is not in {store.file_name}; it holds {', '.join(bench.datasets)}.")
    # The default one first: what the page begins with is at the top of its lists.
    shown = sorted(datasets or bench.datasets, key=lambda name: name != bench.default_dataset)
    representatives = np.array([store.rows.exact_row[text] for text in store.rows.classes], np.intp)
    questions = list(_questions(measurements, shown))
    measured: list[Numbers] = []
    with clock(f"{store.file_name}: architectures, then metrics", 2 + len(questions), shown=progress) as done:
        archs = [lookup.exact[row] for row in representatives]
        done()
        twins = twin_groups(bench.space, archs)
        done()
        for question in questions:
            numbers = _numbers(measurements, question, representatives, twins)
            measured += [] if np.isnan(numbers.values).all() else [numbers]
            done()
    if not measured:
        raise CannotPlot(
            f"{store.file_name} holds no metric of {', '.join(shown)} that is one number an architecture; there is nothing to explore."
            " `robbench info` lists what it holds."
        )
    attributes = [Question(parse(name), shown[0], UNTRAINED) for name in bench.space.attributes]
    columns = (*measured, *(_numbers(measurements, question, representatives, twins) for question in attributes))
    return Contents(
        store=store.file_name,
        space=bench.space,
        exact=lookup.exact,
        class_of=lookup.class_of,
        representatives=representatives,
        keys=tuple(store.rows.keys),
        twins=twins,
        index=store.published_index() if store.has_published_index else None,
        columns=columns,
        start=_start(columns),
    )


def _questions(measurements: Measurements, datasets: Sequence[str]) -> Iterator[Question]:
    """Every number of these datasets, protocol by protocol, measured ones before what is derived from them."""
    for dataset in datasets:
        for training in measurements.store.trainings(dataset):
            asked = Question(Metric("clean", None, "accuracy"), dataset, training)
            held = measurements.numbers(asked)
            yield from (asked._replace(metric=metric) for metric in sorted(held, key=_order))
            levels = dict.fromkeys(metric.level for metric in sorted(held, key=_order) if metric.entry.kind == "attack")
            for name in DERIVED:
                of = parse(name)
                for level in levels if of.entry.axis == "eps" else [None]:
                    question = asked._replace(metric=of._replace(level=level))
                    if _is_held(measurements, question):
                        yield question


def _order(metric: Metric) -> tuple[bool, str, str, float]:
    """Clean accuracy first; then by kind and name, each threat from its least level."""
    return metric.name != "clean", metric.entry.kind, f"{metric.name}:{metric.measure}", metric.level or 0.0


def _is_held(measurements: Measurements, question: Question) -> bool:
    try:
        measurements.column(question)
    except NotMeasured:
        return False
    return True


def _numbers(measurements: Measurements, question: Question, representatives: np.ndarray, twins: np.ndarray) -> Numbers:
    column, store = measurements.column(question), measurements.store
    values = column.values[representatives] if column.rows == "exact" else column.values
    headers = [store.header(part) for part in column.parts]
    accuracy = question.metric.entry.measure == "accuracy" and column.rows == "class"
    seeds = max((len(header.axes.get("seed", [])) for header in headers), default=0)
    return Numbers(
        question=column.question,
        values=values,
        how=column.how,
        rows=column.rows,
        unit=headers[0].unit if column.how == "measured" else question.metric.entry.unit,
        seeds=seeds,
        terms=max(seeds, 1) * max(len(measurements.formula(column.question).weights), 1),
        by=str(headers[0].provenance.get("source", "")) if column.how == "measured" else "",
        source=_source(measurements, column),
        noise=noise_table(values, twins) if accuracy else [],
        images=tuple({int(header.provenance["images"]) for header in headers if isinstance(header.provenance.get("images"), int)}),
    )


def _source(measurements: Measurements, column: Column) -> str:
    """Who measured it and how, in a line: provenance, as the store has it, or the formula."""
    if column.how == "computed":
        return "computed from the structure"
    if column.how != "measured":
        return measurements.formula(column.question).text
    said = completed(column.parts[0], measurements.store.header(column.parts[0]).provenance)
    first = [str(said[name]) for name in ("citation", "source") if name in said]
    return "; ".join(first + [f"{name}: {value}" for name, value in sorted(said.items()) if name not in ("citation", "source")])


def _start(columns: Sequence[Numbers]) -> tuple[int, int, int]:
    """Clean accuracy of standard training across, the level of PGD, or else of any attack, that tells architectures apart best up, and the first attribute in colour.

    What a store lacks is made up for by the first that it has.
    """
    across = next((place for place, numbers in enumerate(columns) if numbers.question.training == STANDARD), 0)
    where = columns[across].question[1:3]
    others = [place for place, numbers in enumerate(columns) if numbers.question[1:3] == where and place != across] or [across]
    attacks = [place for place in others if columns[place].metric.entry.kind == "attack"]
    attacks = [place for place in attacks if columns[place].metric.name == "pgd"] or attacks
    up = max(attacks, key=lambda place: float(np.nanstd(columns[place].values))) if attacks else others[0]
    attributes = [place for place, numbers in enumerate(columns) if numbers.metric.entry.kind == "attribute"]
    return across, up, (attributes or [place for place in others if place != up] or [up])[0]
