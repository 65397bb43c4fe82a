"""How a search evaluates architectures: what is checked before, how values compare, when it ends.

with evaluating(oracle, space, rng) as evaluate:
    evaluate(arch)            a score: higher is better, NaN is worst; the search leaves here when its budget is spent
return evaluate.result()
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from operator import itemgetter
from typing import Any

import numpy as np

from robbench.arguments import checked_count
from robbench.errors import BudgetExhausted, CannotSearch
from robbench.search.domination import non_dominated
from robbench.search.history import Value
from robbench.search.oracle import Oracle
from robbench.search.result import Found, Result
from robbench.spaces.moves import Moves

PATIENCE = 1000


@contextmanager
def evaluating(oracle: Oracle, space: Moves[Any], rng: np.random.Generator, *, several: bool = False, **sizes: int) -> Iterator[Evaluation]:
    """How a search evaluates architectures, until its budget is spent or nothing new is found; the block ends there.

    Nothing new is found where that many architectures in a row cost nothing: as many as the space has, and at least `PATIENCE`; `PATIENCE` in one too large to list.

    Arguments:
        several: whether the algorithm can weigh several objectives.
        sizes: numbers of the algorithm's own that must be at least 1, such as that of its population.

    Raises:
        CannotSearch: the oracle has no budget, several objectives for an algorithm of one, or no value for some of the space; `rng` is
            not a generator.
        InvalidArgument: a size is none.
    """
    _check(oracle, space, rng, several)
    for name, size in sizes.items():
        checked_count(size, name)
    with suppress(BudgetExhausted):
        yield Evaluation(oracle, space)


class Evaluation:
    """An oracle that answers in scores, and remembers the best."""

    def __init__(self, oracle: Oracle, space: Moves[Any]) -> None:
        self._oracle = oracle
        self._signs = [1.0 if direction == "max" else -1.0 for direction in oracle.directions]
        self._sign, self._single = self._signs[0], not oracle.several
        self._patience, self._idle = max(PATIENCE, len(space.members or ())), 0
        self._best: Found | None = None
        self._best_score = -np.inf
        self._scores: dict[Any, tuple[tuple[float, ...], Value]] = {}

    def __call__(self, arch: Any) -> float:
        """The score of an architecture under one objective: higher is better, and what was not measured is worst.

        Raises:
            BudgetExhausted: the budget does not pay for it, or nothing new was found for long.
        """
        value: Any = self._value(arch)
        score: float = self._sign * value if self._single else self._sign * value[0]
        if score != score:
            score = -np.inf
        if score > self._best_score or self._best is None:
            self._best, self._best_score = Found(arch, value), score
        return score

    @property
    def goes_on(self) -> bool:
        """Whether the budget may pay for another architecture; what is asked after that finds nothing new, and a proxy may be dear to ask what to ask."""
        return self._oracle.pays

    def prepare(self, archs: Sequence[Any]) -> None:
        """Say which architectures are asked for next, one by one, so that a function may score them at once; see `Oracle.prepare`."""
        self._oracle.prepare(archs)

    def scores(self, arch: Any) -> tuple[float, ...]:
        """The scores of an architecture, one for each objective; what lacks one is worst in all.  Otherwise as a call.

        Raises:
            BudgetExhausted: as a call.
        """
        value = self._value(arch)
        values = (value,) if isinstance(value, float) else value
        scores = tuple(sign * one for sign, one in zip(self._signs, values, strict=True))
        if any(score != score for score in scores):
            scores = (-np.inf,) * len(scores)
        self._scores.setdefault(arch, (scores, value))
        return scores

    def result(self) -> Result:
        """What was found."""
        if not self._scores:
            return Result(self._oracle, () if self._best is None else (self._best,))
        found: dict[Hashable, tuple[tuple[float, ...], Found]] = {}
        for arch, (scores, value) in self._scores.items():  # of those that count as the same, such as isomorphic cells, the first
            found.setdefault(self._oracle.identity_of(arch), (scores, Found(arch, value)))
        ranked = sorted(found.values(), key=itemgetter(0), reverse=True)
        if not self._oracle.several:
            return Result(self._oracle, (ranked[0][1],))
        front = non_dominated(np.array([scores for scores, _ in ranked]))
        return Result(self._oracle, tuple(one for on_front, (_, one) in zip(front, ranked, strict=True) if on_front))

    def _value(self, arch: Any) -> Value:
        oracle = self._oracle
        spent = oracle.spent
        value = oracle(arch)
        if oracle.spent != spent:
            self._idle = 0
        else:
            self._idle += 1
            if self._idle >= self._patience:
                raise BudgetExhausted(f"{self._idle} architectures in a row cost nothing: all that this search can reach has been asked.")
        return value


def _check(oracle: Oracle, space: Moves[Any], rng: np.random.Generator, several: bool) -> None:
    if not isinstance(rng, np.random.Generator):
        raise CannotSearch(f"rng={rng!r} is a {type(rng).__name__}; expected a generator, such as np.random.default_rng(0).")
    if oracle.budget is None:
        raise CannotSearch("the oracle has no budget, so the search would not end; make it with one, such as bench.oracle(…, budget=300).")
    if oracle.several and not several:
        raise CannotSearch(
            f"this algorithm searches one objective, and the oracle has {len(oracle.objectives)}: {', '.join(oracle.objectives)};"
            " nsga2 and trnas take several."
        )
    if space.space is not oracle.space:
        raise CannotSearch(f"the oracle answers for architectures of {oracle.space.title}, and the space to search is {space.space.title}.")
    remedy = "search oracle.subset(), the measured ones, or make the oracle with missing='nan', which ranks the others last."
    if space.members is None:
        if oracle.bound_to_store:
            measured = " and ".join(oracle.bound_to_store)
            raise CannotSearch(f"{space.space.title} has more architectures than any store has {measured} of; {remedy}")
        return
    lacking = {name: count for name, count in oracle.lacking(space.members).items() if count}
    if lacking:
        counts = ", ".join(f"{name} of {count}" for name, count in lacking.items())
        raise CannotSearch(f"the store lacks {counts} of the {len(space.members)} architectures in the space; {remedy}")
