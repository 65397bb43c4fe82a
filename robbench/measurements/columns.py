"""One metric over all rows of a store: measured, interpolated between levels, or derived (see derived.py)."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

import numpy as np

from robbench.store.arrays import Header, Name
from robbench.errors import LevelNotMeasured, NotMeasured, UnknownMetric
from robbench.measurements.metrics import LEVEL_AXES, TABLE, Metric, level_text, nearest, parse, same_level
from robbench.store.reading import Store

STANDARD = "standard"
UNTRAINED = "untrained"


class Question(NamedTuple):
    """A metric, and where to look for it; None means the store's default, or the only one there is."""

    metric: Metric
    dataset: str | None = None
    training: str | None = None
    seed: int | None = None
    interpolate: bool = False

    @classmethod
    def of(
        cls,
        metric: str | Metric,
        eps: float | str | None = None,
        severity: int | None = None,
        measure: str | None = None,
        dataset: str | None = None,
        training: str | None = None,
        seed: int | None = None,
        interpolate: bool = False,
    ) -> Question:
        """The question that the options of `RobBench.query` ask."""
        return cls(parse(metric, eps=eps, severity=severity, measure=measure), dataset, training, seed, interpolate)

    def name(self, metric: str | None = None, measure: str | None = None) -> Name:
        """The array that this resolved question is about, or the one of another metric beside it."""
        assert self.dataset is not None, "resolve the question first"
        assert self.training is not None, "resolve the question first"
        return Name(self.dataset, self.training, metric or self.metric.name, measure or self.metric.measure)


class Column(NamedTuple):
    """The answer for every row."""

    question: Question
    """As asked, with dataset and training filled in."""
    how: str
    """measured, interpolated, derived, or "derived, interpolated"."""
    parts: tuple[Name, ...]
    """The arrays that it comes from."""
    rows: str
    """"class" or "cell": what the values run over."""
    values: np.ndarray
    """``(rows,)``, float64; NaN where nothing was measured."""


