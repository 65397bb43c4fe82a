"""RobBench: ask a store how robust an architecture is."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from robbench.measurements.columns import Columns, Question
from robbench.store.embedded import embedded_store
from robbench.errors import NotMeasured, UnknownMetric
from robbench.measurements.lookup import Answers, Architecture, Lookup, Rows, several
from robbench.measurements.metrics import Metric
from robbench.spaces.nb201 import Cell
from robbench.store.reading import Store

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from ConfigSpace import ConfigurationSpace

    from robbench.adapters.dataset import XY
    from robbench.measurements.explanation import Explanation
    from robbench.search.oracle import Oracle
    from robbench.surrogates.answers import Predictions, Surrogates
    from robbench.surrogates.surrogate import Prediction


class RobBench:
    """A store, and the questions it answers.  Safe to share between threads and to hand to processes.

    Every question takes the same options: ``eps`` or ``severity`` (the level), ``measure``, ``dataset``, ``training``, ``seed``
    (None: the mean over seeds) and ``interpolate`` (between measured levels).  Accuracies are fractions in [0, 1]; eps is in
    units of images in [0, 1]; the same call always gives the same answer.

    Arguments:
        path: a store; the embedded one if left out.
        dataset: the dataset that a question means when it names none; by default the first that was put into the store.

    Raises:
        StoreError: the file is not a store, is damaged, or is of a newer format.
        UnknownMetric: the store holds no such dataset.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, *, dataset: str | None = None) -> None:
        self._store = Store(embedded_store() if path is None else path)
        self.default_dataset = dataset or self._store.default_dataset
        if self.default_dataset not in self.datasets:
            raise UnknownMetric(f"dataset {dataset!r} is not in {self._store.file_name}; it holds {', '.join(self.datasets)}.")
        self._lookup = Lookup(self._store)
        self._columns = Columns(self._store, self.default_dataset)
        self._predicted: dict[tuple[object, ...], Predictions] = {}
        self._answers: dict[Question, Answers] = {}
        self._asked: dict[tuple[object, ...], Answers] = {}

    def __reduce__(self) -> tuple[Callable[..., RobBench], tuple[str]]:
        return partial(RobBench, dataset=self.default_dataset), (self._store.path,)

    def __repr__(self) -> str:
        return f"RobBench({self._store.path!r}, dataset={self.default_dataset!r})"

    @property
    def path(self) -> Path:
        """The store's file."""
        from pathlib import Path

        return Path(self._store.path)

    @property
    def datasets(self) -> list[str]:
        """The datasets in the store."""
        return self._store.datasets()

    @property
    def columns(self) -> Columns:
        """The columns of this store: what fitting and analysis work on."""
        return self._columns

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All 15,625 cells, in row order."""
        return self._lookup.cells

    @property
    def classes(self) -> tuple[Cell, ...]:
        """One cell for each isomorphism class in the store, in row order: the evaluated one, where the store knows."""
        return self._lookup.classes

    def cell(self, arch: Architecture) -> Cell:
        """The cell that an arch string, six operations or a published index mean; raises UnknownArchitecture."""
        return self._lookup.cell(arch)

    def published_index(self, arch: Architecture) -> int | None:
        """The cell's index in NAS-Bench-201; None in a store that carries no index."""
        return self._lookup.published_index(self.cell(arch))

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
    ) -> Any:
        """One metric of one architecture.

        Arguments:
            arch: an arch string, a Cell, six operation names, or a published index where the store carries it.
            metric: a name, or the grammar of `robbench.measurements.metrics`: ``"pgd"``, ``"pgd@1/255"``, ``"clean:confusion"``.
            eps: level of an attack, in units of images in [0, 1]; ``"1/255"`` is taken too.
            severity: level of a corruption, 1 to 5.
            measure: accuracy if left out; see `robbench.measurements.metrics.MEASURES`.
            dataset: the bench's default if left out.
            training: the protocol; ``"standard"`` if left out and the dataset has it, else the only one that holds the metric.
            seed: of the training; the mean over seeds if left out.
            interpolate: allow a level between two measured ones (monotone cubic); `explain` says when it was used.

        Returns:
            A float; for confusion ``(classes, classes)`` int64 counts, for outcomes ``(images,)`` bool.

        Raises:
            UnknownArchitecture, UnknownMetric: the question makes no sense; the message says why.
            NotMeasured: the store has no answer; LevelNotMeasured where it has one at other levels.
        """
        asked = metric, eps, severity, measure, dataset, training, seed, interpolate
        try:
            values, rows, _ = self._asked[asked]
            value = values[rows[arch]]
        except (KeyError, TypeError):  # not asked before, or not hashable
            return self._answer(arch, asked)
        return value if value == value else self._answer(arch, asked)

    def query_many(self, archs: Sequence[Architecture], metric: str | Metric, *, missing: str = "raise", **options: Any) -> np.ndarray:
        """One metric of many architectures: ``(len(archs),)``, float64.

        Arguments:
            archs: in any mix of the forms that `query` takes.  `bench.classes` itself costs no look-up.
            metric: as for `query`.
            missing: what to do where nothing was measured: ``"raise"``, or ``"nan"``.
            options: as for `query`.
        """
        if missing not in ("raise", "nan"):
            raise UnknownMetric(f"missing={missing!r} is neither 'raise' nor 'nan'.")
        archs = several(archs, "query")
        _, rows, column = self._ask(Question.of(metric, **options))
        if archs is self._lookup.classes and column.rows == "class":
            values = column.values.copy()
        else:
            try:  # an itemgetter is the fastest way through a dict, but of one item it makes no tuple
                found = itemgetter(*archs)(rows.known) if len(archs) > 1 else [rows[arch] for arch in archs]
            except (KeyError, TypeError):  # something is new, an index, or not hashable
                found = [self._row(rows, arch) for arch in archs]
            values = column.values[np.fromiter(found, np.intp, len(archs))]
        if missing == "raise" and np.isnan(values).any():
            first = int(np.isnan(values).argmax())
            raise NotMeasured(
                f"{column.question.metric} of {column.question.dataset} was not measured for {int(np.isnan(values).sum())} of {len(values)}"
                f" architectures, the first of them {archs[first]}; missing='nan' lets them pass as NaN."
            )
        return values

    def oracle(
        self,
        metric: str | Metric | Sequence[str | Metric],
        *,
        budget: float | None = None,
        cost: str | Metric | None = None,
        on_repeat: str = "free",
        identity: str | None = None,
        noise: str | None = None,
        noise_seed: int = 0,
        directions: Mapping[str, str] | None = None,
        missing: str = "raise",
        history: bool = True,
        **options: Any,
    ) -> Oracle:
        """A function from architecture to value, for searches: it counts what is asked, and ends with its budget.

        Arguments:
            metric: one objective, whose value is a float, or a list of them, whose values are a tuple.
            budget: what may be spent; None for no end.
            cost: what a query costs: 1 if left out, or a metric that the store holds, such as ``"training_seconds"``.
            on_repeat: an architecture that was asked before is ``"free"``, or is charged again: ``"charge"``.
            identity: what counts as the same architecture: ``"class"``, the default where an objective was measured once a class, or ``"exact"``.
            noise: ``"twin"`` adds to accuracies what functional twins of about this accuracy differ by; a network has the same noise each
                time it is asked, and another one where it is charged again, as if it were trained again.  With ``"twin-once"`` it is the
                same then, too, as if the whole benchmark were trained once more.
            noise_seed: of the noise.
            directions: ``"max"`` or ``"min"`` for an objective, where it is not what the metric's table says: ``{"params": "min"}``.
            missing: what to do where an objective was not measured: ``"raise"``, or ``"nan"``.
            history: keep every query that is charged.
            options: as for `query`, for all objectives; a level belongs to each: ``["pgd@1/255", "clean"]``; training and seed don't matter to
                what belongs to untrained networks.

        Raises:
            UnknownMetric, NotMeasured: as `query`, or an option that means nothing.
            CannotFit: noise is wanted, and no two twins were measured.
        """
        from robbench.search.oracle import Oracle

        single = isinstance(metric, Metric) or not isinstance(metric, list | tuple)
        metrics: Sequence[Any] = [metric] if single else metric
        if not metrics:
            raise UnknownMetric("there are no objectives; expected at least one metric, such as 'pgd@1/255'.")
        where = {name: options[name] for name in ("dataset", "training", "seed") if name in options}
        return Oracle(
            [self._ask(self._columns.placed(Question.of(one, **options))) for one in metrics],
            self._lookup,
            single=single,
            cost=None if cost is None else self._ask(self._columns.placed(Question.of(cost, **where))),
            budget=budget,
            on_repeat=on_repeat,
            identity=identity,
            noise=noise,
            noise_seed=noise_seed,
            directions=directions,
            missing=missing,
            history=history,
        )

    def config_space(self, *, seed: int | None = None) -> ConfigurationSpace:
        """The cells as a ConfigSpace; see `robbench.adapters.configspace`."""
        from robbench.adapters.configspace import config_space

        return config_space(seed=seed)

    def to_xy(self, metric: str, **options: Any) -> XY:
        """Features and measurements as a table for scikit-learn; see `robbench.adapters.dataset.to_xy`, which says what the options are."""
        from robbench.adapters.dataset import to_xy

        return to_xy(self, metric, **options)

    def explain(self, arch: Architecture, metric: str | Metric, **options: Any) -> Explanation:
        """The value together with where it comes from: measured, interpolated or derived, by whom and how; options as for `query`."""
        from robbench.measurements.explanation import explained

        return explained(self, arch, metric, **options)

    def predict(self, arch: Architecture, metric: str | Metric, *, level: float = 0.9, **options: Any) -> Prediction:
        """What a surrogate expects of one metric of one architecture, measured or not; `query` gives what was measured.

        Arguments:
            arch: as for `query`.
            metric: as for `query`; one that a surrogate in the store was fitted to (`surrogates` lists them).
            level: the share of new measurements that fall into the interval.
            options: eps, severity, measure, dataset and training, as for `query`.

        Returns:
            mean, low, high, level.

        Raises:
            UnknownArchitecture, UnknownMetric: the question makes no sense.
            NotMeasured: no surrogate of this was fitted, or a feature that it needs is missing; the message says which there are.
            MissingLibrary: the surrogate's own library is not installed.
        """
        asked = metric, level, *options.items()
        try:
            column = self._predicted[asked]
            row = self._lookup.rows["cell"][arch]
        except (KeyError, TypeError):  # not asked before, or not hashable
            column = self._predictions(metric, level, asked, options)
            row = self._row(self._lookup.rows["cell"], arch)
        return column.prediction(row)

    def predict_many(self, archs: Sequence[Architecture], metric: str | Metric, *, level: float = 0.9, **options: Any) -> np.ndarray:
        """Predictions of many architectures: ``(len(archs), 3)``, float64: mean, low, high; arguments as for `predict`."""
        archs = several(archs, "predict")
        column = self._predictions(metric, level, (metric, level, *options.items()), options)
        rows = self._lookup.rows["cell"]
        return column.many(np.fromiter((self._row(rows, arch) for arch in archs), np.intp))

    def surrogates(self) -> pd.DataFrame:
        """The surrogates in this store: one row for each number that one of them predicts, with its scores on unseen architectures."""
        return self._surrogates.table()

    def curve(self, arch: Architecture, metric: str | Metric, **options: Any) -> pd.Series[float]:
        """A threat over all its measured levels: a Series indexed by eps or severity; options as for `query`, but no level."""
        from robbench.measurements import tables

        return tables.curve(self, arch, metric, **options)

    def table(self, dataset: str | None = None, metrics: Sequence[str | Metric] | None = None, **options: Any) -> pd.DataFrame:
        """One row for each class, indexed by the arch string of its representative; one column for each metric; NaN where not measured.

        Arguments:
            dataset: the bench's default if left out.
            metrics: as for `query`; by default every number that the store holds for the dataset and its default training.
            options: training, seed and interpolate, as for `query`; training and seed don't matter to what belongs to untrained networks.
        """
        from robbench.measurements import tables

        return tables.table(self, metrics, dataset=dataset, **options)

    def top(self, metric: str | Metric, n: int = 10, **options: Any) -> pd.DataFrame:
        """The n best architectures by a metric, best first: arch string, class key, value; equal ones in row order.

        Classes compete where the metric was measured once a class, exact cells where it belongs to these.
        """
        from robbench.measurements import tables

        return tables.top(self, metric, n, **options)

    def metrics(self) -> pd.DataFrame:
        """What this store holds: one row for each array of measurements."""
        from robbench.measurements import tables

        return tables.metrics(self)

    def _ask(self, question: Question) -> Answers:
        """The answers to a question, kept for the next time."""
        try:
            return self._answers[question]
        except (KeyError, TypeError):  # not asked before; or not hashable, and then the column will say what is wrong
            column = self._columns.column(question)
        answers = self._answers[question] = Answers(column.values.tolist(), self._lookup.rows[column.rows], column)
        return answers

    @cached_property
    def _surrogates(self) -> Surrogates:
        from robbench.surrogates.answers import Surrogates

        return Surrogates(self._columns)

    def _predictions(self, metric: str | Metric, level: float, asked: tuple[object, ...], options: dict[str, Any]) -> Predictions:
        """The predictions for every cell, kept for the next time."""
        column = self._surrogates.predictions(Question.of(metric, **options), level)
        with suppress(TypeError):  # not hashable
            self._predicted[asked] = column
        return column

    def _answer(self, arch: Architecture, asked: tuple[Any, ...]) -> Any:
        """The answer the long way, which leaves the column behind for the next time."""
        question = self._columns.resolve(Question.of(*asked))
        if not self._columns.is_number(question):
            return self._array(arch, question)
        values, rows, _ = self._asked[asked] = self._ask(question)
        value = values[self._row(rows, arch)]
        if value != value:
            raise self._not_measured(arch, question)
        return value

    def _array(self, arch: Architecture, question: Question) -> np.ndarray:
        """The answer where it is an array: only the architecture's row is read."""
        rows = self._lookup.rows[self._store.header(question.name()).rows]
        values = self._columns.row(question, self._row(rows, arch))
        if np.isnan(values).any():
            raise self._not_measured(arch, question)
        return values.astype(np.int64) if question.metric.measure == "confusion" else values

    def _row(self, rows: Rows, arch: Architecture) -> int:
        """The row of anything: what cannot be a dict's key is read as a cell first."""
        try:
            return rows[arch]
        except TypeError:
            return rows[self.cell(arch)]

    def _not_measured(self, arch: Architecture, question: Question) -> NotMeasured:
        question = self._columns.resolve(question)
        return NotMeasured(f"{question.metric} of {question.dataset} ({question.training}) was not measured for {self.cell(arch)}.")
