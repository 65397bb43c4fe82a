"""Local search: evaluate all neighbours of an architecture, move to the best of them, and start anew from a local optimum.

Source: White, Nolen and Savani (2021), "Exploring the loss landscape in neural architecture search", algorithm 1.  The settings are those of
NASLib: the first start is the best of ten random architectures, every later one is a single random architecture.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from robbench.search.evaluation import Evaluation, evaluating
from robbench.search.oracle import Oracle
from robbench.search.result import Result
from robbench.spaces.moves import Moves

NASZILLA: dict[str, Any] = {"restart": 10, "first": True, "new": True}
"""Local search as naszilla has it (`naszilla/nas_algorithms.py`): every start is the best of ten, the first better neighbour is moved to, and
neighbours that were evaluated before are not evaluated again."""


def local_search(
    oracle: Oracle,
    space: Moves[Any],
    rng: np.random.Generator,
    *,
    initial: int = 10,
    restart: int = 1,
    first: bool = False,
    new: bool = False,
) -> Result:
    """The best architecture that climbs from random starts reach.

    Arguments:
        initial: how many random architectures the first start is the best of.
        restart: how many each later start is the best of.
        first: move to the first neighbour that is better, without evaluating the others ("query until lower" in the paper).
        new: leave out neighbours that were evaluated already.
    """
    seen: set[Any] = set()
    with evaluating(oracle, space, rng, initial=initial, restart=restart) as evaluate:
        here, height = _best(evaluate, [space.sample(rng) for _ in range(initial)], seen)
        while True:
            near = [arch for arch in space.neighbors(here) if not new or arch not in seen]
            shuffled = [near[i] for i in rng.permutation(len(near))]
            found, score = _best(evaluate, shuffled, seen, above=height if first else np.inf) if near else (here, height)
            here, height = (found, score) if score > height else _best(evaluate, [space.sample(rng) for _ in range(restart)], seen)
    return evaluate.result()


def _best(evaluate: Evaluation, archs: Sequence[Any], seen: set[Any], above: float = np.inf) -> tuple[Any, float]:
    """The best of the architectures and its score, or the first whose score is above a limit; all that are evaluated are added to `seen`."""
    scored = []
    if above == np.inf:  # all of them are evaluated
        evaluate.prepare(archs)
    for arch in archs:
        scored.append((arch, evaluate(arch)))
        seen.add(arch)
        if scored[-1][1] > above:
            break
    return max(scored, key=itemgetter(1))
