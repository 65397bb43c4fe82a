"""TRNAS's multi-objective selection (MOS): crossover and mutation; decomposition ranks, and k-means keeps what survives diverse.

Source: Yang et al. (2025), "TRNAS: A training-free robust neural architecture search".  The paper's: the two objectives, a robustness score (R-Score)
and the number of parameters; crossover and mutation; ranking by decomposition, that is by weighted sums of normalised objectives; diversity by
k-means; 130 scored architectures in NAS-Bench-201.  Its code for the search is not released, so the rest is our reading: a population of 10 with as many
children (12 generations are then 130 architectures); weights from all on the one objective to all on the other; an architecture's rank is the best
that it has under any weights; k-means runs on the normalised objectives, with as many clusters as survive; the best ranked of each cluster survives.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from robbench.measurements.rscore import r_scores
from robbench.search.evaluation import evaluating
from robbench.search.oracle import Oracle
from robbench.search.result import Result
from robbench.spaces.moves import Moves

ROUNDS = 20
"""Of k-means."""

Combine = Callable[[np.ndarray], np.ndarray]
"""From the scores of a population, ``(archs, objectives)``, to those that selection goes by."""


def trnas(
    oracle: Oracle, space: Moves[Any], rng: np.random.Generator, *, population: int = 10, weights: int = 11, combine: Combine = np.asarray
) -> Result:
    """The Pareto front of what MOS evaluates; `Result.front` begins with the best under the first objective.

    Arguments:
        oracle: of objectives such as ``["synflow", "params"]`` with ``directions={"params": "min"}``.
        population: how many survive each generation, and how many children they have.
        weights: how many weightings of the objectives rank.
        combine: makes one objective of several where that takes a population, as `r_score` does.
    """
    with evaluating(oracle, space, rng, several=True, population=population, weights=weights) as evaluate:
        living = {arch: evaluate.scores(arch) for arch in (space.sample(rng) for _ in range(population))}
        while True:
            parents = list(living)
            for _ in range(population):
                mother, father = (parents[int(rng.random() * len(parents))] for _ in range(2))
                child = space.mutate(space.crossover(mother, father, rng), rng)
                living[child] = evaluate.scores(child)
            archs = list(living)
            kept = selected(combine(np.array(list(living.values()))), population, weights, rng)
            living = {archs[i]: living[archs[i]] for i in kept}
    return evaluate.result()


def selected(scores: np.ndarray, count: int, weights: int, rng: np.random.Generator) -> list[int]:
    """The rows that survive: the best ranked of each cluster.

    Arguments:
        scores: ``(architectures, objectives)``; higher is better, -inf is worst.
        count: how many survive, at most.
    """
    points = normalised(scores)
    rank, cluster = decomposition_rank(points, weights), clusters(points, count, rng)
    return [int(min(np.flatnonzero(cluster == one), key=lambda i: rank[i])) for one in np.unique(cluster)]


def normalised(scores: np.ndarray) -> np.ndarray:
    """Each objective from 0, its worst, to 1, its best; what was not measured is 0: ``(architectures, objectives)``."""
    measured = np.isfinite(scores)
    low = np.where(measured, scores, np.inf).min(axis=0)
    high = np.where(measured, scores, -np.inf).max(axis=0)
    return np.asarray(np.where(measured, (np.where(measured, scores, 0) - low) / np.where(high > low, high - low, 1), 0))


def decomposition_rank(points: np.ndarray, weights: int) -> np.ndarray:
    """The best rank that each point has under any weighted sum: ``(points,)``, from 0; equal ones differ by their mean rank.

    The weights go from one objective to the next, in equal steps, and from the last back to the first where there are more than two.
    """
    objectives = np.eye(points.shape[1])
    share = np.linspace(0, 1, weights)[:, np.newaxis]
    mixed = [(1 - share) * one + share * other for one, other in zip(objectives, np.roll(objectives, -1, axis=0), strict=True)]
    sums = np.concatenate(mixed) @ points.T
    ranks = np.argsort(np.argsort(-sums, axis=1, kind="stable"), axis=1, kind="stable")
    return np.asarray(ranks.min(axis=0) + ranks.mean(axis=0) / len(points))


def clusters(points: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """The cluster of each point, by k-means from randomly chosen points: ``(points,)``, int."""
    from scipy.cluster.vq import kmeans2

    centres = points[rng.permutation(len(points))[:count]]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="One of the clusters is empty")  # then it keeps its centre, and none of it survives
        _, cluster = kmeans2(points, centres, iter=ROUNDS, minit="matrix")
    return np.asarray(cluster)


def r_score(scores: np.ndarray) -> np.ndarray:
    """R-Score over a population: ``(archs, 1 + others)`` of ``(archs, 2 + others)``, for `trnas`'s `combine`; what was not measured is worst.

    Arguments:
        scores: the first two columns are Ψ, the linear activation capability, and Φ, the consistency of features; both above 0.

    Source: Yang et al. (2025), equation 6, and its released implementation.
    """
    psi, phi = np.where(np.isfinite(scores[:, :2]), scores[:, :2], np.nan).T
    measured = not (np.isnan(psi).all() or np.isnan(phi).all())
    found = r_scores(psi, phi) if measured else np.full(len(scores), np.nan)
    return np.column_stack([np.nan_to_num(found, nan=-np.inf), scores[:, 2:]])
