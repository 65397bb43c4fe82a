"""Which of several points, all objectives of which are better higher, beat which: fronts and crowding.

Source: Deb, Pratap, Agarwal and Meyarivan (2002), "A fast and elitist multiobjective genetic algorithm: NSGA-II", sections III.A and III.B.
"""

from __future__ import annotations

import numpy as np


def dominates(scores: np.ndarray) -> np.ndarray:
    """Whether row i is at least as good as row j in every objective and better in one: ``(points, points)``, bool.

    Arguments:
        scores: ``(points, objectives)``; higher is better.
    """
    one, other = scores[:, np.newaxis], scores[np.newaxis]
    return np.asarray((one >= other).all(axis=2) & (one > other).any(axis=2))


def fronts(scores: np.ndarray) -> np.ndarray:
    """The front of each point, ``(points,)``, int: 0 where no other dominates it, 1 where none does once front 0 is gone, and so on."""
    beaten = dominates(scores)
    front = np.full(len(scores), -1)
    for rank in range(len(scores)):
        left = front < 0
        if not left.any():
            break
        front[left & ~beaten[left].any(axis=0)] = rank
    return front


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
