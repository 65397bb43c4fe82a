"""Oracles without a store: of functions, such as live proxies, over a space of which nothing needs to be measured.

oracle = oracle_of("darts", objective, budget=300)
ALGORITHMS["evolution"](oracle, oracle.space, np.random.default_rng(0))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from robbench.errors import InvalidArgument
from robbench.measurements.unmeasured import Unmeasured
from robbench.search.objectives import Computed, Evaluated, Function, Objective, checked_names
from robbench.search.oracle import Oracle
from robbench.spaces import SearchSpace, space_named


def oracle_of(
    space: str | SearchSpace[Any],
    objectives: str | Function | Sequence[str | Function],
    *,
    budget: float | None = None,
    cost: str | Function | None = None,
    on_repeat: str = "free",
    identity: str | None = None,
    directions: Mapping[str, str] | None = None,
    missing: str = "raise",
    history: bool = True,
) -> Oracle:
    """A function from architecture to value, as `RobBench.oracle` makes them, of a whole space and without a store.

    Arguments:
        space: by its name, or itself.
        objectives: a function from an architecture to a number, such as `robbench_builders.proxies.objective` makes, or the name of an attribute of the space, such as
            ``"cell_depth"``; or a list of them, whose values are a tuple.
        cost: what a query costs: 1 if left out; or a function or an attribute, as for an objective, such as the ``seconds`` of a live proxy.
        budget, on_repeat, identity, directions, missing, history: as for `RobBench.oracle`.

    Raises:
        InvalidArgument: an option that means nothing, or a metric, which only a store answers.
        UnknownSpace: there is no space of that name.
    """
    found = space_named(space) if isinstance(space, str) else space
    single = not isinstance(objectives, list | tuple)
    given: Any = [objectives] if single else objectives
    return Oracle(
        checked_names([_objective(found, one) for one in given]),
        Unmeasured(found),
        single=single,
        cost=None if cost is None else _objective(found, cost),
        budget=budget,
        on_repeat=on_repeat,
        identity=identity,
        directions=directions,
        missing=missing,
        history=history,
    )


def _objective(space: SearchSpace[Any], given: str | Function) -> Objective:
    if callable(given):
        return Evaluated(given)
    if given in space.attributes:
        return Computed(space, given)
    raise InvalidArgument(
        f"{given!r} cannot be asked without a store; expected a function from an architecture of {space.title} to a number, or an attribute of its structure:"
        f" {', '.join(space.attributes) or 'it has none'}.  What was measured, RobBench(store).oracle answers."
    )
