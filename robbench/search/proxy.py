"""Proxies that guide a search, and cost it nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from robbench.arguments import checked_count
from robbench.errors import CannotSearch, NotMeasured
from robbench.measurements.metrics import Metric
from robbench.search.oracle import Oracle
from robbench.spaces.moves import Moves

POOL = 3000
"""Of Abdelfattah et al. (2021) in their released example, and of Ha et al. (2023)."""
DEFAULT = "synflow"
"""The proxy of Abdelfattah et al. (2021), section 4.2, and of Ha et al. (2023) beside their own."""
Proxy = str | Metric | Oracle | Callable[[Any], float]
"""A metric of the store that is searched, an oracle, or a function.  Of a function, the higher value is better; the others say themselves which is."""


class Score:
    """A proxy as a score: higher is better, and what was not measured is worst."""

    def __init__(self, proxy: Oracle | Callable[[Any], float], sign: int = 1) -> None:
        self._proxy: Callable[[Any], Any] = proxy
        self._sign = sign
        self._prepare: Callable[[Sequence[Any]], None] | None = getattr(proxy, "prepare", None)

    def __call__(self, arch: Any) -> float:
        score: float = self._sign * self._proxy(arch)
        return score if score == score else -np.inf

    def prepare(self, archs: Sequence[Any]) -> None:
        """Say which are scored next, one by one: one that can scores them at once."""
        if self._prepare is not None:
            self._prepare(archs)


def scoring(proxy: Proxy, space: Moves[Any], searched: Oracle) -> Score:
    """A proxy as a score.

    Arguments:
        proxy: of a metric's name, what was not measured ranks last.
        space: whose architectures it scores.
        searched: the oracle of the search, whose store holds the metric.

    Raises:
        UnknownMetric: the name is that of no metric.
        CannotSearch: a metric that the store lacks; an oracle with a budget, with several objectives, or without a value for some of the space.
    """
    if isinstance(proxy, str | Metric):
        try:
            proxy = searched.beside(proxy)
        except NotMeasured as error:
            raise CannotSearch(f"a warm-up is guided by a proxy, here {proxy}: {error} Name another: proxy='nwot', for example.") from error
    if not isinstance(proxy, Oracle):
        return Score(proxy)
    if proxy.budget is not None or proxy.several:
        raise CannotSearch("a proxy is one objective that costs nothing; make its oracle without a budget: bench.oracle('synflow').")
    if space.members is None and proxy.bound_to_store:
        raise CannotSearch(
            f"{space.space.title} has more architectures than any store has the proxy {proxy.objectives[0]} of; make its oracle with"
            " missing='nan', which ranks the others last."
        )
    if space.members is not None and (lacking := sum(proxy.lacking(space.members).values())):
        raise CannotSearch(
            f"the store lacks the proxy {proxy.objectives[0]} of {lacking} of the {len(space.members)} architectures in the space; make its oracle"
            " with missing='nan', which ranks them last."
        )
    return Score(proxy, 1 if proxy.directions[0] == "max" else -1)


def pool_size(warmup: int | None, space: Moves[Any]) -> int:
    """How many architectures are drawn for a proxy to rank: as many as given; if nothing is, `POOL`, or all of a smaller space.

    Raises:
        CannotSearch: more than there are.
        InvalidArgument: no number of architectures.
    """
    size = None if space.members is None else len(space.members)
    if warmup is None:
        return POOL if size is None else min(POOL, size)
    drawn = checked_count(warmup, "warmup", of="architectures")
    if size is not None and drawn > size:
        raise CannotSearch(f"a warm-up pool of {drawn} is larger than the space of {size} architectures; give {size} at the most.")
    return drawn


def best_drawn(score: Score, space: Moves[Any], rng: np.random.Generator, draws: int) -> list[Any]:
    """The different ones of so many random architectures, the best by the score first."""
    drawn = list(dict.fromkeys(space.sample(rng) for _ in range(draws)))
    score.prepare(drawn)
    return sorted(drawn, key=score, reverse=True)
