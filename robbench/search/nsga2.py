"""NSGA-II: parents win tournaments, children join the population, and the best fronts of both survive, the least crowded first.

Source: Deb, Pratap, Agarwal and Meyarivan (2002), "A fast and elitist multiobjective genetic algorithm: NSGA-II".  Crossover takes each
variable from either parent, and mutation changes one; an architecture is in the population once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from robbench.search.domination import crowding, fronts
from robbench.search.evaluation import evaluating
from robbench.search.oracle import Oracle
from robbench.search.result import Result
from robbench.spaces.moves import Moves


def nsga2(oracle: Oracle, space: Moves[Any], rng: np.random.Generator, *, population: int = 50, crossover: float = 0.9) -> Result:
    """The Pareto front of what NSGA-II evaluates.

    Arguments:
        population: how many survive each generation, and how many children they have.
        crossover: the share of children that have two parents.
    """
    with evaluating(oracle, space, rng, several=True, population=population) as evaluate:
        first = [space.sample(rng) for _ in range(population)]
        evaluate.prepare(first)
        living = {arch: evaluate.scores(arch) for arch in first}
        while True:
            archs, fitness = list(living), _fitness(np.array(list(living.values())))
            children = []
            for _ in range(population):
                child = _winner(archs, fitness, rng)
                if rng.random() < crossover:
                    child = space.crossover(child, _winner(archs, fitness, rng), rng)
                children.append(space.mutate(child, rng))
            evaluate.prepare(children)
            living |= {child: evaluate.scores(child) for child in children}
            living = _survivors(living, population)
    return evaluate.result()


def _fitness(scores: np.ndarray) -> list[tuple[float, float]]:
    """What a tournament compares: the lower front, then the larger distance to those on the same front."""
    front = fronts(scores)
    distance = np.empty(len(scores))
    for rank in np.unique(front):
        distance[front == rank] = crowding(scores[front == rank])
    return [(-float(rank), float(gap)) for rank, gap in zip(front, distance, strict=True)]


def _winner(archs: list[Any], fitness: list[tuple[float, float]], rng: np.random.Generator) -> Any:
    one, other = (int(rng.random() * len(archs)) for _ in range(2))
    return archs[one if fitness[one] >= fitness[other] else other]


def _survivors(living: dict[Any, tuple[float, ...]], count: int) -> dict[Any, tuple[float, ...]]:
    fitness = _fitness(np.array(list(living.values())))
    ranked = sorted(zip(fitness, living, strict=True), key=lambda pair: pair[0], reverse=True)
    return {arch: living[arch] for _, arch in ranked[:count]}
