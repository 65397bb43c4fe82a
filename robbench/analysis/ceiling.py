"""The noise ceiling: how well any predictor from the architecture can do, estimated from functional twins."""

from __future__ import annotations

from functools import lru_cache
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


class Share(NamedTuple):
    """How much of the noise ceiling predictions reach."""

    share: float
    low: float
    high: float
    """A 95% interval, from a bootstrap of groups."""


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
    sums = _Sums.of(values, groups)
    drawn = sums.ceiling(sums.drawn(resamples, seed))
    low, high = np.quantile(drawn, [0.025, 0.975]).tolist()
    whole = np.ones((1, len(sums.size)))
    return Ceiling(float(sums.ceiling(whole)[0]), low, high, sums.degrees, float(np.sqrt(sums.within.sum() / sums.degrees)))


def share_of(measured: np.ndarray, predicted: np.ndarray, groups: np.ndarray, resamples: int = 1000, seed: int = 0) -> Share:
    """Which share of the noise ceiling predictions reach: R² / ceiling, of the same measurements.

    The interval is of both together: a group of twins that is drawn counts in the errors of the predictions and in the noise.

    Arguments:
        measured: ``(n,)``, without NaN.
        predicted: ``(n,)``, by what has learned from none of them.
        groups: ``(n,)``, integers: the group of functional twins of each.
        resamples, seed: as for `ceiling_of`.

    Raises:
        CannotFit, InvalidArgument: as `ceiling_of`.
    """
    checked_count(resamples, "resamples")
    sums = _Sums.of(measured, groups)
    errors = np.bincount(sums.place, (measured - predicted) ** 2)

    def share(weight: np.ndarray) -> np.ndarray:
        total = (weight @ sums.size - 1) * sums.variance(weight)
        unexplained = np.divide(weight @ errors, total, out=np.zeros_like(total), where=total > 0)
        return np.asarray((1 - unexplained) / sums.ceiling(weight))

    low, high = np.quantile(share(sums.drawn(resamples, seed)), [0.025, 0.975]).tolist()
    return Share(float(share(np.ones((1, len(sums.size))))[0]), low, high)


class _Sums(NamedTuple):
    """Sums over groups of twins, ``(groups,)``; `weight` below says how often each group is drawn: ``(…, groups)`` → ``(…,)``."""

    place: np.ndarray
    """``(n,)``: the place of each one's group."""
    size: np.ndarray
    total: np.ndarray
    powers: np.ndarray
    within: np.ndarray
    """Squared differences from the group's mean."""

    @classmethod
    def of(cls, values: np.ndarray, groups: np.ndarray) -> _Sums:
        _, index, count = np.unique(groups, return_inverse=True, return_counts=True)
        if len(values) == len(count) or np.ptp(values) == 0:
            raise CannotFit("a noise ceiling needs twins that were measured apart, and a metric that varies; no such group was measured.")
        total = np.bincount(index, values)
        within = np.bincount(index, (values - (total / count)[index]) ** 2)
        return cls(index, count, total, np.bincount(index, values**2), within)

    @property
    def degrees(self) -> int:
        return len(self.place) - len(self.size)

    def drawn(self, resamples: int, seed: int) -> np.ndarray:
        return _drawn(len(self.size), resamples, checked_seed(seed))

    def variance(self, weight: np.ndarray) -> np.ndarray:
        n = weight @ self.size
        return np.asarray((weight @ self.powers - (weight @ self.total) ** 2 / n) / (n - 1))

    def ceiling(self, weight: np.ndarray) -> np.ndarray:
        variance = self.variance(weight)
        noise = weight @ self.within / np.maximum(weight @ (self.size - 1), 1)
        return np.asarray(1 - np.divide(noise, variance, out=np.ones_like(noise), where=variance > 0))


@lru_cache(maxsize=1)
def _drawn(groups: int, resamples: int, seed: int) -> np.ndarray:
    """How often each group is in each resample: the same for all metrics of the same architectures, one after the other."""
    found = np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups), resamples)
    found.flags.writeable = False
    return found
