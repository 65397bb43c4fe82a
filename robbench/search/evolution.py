"""Regularized evolution: the best of a few picked from a population has a mutated child; the oldest of the population dies.

Source: Real, Aggarwal, Huang and Le (2019), "Regularized evolution for image classifier architecture search", algorithm 1.  A population of
30 and samples of 10 are the settings of NASLib; the paper's are 100 and 25.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from robbench.search.evaluation import Evaluation, evaluating
from robbench.search.oracle import Oracle
from robbench.search.result import Result
from robbench.spaces.moves import Moves

Mutate = Callable[[Any, np.random.Generator], Any]

NASZILLA: dict[str, Any] = {"population": 29, "initial": 10, "rate": 1 / 4}
"""Evolution as naszilla has it (`naszilla/nas_algorithms.py`, and `mutate` of `naszilla/nas_bench_201/cell_201.py`): the population grows from
ten until the newborn is the thirtieth, and each of a cell's six operations changes with one chance in four."""


def regularized_evolution(
    oracle: Oracle,
    space: Moves[Any],
    rng: np.random.Generator,
    *,
    population: int = 30,
    sample: int = 10,
    initial: int | None = None,
    rate: float | None = None,
) -> Result:
    """The best of a random population and its descendants.

    Arguments:
        population: how many live at once.
        sample: how many are picked, with replacement, for the best of them to be a parent.
        initial: how many are drawn at random first; as many as live at once if left out.
        rate: the probability of each variable of a child to take another choice; if left out, exactly one does.
    """
    initial = population if initial is None else initial
    with evaluating(oracle, space, rng, population=population, sample=sample, initial=initial) as evaluate:
        mutate = space.mutate if rate is None else partial(space.mutate_each, rate=rate)
        evolve(evaluate, rng, [space.sample(rng) for _ in range(initial)], sample, mutate, population)
    return evaluate.result()


def evolve(
    evaluate: Evaluation, rng: np.random.Generator, first: Sequence[Any], sample: int, mutate: Mutate, population: int | None = None
) -> None:
    """Age a population, child by child, until the search ends.

    Arguments:
        evaluate: of the search.
        first: what the population begins with.
        sample: how many are picked, with replacement, for the best of them to be a parent.
        mutate: makes a child of a parent.
        population: how many live at once; as many as at first if left out.
    """
    evaluate.prepare(first)
    living = deque(((evaluate(arch), arch) for arch in first), maxlen=population or len(first))
    while evaluate.goes_on:
        picked = [living[int(rng.random() * len(living))] for _ in range(sample)]
        _, parent = max(picked, key=lambda scored: scored[0])
        child = mutate(parent, rng)
        living.append((evaluate(child), child))  # and the oldest leaves
