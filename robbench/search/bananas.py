"""BANANAS: an ensemble predicts from path encodings, and Thompson sampling picks which mutants of the best are evaluated next.

Source: White, Neiswanger and Savani (2021), "BANANAS: Bayesian optimization with neural architectures for neural architecture search",
algorithm 1: path encoding, an ensemble, independent Thompson sampling, candidates that are mutants of the best.  Batches of 10 after 10 random
architectures, and 100 candidates, are the settings of NASLib.  Ours: a member of the ensemble is a ridge regression on the encoding and on
random rectified features of it, fitted to its own resample.  The paper's are networks trained by gradient descent: `NASZILLA` has those.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from robbench.arguments import checked_choice
from robbench.search.evaluation import evaluating
from robbench.search.evolution import Mutate
from robbench.search.oracle import Oracle
from robbench.search.predictors import PREDICTORS
from robbench.search.result import Result
from robbench.spaces.moves import Moves

NASLIB: dict[str, Any] = {"members": 3, "parents": 2, "new": False, "chained": True}
"""BANANAS as NASLib has it (`naslib/optimizers/discrete/bananas/optimizer.py`, with the settings of its `create_configs.py`, which later
has batches of 25): three members, mutants of the best two only, each mutated from the one before and so ever further from the best, and
candidates that were evaluated before are candidates again, and charged.  Not its predictor (`naslib/predictors/mlp.py`): networks of 20 layers,
20 wide, that see the operations of the edges, fitted to accuracies as they come, by Adam on the absolute error and a penalty on the last
weights for 500 epochs."""
NASZILLA: dict[str, Any] = {"parents": 5, "shared": False, "rate": 1 / 4, "encoding": "short", "predictor": "networks"}
"""BANANAS as naszilla, by the paper's authors, has it (`bananas` of `naszilla/nas_algorithms.py`, `get_candidates` of
`naszilla/nas_benchmarks.py`, `mutate` and `encode_freq_paths` of `naszilla/nas_bench_201/cell_201.py`): the best has 100 mutants, each of its
six operations changed with one chance in four, then the next best, until 100 are new; five networks learn from the paths of one and of two
operations alone, so that the edge in the middle of the longest path is not seen.  Slow: all are trained anew before every batch."""


def bananas(
    oracle: Oracle,
    space: Moves[Any],
    rng: np.random.Generator,
    *,
    initial: int = 10,
    batch: int = 10,
    members: int = 5,
    parents: int = 10,
    candidates: int = 100,
    shared: bool = True,
    new: bool = True,
    chained: bool = False,
    rate: float | None = None,
    encoding: str | None = None,
    predictor: str = "ridges",
) -> Result:
    """The best of a random start and of the mutants that an ensemble predicts to be best.

    Arguments:
        initial: random architectures to learn from first.
        batch: how many are evaluated before the ensemble learns again.
        members: of the ensemble.
        parents: how many of the best are mutated.
        candidates: how many mutants the ensemble predicts.
        shared: each parent has its share of the candidates as mutants; if not, the best has all, and the next ones only as long as some lack.
        new: leave out mutants that were evaluated already; random architectures fill a batch that this makes too small.
        chained: mutate the last mutant, and not the parent itself.
        rate: the probability of each variable of a mutant to take another choice; if left out, exactly one does.
        encoding: what the ensemble sees of an architecture: one of the space's `encodings`, the first if left out.
        predictor: a name in `PREDICTORS`: what its members are.
    """
    encodings = space.space.encodings
    checked_choice(predictor, "predictor", tuple(PREDICTORS))
    checked_choice(encoding, "encoding", (None, *encodings))
    fitted, encoded = PREDICTORS[predictor], encodings[encoding or next(iter(encodings))]
    with evaluating(oracle, space, rng, initial=initial, batch=batch, members=members, parents=parents, candidates=candidates) as evaluate:
        each = max(1, candidates // parents) if shared else candidates
        mutate = space.mutate if rate is None else partial(space.mutate_each, rate=rate)
        evaluated = [space.sample(rng) for _ in range(initial)]
        evaluate.prepare(evaluated)
        scores = [evaluate(arch) for arch in evaluated]
        while True:
            known = set(evaluated) if new else set()
            mutants: list[Any] = []
            for i in sorted(range(len(evaluated)), key=scores.__getitem__, reverse=True)[:parents]:  # of equals the one found first
                if len(mutants) < candidates:
                    mutants += _mutants(evaluated[i], each, mutate, chained, rng)
                    mutants = [mutant for mutant in dict.fromkeys(mutants) if mutant not in known] if new else mutants
            chosen = []
            if mutants:
                predicted = fitted(encoded(evaluated), np.array(scores), members, rng).predict(encoded(mutants))
                thompson = rng.normal(predicted.mean(axis=0), predicted.std(axis=0))
                chosen = [mutants[i] for i in np.argsort(thompson, kind="stable")[::-1][:batch]]
            chosen += [space.sample(rng) for _ in range(batch - len(chosen))]
            evaluate.prepare(chosen)
            scores += [evaluate(arch) for arch in chosen]
            evaluated += chosen
    return evaluate.result()


def _mutants(parent: Any, count: int, mutate: Mutate, chained: bool, rng: np.random.Generator) -> Iterator[Any]:
    mutant = parent
    for _ in range(count):
        mutant = mutate(mutant if chained else parent, rng)
        yield mutant
