"""Training noise of a whole column, as a short table: how far a measurement of about that size is from what another training would give."""

from __future__ import annotations

import numpy as np

from robbench.errors import CannotFit
from robbench.measurements.noise import NEAR, differences

KNOTS = 12


def noise_table(values: np.ndarray, twins: np.ndarray) -> list[tuple[float, float]]:
    """The standard deviation between functional twins at a few values in between which it is interpolated; empty where no twins were measured.

    Arguments:
        values: ``(classes,)``, accuracies; NaN where not measured.
        twins: ``(classes,)``: the group of functional twins of each.

    Returns:
        (mean, standard deviation) pairs by increasing mean, each of the `NEAR` differences around that mean.
    """
    try:
        means, apart = differences(values[:, np.newaxis], twins)
    except CannotFit:
        return []
    width = min(NEAR, len(means))
    starts = np.unique(np.linspace(0, len(means) - width, KNOTS).round().astype(np.intp))
    knots = {
        float(np.median(means[start : start + width, 0])): float(np.sqrt(np.mean(apart[start : start + width] ** 2))) for start in starts
    }
    return sorted(knots.items())