class Columns:
    """The columns of one store.  Each array is read once, when it is first asked for."""

    def __init__(self, store: Store, default_dataset: str) -> None:
        self.store = store
        self.default_dataset = default_dataset
        self._arrays: dict[Name, np.ndarray] = {}

    def array(self, name: Name) -> np.ndarray:
        """All values of an array, kept for the next time."""
        if name not in self._arrays:
            self._arrays[name] = self.store.read(name)
        return self._arrays[name]

    def column(self, question: Question) -> Column:
        """The whole column of a metric that is one number an architecture.

        Raises:
            UnknownMetric: no such dataset or training; a metric that is an array for each architecture.
            NotMeasured: the store does not hold it; LevelNotMeasured where it does, at other levels.
        """
        question = self.resolve(question)
        if question.metric.entry.kind == "derived":
            from robbench.measurements.derived import DERIVED

            parts, values = DERIVED[question.metric.name].compute(self, question)
            levels = [position(question.metric, self.store.header(name)) for name in parts if name.metric != "clean"]
            how = "derived, interpolated" if question.metric.level is not None and None in levels else "derived"
            return Column(question, how, parts, "class", values)
        name = question.name()
        header = self.store.header(name)
        if not is_number(header):
            raise UnknownMetric(
                f"{question.metric} is an array for each architecture, not a number; ask for one architecture with query()."
            )
        has_levels = any(axis in header.axes for axis in LEVEL_AXES)
        how = "interpolated" if question.interpolate and has_levels and position(question.metric, header) is None else "measured"
        values = self.array(name)
        values = interpolated(question, header, values) if how == "interpolated" else at_level(question, header, values)
        return Column(question, how, (name,), header.rows, over_seeds(question, header, values))

    def is_number(self, question: Question) -> bool:
        """Whether a resolved question's answer is one number an architecture."""
        return question.metric.entry.kind == "derived" or is_number(self.store.header(question.name()))

    def row(self, question: Question, row: int) -> np.ndarray:
        """A metric that is an array for each architecture, of one row: only that row is read."""
        question = self.resolve(question)
        name = question.name()
        header = self.store.header(name)
        values = over_seeds(question, header, at_level(question, header, self.store.read(name, row)[np.newaxis]))[0]
        if header.axes.keys() & {"image"}:
            accuracy = self.column(question._replace(metric=question.metric._replace(measure="accuracy")))
            if np.isnan(accuracy.values[row]):
                return np.array([np.nan])
            values = np.unpackbits(values, axis=-1, count=header.provenance["images"]).astype(bool)
        return np.asarray(values)

    def numbers(self, question: Question) -> list[Metric]:
        """Every metric that is a number, level by level, of the question's dataset and training, whatever metric it names."""
        dataset = self._among("dataset", question.dataset or self.default_dataset, self.store.datasets())
        found: list[Metric] = []
        for name in self.store.names():
            metric = Metric(name.metric, None, name.measure)
            if name.dataset != dataset or name.metric not in TABLE or not self._is_default(question._replace(metric=metric), name):
                continue
            header = self.store.header(name)
            levels = next((header.axes[axis] for axis in LEVEL_AXES if axis in header.axes), [None])
            if is_number(header):
                found += [metric._replace(level=None if level is None else float(level)) for level in levels]
        return found

    def _is_default(self, question: Question, name: Name) -> bool:
        """Whether this question is answered from that array."""
        try:
            return self.resolve(question).name() == name
        except NotMeasured:
            return False

    def resolve(self, question: Question) -> Question:
        """The question with dataset and training filled in, once it is sure that the store holds what it asks for."""
        metric = question.metric
        dataset = self._among("dataset", question.dataset or self.default_dataset, self.store.datasets())
        trainings = self.store.trainings(dataset)
        if question.training is not None:
            self._among("training", question.training, trainings)
        holding = [training for training in trainings if self._holds(question._replace(dataset=dataset, training=training))]
        if metric.entry.kind in ("proxy", "cost"):
            default = next((training for training in (UNTRAINED, STANDARD) if training in holding), None)
        else:
            # Where a dataset has standard training, a threat means that one, so that no adversarially trained network slips in.
            default = STANDARD if STANDARD in trainings else None
        training = question.training or default
        if training in holding:
            return question._replace(dataset=dataset, training=training)
        if training is None and len(holding) == 1:
            return question._replace(dataset=dataset, training=holding[0])
        what = f"{metric.name} ({metric.measure}) of {dataset}"
        if not holding:
            raise NotMeasured(f"{what} is not in {self.store.file_name}; `metrics()` lists what is.")
        if training is None:
            raise NotMeasured(f"{what} was measured under {', '.join(holding)}; name one: training={holding[0]!r}, for example.")
        raise NotMeasured(
            f"{what} was not measured under {training}; it was under {', '.join(holding)}: training={holding[0]!r}, for example."
        )

    def placed(self, question: Question) -> Question:
        """The question, asked of untrained networks where its metric belongs to these: training and seed don't matter to it."""
        dataset = self._among("dataset", question.dataset or self.default_dataset, self.store.datasets())
        untrained = Name(dataset, UNTRAINED, question.metric.name, question.metric.measure)
        return Question(question.metric, question.dataset, UNTRAINED) if untrained in self.store else question

    def _among(self, what: str, given: str, held: list[str]) -> str:
        if given not in held:
            raise UnknownMetric(f"{what} {given!r} is not in {self.store.file_name}.{nearest(given, held)} It holds {', '.join(held)}.")
        return given

    def _holds(self, question: Question) -> bool:
        if question.metric.entry.kind == "derived":
            from robbench.measurements.derived import DERIVED

            return DERIVED[question.metric.name].computable(self, question)
        return question.name() in self.store


def is_number(header: Header) -> bool:
    """Whether an array holds one number for each row, level and seed."""
    return header.axes.keys() <= {*LEVEL_AXES, "seed"}


