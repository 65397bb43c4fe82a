"""How far what a surrogate learned from reaches: which architectures are far from all of it."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

NEARLY_ALL = 0.95
"""An architecture is far where its nearest is further than this share of the learned ones have their nearest."""
_BLOCK = 256
_MOST = 2000


class Reach(NamedTuple):
    """Learned rows, and how far from the nearest of them a row may be; distances are of standardised features."""

    rows: np.ndarray
    """``(n, features)``, standardised."""
    centre: np.ndarray
    scale: np.ndarray
    limit: float

    @classmethod
    def of(cls, features: np.ndarray) -> Self:
        """What rows ``(n, features)`` reach; of more than 2,000, evenly spaced ones.  Missing features count as the mean.  From one row nothing is far."""
        some = features[:: -(-len(features) // _MOST) or 1]
        known = np.where(np.isnan(some).all(axis=0), 0, some)  # a feature that no row has says nothing
        centre, spread = np.nanmean(known, axis=0), np.nanstd(known, axis=0)
        scale = np.where(spread > 0, spread, 1.0)
        rows = np.nan_to_num((some - centre) / scale)
        limit = np.quantile(_nearest(rows, rows, but=True), NEARLY_ALL) if len(rows) > 1 else np.inf
        return cls(rows, centre, scale, float(limit))

    def is_far(self, features: np.ndarray) -> np.ndarray:
        """For each row of features, whether it is beyond the limit: ``(rows,)``, bool."""
        return _nearest(np.nan_to_num((features - self.centre) / self.scale), self.rows) > self.limit


def _nearest(one: np.ndarray, other: np.ndarray, *, but: bool = False) -> np.ndarray:
    """The distance of each row to the nearest of the others, ``(rows,)``; `but` itself, where both are the same."""
    found = np.empty(len(one))
    for start in range(0, len(one), _BLOCK):
        part = one[start : start + _BLOCK]
        distances = np.sqrt(np.maximum((part**2).sum(1)[:, None] + (other**2).sum(1) - 2 * part @ other.T, 0))
        if but:
            distances[np.arange(len(part)), start + np.arange(len(part))] = np.inf
        found[start : start + _BLOCK] = distances.min(axis=1)
    return found
