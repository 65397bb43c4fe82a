"""Regularized evolution: the best of a few picked from a population has a mutated child; the oldest of the population dies.

Source: Real, Aggarwal, Huang and Le (2019), "Regularized evolution for image classifier architecture search", algorithm 1.  A population of
30 and samples of 10 are the settings of NASLib, which Jung et al. (2023) used; the paper's are 100 and 25.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from robbench.oracle import Oracle
from robbench.search.asking import Asking, asking
from robbench.search.result import Result
from robbench.spaces.nb201 import Cell
from robbench.spaces.space import Space

Mutate = Callable[[Cell, np.random.Generator], Cell]


def regularized_evolution(oracle: Oracle, space: Space, rng: np.random.Generator, *, population: int = 30, sample: int = 10) -> Result:
    """The best of a random population and its descendants.

    Arguments:
        population: how many live at once.
        sample: how many are picked, with replacement, for the best of them to be a parent.
    """
    with asking(oracle, space, rng, population=population, sample=sample) as ask:
        evolve(ask, rng, [space.sample(rng) for _ in range(population)], sample, space.mutate)
    return ask.result()


def evolve(ask: Asking, rng: np.random.Generator, first: Sequence[Cell], sample: int, mutate: Mutate) -> None:
    """Let a population age and have children until the search ends."""
    population = deque(((ask(cell), cell) for cell in first), maxlen=len(first))
    while True:
        picked = [population[int(rng.random() * len(population))] for _ in range(sample)]
        _, parent = max(picked, key=lambda scored: scored[0])
        child = mutate(parent, rng)
        population.append((ask(child), child))  # and the oldest leaves
