"""TRNAS's search: crossover and mutation, then multi-objective selection (MOS): decomposition ranks, and k-means keeps the rest diverse.

Source: Yang et al. (2025), "TRNAS: A training-free robust neural architecture search", algorithm 1 and section 3.4; the sizes are those of section 4.2.
Its code for the search is not released.  Where the paper does not say, this is our reading: parents are drawn uniformly among those that survived;
crossover is at two points, and then one variable of the child mutates; both objectives are equally important; k-means begins at random points; and in a
population where an objective to be maximised is negative somewhere, so that 1/value would turn the order, its negative is minimised instead.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from robbench.arguments import checked_count
from robbench.errors import BudgetExhausted, CannotSearch, InvalidArgument
from robbench.measurements.rscore import r_scores
from robbench.search.evaluation import PATIENCE, Evaluation, evaluating
from robbench.search.oracle import Oracle
from robbench.search.result import Result
from robbench.spaces.moves import Moves

ROUNDS = 20
"""Of k-means."""

Combine = Callable[[np.ndarray], np.ndarray]
"""From the scores of a population, ``(archs, objectives)``, to those that selection goes by."""


def trnas(
    oracle: Oracle,
    space: Moves[Any],
    rng: np.random.Generator,
    *,
    population: int = 50,
    clusters: int | None = None,
    generations: int | None = 20,
    importance: Sequence[float] | None = None,
    points: int = 2,
    admits: Callable[[Any], bool] = lambda arch: True,
    combine: Combine = np.asarray,
) -> Result:
    """The Pareto front of what MOS evaluates; `Result.front` begins with the best under the first objective.

    Arguments:
        oracle: of objectives such as ``["synflow", "params"]`` with ``directions={"params": "min"}``.
        population: N: how many survive each generation, and how many children they have.
        clusters: e: how many of the survivors k-means chooses; if left out, two fifths of N, as in the paper.
        generations: after how many the search ends, if its budget is not spent before; None for when it is.
        importance: I: the weight of each objective; 1 if left out.
        points: where crossover goes from one parent to the other: at so many places, drawn at random.
        admits: whether an architecture may be evaluated, as a bound on its parameters decides; one that may not is drawn again.
        combine: makes one objective of several, as `r_score` does.

    Raises:
        CannotSearch: as every search; and where nothing that is drawn at random is admitted.
        InvalidArgument: a number that is none; more clusters than survivors; weights that are not one for each objective.
    """
    kept_by_clusters = population * 2 // 5 if clusters is None else checked_count(clusters, "clusters", least=0)
    rounds = itertools.repeat(None) if generations is None else range(checked_count(generations, "generations"))
    with evaluating(oracle, space, rng, several=True, population=population, points=points) as evaluate:
        if kept_by_clusters > population:
            raise InvalidArgument(f"clusters={clusters} of {population} survivors; expected {population} at the most.")
        living: dict[Any, tuple[float, ...]] = {}
        _grow(living, population, partial(space.sample, rng), admits, evaluate)
        for _ in rounds:
            child = partial(_child, space, list(living), points, rng)
            _grow(living, 2 * population, child, admits, evaluate)
            archs, costs = list(living), minimised(combine(np.array(list(living.values()))))
            kept = selected(costs, population, kept_by_clusters, _weights(importance, costs.shape[1]), rng)
            living = {archs[i]: living[archs[i]] for i in kept}
    return evaluate.result()


def _grow(
    living: dict[Any, tuple[float, ...]],
    count: int,
    draw: Callable[[], Any],
    admits: Callable[[Any], bool],
    evaluate: Evaluation,
) -> None:
    """Add what is drawn to a population until it has so many different architectures."""
    refused = 0
    while len(living) < count:
        drawn: list[Any] = []
        while len(drawn) < count - len(living) and refused < PATIENCE:  # as many as are wanting, at least
            arch = draw()
            if admits(arch):
                drawn.append(arch)
                refused = 0
            else:
                refused += 1
        evaluate.prepare(drawn)
        living.update((arch, evaluate.scores(arch)) for arch in drawn)
        if refused == PATIENCE:
            if not living:
                raise CannotSearch(f"admits refused {refused} architectures in a row, all drawn at random; loosen what it bounds.")
            raise BudgetExhausted(f"{refused} architectures in a row were refused: this search reaches no others.")


def _child(space: Moves[Any], parents: Sequence[Any], points: int, rng: np.random.Generator) -> Any:
    mother, father = (parents[int(rng.random() * len(parents))] for _ in range(2))
    return space.mutate(space.crossover_at(mother, father, rng, points), rng)


def _weights(importance: Sequence[float] | None, objectives: int) -> np.ndarray:
    weights = np.ones(objectives) if importance is None else np.asarray(importance, np.float64)
    if weights.shape != (objectives,) or not (np.isfinite(weights) & (weights >= 0)).all():
        raise InvalidArgument(f"importance={importance!r}; expected one weight of at least 0 for each of {objectives} objectives.")
    return weights


def selected(costs: np.ndarray, count: int, clustered: int, weights: np.ndarray, rng: np.random.Generator) -> list[int]:
    """The rows that survive: the first ``count - clustered`` by rank, and of the others those nearest the centres of ``clustered`` clusters.

    Where k-means leaves a cluster empty, the next by rank survives in its place.

    Arguments:
        costs: ``(architectures, objectives)``; lower is better, inf is worst.
        count: how many survive; all, if there are no more.
        clustered: how many of them the clusters choose.
        weights: ``(objectives,)``, how important each is.
    """
    points = normalised(costs)
    ranked = np.argsort(tchebycheff(points, weights), kind="stable")
    top, others = ranked[: count - clustered], ranked[count - clustered :]
    near = others[nearest_centres(points[others], clustered, rng)] if clustered < len(others) else others
    kept = [*top, *near]
    return [int(row) for row in [*kept, *np.setdiff1d(ranked, kept, assume_unique=True)][:count]]


def minimised(scores: np.ndarray) -> np.ndarray:
    """Scores, of which more is better, as what is to be minimised: ``(architectures, objectives)``; inf where nothing was measured.

    Of R-Score, and whatever else is nowhere below 0, 1/score, as in the paper; otherwise -score, which of a number of parameters, less of which is better, is itself.
    """
    measured = np.isfinite(scores)
    below = (measured & (scores < 0)).any(axis=0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.where(measured, np.where(below, -scores, 1 / np.where(below | ~measured, 1, scores)), np.inf))


def normalised(costs: np.ndarray) -> np.ndarray:
    """Each objective from 0, its best, to 1, its worst, over the population: ``(architectures, objectives)``; 1 where it is not finite."""
    finite = np.isfinite(costs)
    low = np.where(finite, costs, np.inf).min(axis=0)
    high = np.where(finite, costs, -np.inf).max(axis=0)
    span = np.where(high > low, high - low, 1)
    return np.asarray(np.where(finite, (np.where(finite, costs, 0) - np.where(np.isfinite(low), low, 0)) / span, 1))


def tchebycheff(points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The largest weighted distance of each point from the ideal one, which normalised is 0 in every objective: ``(points,)``.

    Source: Zhang and Li (2007), "MOEA/D", in the form of Yang et al. (2025), equation 7.
    """
    return np.asarray((weights * points).max(axis=1))


