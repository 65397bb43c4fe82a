"""The noise ceiling: how well any predictor from the architecture can do, estimated from functional twins."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from robbench.arguments import checked_count, checked_seed, options_checked
from robbench.errors import CannotFit
from robbench.measurements.measurements import Bench
from robbench.measurements.metrics import Metric, parse
from robbench.measurements.noise import twin_groups
from robbench.measurements.question import Question


class Ceiling(NamedTuple):
    """The highest R² that a predictor from the architecture can reach."""

    r2: float
    low: float
    high: float
    """A 95% interval, from a bootstrap of groups."""
    degrees_of_freedom: int
    """Repeated measurements beyond the first of each group."""
    noise: float
    """Standard deviation of one measurement, in the metric's unit."""


@options_checked
def noise_ceiling(
    bench: Bench,
    metric: str | Metric,
    *,
    resamples: int = 1000,
    seed: int = 0,
    dataset: str | None = None,
    training: str | None = None,
) -> Ceiling:
    """The noise ceiling of a metric, from functional twins.

    Twins are one function, trained and measured apart: their pooled variance within groups is noise, and no predictor from the
    architecture explains it.  It is an upper bound as far as twins of different classes are trained alike.

    Arguments:
        bench: where the measurements are.
        metric: as for a query, with its level; one number an architecture.
        resamples: of the bootstrap over groups.
        seed: of the bootstrap.
        dataset, training: as for a query; measurements are means over the seeds of training.

    Raises:
        CannotFit: no two twins were measured.
        UnknownMetric, NotMeasured: as for a query.
        InvalidArgument: resamples or a seed that are none; otherwise as for a query.
    """
    measurements = bench.measurements
    column = measurements.column(Question(parse(metric), dataset, training))
    groups = twin_groups(measurements.space, measurements.lookup.archs(column.rows))
    measured = ~np.isnan(column.values)
    return ceiling_of(column.values[measured], groups[measured], resamples, seed)


def ceiling_of(values: np.ndarray, groups: np.ndarray, resamples: int = 1000, seed: int = 0) -> Ceiling:
    """`noise_ceiling` of measurements at hand: 1 - pooled variance within groups / variance of all.

    Arguments:
        values: ``(n,)``, without NaN.
        groups: ``(n,)``, integers: the group of functional twins of each.
        resamples: of the bootstrap over groups.
        seed: of the bootstrap.

    Raises:
        CannotFit: no two are twins, or the values don't vary.
        InvalidArgument: resamples or a seed that are none.
    """
    checked_count(resamples, "resamples")
    _, index, count = np.unique(groups, return_inverse=True, return_counts=True)
    degrees = len(values) - len(count)
    if degrees == 0 or np.ptp(values) == 0:
        raise CannotFit("a noise ceiling needs twins that were measured apart, and a metric that varies; no such group was measured.")
    total = np.bincount(index, values)
    squares = np.bincount(index, (values - (total / count)[index]) ** 2)
    powers = np.bincount(index, values**2)

    def r2(weight: np.ndarray) -> np.ndarray:
        """For how often each group is drawn: ``(…, groups)`` → ``(…,)``."""
        n = weight @ count
        variance = (weight @ powers - (weight @ total) ** 2 / n) / (n - 1)
        noise = weight @ squares / np.maximum(weight @ (count - 1), 1)
        return np.asarray(1 - np.divide(noise, variance, out=np.ones_like(noise), where=variance > 0))

    rng = np.random.default_rng(checked_seed(seed))
    drawn = r2(rng.multinomial(len(count), np.full(len(count), 1 / len(count)), resamples))
    low, high = np.quantile(drawn, [0.025, 0.975]).tolist()
    return Ceiling(float(r2(np.ones((1, len(count))))[0]), low, high, degrees, float(np.sqrt(squares.sum() / degrees)))
