"""Features as networks take them: missing ones filled, each as its size and as whether it is there, standardised."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from robbench.surrogates.models import filled, medians


class Inputs(NamedTuple):
    """How features become inputs."""

    fill: np.ndarray
    """``(features,)``: what stands for a missing one."""
    centre: np.ndarray
    """``(inputs,)``, as is scale."""
    scale: np.ndarray
    keep: np.ndarray
    """``(inputs,)``, int32: which of the features, and after these of whether they are there, are kept: those that vary."""

    @classmethod
    def of(cls, rows: np.ndarray, columns: np.ndarray | None = None) -> Inputs:
        """Fitted on rows of features, ``(rows, features)``; `columns` are those that may be kept, all if left out."""
        fill = medians(rows)
        raw = _expanded(filled(rows, fill))
        varying = np.ptp(raw, axis=0) > 0
        if columns is not None:
            varying &= np.tile(np.isin(np.arange(rows.shape[1]), columns), 2)
        keep = np.flatnonzero(varying)
        return cls(fill, raw[:, keep].mean(axis=0), np.maximum(raw[:, keep].std(axis=0), 0.1), keep.astype(np.int32))

    def standard(self, features: np.ndarray) -> np.ndarray:
        """``(rows, features)`` → ``(rows, inputs)``, float64."""
        return np.asarray((_expanded(filled(features, self.fill))[:, self.keep] - self.centre) / self.scale)

    def check(self) -> None:
        """Raise ValueError where what is kept is not of the features."""
        if self.keep.dtype.kind not in "iu" or not ((self.keep >= 0) & (self.keep < 2 * len(self.fill))).all():
            raise ValueError("the inputs that are kept are not among the features")


def averaged(features: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Equal rows of features once, the mean of their targets, and how many there are."""
    rows, index, count = np.unique(features, axis=0, return_inverse=True, return_counts=True, equal_nan=False)
    means = np.zeros((len(rows), targets.shape[1]))
    np.add.at(means, index.reshape(-1), targets)
    means /= count[:, np.newaxis]
    return rows, means, count


def _expanded(features: np.ndarray) -> np.ndarray:
    """Each feature twice: its size, signs kept, on a logarithmic scale; and whether it is there."""
    return np.concatenate([np.sign(features) * np.log1p(np.abs(features)), features != 0], axis=1)
