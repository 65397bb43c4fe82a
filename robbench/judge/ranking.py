"""Rank statistics of one score with many metrics in many resamples at once.

All arrays of values are without NaN, more being better; ``weights (n, samples)`` says how often each architecture is in each sample.
"""

from __future__ import annotations

import numpy as np

from robbench.analysis.resampling import centred_ranks

MOST_STRATA = 50


def correlations(predictors: np.ndarray, targets: np.ndarray, weights: np.ndarray, control: np.ndarray | None = None) -> np.ndarray:
    """Spearman's ρ of every predictor with every target, in every sample.

    Arguments:
        predictors: ``(predictors, n)``.
        targets: ``(targets, n)``.
        weights: ``(n, samples)``.
        control: ``(n,)``, integers from 0 on: what is partialled out; ranks are taken less their mean among the architectures of one number.

    Returns:
        ``(samples, predictors, targets)``; NaN where one does not vary, and 0 where nothing of it is left once the control is partialled out.

    Source: Spearman (1904); Quade (1967) for residuals of ranks.
    """
    ours = np.stack([_unit(values, weights, control) for values in predictors], axis=1)
    found = np.empty((weights.shape[1], len(predictors), len(targets)))
    for index, values in enumerate(targets):
        found[:, :, index] = np.matmul(ours, _unit(values, weights, control)[:, :, np.newaxis])[:, :, 0]
    return found


def overlaps(score: np.ndarray, targets: np.ndarray, weights: np.ndarray, share: float) -> np.ndarray:
    """Which share of the best by each target is among the best by the score, in every sample: ``(samples, targets)``.

    Of architectures that are equal at the edge, each counts for its chance to be among the best when ties are broken at random.
    """
    best = _chance_of_best(score, weights, share) * weights
    most = _how_many(weights, share)
    return np.stack([(best * _chance_of_best(target, weights, share)).sum(axis=0) / most for target in targets], axis=1)


def residuals(values: np.ndarray, control: np.ndarray) -> np.ndarray:
    """Ranks of values ``(n,)`` less their mean among those of one number of the control ``(n,)``; equal where only rounding tells them apart."""
    once = np.ones((len(values), 1))
    ranks = centred_ranks(values, once)
    return np.asarray((ranks - _means(ranks, once, control)[control])[:, 0].round(6))


def order_of(values: np.ndarray) -> np.ndarray:
    """Small integers in the order of values ``(n,)``, equal where these are: whoever sorts them again and again takes half the time."""
    different, index = np.unique(values, return_inverse=True)
    return np.asarray(index, np.int16 if len(different) <= np.iinfo(np.int16).max else np.int64)


def strata(values: np.ndarray) -> np.ndarray:
    """Sort values ``(n,)`` into groups, numbered from 0: those that are equal, or quantiles where there are too many different; NaN is a group of its own."""
    different, index = np.unique(values, return_inverse=True)
    if len(different) <= MOST_STRATA:
        return np.asarray(index, np.intp)
    place = np.argsort(np.argsort(values, kind="stable"), kind="stable")
    first = np.minimum.reduceat(place[np.argsort(index, kind="stable")], np.concatenate([[0], np.cumsum(np.bincount(index))[:-1]]))
    _, found = np.unique(first[index] * MOST_STRATA // len(values), return_inverse=True)
    return np.asarray(found, np.intp)


def _unit(values: np.ndarray, weights: np.ndarray, control: np.ndarray | None) -> np.ndarray:
    """Ranks less their mean, times the root of the weights, of length 1: ``(samples, n)``, so that ρ is a scalar product."""
    ranks = centred_ranks(values, weights)
    varies = np.einsum("ij,ij,ij->j", weights, ranks, ranks) > 0
    if control is not None:
        ranks = ranks - _means(ranks, weights, control)[control]
    scaled = np.sqrt(weights) * ranks
    length = np.sqrt((scaled**2).sum(axis=0))
    left = length > 1e-9 * len(values) ** 1.5  # what rounding leaves of ranks that the control explains is nothing
    unit = np.divide(scaled, length, out=np.zeros_like(scaled), where=left)
    unit[:, ~varies] = np.nan
    return np.ascontiguousarray(unit.T)


def _means(ranks: np.ndarray, weights: np.ndarray, control: np.ndarray) -> np.ndarray:
    """The mean rank of each group of the control in each sample: ``(groups, samples)``; 0 where a sample has none of it."""
    order = np.argsort(control, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(control))[:-1]])
    total, count = (np.add.reduceat(summed[order], starts, axis=0) for summed in (weights * ranks, weights))
    return np.asarray(np.divide(total, count, out=np.zeros_like(total), where=count > 0))


def _chance_of_best(values: np.ndarray, weights: np.ndarray, share: float) -> np.ndarray:
    """How likely each architecture is among the best in each sample: ``(n, samples)``; 1 or 0, but for ties at the edge."""
    _, group, ties = np.unique(-values, return_inverse=True, return_counts=True)
    starts = np.concatenate([[0], np.cumsum(ties)[:-1]])
    tied = np.add.reduceat(weights[np.argsort(group, kind="stable")], starts, axis=0)
    room = _how_many(weights, share) - (np.cumsum(tied, axis=0) - tied)
    chance = np.clip(np.divide(room, tied, out=np.zeros_like(tied), where=tied > 0), 0, 1)
    return np.asarray(chance[group])


def _how_many(weights: np.ndarray, share: float) -> np.ndarray:
    """How many of each sample are the best: ``(samples,)``, at least 1."""
    return np.asarray(np.maximum(np.round(share * weights.sum(axis=0)), 1))
