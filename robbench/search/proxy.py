"""Proxies that guide a search, and cost it nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from robbench.errors import CannotSearch
from robbench.search.oracle import Oracle
from robbench.spaces.nb201 import Cell
from robbench.spaces.subset import Space

Proxy = Oracle | Callable[[Cell], float]
"""Of a callable, the higher value is better; an oracle says itself which is."""


def scoring(proxy: Proxy, space: Space) -> Callable[[Cell], float]:
    """A proxy as a score: higher is better, and what was not measured is worst.

    Raises:
        CannotSearch: an oracle with a budget, with several objectives, or without a value for some of the space.
    """
    if not isinstance(proxy, Oracle):
        return lambda cell: _worst_if_nan(proxy(cell))
    if proxy.budget is not None or proxy.several:
        raise CannotSearch("a proxy is one objective that costs nothing; make its oracle without a budget: bench.oracle('synflow').")
    lacking = sum(proxy.lacking(space.cells).values())
    if lacking:
        raise CannotSearch(
            f"the store lacks the proxy {proxy.objectives[0]} of {lacking} of the {len(space)} architectures in the space; make its oracle with"
            " missing='nan', which ranks them last."
        )
    oracle: Callable[[Cell], Any] = proxy
    sign = 1 if proxy.directions[0] == "max" else -1
    return lambda cell: _worst_if_nan(sign * oracle(cell))


def best_drawn(score: Callable[[Cell], float], space: Space, rng: np.random.Generator, draws: int) -> list[Cell]:
    """The different ones of so many random cells, the best by the score first."""
    return sorted(dict.fromkeys(space.sample(rng) for _ in range(draws)), key=score, reverse=True)


def _worst_if_nan(score: float) -> float:
    return score if score == score else -np.inf
