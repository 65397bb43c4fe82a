"""An oracle: one question, asked again and again by a search, with a budget and a history.

oracle = bench.oracle("pgd@1/255", budget=300)
oracle(arch)            0.394; the 301st architecture raises BudgetExhausted
oracle.history()        order | arch | pgd@1/255 | incumbent | cost
"""

from __future__ import annotations

import math
import threading
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from robbench.arguments import checked_choice
from robbench.delegates import Delegate
from robbench.errors import BudgetExhausted, InvalidArgument, NotMeasured, ObjectiveFailed
from robbench.measurements.directions import EITHER_WAY, directions_of
from robbench.measurements.lookup import Architecture
from robbench.measurements.measurements import Measurements
from robbench.measurements.metrics import Metric
from robbench.measurements.noise import TwinNoise
from robbench.measurements.unmeasured import Unmeasured
from robbench.search.history import Query, Value, incumbents_of, on_front, table_of
from robbench.search.objectives import CLASS, EXACT, Evaluated, Measured, Objective, objective_of
from robbench.spaces import SearchSpace, Subset

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Oracle", "Query", "Value"]


class Oracle:
    """A function from architecture to value; `RobBench.oracle` makes one, and says what the options mean; `robbench.search.oracle_of` needs no store.

    An architecture that was asked before is free (or charged again: ``on_repeat``), however it is written, and has the value that it had then.  Threads may
    share an oracle: one architecture is evaluated at a time, and two threads that ask for the same one pay for it once.  A copy, or an oracle that was sent to
    another process, begins with what was spent and asked before, and from there on has a budget and a history of its own; to share a budget, keep the oracle
    in one process, and let the others send it architectures.

    With ``identity="class"``, an objective that tells the members of a class apart is evaluated once a class: for its representative in the store, or, where the
    store has none, for the member that is asked for first.

        oracle = bench.oracle(["clean", "pgd@1/255"], budget=300)
        oracle(arch)        (0.941, 0.394)

    Raises, when called:
        UnknownArchitecture: not an architecture of the space.
        NotMeasured: an objective has no value for it; nothing is charged.
        ObjectiveFailed: a function that is an objective, or the cost, failed, or the cost is below 0; nothing is charged.
        BudgetExhausted: the budget does not pay for it; nothing is charged.
    """

    _repr_html_: Delegate[str] = Delegate("robbench.notebook", "oracle_html")

    def __init__(
        self,
        objectives: Sequence[Objective],
        measurements: Measurements | Unmeasured,
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
        self._measurements, self._lookup, self._architecture = measurements, measurements.lookup, measurements.space.architecture
        self._objectives, self._cost, self._single = tuple(objectives), cost, single
        self._scores_ahead = [one for one in objectives if isinstance(one, Evaluated) and one.scores_ahead]
        columns = [one.column if isinstance(one, Measured) else None for one in objectives]
        self._noise = TwinNoise(columns, measurements.lookup, noise_seed) if noise and isinstance(measurements, Measurements) else None
        self._repeats_cost, self._lacking_raises, self._keeps_history = on_repeat == "charge", missing == "raise", history
        self._new_each_time = noise == "twin" and self._repeats_cost
        """Whether an architecture that is charged again has another value, as if it were trained again."""
        self._represented = self.identity == CLASS and any(one.identity == EXACT for one in objectives)
        """Whether a class is evaluated by its representative, because an objective tells its members apart."""
        self._times_charged: dict[Hashable, int] = {}
        self._values: dict[Hashable, Value] = {}
        """What was answered, by identity."""
        self._given: dict[Architecture, Value] = {}
        """What was answered, by architectures as they were written; empty where it may be another value next time."""
        self._history: list[Query] = []
        self._lock = threading.RLock()

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            state = {name: value for name, value in vars(self).items() if name not in ("_lock", "_lookup")}
            return {
                **state,
                "_times_charged": dict(self._times_charged),
                "_values": dict(self._values),
                "_given": dict(self._given),
                "_history": list(self._history),
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
                parsed = self._parse(arch)
                self._charge(parsed, value, 1 if self._cost is None else self._price(parsed))
        return value

    def beside(self, metric: str | Metric) -> Oracle:
        """Another metric of the same store and dataset, as an oracle without a budget: a proxy that costs nothing, NaN where it was not measured.

        Raises:
            UnknownMetric, NotMeasured: as for a query.
        """
        if isinstance(self._measurements, Unmeasured):
            raise NotMeasured(f"this oracle asks no store, so there is none that holds {metric}.")
        datasets = [one.column.question.dataset for one in self._objectives if isinstance(one, Measured)]
        objective = objective_of(metric, self._measurements, dataset=datasets[0] if datasets else None)
        return Oracle([objective], self._measurements, single=True, missing="nan", history=False)

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

    @property
    def pays(self) -> bool:
        """Whether the budget may pay for another query; where a cost is a function, some may cost nothing."""
        return self.budget is None or self._cost is not None or self.spent + 1 <= self.budget

    @property
    def bound_to_store(self) -> tuple[str, ...]:
        """The objectives, and the cost, for want of which an architecture that the store does not hold cannot be asked."""
        return tuple(one.name for one in self._needed if one.bound_to_store)

    def prepare(self, archs: Sequence[Any]) -> None:
        """Let functions that score several architectures at once score those that will be asked for next; costs nothing, and no answer changes.

        Such a function has an attribute ``prepare``, which is called with those of the architectures, each once, that were not asked before; where a query
        costs 1, with no more than the budget pays for.
        """
        if not self._scores_ahead:
            return
        with self._lock:
            fresh: dict[Hashable, Any] = {}
            for arch in map(self._parse, archs):
                if (identity := self.identity_of(arch)) not in self._times_charged:
                    fresh.setdefault(identity, self._evaluated(arch, identity) if self._represented else arch)
            paid = len(fresh) if self._cost or self.budget is None else int(self.budget - self.spent)
            for objective in self._scores_ahead if paid else ():
                objective.prepare(list(fresh.values())[:paid])

    def answers(self, arch: Architecture) -> bool:
        """Whether there is a value of every objective, and of the cost, for this architecture; asks nothing.  A function is taken to have one."""
        return bool(self._answered([self._lookup.parse(arch)])[0])

    def lacking(self, archs: Sequence[Any]) -> dict[str, int]:
        """For each objective, and the cost, how many of these architectures could not be asked for want of a value; asks nothing."""
        return {one.name: len(archs) - int(self._has_value(one, archs).sum()) for one in self._needed}

    def subset(self) -> Subset[Any]:
        """The architectures of the store that have a value of every objective, and of the cost.

        Raises:
            InvalidArgument: there are none.
        """
        archs = self._lookup.exact
        return Subset(self.space, [archs[position] for position in np.flatnonzero(self._answered(archs))])

    def identity_of(self, arch: Any) -> Hashable:
        """Equal for architectures of the space that count as the same: their row in the store, or, where it has none, their key or they themselves."""
        try:
            return self._lookup.known[self.identity][arch]
        except KeyError:  # met for the first time
            with suppress(NotMeasured):
                return self._lookup.row(self.identity, arch)
        return self.space.key(arch) if self.identity == CLASS else arch

    def history(self) -> pd.DataFrame:
        """One row for each query that was charged, indexed by its order from 1.

        Columns: arch; one for each objective; incumbent, the best value so far, where there is one objective; cost, all that was spent so far.
        """
        queries = self.queries
        table = table_of(queries, self.objectives)
        if self._single:
            table.insert(2, "incumbent", incumbents_of(queries, self.directions[0]))
        return table

    def front(self) -> pd.DataFrame:
        """The rows of `history` that no other dominates, in order; under one objective, all that have the best value."""
        history = self.history()
        front: pd.DataFrame = history.loc[on_front(self.queries[: len(history)], self.directions)]
        return front

    def incumbents(self) -> np.ndarray:
        """The best value so far after each query that was charged: ``(queries,)``, float64; NaN before the first value.

        Raises:
            InvalidArgument: there are several objectives, so no best.
        """
        if not self._single:
            raise InvalidArgument(f"there is no incumbent of {len(self.objectives)} objectives; `front` has what no other dominates.")
        return incumbents_of(self.queries, self.directions[0])

    @property
    def _needed(self) -> tuple[Objective, ...]:
        """What must have a value for an architecture to be asked."""
        return (*(self._objectives if self._lacking_raises else ()), *(() if self._cost is None else (self._cost,)))

    def _answered(self, archs: Sequence[Any]) -> np.ndarray:
        """Of which of these architectures every objective, and the cost, has a value: ``(len(archs),)``, bool."""
        needed = (*self._objectives, *(() if self._cost is None else (self._cost,)))
        return np.asarray(np.all([self._has_value(one, archs) for one in needed], axis=0))

    def _has_value(self, objective: Objective, archs: Sequence[Any]) -> np.ndarray:
        evaluated = [self._evaluated(arch, self.identity_of(arch)) for arch in archs] if self._represented else archs
        return np.asarray(objective.has_value(archs if objective is self._cost else evaluated))

    def _ask(self, arch: Architecture) -> Value:
        """The value of an architecture that was not asked for in this spelling before; charged, unless it is a repeat that costs nothing."""
        parsed = self._parse(arch)
        with self._lock:
            identity = self.identity_of(parsed)
            times = self._times_charged.get(identity, 0)
            if times and not self._repeats_cost:
                value = self._values[identity]
            else:
                price = 1 if self._cost is None else self._price(parsed)
                self._spent_with(price, parsed)  # before an objective takes its time
                value = self._values[identity] if times and not self._new_each_time else self._evaluate(parsed, identity, times)
                self._charge(parsed, value, price)
                self._times_charged[identity], self._values[identity] = times + 1, value
            # 1, 1.0 and True are one key to a dict, and not one architecture to us
            if not self._new_each_time and (arch is parsed or not isinstance(arch, Integral)):
                with suppress(TypeError):  # not hashable
                    self._given[arch] = value
        return value

    def _parse(self, arch: Architecture) -> Any:
        return arch if isinstance(arch, self._architecture) else self._lookup.parse(arch)

    def _evaluate(self, arch: Any, identity: Hashable, training: int) -> Value:
        """The values of all objectives, with noise, if there is any."""
        evaluated = self._evaluated(arch, identity) if self._represented else arch
        values = [one(evaluated) for one in self._objectives]
        if self._lacking_raises and any(map(math.isnan, values)):
            raise self._not_measured(evaluated, values)
        if self._noise is not None:
            values = self._noise.added(values, identity, training)
        return values[0] if self._single else tuple(values)

    def _evaluated(self, arch: Any, identity: Hashable) -> Any:
        """The architecture whose values all of a class get."""
        return self._lookup.classes[identity] if isinstance(identity, int) else arch

    def _price(self, arch: Any) -> float:
        assert self._cost is not None
        price = self._cost(arch)
        if price != price:
            raise NotMeasured(f"the cost of {arch} was not measured, so it cannot be charged; cost=None charges 1 a query.")
        if price < 0:
            raise ObjectiveFailed(f"the cost {self._cost.name} of {arch} is {price:g}; expected at least 0: a query gives no budget back.")
        return price

    def _charge(self, arch: Any, value: Value, price: float) -> None:
        self.spent = self._spent_with(price, arch)
        if self._keeps_history:
            self._history.append(Query(arch, value, self.spent))

    def _spent_with(self, price: float, arch: Any) -> float:
        """What will have been spent with a query of this price; raises BudgetExhausted where the budget does not pay for it."""
        spent = self.spent + price
        if self.budget is not None and spent > self.budget:
            raise BudgetExhausted(
                f"{self.spent:g} of the budget of {self.budget:g} are spent, and {arch} costs {price:g} more;"
                " make a new oracle, with a larger budget, to go on."
            )
        return spent

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
