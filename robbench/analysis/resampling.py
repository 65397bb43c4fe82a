"""The bootstrap of rank statistics: groups of architectures are drawn, each with all its members.

for weights in draws(groups, 1000, rng):            (n, some): how often each row is in each resample
    centred_ranks(values, weights)                  (n, some): midranks in these resamples
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

LEVEL = 0.95
AT_A_TIME = 50
"""Resamples whose ranks are found together: few enough for the memory, enough for numpy to be fast."""


def draws(groups: np.ndarray, resamples: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """How often each row is in each resample of groups: ``(n, some)``, float64, until there are enough."""
    _, index = np.unique(groups, return_inverse=True)
    count = int(index.max()) + 1
    for start in range(0, resamples, AT_A_TIME):
        drawn = (rng.integers(count, size=count) for _ in range(min(AT_A_TIME, resamples - start)))
        yield np.stack([np.bincount(one, minlength=count) for one in drawn], axis=1)[index].astype(np.float64)


def centred_ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Midranks in such samples, less their mean: ``(n, samples)``.  The order of values is the same in all, so it is found once."""
    _, group, ties = np.unique(values, return_inverse=True, return_counts=True)
    starts = np.concatenate([[0], np.cumsum(ties)[:-1]])
    tied = np.add.reduceat(weights[np.argsort(group, kind="stable")], starts, axis=0)
    upto = np.cumsum(tied, axis=0)
    return np.asarray((upto - tied / 2 - upto[-1] / 2)[group])


def interval(drawn: np.ndarray) -> tuple[float, float]:
    """The percentile interval of a statistic that was computed of each resample, ``(resamples,)``; NaN where it is defined in none."""
    defined = drawn[~np.isnan(drawn)]
    if len(defined) == 0:
        return np.nan, np.nan
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    return low, high
