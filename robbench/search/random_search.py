"""Random search: evaluate architectures drawn uniformly at random, and keep the best.

Source: Li and Talwalkar (2019), "Random search and reproducibility for neural architecture search".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from robbench.search.evaluation import evaluating
from robbench.search.oracle import Oracle
from robbench.search.result import Result
from robbench.spaces.moves import Moves


def random_search(oracle: Oracle, space: Moves[Any], rng: np.random.Generator) -> Result:
    """The best of architectures drawn uniformly at random from the space."""
    with evaluating(oracle, space, rng) as evaluate:
        while True:
            evaluate(space.sample(rng))
    return evaluate.result()
