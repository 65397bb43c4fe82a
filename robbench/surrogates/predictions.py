"""The predictions of a store's surrogates: of every architecture that the store holds, at once, and of any other when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from robbench.errors import InvalidArgument, NewerFormat, NotMeasured
from robbench.measurements.lookup import Architecture
from robbench.measurements.measurements import Measurements
from robbench.measurements.metrics import Metric, parse
from robbench.measurements.question import STANDARD, UNTRAINED, Question
from robbench.surrogates import features
from robbench.surrogates.curves import Curve, Reading, reading_of
from robbench.surrogates.fitting import spelled
from robbench.surrogates.lacking import Key, is_whole, none_fits
from robbench.surrogates.reach import Reach
from robbench.surrogates.seen import Split, split_of
from robbench.surrogates.surrogate import About, Prediction, Surrogate, described

if TYPE_CHECKING:
    import pandas as pd

MOST_KEPT = 200
"""Predictions of a number for all architectures that are kept for the next time it is asked."""
_Way = Callable[[About], bool]


class Predictions:
    """Of one number, for every architecture.

    Arguments:
        measurements: of the store.
        surrogate: what predicts.
        table: the features of the store's architectures.
        means: ``(rows of the table, outputs)``: the predicted means; NaN where a feature that is needed is missing, or all are.
        reading: how the number is read off the outputs.
        level: the share of new measurements that fall into an interval; None where only means are wanted.
    """

    def __init__(
        self,
        measurements: Measurements,
        surrogate: Surrogate,
        table: features.Table,
        means: np.ndarray,
        reading: Reading,
        level: float | None,
    ) -> None:
        self._measurements, self._surrogate, self._reading, self._level = measurements, surrogate, reading, level
        self._known, self._row_of, self._table = measurements.lookup.known["exact"], table.row_of.tolist(), table
        self._means, self._between = reading.of(means), reading.between

    @property
    def identity(self) -> str:
        """``"class"`` if the features are equal for all of a class, else ``"exact"``."""
        return self._table.identity

    def mean(self, arch: Architecture) -> float:
        """Of one architecture, without an interval; raises as `prediction`."""
        try:
            mean = float(self._means[self._row_of[self._known[arch]]])
        except (KeyError, TypeError):  # met for the first time, or not hashable
            row = self._row(arch)
            mean = float(self._computed(self._features([arch]))[0] if row is None else self._means[row])
        if mean != mean:
            raise self._lacking(arch)
        return mean

    def prediction(self, arch: Architecture) -> Prediction:
        """Of one architecture.

        Raises:
            UnknownArchitecture: it is none of the space.
            NotMeasured: a feature is missing that the surrogate needs.
            DamagedStore: the surrogate names rows that the store has not.
        """
        far = False
        try:
            values = self._values[self._row_of[self._known[arch]]]
        except (KeyError, TypeError):  # met for the first time, or not hashable
            row = self._row(arch)
            if row is None:
                features_ = self._features([arch])
                values, far = self._with_intervals(self._computed(features_))[0], bool(self._reach.is_far(features_)[0])
            else:
                values = self._values[row]
        mean, low, high = values.tolist()
        if mean != mean:
            raise self._lacking(arch)
        assert self._level is not None
        return Prediction(mean, low, high, self._level, far, self._between)

    def many(self, archs: Sequence[Architecture]) -> np.ndarray:
        """Of many architectures: ``(len(archs), 3)``: mean, low, high."""
        try:
            found = self._values[[self._row_of[self._known[arch]] for arch in archs]]
        except (KeyError, TypeError):  # some are met for the first time, or are not hashable
            rows = [self._row(arch) for arch in archs]
            found = self._values[[0 if row is None else row for row in rows]].reshape(len(archs), 3)
            if new := [place for place, row in enumerate(rows) if row is None]:
                found[new] = self._with_intervals(self._computed(self._features([archs[place] for place in new])))
        lacking = np.isnan(found).any(axis=1)
        if lacking.any():
            raise self._lacking(archs[int(lacking.argmax())])
        return np.asarray(found)

    @cached_property
    def _values(self) -> np.ndarray:
        """For each row of the table: mean, low and high."""
        return self._with_intervals(self._means)

    def _row(self, arch: Architecture) -> int | None:
        """Where the table has an architecture; None where the store does not hold it."""
        try:
            return int(self._row_of[self._measurements.lookup.row("exact", arch)])
        except NotMeasured:
            return None

    def _features(self, archs: Sequence[Architecture]) -> np.ndarray:
        """``(len(archs), features)`` of architectures that the store does not hold."""
        about, parsed = self._surrogate.about, list(map(self._measurements.lookup.parse, archs))
        return features.of_architectures(about.features, self._measurements, parsed, about.dataset, about.training).values

    def _computed(self, values: np.ndarray) -> np.ndarray:
        """The mean, ``(rows,)``, by features ``(rows, features)``; NaN where one that is needed is missing."""
        return np.where(self._table.is_lacking(values), np.nan, self._reading.of(self._surrogate.predict(values)))

    @cached_property
    def _reach(self) -> Reach:
        """How far what the surrogate learned from reaches."""
        return Reach.of(self._surrogate.learned_features(self._measurements, self._table))

    def _with_intervals(self, mean: np.ndarray) -> np.ndarray:
        """``(rows,)`` → ``(rows, 3)``: mean, low and high; raises InvalidArgument for what is no level."""
        values = np.full((len(mean), 3), np.nan)
        known = ~np.isnan(mean)
        low, high = self._surrogate.interval(self._reading, mean[known], self._level)
        values[known] = np.stack([mean[known], low, high], axis=1)
        return values

    def _lacking(self, arch: Architecture) -> NotMeasured:
        row, parsed = self._row(arch), self._measurements.lookup.parse(arch)
        values = self._features([arch])[0] if row is None else self._table.values[row]
        missing = [name for name in self._table.needed if np.isnan(values[self._table.names.index(name)])]
        lacks = f"{', '.join(self._table.needed)}, of which {', '.join(missing)} was not" if missing else "proxies, and none was"
        return NotMeasured(
            f"{self._reading.metric} is predicted from {lacks} measured for {parsed}; fit a surrogate with features='structure', which needs none."
        )


class Surrogates:
    """The surrogates of one store; each is read, and evaluated on all architectures of the store, when it is first asked."""

    def __init__(self, measurements: Measurements) -> None:
        self._measurements = measurements
        self.asked: dict[tuple[Any, ...], Predictions] = {}
        """By what was asked: the arguments of `RobBench.predict` as they were given, or a question and a level."""
        self._about: dict[Key, About | None] = {}
        self._means: dict[Key, tuple[Surrogate, features.Table, np.ndarray]] = {}

    def __reduce__(self) -> tuple[type[Surrogates], tuple[Measurements]]:
        return Surrogates, (self._measurements,)

    def ask(self, arguments: tuple[Any, ...], question: Question, level: float) -> Predictions:
        """What `predictions` gives for a question, kept under the arguments that asked it."""
        found = self.predictions(question, level)
        with suppress(TypeError):  # not hashable
            self._keep(arguments, found)
        return found

    def predictions(self, question: Question, level: float | None = None) -> Predictions:
        """What the narrowest surrogate of a metric predicts: one that learned its level, or else one that learned levels around it; without a level, means only.

        Raises:
            NotMeasured: none was fitted, of this dataset and training; LevelNotMeasured where one was, and its levels do not reach so far.
            InvalidArgument: a seed, which has no meaning here.
        """
        if question.seed is not None:
            raise InvalidArgument("a prediction has no seed; leave seed out.")
        key = self._key(question, str(question.metric), _ways(question.metric), at_a_level=True)
        surrogate, table, means = self._evaluated(key)
        reading = reading_of(surrogate.about.outputs, surrogate.about.monotone, question.metric)
        assert reading is not None, "only what has a reading fits"
        asked = key, reading.metric, level
        try:
            return self.asked[asked]
        except KeyError:
            found = Predictions(self._measurements, surrogate, table, means, reading, level)
            self._keep(asked, found)
            return found

    def _keep(self, asked: tuple[Any, ...], found: Predictions) -> None:
        """For the next time; the oldest goes where there are many, since there are levels without end."""
        if len(self.asked) >= MOST_KEPT:
            self.asked.pop(next(iter(tuple(self.asked))), None)
        self.asked[asked] = found

    def table(self) -> pd.DataFrame:
        """One row for each output of each surrogate; see `RobBench.surrogates`."""
        import pandas as pd

        records = [
            {
                "dataset": about.dataset,
                "training": about.training,
                "target": about.target,
                "output": output,
                "model": about.model,
                "version": about.model_version,
                "features": about.features,
                "learned_from": len(self._measurements.store.training_rows(*key)),
                **about.scores[output],
                "split": f"{about.split['kind']}, {about.split['train']:g}, seed {about.split['seed']}",
            }
            for key in self._measurements.store.surrogates()
            if (about := self._described(key))
            for output in about.outputs
        ]
        return pd.DataFrame.from_records(records)

    def split_of(self, target: str | Sequence[str], dataset: str | None, training: str | None) -> Split:
        """Which architectures the surrogate of a target has learned from, and which not; see `RobBench.split_of`."""
        wanted = spelled(target)
        metrics = [parse(text) for text in wanted.split("+")]
        key = self._key(Question(metrics[0], dataset, training), wanted, self._ways_of_all(metrics), at_a_level=False)
        return split_of(self._measurements, Surrogate.of(self._measurements.store.surrogate(*key)))

    def _ways_of_all(self, metrics: Sequence[Metric]) -> list[_Way]:
        """As `_ways`, of all of these metrics at once; one without a level, where it has some, is its whole curve, as it is to `fit`."""

        def all_of(ways: Sequence[_Way]) -> _Way:
            return lambda about: all(way(about) or self._has_curve(about, metric) for way, metric in zip(ways, metrics, strict=True))

        return [all_of(ways) for ways in zip(*map(_ways, metrics), strict=True)]

    def _has_curve(self, about: About, metric: Metric) -> bool:
        """Whether a surrogate was told to learn the whole curve of a metric, or has learned every level at which it was measured."""
        if metric.level is not None or metric.entry.axis is None:
            return False
        curve, question = Curve.of(list(map(parse, about.outputs)), metric), Question(metric, about.dataset, about.training)
        return str(metric) in about.target.split("+") or (bool(curve.levels) and is_whole(self._measurements, curve, question))

    def _key(self, question: Question, wanted: str, ways: Sequence[_Way], *, at_a_level: bool) -> Key:
        """Where the narrowest surrogate is of those that fit in one way, among equals the one of this name; in the first way in which any does."""
        dataset = question.dataset or self._measurements.default_dataset
        abouts = {key: about for key in self._measurements.store.surrogates() if (about := self._described(key))}
        for fits in ways:
            size = {key: len(about.outputs) for key, about in abouts.items() if key[0] == dataset and fits(about)}
            if here := [key for key in size if key[1] == _training(question, size)]:
                return min(here, key=lambda key: (size[key], key[2] != wanted, key[2]))
        asked = question._replace(dataset=dataset, training=_training(question, size))
        raise none_fits(self._measurements, asked, wanted, abouts, at_a_level=at_a_level)

    def _described(self, key: Key) -> About | None:
        """What is said of a surrogate; None where a newer RobBench says it in a way that is not known here."""
        if key not in self._about:
            try:
                self._about[key] = described(self._measurements.store.about_surrogate(*key), f"the surrogate of {key[2]} of {key[0]}")
            except NewerFormat:
                self._about[key] = None
        return self._about[key]

    def _evaluated(self, key: Key) -> tuple[Surrogate, features.Table, np.ndarray]:
        """A surrogate, the store's features, and its means for every row of them: NaN where one that is needed is missing, or all are."""
        if key not in self._means:
            surrogate = Surrogate.of(self._measurements.store.surrogate(*key))
            table = surrogate.table(self._measurements)
            means = surrogate.predict(table.values)
            means[table.is_lacking(table.values)] = np.nan
            self._means[key] = surrogate, table, means
        return self._means[key]


def _ways(metric: Metric) -> tuple[_Way, _Way]:
    """Whether a surrogate learned a metric at its level; or levels around it."""

    def learned(about: About) -> bool:
        reading = reading_of(about.outputs, about.monotone, metric)
        return reading is not None and reading.output is not None

    return learned, lambda about: reading_of(about.outputs, about.monotone, metric) is not None


def _training(question: Question, fitting: Iterable[Key]) -> str:
    """The training that is meant, where surrogates of these keys fit: the only one, if it is not named and there is no surrogate of the default."""
    default = UNTRAINED if question.metric.entry.kind in ("proxy", "cost") else STANDARD
    trainings = {key[1] for key in fitting}
    return question.training or (default if default in trainings or len(trainings) != 1 else next(iter(trainings)))
