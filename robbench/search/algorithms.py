"""The algorithms by name."""

from __future__ import annotations

from collections.abc import Callable

from robbench.arguments import nearest
from robbench.errors import CannotSearch
from robbench.search.bananas import bananas
from robbench.search.evolution import regularized_evolution
from robbench.search.local_search import local_search
from robbench.search.nsga2 import nsga2
from robbench.search.random_search import random_search
from robbench.search.random_warmup import random_warmup
from robbench.search.result import Result
from robbench.search.trnas import trnas
from robbench.search.tuned_random import tuned_random_search
from robbench.search.warmup import proxy_warmup
from robbench.search.warmup_move import warmup_move

Algorithm = Callable[..., Result]
"""Called as ``algorithm(oracle, space, rng)``; options of its own come by name."""

ALGORITHMS: dict[str, Algorithm] = {
    "random": random_search,
    "tuned-random": tuned_random_search,
    "local": local_search,
    "evolution": regularized_evolution,
    "bananas": bananas,
    "random-warmup": random_warmup,
    "warmup": proxy_warmup,
    "warmup-move": warmup_move,
    "nsga2": nsga2,
    "trnas": trnas,
}


def algorithm(name: str) -> Algorithm:
    """The algorithm of this name.

    Raises:
        CannotSearch: there is none.
    """
    if name not in ALGORITHMS:
        raise CannotSearch(f"{name!r} is not a search algorithm.{nearest(name, ALGORITHMS)} Known: {', '.join(ALGORITHMS)}.")
    return ALGORITHMS[name]
