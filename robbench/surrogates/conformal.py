"""Intervals that hold what they say, from the errors made on architectures that a model has not seen."""

from __future__ import annotations

import itertools
import math
from numbers import Real

import numpy as np

from robbench.errors import InvalidArgument

BINS = 8
"""By predicted mean: noise is largest where an accuracy is neither high nor low, and intervals should be as wide as there."""
_FEWEST = 50


def half_widths(calibration: np.ndarray, errors: np.ndarray, means: np.ndarray, level: float | None) -> np.ndarray:
    """Half the width of each interval, so that a share `level` of new architectures falls inside.

    Arguments:
        calibration: ``(n,)``: means predicted for architectures that the model has not seen.
        errors: ``(n,)``: measured minus predicted there.
        means: ``(rows,)``: predicted for the architectures in question.
        level: in (0, 1); the guarantee is on average over architectures exchangeable with the calibrating ones.

    Returns:
        ``(rows,)``, in the unit of the errors.

    Raises:
        InvalidArgument: not a level, or one that so few calibrating architectures cannot support.

    Source: split conformal prediction (Papadopoulos et al., 2002), Mondrian in the predicted mean (Vovk et al., 2003).
    """
    if not isinstance(level, Real) or not 0 < level < 1:
        raise InvalidArgument(f"level={level!r} is not a level; expected a share between 0 and 1, such as 0.9.")
    edges = _edges(calibration)
    inside = np.searchsorted(edges, calibration, side="right")
    widths = np.array([_quantile(np.abs(errors[inside == one]), level) for one in range(len(edges) + 1)])
    return np.asarray(widths[np.searchsorted(edges, means, side="right")])


def fewest(level: float) -> int:
    """How many calibrating architectures intervals of a level take at least."""
    return next(count for count in itertools.count(1) if _rank(count, level) <= count)


def _edges(calibration: np.ndarray) -> np.ndarray:
    """Between bins of about as many means; fewer bins where many means are equal, as those that are clipped at 0 are."""
    ordered = np.sort(calibration)
    bins = min(BINS, max(1, len(ordered) // _FEWEST))
    edges, start = [], 0
    for edge in np.quantile(ordered, np.arange(1, bins) / bins):
        end = int(np.searchsorted(ordered, edge))
        if min(end - start, len(ordered) - end) >= _FEWEST:
            edges.append(edge)
            start = end
    return np.array(edges)


def _quantile(errors: np.ndarray, level: float) -> float:
    rank = _rank(len(errors), level)
    if rank > len(errors):
        raise InvalidArgument(f"level={level} needs more than the {len(errors)} calibrating architectures there are; ask for a lower one.")
    return float(np.sort(errors)[rank - 1])


def _rank(count: int, level: float) -> int:
    """Which of so many errors, from the least on, half an interval is as wide as."""
    return math.ceil((count + 1) * level)
