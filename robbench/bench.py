"""RobBench: ask a store how robust an architecture is."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from importlib import import_module
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Never

import numpy as np

from robbench.arguments import checked_choice, options_checked, refuse_unknown_options
from robbench.delegates import Delegate
from robbench.errors import NotMeasured
from robbench.measurements.lookup import Architecture
from robbench.measurements.measurements import Answer, Measurements
from robbench.measurements.metrics import Metric
from robbench.measurements.question import OPTIONS, Question
from robbench.spaces import SearchSpace
from robbench.store.embedded import embedded_store
from robbench.store.reading import Store

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from ConfigSpace import ConfigurationSpace

    from robbench.adapters.dataset import XY
    from robbench.measurements.explanation import Explanation
    from robbench.search.objectives import Function
    from robbench.search.oracle import Oracle
    from robbench.search.result import Result
    from robbench.surrogates.predictions import Predictions, Surrogates
    from robbench.surrogates.seen import Split
    from robbench.surrogates.surrogate import Prediction


class RobBench:
    """A store, and the questions it answers.  Safe to share between threads and to hand to processes.

    Questions take the same options, as far as they have a meaning there: ``eps`` or ``severity`` (the level), ``measure``, ``dataset``, ``training``,
    ``seed`` (None: the mean over seeds), ``interpolate`` (between measured levels) and ``epoch`` (of a learning curve).  Accuracies are fractions in
    [0, 1]; eps is in units of images in [0, 1]; the same call always gives the same answer.

        bench = RobBench()
        bench.query(arch, "pgd", eps=16 / 255)

    What the command line does is a method of the same name: ``bench.pareto(…)`` is ``robbench pareto …``, ``bench.plot.scatter(…)`` is
    ``robbench plot scatter …``.

    Arguments:
        path: a store; the embedded one if left out.
        dataset: the dataset that a question means when it names none; by default the first that was put into the store.

    Raises:
        StoreError: the file is not a store, is damaged, or is of a newer format.
        UnknownSpace: it is of a search space that this RobBench does not know.
        NotMeasured: the store holds no such dataset.
    """

    correlate: Delegate[pd.DataFrame] = Delegate("robbench.analysis", "correlations")
    pareto: Delegate[pd.DataFrame] = Delegate("robbench.analysis", "pareto_front")
    best: Delegate[pd.DataFrame] = Delegate("robbench.analysis", "best")
    neighbors: Delegate[pd.DataFrame] = Delegate("robbench.analysis", "neighbors")
    anomalies: Delegate[pd.DataFrame] = Delegate("robbench.analysis", "anomalies")
    importance: Delegate[pd.DataFrame] = Delegate("robbench.analysis", "importance")
    cite: Delegate[str] = Delegate("robbench.citing", "cite")
    show: Delegate[Any] = Delegate("robbench.showing", "show")
    search: Delegate[Result] = Delegate("robbench.search.repeated", "search")
    explore: Delegate[Any] = Delegate("robbench.explore", "explore")
    papers: Delegate[Any] = Delegate("robbench.papers", "papers")
    _repr_html_: Delegate[str] = Delegate("robbench.notebook", "bench_html")

    @options_checked
    def __init__(self, path: str | os.PathLike[str] | None = None, *, dataset: str | None = None) -> None:
        self._store = Store(embedded_store() if path is None else path)
        held = self._store.datasets()
        self.default_dataset = dataset or self._store.default_dataset
        if self.default_dataset not in held:
            raise NotMeasured(f"dataset {dataset!r} is not in {self._store.file_name}; it holds {', '.join(held)}.")
        self.measurements = Measurements(self._store, self.default_dataset)
        """What fitting, analysis and search work on: whole columns."""
        self._answers = self.measurements.answers

    def __reduce__(self) -> tuple[Callable[..., RobBench], tuple[str]]:
        return partial(RobBench, dataset=self.default_dataset), (self._store.path,)

    def __copy__(self) -> RobBench:
        return self  # nothing that a question does to a bench can be seen

    def __deepcopy__(self, memo: dict[int, Any]) -> RobBench:
        return self

    def __repr__(self) -> str:
        return f"RobBench({self._store.path!r}, dataset={self.default_dataset!r})"

    @property
    def path(self) -> Path:
        """The store's file, absolute."""
        from pathlib import Path

        return Path(self._store.path)

    def copy(self, into: str | os.PathLike[str]) -> RobBench:
        """A copy of the store, to put more into: of the embedded one, which is part of the package and should stay as it is.

            mine = RobBench().copy("mine.h5")
            robbench.surrogates.fit(mine, "fog").save(mine.path)

        Arguments:
            into: the copy's file, which must not be there yet.

        Returns:
            A bench on the copy, with this one's default dataset.

        Raises:
            StoreError: there is a file already, or its folder cannot be written.
        """
        from robbench.store.copying import copy

        copy(self._store.path, into)
        return RobBench(into, dataset=self.default_dataset)

    @property
    def space(self) -> SearchSpace[Any]:
        """The search space whose architectures the store holds."""
        return self._store.space

    @property
    def datasets(self) -> list[str]:
        """The datasets in the store."""
        return self._store.datasets()

    @property
    def architectures(self) -> tuple[Any, ...]:
        """Every exact architecture that the store holds, in row order: all 15,625 cells of NAS-Bench-201."""
        return self.measurements.lookup.exact

    @property
    def classes(self) -> tuple[Any, ...]:
        """One architecture for each class that the store holds, in row order: the evaluated one, where the store knows."""
        return self.measurements.lookup.classes

    @cached_property
    def plot(self) -> Any:
        """Figures, one method a kind: ``bench.plot.scatter("clean", "pgd@16/255")``; `robbench.plots.figures.Figures` lists them."""
        return import_module("robbench.plots.figures").Figures(self)

    def parse(self, arch: Architecture) -> Any:
        """The architecture that a text, any other spelling of the space, or a published index means; raises UnknownArchitecture."""
        return self.measurements.lookup.parse(arch)

    def published_index(self, arch: Architecture) -> int | None:
        """The architecture's index in the published benchmark; None in a store that carries no index."""
        return self.measurements.lookup.published_index(arch)

    def query(
        self,
        arch: Architecture,
        metric: str | Metric,
        *,
        eps: float | str | None = None,
        severity: int | None = None,
        measure: str | None = None,
        dataset: str | None = None,
        training: str | None = None,
        seed: int | None = None,
        interpolate: bool = False,
        epoch: int | None = None,
        **unknown: Never,
    ) -> Any:
        """One metric of one architecture.

        Arguments:
            arch: an architecture, its text or another spelling of the store's space, or a published index where the store carries it.
            metric: a name, or the grammar of `robbench.measurements.metrics`: ``"pgd"``, ``"pgd@1/255"``, ``"clean:confusion"``.
            eps: level of an attack, in units of images in [0, 1]; ``"1/255"`` is taken too.
            severity: level of a corruption, 1 to 5.
            measure: accuracy if left out; see `robbench.measurements.metrics.MEASURES`.
            dataset: the bench's default if left out.
            training: the protocol; ``"standard"`` if left out and the dataset has it, else the only one that holds the metric.
            seed: of the training; the mean over seeds if left out.
            interpolate: allow a level between two measured ones (monotone cubic, of log-odds over the root of the level); `explain` says when it was used.
                A worst case is interpolated between levels at which all of its attacks were measured, and is never above one of these, interpolated alike.
                A mean over attacks has no level.
            epoch: a point of the learning curve, as the source counts epochs, instead of the published result.
            unknown: any other option is an error that names the nearest.

        Returns:
            A float; for confusion ``(classes, classes)`` int64 counts, for outcomes ``(images,)`` bool, for a learning curve ``(epochs,)`` float64.

        Raises:
            UnknownArchitecture, UnknownMetric, InvalidArgument: the question makes no sense; the message says why.
            NotMeasured: the store has no answer; LevelNotMeasured where it has one at other levels.  An attribute of the space, such as
                ``"kernel_parameters"``, has one for every architecture, in the store or not.
        """
        asked = metric, eps, severity, measure, dataset, training, seed, interpolate, epoch
        try:
            values, known, _ = self._answers[asked]
            value = values[known[arch]]
        except (KeyError, TypeError):  # asked for the first time, or not hashable
            return self._first_answer(arch, asked, unknown)
        if value != value or unknown:
            return self._first_answer(arch, asked, unknown)
        return value

    @options_checked
    def query_many(
        self,
        archs: Sequence[Architecture],
        metric: str | Metric,
        *,
        missing: str = "raise",
        eps: float | str | None = None,
        severity: int | None = None,
        measure: str | None = None,
        dataset: str | None = None,
        training: str | None = None,
        seed: int | None = None,
        interpolate: bool = False,
        epoch: int | None = None,
    ) -> np.ndarray:
        """One metric of many architectures: ``(len(archs),)``, float64.

        Arguments:
            archs: in any mix of the forms that `query` takes.  `bench.classes` itself costs no look-up.
            metric: as for `query`, and so are the other options.
            missing: what to do where nothing was measured: ``"raise"``, or ``"nan"``.
        """
        checked_choice(missing, "missing", ("raise", "nan"))
        lookup = self.measurements.lookup
        archs = lookup.several(archs, "query")
        answer = self._answer(metric, eps, severity, measure, dataset, training, seed, interpolate, epoch)
        column = answer.column
        if archs is lookup.classes and column.rows == "class":
            values = column.values.copy()
        else:
            try:  # an itemgetter is the fastest way through a dict, but of one key it makes no tuple
                rows = itemgetter(*archs)(answer.known) if len(archs) > 1 else [answer.known[arch] for arch in archs]
                values = column.values[np.fromiter(rows, np.intp, len(archs))]
            except (KeyError, TypeError):  # some are met for the first time, or are indices, or not hashable
                values = np.array([self._value_or_nan(answer, arch) for arch in archs], np.float64)
        if missing == "raise" and np.isnan(values).any():
            first = int(np.isnan(values).argmax())
            raise NotMeasured(
                f"{column.question.metric} of {column.question.dataset} was not measured for {int(np.isnan(values).sum())} of {len(values)}"
                f" architectures, the first of them {archs[first]}; missing='nan' lets them pass as NaN."
            )
        return values

    @options_checked
    def oracle(
        self,
        objectives: str | Metric | Function | Sequence[str | Metric | Function],
        *,
        budget: float | None = None,
        cost: str | Metric | Function | None = None,
        on: str = "store",
        on_repeat: str = "free",
        identity: str | None = None,
        noise: str | None = None,
        noise_seed: int = 0,
        directions: Mapping[str, str] | None = None,
        missing: str = "raise",
        history: bool = True,
        eps: float | str | None = None,
        severity: int | None = None,
        measure: str | None = None,
        dataset: str | None = None,
        training: str | None = None,
        seed: int | None = None,
        interpolate: bool = False,
        epoch: int | None = None,
    ) -> Oracle:
        """A function from architecture to value, for searches: it counts what is asked, and ends with its budget.

        Arguments:
            objectives: one objective, whose value is a float, or a list of them, whose values are a tuple.  An objective is a metric of the store, or any
                function from an architecture of the space to a number; see `robbench.search.objectives`.
            budget: what may be spent; None for no end.
            cost: what a query costs: 1 if left out; a metric that the store holds, such as ``"training_seconds"``; or a function, as for an objective.
            on: where metrics come from: what was measured, ``"store"``, or what a surrogate in the store predicts (its mean), ``"surrogate"``, at any level
                that `predict` answers, with `interpolate` or without.
            on_repeat: an architecture that was asked before is ``"free"``, or is charged again: ``"charge"``.
            identity: what counts as the same architecture, ``"class"`` or ``"exact"``; if left out, what all objectives agree on: classes if all of them were
                measured once a class, else exact architectures.  With ``"class"`` an objective of exact architectures has, for all of a class, the value
                of its representative (see `classes`).
            noise: ``"twin"`` adds to accuracies what functional twins of about this accuracy differ by; a network has the same noise each
                time it is asked, and another one where it is charged again, as if it were trained again.  With ``"twin-once"`` it is the
                same then, too, as if the whole benchmark were trained once more.
            noise_seed: of the noise.
            directions: ``"max"`` or ``"min"`` for an objective, where it is not what the metric's table says: ``{"params": "min"}``.
            missing: what to do where an objective was not measured: ``"raise"``, or ``"nan"``.
            history: keep every query that is charged.
            eps, severity, measure, dataset, training, seed, interpolate, epoch: as for `query`, for all metrics; a level belongs to each of several:
                ``["pgd@1/255", "clean"]``; training and seed don't matter to what belongs to untrained networks.

        Raises:
            UnknownMetric, NotMeasured: as `query`.
            InvalidArgument: an option that means nothing.
            CannotFit: noise is wanted, and no two twins were measured.
        """
        from robbench.search.objectives import objective_of, objectives_of
        from robbench.search.oracle import Oracle

        checked_choice(on, "on", ("store", "surrogate"))
        single = not isinstance(objectives, list | tuple) or isinstance(objectives, Metric)
        found = objectives_of(
            [objectives] if single else objectives,  # type: ignore[arg-type, list-item]
            self.measurements,
            self._surrogates if on == "surrogate" else None,
            eps=eps,
            severity=severity,
            measure=measure,
            dataset=dataset,
            training=training,
            seed=seed,
            interpolate=interpolate,
            epoch=epoch,
        )
        price = None if cost is None else objective_of(cost, self.measurements, dataset=dataset, training=training, seed=seed)
        return Oracle(
            found,
            self.measurements,
            single=single,
            cost=price,
            budget=budget,
            on_repeat=on_repeat,
            identity=identity,
            noise=noise,
            noise_seed=noise_seed,
            directions=directions,
            missing=missing,
            history=history,
        )

    @options_checked
    def config_space(self, *, seed: int | None = None) -> ConfigurationSpace:
        """The search space as a ConfigSpace; see `robbench.adapters.configspace`."""
        from robbench.adapters.configspace import config_space

        return config_space(self.space, seed=seed)

    @options_checked
    def to_xy(
        self,
        metric: str,
        *,
        features: str = "structure",
        split: str | None = None,
        train: float = 0.8,
        seed: int = 0,
        missing: str = "raise",
        dataset: str | None = None,
        training: str | None = None,
    ) -> XY:
        """Features and measurements as a table for scikit-learn; see `robbench.adapters.dataset.to_xy`, which says what the options are."""
        from robbench.adapters.dataset import to_xy

        return to_xy(
            self.measurements,
            metric,
            features=features,
            split=split,
            train=train,
            seed=seed,
            missing=missing,
            dataset=dataset,
            training=training,
        )

    @options_checked
    def explain(
        self,
        arch: Architecture,
        metric: str | Metric,
        *,
        eps: float | str | None = None,
        severity: int | None = None,
        measure: str | None = None,
        dataset: str | None = None,
        training: str | None = None,
        seed: int | None = None,
        interpolate: bool = False,
        epoch: int | None = None,
    ) -> Explanation:
        """The value together with where it comes from: measured, interpolated or derived, by whom and how; options as for `query`."""
        from robbench.measurements.explanation import explained

        asked = metric, eps, severity, measure, dataset, training, seed, interpolate, epoch
        value = self._first_answer(arch, asked, {})
        return explained(self.measurements, self.parse(arch), value, self._question(*asked))

    @options_checked
    def predict(
        self,
        arch: Architecture,
        metric: str | Metric,
        *,
        level: float = 0.9,
        eps: float | str | None = None,
        severity: int | None = None,
        measure: str | None = None,
        dataset: str | None = None,
        training: str | None = None,
    ) -> Prediction:
        """What a surrogate expects of one metric of one architecture, measured or not; `query` gives what was measured.

        Arguments:
            arch: as for `query`; it need not be in the store.
            metric: as for `query`; one that a surrogate in the store was fitted to (`surrogates` lists them), or one at a level between two of a curve that
                it was fitted to.  No `interpolate` is needed, since a prediction is a model's word at every level; it is monotone in the level where the
                measurements are.
            level: the share of new measurements that fall into the interval.  Between two levels, of a curve that was measured at the learned ones and
                interpolated as the prediction was: nothing else is known there.
            eps, severity, measure, dataset, training: as for `query`.

        Returns:
            mean, low, high, level; far: whether the architecture is unlike all that the surrogate learned from; between: which two levels the prediction was
            interpolated between, where the surrogate did not learn this one.

        Raises:
            UnknownArchitecture, UnknownMetric, InvalidArgument: the question makes no sense.
            NotMeasured: no surrogate of this was fitted, or a feature that it needs is missing; the message says which there are.  LevelNotMeasured where one was
                fitted, and the level is outside its curve.
        """
        return self._predictions(metric, level, eps, severity, measure, dataset, training).prediction(arch)

    @options_checked
    def predict_many(
        self,
        archs: Sequence[Architecture],
        metric: str | Metric,
        *,
        level: float = 0.9,
        eps: float | str | None = None,
        severity: int | None = None,
        measure: str | None = None,
        dataset: str | None = None,
        training: str | None = None,
    ) -> np.ndarray:
        """Predictions of many architectures: ``(len(archs), 3)``, float64: mean, low, high; arguments as for `predict`."""
        archs = self.measurements.lookup.several(archs, "predict")
        return self._predictions(metric, level, eps, severity, measure, dataset, training).many(archs)

    def surrogates(self) -> pd.DataFrame:
        """The surrogates in this store: one row for each number that one of them predicts.

        ``learned_from`` architectures it learned, and ``n`` others, unseen, gave its scores and calibrated its intervals; `split_of` says which.
        """
        return self._surrogates.table()

    @options_checked
    def split_of(self, target: str | Sequence[str], *, dataset: str | None = None, training: str | None = None) -> Split:
        """Which architectures the surrogate of a target has learned from, and which are held out, so that another predictor is compared fairly.

            split = bench.split_of("pgd@16/255")
            mine.fit(split.training, bench.query_many(split.training, "pgd@16/255"))

        Both are then judged on ``split.held_out``.  A functional twin of an architecture that it learned from counts as seen.

        Arguments:
            target: a metric that `predict` answers; or several, as a list or joined by "+", or the whole curve of one that names no level, such as ``"pgd"``, as in
                `robbench.surrogates.fit`.  It is the narrowest surrogate that predicts all of them, which for one metric is the one that `predict` asks.
            dataset, training: as for `predict`.

        Returns:
            training, calibration, held_out: see `robbench.surrogates.Split`.

        Raises:
            UnknownMetric: the target is none.
            NotMeasured: no surrogate of it was fitted; the message says which there are.
            DamagedStore: it names rows that the store has not.
        """
        return self._surrogates.split_of(target, dataset, training)

    @options_checked
    def curve(
        self,
        arch: Architecture,
        metric: str | Metric,
        *,
        measure: str | None = None,
        dataset: str | None = None,
        training: str | None = None,
        seed: int | None = None,
    ) -> pd.Series[float]:
        """A threat over all its measured levels: a Series indexed by eps or severity; options as for `query`, but no level.

        A worst case runs over the levels at which all of its attacks were measured, since at others it would be one of other attacks.
        """
        from robbench.measurements import tables

        question = self._question(metric, None, None, measure, dataset, training, seed, False, None)
        return tables.curve(self.measurements, self.parse(arch), question)

    @options_checked
    def table(
        self,
        metrics: str | Metric | Sequence[str | Metric] | None = None,
        *,
        dataset: str | None = None,
        training: str | None = None,
        seed: int | None = None,
        interpolate: bool = False,
    ) -> pd.DataFrame:
        """One row for each class, indexed by the text of its representative; one column for each metric; NaN where not measured.

        Arguments:
            metrics: one or several, as for `query`; by default every number that the store holds for the dataset and its default training.
            dataset: the bench's default if left out.
            training, seed, interpolate: as for `query`; training and seed don't matter to what belongs to untrained networks.
        """
        from robbench.measurements import tables

        return tables.table(self.measurements, metrics, dataset=dataset, training=training, seed=seed, interpolate=interpolate)

    @options_checked
    def top(
        self,
        metric: str | Metric,
        n: int = 10,
        *,
        eps: float | str | None = None,
        severity: int | None = None,
        measure: str | None = None,
        dataset: str | None = None,
        training: str | None = None,
        seed: int | None = None,
        interpolate: bool = False,
        epoch: int | None = None,
    ) -> pd.DataFrame:
        """The n best architectures by a metric, best first: text, class key, value; equal ones in row order; options as for `query`.

        Classes compete where the metric was measured once a class, exact architectures where it belongs to these.
        """
        from robbench.measurements import tables

        return tables.top(self.measurements, self._question(metric, eps, severity, measure, dataset, training, seed, interpolate, epoch), n)

    def metrics(self) -> pd.DataFrame:
        """What this store holds: one row for each array of measurements."""
        from robbench.measurements import tables

        return tables.metrics(self.measurements)

    @staticmethod
    def _question(metric: str | Metric, *options: Any) -> Question:
        return Question.of(metric, **dict(zip(OPTIONS, options, strict=True)))

    def _answer(self, *asked: Any) -> Answer:
        """The answer to the arguments of `query` from the metric on, kept for the next time."""
        try:
            return self._answers[asked]
        except (KeyError, TypeError):  # asked for the first time, or not hashable
            return self.measurements.asked(asked)

    def _first_answer(self, arch: Architecture, asked: tuple[Any, ...], unknown: Mapping[str, object]) -> Any:
        """The answer the long way, which leaves the column and the architecture's row behind for the next time."""
        refuse_unknown_options("query", unknown, OPTIONS)
        question = self.measurements.resolve(self._question(*asked))
        if self.measurements.is_number(question):
            self.measurements.asked(asked)
        return self.measurements.value(question, arch)

    def _value_or_nan(self, answer: Answer, arch: Architecture) -> float:
        try:
            return self.measurements.number(answer, arch)
        except NotMeasured:  # the store has no row of it
            return np.nan

    @cached_property
    def _surrogates(self) -> Surrogates:
        from robbench.surrogates.predictions import Surrogates

        return Surrogates(self.measurements)

    def _predictions(self, metric: str | Metric, level: float, *options: Any) -> Predictions:
        """The predictions of one metric; `Surrogates` keeps them for the next time."""
        asked = metric, level, *options
        try:
            return self._surrogates.asked[asked]
        except (KeyError, TypeError):  # asked for the first time, or not hashable
            return self._surrogates.ask(asked, self._question(metric, *options, None, False, None), level)
