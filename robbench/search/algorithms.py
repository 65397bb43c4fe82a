"""The algorithms by name."""

from __future__ import annotations

from collections.abc import Callable

from robbench.errors import CannotSearch
from robbench.metrics import nearest
from robbench.search.random_search import random_search
from robbench.search.result import Result

Algorithm = Callable[..., Result]
"""Called as ``algorithm(oracle, space, rng)``; options of its own come by name."""

ALGORITHMS: dict[str, Algorithm] = {
    "random": random_search,
}


def algorithm(name: str) -> Algorithm:
    """The algorithm of this name.

    Raises:
        CannotSearch: there is none.
    """
    if name not in ALGORITHMS:
        raise CannotSearch(f"{name!r} is not a search algorithm.{nearest(name, ALGORITHMS)} Known: {', '.join(ALGORITHMS)}.")
    return ALGORITHMS[name]
