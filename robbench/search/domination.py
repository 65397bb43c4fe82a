"""Which of several points dominate which: Pareto fronts and crowding.  All objectives are better higher.

Source: Deb, Pratap, Agarwal and Meyarivan (2002), "A fast and elitist multiobjective genetic algorithm: NSGA-II", sections III.A and III.B.
"""

from __future__ import annotations

import numpy as np


def non_dominated(scores: np.ndarray) -> np.ndarray:
    """Which points ``(points, objectives)`` no other dominates: ``(points,)``, bool; equal points don't dominate each other."""
    from moocore import is_nondominated

    if len(scores) == 0:
        return np.zeros(0, bool)
    return np.asarray(is_nondominated(scores, maximise=True, keep_weakly=True))


def fronts(scores: np.ndarray) -> np.ndarray:
    """The front of each point, ``(points,)``, int: 0 where no other dominates it, 1 where none does once front 0 is gone, and so on."""
    from moocore import pareto_rank

    return np.asarray(pareto_rank(scores, maximise=True))


def crowding(scores: np.ndarray) -> np.ndarray:
    """How far the neighbours of each point are from each other, summed over objectives: ``(points,)``; infinite at the ends of an objective.

    Each objective is divided by its range; one that is the same everywhere adds nothing.
    """
    distance = np.zeros(len(scores))
    for values in np.nan_to_num(scores, neginf=0.0).T:
        order = np.argsort(values, kind="stable")
        gaps = np.full(len(values), np.inf)
        gaps[1:-1] = values[order][2:] - values[order][:-2]
        span = values.max() - values.min()
        if span > 0:
            distance[order] += gaps / span
    return distance