def position(metric: Metric, header: Header) -> int | None:
    """Where the level of a metric stands on an array's level axis; None if it was not measured, or none was asked for."""
    levels = next((header.axes[axis] for axis in LEVEL_AXES if axis in header.axes), [])
    return next((i for i, level in enumerate(levels) if metric.level is not None and same_level(float(level), metric.level)), None)


def at_level(question: Question, header: Header, values: np.ndarray) -> np.ndarray:
    """The values ``(rows, levels, …)`` at the level asked for: ``(rows, …)``."""
    metric = question.metric
    axis = next((axis for axis in LEVEL_AXES if axis in header.axes), None)
    if axis is None:
        return values
    found = position(metric, header)
    if found is None:
        raise LevelNotMeasured(not_at_level(question, [float(level) for level in header.axes[axis]]))
    return np.asarray(np.take(values, found, axis=1 + list(header.axes).index(axis)))


def over_seeds(question: Question, header: Header, values: np.ndarray) -> np.ndarray:
    """The values ``(rows, seeds, …)``, level already chosen, of the seed asked for, or their mean: ``(rows, …)``."""
    if "seed" not in header.axes:
        if question.seed is not None:
            raise NotMeasured(f"{question.metric} is stored without seeds; leave seed={question.seed} out.")
        return values
    seeds = [int(seed) for seed in header.axes["seed"]]
    if question.seed is not None:
        if not isinstance(question.seed, Hashable) or question.seed not in seeds:
            raise NotMeasured(f"{question.metric} was not measured with seed {question.seed!r}; measured: {', '.join(map(str, seeds))}.")
        return np.asarray(np.take(values, seeds.index(question.seed), axis=1))
    if len(seeds) == 1:
        return values[:, 0]
    if not is_number(header):
        raise NotMeasured(
            f"{question.metric} is an array for each seed, and these are not averaged; name one: seed={seeds[0]}, for example."
        )
    measured = ~np.isnan(values)
    total = np.where(measured, values, 0).sum(axis=1)
    return np.asarray(np.divide(total, measured.sum(axis=1), out=np.full_like(total, np.nan), where=measured.any(axis=1)))


def interpolated(question: Question, header: Header, values: np.ndarray) -> np.ndarray:
    """The values ``(rows, levels, …)`` at a level between two measured ones: ``(rows, …)``.

    Piecewise cubic Hermite interpolation, which is monotone wherever the measurements are (Fritsch and Carlson, 1980).
    """
    from scipy.interpolate import PchipInterpolator

    axis = next((axis for axis in LEVEL_AXES if axis in header.axes), None)
    levels = [float(level) for level in header.axes[axis]] if axis else []
    level = question.metric.level
    if level is None or not levels or not min(levels) < level < max(levels):
        raise LevelNotMeasured(not_at_level(question, levels) + " Only levels between these are interpolated.")
    order, along = np.argsort(levels), 1 + list(header.axes).index(str(axis))
    ordered = np.moveaxis(np.take(values, order, axis=along), along, -1)
    measured = ~np.isnan(ordered).any(axis=-1)
    result = np.full(measured.shape, np.nan)
    if measured.any():
        result[measured] = PchipInterpolator(np.take(levels, order), ordered[measured], axis=-1)(level)
    return result


def not_at_level(question: Question, levels: list[float]) -> str:
    """What to say when a level is missing, or was not measured."""
    metric = question.metric
    measured = f"Measured: {', '.join(level_text(metric.name, level) for level in sorted(levels))}."
    if metric.level is None:
        return f"{metric.name} on {question.dataset} needs a level: {metric.entry.axis}=…. {measured}"
    if metric.entry.axis == "severity":
        return f"{metric.name} on {question.dataset} was not measured at severity {metric.level:g}. {measured}"
    return (
        f"{metric.name} on {question.dataset} was not measured at eps {metric.level:.6g} (= {level_text(metric.name, metric.level)})."
        f" Images are in [0, 1], so one grey level is eps=1/255. {measured}"
    )
