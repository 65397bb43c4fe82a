"""An oracle: one question, asked again and again by a search, with a budget and a history.

oracle = bench.oracle("pgd@1/255", budget=300)
oracle(arch)            0.394; the 301st architecture raises BudgetExhausted
oracle.history()        order | arch | pgd@1/255 | incumbent | cost
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from robbench.arguments import checked_choice
from robbench.errors import BudgetExhausted, InvalidArgument, NotMeasured
from robbench.measurements.directions import EITHER_WAY, directions_of
from robbench.measurements.lookup import Architecture
from robbench.measurements.measurements import Measurements
from robbench.measurements.noise import TwinNoise
from robbench.search.objectives import CLASS, EXACT, Evaluated, Measured, Objective
from robbench.spaces import SearchSpace, Subset

if TYPE_CHECKING:
    import pandas as pd

Value = float | tuple[float, ...]


class Query(NamedTuple):
    """One query that was charged."""

    arch: Any
    value: Value
    cost: float
    """All that was spent so far, this query included."""


class Oracle:
    """A function from architecture to value; `RobBench.oracle` makes one, and says what the options mean.

    An architecture that was asked before is free (or charged again: ``on_repeat``), however it is written, and two threads that ask for one at the same time
    pay for it once.  A copy, or an oracle that was sent to another process, has its own budget, and what it spends is its own; to share a budget, keep the
    oracle in one process, and let the others send it architectures.

        oracle = bench.oracle(["clean", "pgd@1/255"], budget=300)
        oracle(arch)        (0.941, 0.394)

    Raises, when called:
        UnknownArchitecture: not an architecture of the space.
        NotMeasured: an objective has no value for it; nothing is charged.
        ObjectiveFailed: a function that is an objective failed; nothing is charged.
        BudgetExhausted: the budget does not pay for it; nothing is charged.
    """

    def __init__(
        self,
        objectives: Sequence[Objective],
        measurements: Measurements,
        *,
        single: bool,
        cost: Objective | None = None,
        budget: float | None = None,
        on_repeat: str = "free",
        identity: str | None = None,
        noise: str | None = None,
        noise_seed: int = 0,
        directions: Mapping[str, str] | None = None,
        missing: str = "raise",
        history: bool = True,
    ) -> None:
        checked_choice(on_repeat, "on_repeat", ("free", "charge"))
        checked_choice(identity, "identity", (None, CLASS, EXACT))
        checked_choice(missing, "missing", ("raise", "nan"))
        checked_choice(noise, "noise", (None, "twin", "twin-once"))
        self.objectives = tuple(one.name for one in objectives)
        self.directions = _directions(objectives, directions, single)
        self.identity = identity or (CLASS if all(one.identity == CLASS for one in objectives) else EXACT)
        self.budget = _checked_budget(budget, cost)
        self.spent: float = 0
        self._measurements, self._lookup = measurements, measurements.lookup
        self._objectives, self._cost, self._single = tuple(objectives), cost, single
        columns = [one.column if isinstance(one, Measured) else None for one in objectives]
        self._noise = TwinNoise(columns, self._lookup, noise_seed) if noise else None
        self._repeats_cost, self._lacking_raises, self._keeps_history = on_repeat == "charge", missing == "raise", history
        self._new_each_time = noise == "twin" and self._repeats_cost
        """Whether an architecture that is charged again has another value, as if it were trained again."""
        self._times_charged: dict[Hashable, int] = {}
        self._representatives: dict[Hashable, Any] = {}
        self._history: list[Query] = []
        self._given: dict[Architecture, Value] = {}
        """What was answered, by architectures as they were written; empty where it may be another value next time."""
        self._lock = threading.RLock()

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            state = {name: value for name, value in vars(self).items() if name not in ("_lock", "_lookup")}
            return {
                **state,
                "_times_charged": dict(self._times_charged),
                "_representatives": dict(self._representatives),
                "_history": list(self._history),
                "_given": dict(self._given),
            }

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lookup, self._lock = self._measurements.lookup, threading.RLock()

    def __call__(self, arch: Architecture) -> Value:
        """The value of an architecture, or the tuple of its values where there are several objectives."""
        try:
            value = self._given[arch]
        except (KeyError, TypeError):  # not asked before in this spelling, or not hashable
            return self._ask(arch)
        if self._repeats_cost:
            with self._lock:
                self._charge(self._lookup.parse(arch), value)
        return value

    @property
    def several(self) -> bool:
        """Whether values are tuples, of several objectives."""
        return not self._single

    @property
    def space(self) -> SearchSpace[Any]:
        """What is asked are architectures of this space."""
        return self._measurements.space

    @property
    def asked(self) -> int:
        """How many different architectures were asked."""
        return len(self._times_charged)

    @property
    def queries(self) -> tuple[Query, ...]:
        """All queries that were charged, in order."""
        return tuple(self._history)

    def answers(self, arch: Architecture) -> bool:
        """Whether every metric among the objectives was measured of this architecture; asks nothing.  A function is taken to have a value."""
        parsed = self._lookup.parse(arch)
        return all(
            one(self._evaluated(parsed)) == one(self._evaluated(parsed)) for one in self._objectives if not isinstance(one, Evaluated)
        )

    def lacking(self, archs: Sequence[Any]) -> dict[str, int]:
        """For each objective, and the cost, how many of these architectures could not be asked for want of a measurement; asks nothing."""
        needed = [*(self._objectives if self._lacking_raises else ()), *(() if self._cost is None else (self._cost,))]
        return {one.name: one.lacking(archs) for one in needed if isinstance(one, Measured)}

    def subset(self) -> Subset[Any]:
        """The architectures of the store of which every metric among the objectives was measured.

        Raises:
            InvalidArgument: there are none.
        """
        return Subset(self.space, [arch for arch in self._lookup.exact if self.answers(arch)])

    def history(self) -> pd.DataFrame:
        """One row for each query that was charged, indexed by its order from 1.

        Columns: arch; one for each objective; incumbent, the best value so far, where there is one objective; cost, all that was spent so far.
        """
        import pandas as pd

        values = self._values()
        table = pd.DataFrame({"arch": [str(query.arch) for query in self._history]}, index=pd.RangeIndex(1, len(values) + 1, name="order"))
        table[list(self.objectives)] = values
        if self._single:
            table["incumbent"] = self.incumbents()
        table["cost"] = [query.cost for query in self._history]
        return table

    def front(self) -> pd.DataFrame:
        """The rows of `history` that no other dominates, in order; under one objective, all that have the best value."""
        from robbench.search.domination import non_dominated

        signs = [1.0 if direction == "max" else -1.0 for direction in self.directions]
        values = self._values()
        kept = ~np.isnan(values).any(axis=1)
        kept[kept] = non_dominated(values[kept] * signs)
        history: pd.DataFrame = self.history().loc[kept]
        return history

    def incumbents(self) -> np.ndarray:
        """The best value so far after each query that was charged: ``(queries,)``, float64; NaN before the first value.

        Raises:
            InvalidArgument: there are several objectives, so no best.
        """
        if not self._single:
            raise InvalidArgument(f"there is no incumbent of {len(self.objectives)} objectives; `front` has what no other dominates.")
        values = self._values()[:, 0]
        return np.asarray(np.fmax.accumulate(values) if self.directions[0] == "max" else np.fmin.accumulate(values))

    def _values(self) -> np.ndarray:
        return np.array([query.value for query in self._history], np.float64).reshape(-1, len(self.objectives))

    def _ask(self, arch: Architecture) -> Value:
        """The value of an architecture that was not asked for in this spelling before; charged, unless it is a repeat that costs nothing."""
        parsed = self._lookup.parse(arch)
        with self._lock:
            identity = self._identity(parsed)
            times = self._times_charged.get(identity, 0)
            charged = times == 0 or self._repeats_cost
            if charged:
                self._afford(parsed)
            value = self._value(parsed, identity, training=times if self._new_each_time else 0)
            if charged:
                self._charge(parsed, value)
                self._times_charged[identity] = times + 1
            if not self._new_each_time and not isinstance(
                arch, Integral
            ):  # 1, 1.0 and True are one key to a dict, and not one architecture to us
                with suppress(TypeError):  # not hashable
                    self._given[arch] = value
        return value

    def _identity(self, arch: Any) -> Hashable:
        """Equal for architectures that count as the same: their row in the store, or, where it has none, their key or they themselves."""
        try:
            return self._lookup.known[self.identity][arch]
        except KeyError:  # met for the first time
            with suppress(NotMeasured):
                return self._lookup.row(self.identity, arch)
        return self.space.key(arch) if self.identity == CLASS else arch

    def _evaluated(self, arch: Any) -> Any:
        """The architecture whose values this one gets: itself, or, where classes are counted and an objective tells their members apart, the representative."""
        if self.identity == EXACT or all(one.identity == CLASS for one in self._objectives):
            return arch
        identity = self._identity(arch)
        return self._lookup.classes[identity] if isinstance(identity, int) else self._representatives.setdefault(identity, arch)

    def _value(self, arch: Any, identity: Hashable, training: int) -> Value:
        evaluated = self._evaluated(arch)
        values = [one(evaluated) for one in self._objectives]
        if self._lacking_raises and any(value != value for value in values):
            raise self._not_measured(arch, values)
        if self._noise is not None:
            assert isinstance(identity, int), "what has an accuracy in the store has a row there"
            values = self._noise.added(values, identity, training)
        return values[0] if self._single else tuple(values)

    def _price(self, arch: Any) -> float:
        price = 1 if self._cost is None else self._cost(arch)
        if price != price:
            raise NotMeasured(f"the cost of {arch} was not measured, so it cannot be charged; cost=None charges 1 a query.")
        return price

    def _afford(self, arch: Any) -> float:
        """The price of a query; raises BudgetExhausted where the budget does not pay for it."""
        price = self._price(arch)
        if self.budget is not None and self.spent + price > self.budget:
            raise BudgetExhausted(
                f"{self.spent:g} of the budget of {self.budget:g} are spent, and {arch} costs {price:g} more;"
                " make a new oracle, with a larger budget, to go on."
            )
        return price

    def _charge(self, arch: Any, value: Value) -> None:
        self.spent += self._afford(arch)
        if self._keeps_history:
            self._history.append(Query(arch, value, self.spent))

    def _not_measured(self, arch: Any, values: list[float]) -> NotMeasured:
        objective = next(one for one, value in zip(self._objectives, values, strict=True) if value != value)
        if not isinstance(objective, Measured):
            return NotMeasured(f"the objective {objective.name} has no value for {arch}: it is NaN; missing='nan' answers NaN.")
        column = objective.column
        question, lacking = column.question, int(np.isnan(column.values).sum())
        return NotMeasured(
            f"{question.metric} of {question.dataset} ({question.training}) was not measured for {arch}: {lacking} of {len(column.values)}"
            f" {'classes' if column.rows == 'class' else 'architectures'} lack it; missing='nan' answers NaN for them."
        )


def _directions(objectives: Sequence[Objective], given: Mapping[str, str] | None, single: bool) -> tuple[str, ...]:
    """As `directions_of` has them; of a single objective it is clear that it is a proxy and not a cost: more of it is better."""
    names = [one.name for one in objectives]
    proxy = single and names[0] in EITHER_WAY and not given
    functions = [one.name for one in objectives if isinstance(one, Evaluated)]
    return tuple(directions_of(names, {names[0]: "max"} if proxy else given, functions=functions).values())


def _checked_budget(budget: float | None, cost: Objective | None) -> float | None:
    if budget is None:
        return None
    number = isinstance(budget, Real) and not isinstance(budget, bool) and 0 < budget < float("inf")
    if not number or (cost is None and budget != int(budget)):
        expected = "a whole number of queries, at least 1" if cost is None else f"a number above 0, in the unit of {cost.name}"
        raise InvalidArgument(f"budget={budget!r} is not a budget; expected {expected}, or None for no end.")
    return budget
