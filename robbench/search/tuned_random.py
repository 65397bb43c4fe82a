"""Random search that tunes what it draws from: each variable takes a choice about as often as the best architectures so far have it.

No predictor, no proxy, no parents: what is learned is one share a choice, so a search that says more of a space than which choices are good should beat it.

Source: Mühlenbein and Paaß (1996), "From recombination of genes to the estimation of distributions I. Binary parameters": the univariate marginal distribution
algorithm.  Here all that was evaluated competes to be among the best, and shares are mixed with uniform ones.  The defaults are the best of four settings on the
embedded store, not on published data.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from robbench.errors import InvalidArgument
from robbench.search.evaluation import evaluating
from robbench.search.oracle import Oracle
from robbench.search.result import Result
from robbench.spaces.moves import Moves


def tuned_random_search(
    oracle: Oracle, space: Moves[Any], rng: np.random.Generator, *, initial: int = 20, best: int = 10, explore: float = 0.2
) -> Result:
    """The best of random architectures, of which those after the first are drawn to be like the best so far.

    Arguments:
        initial: how many are drawn uniformly at random first.
        best: how many of the best say how often each variable takes each choice.
        explore: the probability of a variable to take any of its choices nevertheless.

    Raises:
        InvalidArgument: `explore` is no probability above 0, without which a choice that is lost never comes back.
    """
    if not 0 < explore <= 1:
        raise InvalidArgument(f"explore={explore!r} is not a probability; expected a number above 0, and at most 1, such as 0.2.")
    choices = [len(variable.choices) for variable in space.space.variables]
    with evaluating(oracle, space, rng, initial=initial, best=best) as evaluate:
        first = [space.sample(rng) for _ in range(initial)]
        evaluate.prepare(first)
        scores = {arch: evaluate(arch) for arch in first}
        while True:
            codes = np.array([space.space.encode(arch) for arch in sorted(scores, key=scores.__getitem__, reverse=True)[:best]])
            shares = [
                explore / count + (1 - explore) * np.bincount(column, minlength=count) / len(column)
                for count, column in zip(choices, codes.T, strict=True)
            ]
            known = len(scores)
            while len(scores) == known:  # what was drawn before teaches nothing
                arch = space.sample_each(shares, rng)
                evaluate.prepare([arch])
                scores.setdefault(arch, evaluate(arch))
    return evaluate.result()
