"""Random search with proxy warm-up: of many random architectures, those that a proxy ranks first are evaluated first.

Source: Abdelfattah, Mehrotra, Dudziak and Lane (2021), "Zero-cost proxies for lightweight NAS", section 4.2; RAND+warmup of Ha et al. (2023), Figure 3.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from robbench.search.evaluation import evaluating
from robbench.search.oracle import Oracle
from robbench.search.proxy import DEFAULT, Proxy, best_drawn, pool_size, scoring
from robbench.search.random_search import draw
from robbench.search.result import Result
from robbench.spaces.moves import Moves


def random_warmup(
    oracle: Oracle, space: Moves[Any], rng: np.random.Generator, *, proxy: Proxy = DEFAULT, warmup: int | None = None
) -> Result:
    """The best of what a proxy ranks first among random architectures; where the budget outlasts these, of random ones.

    Arguments:
        proxy, warmup: as for `proxy_warmup`.
    """
    score, pool = scoring(proxy, space, oracle), pool_size(warmup, space)
    with evaluating(oracle, space, rng) as evaluate:
        for arch in best_drawn(score, space, rng, pool):
            evaluate(arch)
        draw(evaluate, space, rng)
    return evaluate.result()
