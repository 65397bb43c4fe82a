"""Random search: ask for architectures drawn uniformly at random, and keep the best.

Source: Li and Talwalkar (2019), "Random search and reproducibility for neural architecture search".
"""

from __future__ import annotations

import numpy as np

from robbench.search.oracle import Oracle
from robbench.search.asking import asking
from robbench.search.result import Result
from robbench.spaces.subset import Space


def random_search(oracle: Oracle, space: Space, rng: np.random.Generator) -> Result:
    """The best of architectures drawn uniformly at random from the exact cells of the space."""
    with asking(oracle, space, rng) as ask:
        while True:
            ask(space.sample(rng))
    return ask.result()
