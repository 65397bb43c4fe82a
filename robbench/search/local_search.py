"""Local search: ask for all neighbours of an architecture, move to the best of them, and start anew from a local optimum.

Source: White, Nolen and Savani (2021), "Exploring the loss landscape in neural architecture search", algorithm 1.  The settings are those of
NASLib: the first start is the best of ten random architectures, every later one is a single random architecture.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import Any

import numpy as np

from robbench.search.oracle import Oracle
from robbench.search.asking import Asking, asking
from robbench.search.result import Result
from robbench.spaces.nb201 import Cell
from robbench.spaces.subset import Space

NASZILLA: dict[str, Any] = {"restart": 10, "first": True, "new": True}
"""Local search as naszilla has it (`naszilla/nas_algorithms.py`): every start is the best of ten, the first better neighbour is moved to, and
neighbours that were asked for before are not asked for again."""


def local_search(
    oracle: Oracle, space: Space, rng: np.random.Generator, *, initial: int = 10, restart: int = 1, first: bool = False, new: bool = False
) -> Result:
    """The best that climbs from random starts come by.

    Arguments:
        initial: how many random architectures the first start is the best of.
        restart: how many each later start is the best of.
        first: move to the first neighbour that is better, without asking for the others ("query until lower" in the paper).
        new: leave out neighbours that were asked for already.
    """
    asked: set[Cell] = set()
    with asking(oracle, space, rng, initial=initial, restart=restart) as ask:
        here, height = _best(ask, (space.sample(rng) for _ in range(initial)), asked)
        while True:
            near = [cell for cell in space.neighbors(here) if not new or cell not in asked]
            shuffled = (near[i] for i in rng.permutation(len(near)))
            found, score = _best(ask, shuffled, asked, above=height if first else np.inf) if near else (here, height)
            here, height = (found, score) if score > height else _best(ask, [space.sample(rng) for _ in range(restart)], asked)
    return ask.result()


def _best(ask: Asking, cells: Iterable[Cell], asked: set[Cell], above: float = np.inf) -> tuple[Cell, float]:
    """The best of the cells and its score, or the first whose score is above a limit; those asked for are noted."""
    scored = []
    for cell in cells:
        scored.append((cell, ask(cell)))
        asked.add(cell)
        if scored[-1][1] > above:
            break
    return max(scored, key=itemgetter(1))
