"""Evolution with proxy warm-up and move: as `proxy_warmup`, and a child is the neighbour of its parent that a proxy ranks first.

Source: Abdelfattah et al. (2021), section 4.2; AE+warmup+move of Ha et al. (2023).  In the first paper's released example, one child in four is a
neighbour at random: otherwise a parent would have the same child again and again.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from robbench.search.evaluation import evaluating
from robbench.search.evolution import evolve
from robbench.search.oracle import Oracle
from robbench.search.proxy import DEFAULT, Proxy, best_drawn, pool_size, scoring
from robbench.search.result import Result
from robbench.spaces.moves import Moves


def warmup_move(
    oracle: Oracle,
    space: Moves[Any],
    rng: np.random.Generator,
    *,
    proxy: Proxy = DEFAULT,
    warmup: int | None = None,
    population: int = 64,
    sample: int = 10,
    explore: float = 0.25,
) -> Result:
    """Regularized evolution that a proxy begins and guides.

    Arguments:
        proxy, warmup, population, sample: as for `proxy_warmup`.
        explore: the share of children that are neighbours at random.
    """
    score, pool = scoring(proxy, space, oracle), pool_size(warmup, space)

    @cache
    def favourite(parent: Any) -> Any:
        near = space.neighbors(parent)
        score.prepare(near)
        return max(near, key=score, default=parent)

    def move(parent: Any, rng: np.random.Generator) -> Any:
        return space.mutate(parent, rng) if rng.random() < explore else favourite(parent)

    with evaluating(oracle, space, rng, population=population, sample=sample) as evaluate:
        first = best_drawn(score, space, rng, pool)[:population]
        evolve(evaluate, rng, first, sample, move)
    return evaluate.result()
