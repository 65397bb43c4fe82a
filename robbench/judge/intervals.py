"""Intervals of predictors that have none of their own, and what intervals are worth.

fold = calibrating_folds(twins, seed)                   (learned,): which fold each architecture is left out with, -1 for none
calibrated(ours("ridge", names), fold, fraction=True)   the same predictor, with intervals
interval_score(measured, low, high, 0.9)                (tested,), less is better
"""

from __future__ import annotations

import numpy as np

from robbench.judge.calling import Clock
from robbench.judge.fitting import LEVEL, Predicted, Predictor
from robbench.surrogates.conformal import half_widths
from robbench.surrogates.splits import Twins, folds

FOLDS = 5
"""So many fits more than without intervals."""


def calibrating_folds(twins: Twins, seed: int) -> np.ndarray:
    """What calibrates intervals among the architectures that are learned from: ``(learned,)``, intp, the fold of each, -1 where it is always learned from.

    In folds are groups of twins of the kind that test sides have, neither constant nor for development, so that errors there are like those on a test side.
    """
    return folds(twins, 1 - 1 / FOLDS, seed, development=False)


def calibrated(predictor: Predictor, fold: np.ndarray, *, fraction: bool) -> Predictor:
    """The same predictions, with intervals that are calibrated on what was learned from.

    The means are of a fit on all of it; the errors are of fits like it, each without a fold.  As these learn from less, intervals are rather too wide than too narrow.
    Split conformal prediction guarantees its coverage for a fit that has left out all that calibrates; here it holds about, not exactly.

    Arguments:
        predictor: what is fitted.
        fold: see `calibrating_folds`.
        fraction: whether it is a fraction that is predicted; the ends of intervals are in [0, 1], then.

    Source: cross-conformal prediction (Vovk, 2015), with the widths of `robbench.surrogates.conformal.half_widths`.
    """

    def with_intervals(features: np.ndarray, targets: np.ndarray, tested: np.ndarray, seed: int) -> Predicted:
        predicted, clock = predictor(features, targets, tested, seed), Clock()
        before = np.empty(len(targets))
        for one in range(fold.max() + 1):
            out = fold == one
            before[out] = predictor(features[~out], targets[~out], features[out], seed).means
        known = fold >= 0
        half = half_widths(before[known], targets[known] - before[known], predicted.means, LEVEL)
        low, high = predicted.means - half, predicted.means + half
        low, high = (low.clip(0, 1), high.clip(0, 1)) if fraction else (low, high)
        return predicted._replace(low=low, high=high, calibrating=clock.read())

    return with_intervals


def interval_score(measured: np.ndarray, low: np.ndarray, high: np.ndarray, level: float) -> np.ndarray:
    """The width of each interval, and ``2 / (1 - level)`` times as much as the measurement is outside by: ``(rows,)``, in the unit of the measurements; less is better.

    Who knows the distribution expects least from its quantiles at ``(1 - level) / 2`` and ``(1 + level) / 2``.

    Source: Gneiting and Raftery (2007), "Strictly proper scoring rules, prediction, and estimation", equation 43.
    """
    outside = np.maximum(low - measured, 0) + np.maximum(measured - high, 0)
    return np.asarray(high - low + 2 / (1 - level) * outside)
