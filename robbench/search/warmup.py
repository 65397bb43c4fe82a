"""Evolution with proxy warm-up: the first population is the best of many architectures by a proxy that costs nothing.

Source: Abdelfattah, Mehrotra, Dudziak and Lane (2021), "Zero-cost proxies for lightweight NAS", section 4.2; Ha, Kim and Hwang (2023) search for
robust networks so.  3,000 scored architectures, a population of 64 and samples of 10 are the settings of the first paper's released example.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from robbench.search.evaluation import evaluating
from robbench.search.evolution import evolve
from robbench.search.oracle import Oracle
from robbench.search.proxy import DEFAULT, Proxy, best_drawn, pool_size, scoring
from robbench.search.result import Result
from robbench.spaces.moves import Moves


def proxy_warmup(
    oracle: Oracle,
    space: Moves[Any],
    rng: np.random.Generator,
    *,
    proxy: Proxy = DEFAULT,
    warmup: int | None = None,
    population: int = 64,
    sample: int = 10,
) -> Result:
    """Regularized evolution that begins with what a proxy ranks first: AE+warmup of Ha et al.

    Arguments:
        proxy: a score of an architecture that costs nothing: a metric of the store, of which what was not measured ranks last; an oracle; or a function.
        warmup: how many random architectures are scored by the proxy; 3,000, or all of a smaller space, if left out.
        population, sample: as for `regularized_evolution`.
    """
    score, pool = scoring(proxy, space, oracle), pool_size(warmup, space)
    with evaluating(oracle, space, rng, population=population, sample=sample) as evaluate:
        first = best_drawn(score, space, rng, pool)[:population]
        evolve(evaluate, rng, first, sample, space.mutate)
    return evaluate.result()
