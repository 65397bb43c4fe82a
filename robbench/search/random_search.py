"""Random search: evaluate architectures drawn uniformly at random, and keep the best.

Source: Li and Talwalkar (2019), "Random search and reproducibility for neural architecture search".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from robbench.search.evaluation import Evaluation, evaluating
from robbench.search.oracle import Oracle
from robbench.search.result import Result
from robbench.spaces.moves import Moves

_AT_ONCE = 16
"""How many are drawn before the first of them is evaluated; they would be the same one by one."""


def random_search(oracle: Oracle, space: Moves[Any], rng: np.random.Generator) -> Result:
    """The best of architectures drawn uniformly at random from the space."""
    with evaluating(oracle, space, rng) as evaluate:
        draw(evaluate, space, rng)
    return evaluate.result()


def draw(evaluate: Evaluation, space: Moves[Any], rng: np.random.Generator) -> None:
    """Evaluate architectures drawn uniformly at random, until the search ends."""
    while True:
        drawn = [space.sample(rng) for _ in range(_AT_ONCE)]
        evaluate.prepare(drawn)
        for arch in drawn:
            evaluate(arch)
