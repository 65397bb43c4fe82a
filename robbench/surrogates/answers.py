"""The predictions of a store's surrogates, for every cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from robbench.measurements.columns import STANDARD, UNTRAINED, Columns, Question
from robbench.errors import NotMeasured, UnknownMetric
from robbench.surrogates.features import Table
from robbench.spaces.nb201 import cells
from robbench.surrogates.surrogate import About, Prediction, Surrogate

if TYPE_CHECKING:
    import pandas as pd

_Key = tuple[str, str, str]


class Predictions(NamedTuple):
    """Of one number, for every cell."""

    metric: str
    level: float
    row_of_cell: list[int]
    values: np.ndarray
    """``(rows, 3)``: mean, low, high; NaN where a feature is missing that the surrogate needs."""

    def prediction(self, cell: int) -> Prediction:
        """Of one cell row."""
        mean, low, high = self.values[self.row_of_cell[cell]].tolist()
        if mean != mean:
            raise NotMeasured(
                f"{self.metric} is predicted from proxies, and none was measured for {tuple(cells())[cell]};"
                " fit a surrogate with features='structure', which needs none."
            )
        return Prediction(mean, low, high, self.level)

    def many(self, positions: np.ndarray) -> np.ndarray:
        """Of many cell rows: ``(len(positions), 3)``."""
        found: np.ndarray = self.values[np.array(self.row_of_cell)[positions]]
        if np.isnan(found).any():
            self.prediction(int(positions[np.isnan(found).any(axis=1).argmax()]))
        return found


class Surrogates:
    """The surrogates of one store; each is read, and evaluated on all cells, when it is first asked."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._about: dict[_Key, About | None] = {}
        self._means: dict[_Key, tuple[Surrogate, Table, np.ndarray]] = {}
        self._predictions: dict[tuple[_Key, str, float], Predictions] = {}

    def predictions(self, question: Question, level: float) -> Predictions:
        """What the narrowest surrogate of a metric predicts for every cell.

        Raises:
            NotMeasured: none was fitted, of this dataset and training.
            UnknownMetric: a seed or interpolation, which have no meaning here; or no such level.
        """
        if question.seed is not None or question.interpolate:
            raise UnknownMetric("a prediction has no seed and is never interpolated; leave seed and interpolate out.")
        output = str(question.metric)
        key = self._key(question, output)
        try:
            return self._predictions[key, output, level]
        except KeyError:
            surrogate, table, means = self._evaluated(key)
        mean = means[:, surrogate.about.outputs.index(output)]
        values = np.full((len(mean), 3), np.nan)
        known = ~np.isnan(mean)
        low, high = surrogate.interval(output, mean[known], level)
        values[known] = np.stack([mean[known], low, high], axis=1)
        found = self._predictions[key, output, level] = Predictions(output, level, table.row_of_cell.tolist(), values)
        return found

    def table(self) -> pd.DataFrame:
        """One row for each output of each surrogate."""
        import pandas as pd

        records = [
            {
                "dataset": about.dataset,
                "training": about.training,
                "target": about.target,
                "output": output,
                "model": about.model,
                "features": about.features,
                **about.scores[output],
                "split": f"{about.split['kind']}, {about.split['train']:g}, seed {about.split['seed']}",
            }
            for about in filter(None, map(self._described, self._columns.store.surrogates()))
            for output in about.outputs
        ]
        return pd.DataFrame.from_records(records)

    def _key(self, question: Question, output: str) -> _Key:
        """Where the narrowest surrogate of an output is."""
        dataset = question.dataset or self._columns.default_dataset
        found = [key for key in self._columns.store.surrogates() if (about := self._described(key)) and output in about.outputs]
        here = [key for key in found if key[0] == dataset]
        default = UNTRAINED if question.metric.entry.kind in ("proxy", "cost") else STANDARD
        trainings = {key[1] for key in here}
        training = question.training or (default if default in trainings or len(trainings) != 1 else next(iter(trainings)))
        here = [key for key in here if key[1] == training]
        if not here:
            others = ", ".join(sorted({f"{key[2]} of {key[0]} ({key[1]})" for key in self._columns.store.surrogates()})) or "none at all"
            raise NotMeasured(
                f"no surrogate of {output} of {dataset} ({training}) is in {self._columns.store.file_name}; it holds {others}."
                f" `robbench fit` adds one: robbench fit {self._columns.store.file_name} --target {output}"
            )
        return min(here, key=lambda key: (len(self._about[key].outputs), key[2]))  # type: ignore[union-attr]

    def _described(self, key: _Key) -> About | None:
        """What is said of a surrogate; None where a newer RobBench says it in a way that is not known here."""
        if key not in self._about:
            try:
                self._about[key] = About(**self._columns.store.about_surrogate(*key))
            except TypeError:
                self._about[key] = None
        return self._about[key]

    def _evaluated(self, key: _Key) -> tuple[Surrogate, Table, np.ndarray]:
        """A surrogate, and its means for every row of features: NaN where all of these are missing."""
        if key not in self._means:
            surrogate = Surrogate.of(self._columns.store.surrogate(*key))
            table = surrogate.table(self._columns)
            means = surrogate.predict(table.values)
            means[np.isnan(table.values).all(axis=1)] = np.nan
            self._means[key] = surrogate, table, means
        return self._means[key]
