"""BANANAS: an ensemble predicts from path encodings, and Thompson sampling picks which mutants of the best are asked for next.

Source: White, Neiswanger and Savani (2021), "BANANAS: Bayesian optimization with neural architectures for neural architecture search",
algorithm 1: path encoding, an ensemble, independent Thompson sampling, candidates that are mutants of the best.  Batches of 10 after 10 random
architectures, and 100 candidates, are the settings of NASLib.  Ours: a member of the ensemble is a ridge regression on the encoding and on
random rectified features of it, fitted to its own resample, where the paper trains networks by gradient descent.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from robbench.oracle import Oracle
from robbench.search.asking import asking
from robbench.search.result import Result
from robbench.spaces.nb201 import OPERATIONS, Cell
from robbench.spaces.space import Space

NASLIB: dict[str, Any] = {"members": 3, "parents": 2, "new": False, "wander": True}
"""BANANAS as NASLib has it (`naslib/optimizers/discrete/bananas/optimizer.py`, with the settings of its `create_configs.py`, which later
has batches of 25): three members, mutants of the best two only, each mutated from the one before and so ever further from the best, and
candidates that were asked before are candidates again, and charged.  Not its predictor (`naslib/predictors/mlp.py`): networks of 20 layers,
20 wide, fitted to accuracies as they come, by Adam on the absolute error for 500 epochs."""

_WAYS = ((3,), (0, 4), (1, 5), (0, 2, 5))
"""The edges of each way from a cell's input to its output."""
_PATHS = {path: column for column, path in enumerate(path for n in (1, 2, 3) for path in itertools.product(OPERATIONS[1:], repeat=n))}

_HIDDEN = 100
_PENALTY = 1.0


def bananas(
    oracle: Oracle,
    space: Space,
    rng: np.random.Generator,
    *,
    initial: int = 10,
    batch: int = 10,
    members: int = 5,
    parents: int = 10,
    candidates: int = 100,
    new: bool = True,
    wander: bool = False,
) -> Result:
    """The best of a random start and of the mutants that an ensemble expects most of.

    Arguments:
        initial: random architectures to learn from first.
        batch: how many are asked for before the ensemble learns again.
        members: of the ensemble.
        parents: how many of the best are mutated.
        candidates: how many mutants the ensemble judges.
        new: leave out mutants that were asked for already; random architectures fill a batch that this makes too small.
        wander: mutate the last mutant, and not the parent itself.
    """
    with asking(oracle, space, rng, initial=initial, batch=batch, members=members, parents=parents, candidates=candidates) as ask:
        asked = [space.sample(rng) for _ in range(initial)]
        scores = [ask(cell) for cell in asked]
        while True:
            best = [asked[i] for i in np.argsort(scores, kind="stable")[::-1][:parents]]
            mutants = [mutant for parent in best for mutant in _mutants(parent, max(1, candidates // parents), wander, space, rng)]
            if new:
                known = set(asked)
                mutants = [mutant for mutant in dict.fromkeys(mutants) if mutant not in known]
            chosen = []
            if mutants:
                predicted = Ensemble(encodings(asked), np.array(scores), members, rng).predict(encodings(mutants))
                thompson = rng.normal(predicted.mean(axis=0), predicted.std(axis=0))
                chosen = [mutants[i] for i in np.argsort(thompson, kind="stable")[::-1][:batch]]
            chosen += [space.sample(rng) for _ in range(batch - len(chosen))]
            scores += [ask(cell) for cell in chosen]
            asked += chosen
    return ask.result()


def _mutants(parent: Cell, count: int, wander: bool, space: Space, rng: np.random.Generator) -> Iterator[Cell]:
    mutant = parent
    for _ in range(count):
        mutant = space.mutate(mutant if wander else parent, rng)
        yield mutant


def encodings(archs: Sequence[Cell]) -> np.ndarray:
    """Which paths lead from input to output, as words of operations without `none`: ``(cells, 84)``, float64, 0 or 1.

    Source: White et al. (2021), section 4.1: 4 + 4² + 4³ paths.
    """
    found = np.zeros((len(archs), len(_PATHS)))
    for row, arch in enumerate(archs):
        for way in _WAYS:
            column = _PATHS.get(tuple(arch.ops[edge] for edge in way))
            if column is not None:
                found[row, column] = 1
    return found


class Ensemble:
    """Ridge regressions that differ in their random features and in the rows that they were fitted to.

    Arguments:
        features: ``(rows, features)``.
        targets: ``(rows,)``; what is not finite counts as the worst of the others.
    """

    def __init__(self, features: np.ndarray, targets: np.ndarray, members: int, rng: np.random.Generator) -> None:
        finite = np.isfinite(targets)
        targets = np.where(finite, targets, targets[finite].min(initial=0.0 if not finite.any() else np.inf))
        self._mean, self._scale = targets.mean(), max(float(targets.std()), 1e-9)
        self._members = [self._fitted(features, (targets - self._mean) / self._scale, rng) for _ in range(members)]

    def predict(self, features: np.ndarray) -> np.ndarray:
        """What each member expects: ``(members, rows)``, in the targets' unit."""
        return np.asarray([_lifted(features, *hidden) @ weights * self._scale + self._mean for hidden, weights in self._members])

    @staticmethod
    def _fitted(features: np.ndarray, targets: np.ndarray, rng: np.random.Generator) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
        hidden = rng.normal(size=(features.shape[1], _HIDDEN)), rng.normal(size=_HIDDEN)
        rows = rng.integers(len(targets), size=len(targets))
        inputs = _lifted(features[rows], *hidden)
        moments = inputs.T @ inputs + _PENALTY * np.eye(inputs.shape[1])
        return hidden, np.linalg.solve(moments, inputs.T @ targets[rows])


def _lifted(features: np.ndarray, weights: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """The features, their random rectified combinations, and a constant."""
    rectified = np.maximum(features @ weights + offsets, 0) / np.sqrt(_HIDDEN)
    return np.concatenate([features, rectified, np.ones((len(features), 1))], axis=1)