def nearest_centres(points: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Of each of so many clusters, by k-means from points drawn at random, the point nearest its centre: ``(clusters that are not empty,)``, intp."""
    from scipy.cluster.vq import kmeans2

    if count == 0:
        return np.zeros(0, np.intp)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="One of the clusters is empty")
        centres, cluster = kmeans2(points, points[rng.permutation(len(points))[:count]], iter=ROUNDS, minit="matrix")
    apart = ((points - centres[cluster]) ** 2).sum(axis=1)
    return np.array([min(np.flatnonzero(cluster == one), key=lambda i: apart[i]) for one in np.unique(cluster)], np.intp)


def r_score(scores: np.ndarray, *, stretched: bool = True) -> np.ndarray:
    """R-Score of a population: ``(archs, 1 + others)`` of ``(archs, 2 + others)``, for `trnas`'s `combine`; what was not measured is worst.

    Arguments:
        scores: the first two columns are Ψ, the linear activation capability, and Φ, the consistency of features; both above 0.
        stretched: over the population, as released; else by the equation: ``combine=functools.partial(r_score, stretched=False)``.

    Source: Yang et al. (2025), equation 6, and its released implementation.
    """
    psi, phi = np.where(np.isfinite(scores[:, :2]), scores[:, :2], np.nan).T
    measured = not (np.isnan(psi).all() or np.isnan(phi).all())
    found = r_scores(psi, phi, stretched=stretched) if measured else np.full(len(scores), np.nan)
    return np.column_stack([np.nan_to_num(found, nan=-np.inf), scores[:, 2:]])
