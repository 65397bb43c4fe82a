"""The predictions of a store's surrogates: of every architecture that the store holds, at once, and of any other when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from robbench.errors import InvalidArgument, NewerFormat, NotMeasured
from robbench.measurements.lookup import Architecture
from robbench.measurements.measurements import Measurements
from robbench.measurements.metrics import parse
from robbench.measurements.question import STANDARD, UNTRAINED, Question
from robbench.surrogates import features
from robbench.surrogates.fitting import spelled
from robbench.surrogates.reach import Reach
from robbench.surrogates.seen import Split, split_of
from robbench.surrogates.surrogate import About, Prediction, Surrogate, described

if TYPE_CHECKING:
    import pandas as pd

_Key = tuple[str, str, str]
"""Dataset, training and target: where a surrogate stands in a store."""


class Predictions:
    """Of one number, for every architecture.

    Arguments:
        measurements: of the store.
        surrogate: what predicts.
        table: the features of the store's architectures.
        means: ``(rows of the table, outputs)``: the predicted means; NaN where all features are missing.
        output: the number.
        level: the share of new measurements that fall into an interval; None where only means are wanted.
    """

    def __init__(
        self, measurements: Measurements, surrogate: Surrogate, table: features.Table, means: np.ndarray, output: str, level: float | None
    ) -> None:
        self._measurements, self._surrogate, self._output, self._level = measurements, surrogate, output, level
        self._known, self._row_of, self._table = measurements.lookup.known["exact"], table.row_of.tolist(), table
        self._index = surrogate.about.outputs.index(output)
        self._means = means[:, self._index]

    @property
    def identity(self) -> str:
        """``"class"`` if the features are equal for all of a class, else ``"exact"``."""
        return "class" if features.are_of_function(self._measurements.space, self._surrogate.about.features) else "exact"

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
        return Prediction(mean, low, high, self._level, far)

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
        parsed = list(map(self._measurements.lookup.parse, archs))
        return features.of_architectures(self._measurements.space, self._surrogate.about.features, parsed).values

    def _computed(self, values: np.ndarray) -> np.ndarray:
        """The mean, ``(rows,)``, by features ``(rows, features)``."""
        return np.asarray(self._surrogate.predict(values)[:, self._index])

    @cached_property
    def _reach(self) -> Reach:
        """How far what the surrogate learned from reaches."""
        return Reach.of(self._surrogate.learned_features(self._measurements, self._table))

    def _with_intervals(self, mean: np.ndarray) -> np.ndarray:
        """``(rows,)`` → ``(rows, 3)``: mean, low and high; raises InvalidArgument for what is no level."""
        values = np.full((len(mean), 3), np.nan)
        known = ~np.isnan(mean)
        low, high = self._surrogate.interval(self._output, mean[known], self._level)
        values[known] = np.stack([mean[known], low, high], axis=1)
        return values

    def _lacking(self, arch: Architecture) -> NotMeasured:
        return NotMeasured(
            f"{self._output} is predicted from proxies, and none was measured for {self._measurements.lookup.parse(arch)};"
            " fit a surrogate with features='structure', which needs none."
        )


class Surrogates:
    """The surrogates of one store; each is read, and evaluated on all architectures of the store, when it is first asked."""

    def __init__(self, measurements: Measurements) -> None:
        self._measurements = measurements
        self.asked: dict[tuple[Any, ...], Predictions] = {}
        """By what was asked: the arguments of `RobBench.predict` as they were given, or a question and a level."""
        self._about: dict[_Key, About | None] = {}
        self._means: dict[_Key, tuple[Surrogate, features.Table, np.ndarray]] = {}

    def __reduce__(self) -> tuple[type[Surrogates], tuple[Measurements]]:
        return Surrogates, (self._measurements,)

    def ask(self, arguments: tuple[Any, ...], question: Question, level: float) -> Predictions:
        """What `predictions` gives for a question, kept under the arguments that asked it."""
        found = self.predictions(question, level)
        with suppress(TypeError):  # not hashable
            self.asked[arguments] = found
        return found

    def predictions(self, question: Question, level: float | None = None) -> Predictions:
        """What the narrowest surrogate of a metric predicts; without a level, means only.

        Raises:
            NotMeasured: none was fitted, of this dataset and training.
            InvalidArgument: a seed or interpolation, which have no meaning here.
        """
        if question.seed is not None or question.interpolate:
            raise InvalidArgument("a prediction has no seed and is never interpolated; leave seed and interpolate out.")
        output = str(question.metric)
        key = self._key(question, output, lambda about: output in about.outputs)
        if (key, output, level) not in self.asked:
            self.asked[key, output, level] = Predictions(self._measurements, *self._evaluated(key), output, level)
        return self.asked[key, output, level]

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
        question = Question(parse(wanted.split("+")[0]), dataset, training)
        key = self._key(question, wanted, lambda about: about.target == wanted or wanted in about.outputs)
        return split_of(self._measurements, Surrogate.of(self._measurements.store.surrogate(*key)))

    def _key(self, question: Question, wanted: str, fits: Callable[[About], bool]) -> _Key:
        """Where the narrowest surrogate is of those that fit."""
        store, dataset = self._measurements.store, question.dataset or self._measurements.default_dataset
        size = {key: len(about.outputs) for key in store.surrogates() if (about := self._described(key)) and fits(about)}
        default = UNTRAINED if question.metric.entry.kind in ("proxy", "cost") else STANDARD
        trainings = {key[1] for key in size if key[0] == dataset}
        training = question.training or (default if default in trainings or len(trainings) != 1 else next(iter(trainings)))
        here = [key for key in size if key[:2] == (dataset, training)]
        if not here:
            others = ", ".join(sorted({f"{key[2]} of {key[0]} ({key[1]})" for key in store.surrogates()})) or "none at all"
            raise NotMeasured(
                f"no surrogate of {wanted} of {dataset} ({training}) is in {store.file_name}; it holds {others}."
                f" `robbench fit` adds one: robbench fit {store.file_name} --target {wanted}"
            )
        return min(here, key=lambda key: (size[key], key[2]))

    def _described(self, key: _Key) -> About | None:
        """What is said of a surrogate; None where a newer RobBench says it in a way that is not known here."""
        if key not in self._about:
            try:
                self._about[key] = described(self._measurements.store.about_surrogate(*key), f"the surrogate of {key[2]} of {key[0]}")
            except NewerFormat:
                self._about[key] = None
        return self._about[key]

    def _evaluated(self, key: _Key) -> tuple[Surrogate, features.Table, np.ndarray]:
        """A surrogate, the store's features, and its means for every row of them: NaN where all of these are missing."""
        if key not in self._means:
            surrogate = Surrogate.of(self._measurements.store.surrogate(*key))
            table = surrogate.table(self._measurements)
            means = surrogate.predict(table.values)
            means[np.isnan(table.values).all(axis=1)] = np.nan
            self._means[key] = surrogate, table, means
        return self._means[key]
