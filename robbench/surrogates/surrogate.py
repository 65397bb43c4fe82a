"""A surrogate: a fitted model, with what it was fitted on and how well it does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from robbench.errors import DamagedStore, InvalidArgument, NewerFormat, NotMeasured, UnknownMetric
from robbench.measurements.measurements import Measurements
from robbench.measurements.metrics import parse
from robbench.store.arrays import Fitted
from robbench.surrogates import features
from robbench.surrogates.conformal import half_widths
from robbench.surrogates.curves import DECIMALS, Reading, falling
from robbench.surrogates.kinds import stored, stored_kind
from robbench.surrogates.models import Regressor


class Prediction(NamedTuple):
    """What a surrogate says of one metric of one architecture: never a measurement."""

    mean: float
    low: float
    high: float
    level: float
    """The share of new measurements that fall from low to high."""
    far: bool = False
    """Whether the store does not hold the architecture, and it is further from all that the surrogate learned from than nearly all of these are from each other:
    the interval is of architectures like those, and says little of this one."""
    between: tuple[float, float] | None = None
    """The two levels that the surrogate learned between which this one was interpolated; None where it learned the level itself."""


class About(NamedTuple):
    """All that is said of a surrogate beside its arrays; kept as JSON."""

    dataset: str
    training: str
    target: str
    """As it was asked for, in the canonical spelling: its place in the store."""
    outputs: list[str]
    """The metrics that it predicts, each one number."""
    monotone: list[list[int]]
    """Outputs that fall along each of these lists, as they do in the measurements: an accuracy over eps, or an attack's and the worst case at its eps."""
    model: str
    model_version: int
    features: str
    feature_version: int
    feature_names: list[str]
    rows: str
    """"class" or "exact": what the training rows are rows of; surrogates of stores of version 1 say "cell" for the latter."""
    split: dict[str, Any]
    """kind, train (share), seed."""
    scores: dict[str, dict[str, float]]
    """For each output: r2, kendall, spearman, mae and n, on architectures of the other side of the split."""
    versions: dict[str, str]
    seconds: float


class Surrogate:
    """A model fitted to one target, a number or several, of one dataset and training protocol.

    Arguments:
        about: what it is.
        model: the fitted model.
        training_rows: ``(n,)``: the rows it was fitted on.
        calibration: ``(m, 2·outputs)``, float32: means predicted for architectures that it has not seen, and measured minus predicted.
    """

    def __init__(self, about: About, model: Regressor, training_rows: np.ndarray, calibration: np.ndarray) -> None:
        self.about = about
        self.model = model
        self.training_rows = training_rows
        self.calibration = calibration

    def __repr__(self) -> str:
        return f"Surrogate({self.about.target!r} of {self.about.dataset}, {self.about.model} on {self.about.features})"

    @cached_property
    def bounded(self) -> list[bool]:
        """For each output, whether it is a fraction."""
        return [parse(output).entry.unit == "fraction" for output in self.about.outputs]

    def predict(self, values: np.ndarray) -> np.ndarray:
        """The mean of each output: ``(rows, features)`` → ``(rows, outputs)``, float64; fractions are in [0, 1], curves monotone."""
        means = self.model.predict(values)
        means[:, self.bounded] = means[:, self.bounded].clip(0, 1)
        return np.round(falling(means, self.about.monotone), DECIMALS)

    def interval(self, reading: Reading, means: np.ndarray, level: float | None) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends for means ``(rows,)`` of one number: two arrays ``(rows,)``; see `conformal.half_widths`.

        Between two levels nothing was measured: there the errors are those of the prediction from the measured curve, interpolated alike, or from 0 where that
        curve ends in 0 at the level above.  What else the curve itself does between its levels is not in them.
        """
        predicted, errors = np.split(self.calibration.astype(np.float64), 2, axis=1)
        wrong = errors[:, reading.output] if reading.output is not None else reading.missed(predicted, predicted + errors)
        half = half_widths(reading.of(predicted), wrong, means, level)
        low, high = np.round(means - half, DECIMALS), np.round(means + half, DECIMALS)
        return (low.clip(0, 1), high.clip(0, 1)) if reading.metric.entry.unit == "fraction" else (low, high)

    def table(self, measurements: Measurements) -> features.Table:
        """The features of all architectures of a store, on which this surrogate is evaluated.

        Raises:
            NewerFormat: fitted on another version of the features.
            NotMeasured: the store's features are not those that it was fitted on.
        """
        about, space = self.about, measurements.space
        if about.feature_version != space.feature_version:
            raise NewerFormat(
                f"the surrogate of {about.target} was fitted on features of version {about.feature_version};"
                f" this RobBench computes version {space.feature_version}. Fit it again with `robbench fit`."
            )
        table = features.table(about.features, measurements, about.dataset, about.training)
        if list(table.names) != about.feature_names:
            differ = sorted(set(table.names) ^ set(about.feature_names)) or ["their order"]
            raise NotMeasured(
                f"the surrogate of {about.target} was fitted on other features than the store now has: {', '.join(differ)}."
                " Fit it again with `robbench fit`."
            )
        return table

    def learned_rows(self, measurements: Measurements) -> np.ndarray:
        """The rows of a store that it learned from, ascending: ``(n,)``, integers; raises DamagedStore where the store has them not."""
        rows, held = self.training_rows, len(measurements.lookup.archs(self.about.rows))
        if rows.ndim != 1 or rows.dtype.kind not in "iu" or not len(rows) or not np.isin(rows, np.arange(held)).all():
            raise DamagedStore(
                f"the surrogate of {self.about.target} of {self.about.dataset} names rows that are not in {measurements.store.file_name}, or none."
                " Restore the file from a copy, or fit it again."
            )
        return np.sort(rows)

    def learned_features(self, measurements: Measurements, table: features.Table) -> np.ndarray:
        """The features, ``(n, features)``, of the architectures that it learned from; raises as `learned_rows`."""
        lookup = measurements.lookup
        archs = lookup.archs(self.about.rows)
        exact = [lookup.row("exact", archs[row]) for row in self.learned_rows(measurements).tolist()]
        return np.asarray(table.values[table.row_of[exact]])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Put it into a store, in the place of one of the same target.

        Raises:
            StoreError: the file is not a store, is read-only, or cannot be written; it stays as it was.
        """
        from robbench.store.writing import put_surrogate

        put_surrogate(path, self.fitted())

    def fitted(self) -> Fitted:
        """What a store keeps."""
        about = self.about
        arrays = {f"model.{name}": values for name, values in self.model.arrays().items()}
        return Fitted(about.dataset, about.training, about.target, self.training_rows, self.calibration, arrays, about._asdict())

    @classmethod
    def of(cls, fitted: Fitted) -> Surrogate:
        """The surrogate that a store has kept.

        Raises:
            NewerFormat: a model of a kind or version that this RobBench cannot evaluate.
            DamagedStore: its arrays are not those of such a model.
        """
        where = f"the surrogate of {fitted.target} of {fitted.dataset}"
        about = described(fitted.about, where)
        kind = stored_kind(about.model, about.model_version)
        with _damage_named(where):
            _check_calibration(about, fitted.calibration)
            model = stored(kind, {name.removeprefix("model."): values for name, values in fitted.arrays.items()})
            if model.shape != (len(about.feature_names), len(about.outputs)):
                raise ValueError(f"its model is of {model.shape} features and outputs, and not of those that it names")
        # Saved again, an earlier version's model is one of this version.
        return cls(about._replace(model_version=kind.version), model, fitted.training_rows, fitted.calibration)


def described(said: dict[str, Any], where: str) -> About:
    """What is said of a surrogate, checked field by field; `where` is what an error calls it.

    Raises:
        NewerFormat: there are other fields than those that are known.
        DamagedStore: a field is not what it must be.
    """
    try:
        about = About(**said)
    except TypeError as error:
        raise NewerFormat(f"{where} is described in a way this RobBench does not know: {error}. Install a newer one.") from error
    with _damage_named(where):
        _check_about(about)
    return about


@contextmanager
def _damage_named(where: str) -> Iterator[None]:
    """Turn what goes wrong with arrays and fields that are not those of a surrogate into DamagedStore."""
    try:
        yield
    except (KeyError, ValueError, IndexError, TypeError, AttributeError, UnknownMetric, InvalidArgument) as error:
        raise DamagedStore(f"{where} is damaged: {error}. Restore the file from a copy, or fit it again.") from error


def _check_about(about: About) -> None:
    texts = (about.dataset, about.training, about.target, about.model, about.features, about.rows, about.split["kind"])
    if not all(isinstance(text, str) for text in (*texts, *about.outputs, *about.feature_names)) or not about.outputs:
        raise ValueError("its names are not texts")
    for output in about.outputs:
        parse(output)
        if not all(isinstance(score, int | float) for score in about.scores[output].values()):
            raise ValueError(f"the scores of {output} are not numbers")
    if len({parse(output) for output in about.outputs}) < len(about.outputs):
        raise ValueError("it names an output twice")
    if not all(index in range(len(about.outputs)) for curve in about.monotone for index in curve):
        raise ValueError("its curves are of outputs that it has not")
    if not isinstance(about.split["train"], int | float) or not isinstance(about.split["seed"], int):
        raise ValueError("its split is not described")


def _check_calibration(about: About, calibration: np.ndarray) -> None:
    if calibration.ndim != 2 or calibration.shape[1] != 2 * len(about.outputs) or not np.isfinite(calibration).all():
        raise ValueError(f"its calibration is of shape {calibration.shape}, and it has {len(about.outputs)} outputs")
