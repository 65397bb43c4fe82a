"""An oracle: one question, asked again and again by a search, with a budget and a history.

oracle = bench.oracle("pgd@1/255", budget=300)
oracle(arch)            0.394; the 301st architecture raises BudgetExhausted
oracle.history()        order | arch | pgd@1/255 | incumbent | cost
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from numbers import Integral, Real
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from robbench.errors import BudgetExhausted, NotMeasured, UnknownMetric
from robbench.measurements.lookup import Answers, Architecture, Lookup
from robbench.measurements.noise import TwinNoise
from robbench.measurements.directions import EITHER_WAY, directions_of
from robbench.spaces.nb201 import Cell

if TYPE_CHECKING:
    import pandas as pd

IDENTITIES = {"class": "class", "exact": "cell"}
"""What counts as the same architecture, and the rows that it is counted by."""
Value = float | tuple[float, ...]


class Query(NamedTuple):
    """One query that was charged."""

    arch: Cell
    value: Value
    cost: float
    """All that was spent so far, this query included."""


class Oracle:
    """A function from architecture to value; `RobBench.oracle` makes one, and says what the options mean.

    An architecture that was asked before is free (or charged again: ``on_repeat``), however it is written.

    Raises, when called:
        UnknownArchitecture: not an architecture of the store.
        NotMeasured: the store has no value for it; nothing is charged.
        BudgetExhausted: the budget does not pay for it; nothing is charged.
    """

    def __init__(
        self,
        objectives: Sequence[Answers],
        lookup: Lookup,
        *,
        single: bool,
        cost: Answers | None = None,
        budget: float | None = None,
        on_repeat: str = "free",
        identity: str | None = None,
        noise: str | None = None,
        noise_seed: int = 0,
        directions: Mapping[str, str] | None = None,
        missing: str = "raise",
        history: bool = True,
    ) -> None:
        self.objectives = tuple(str(one.metric) for one in objectives)
        self.directions = _directions(self.objectives, directions, single)
        self.identity = identity or ("class" if any(one.column.rows == "class" for one in objectives) else "exact")
        _among("identity", self.identity, list(IDENTITIES))
        _among("on_repeat", on_repeat, ("free", "charge"))
        _among("missing", missing, ("raise", "nan"))
        _among("noise", noise, (None, "twin", "twin-once"))
        self.budget = _checked_budget(budget, cost)
        self.spent: float = 0
        self._answers, self._lookup, self._cost, self._single = tuple(objectives), lookup, cost, single
        self._noise = TwinNoise(objectives, lookup, noise_seed) if noise else None
        self._trained_again = noise == "twin"
        self._free, self._raises, self._keeps = on_repeat == "free", missing == "raise", history
        self._identities = lookup.rows[IDENTITIES[self.identity]]
        self._asked: dict[int, int] = {}
        self._history: list[Query] = []
        self._known: dict[Architecture, Value] = {}

    def __call__(self, arch: Architecture) -> Value:
        """The value of an architecture, or the tuple of its values where there are several objectives."""
        try:
            value = self._known[arch]
        except (KeyError, TypeError):  # not asked before in this spelling, or not hashable
            return self._ask(arch)
        if not self._free:
            self._charge(self._lookup.cell(arch), value)
        return value

    @property
    def several(self) -> bool:
        """Whether values are tuples, of several objectives."""
        return not self._single

    @property
    def asked(self) -> int:
        """How many different architectures were asked."""
        return len(self._asked)

    @property
    def queries(self) -> tuple[Query, ...]:
        """All queries that were charged, in order."""
        return tuple(self._history)

    def answers(self, arch: Architecture) -> bool:
        """Whether the store has a value of every objective for this architecture; asks nothing."""
        cell = self._lookup.cell(arch)
        return all(value == value for value in self._measured(cell))

    def lacking(self, archs: Sequence[Architecture]) -> dict[str, int]:
        """For each objective, and the cost, how many of these architectures could not be asked for want of a value; asks nothing."""
        needed = self._answers if self._raises else ()
        if self._cost is not None:
            needed = (*needed, self._cost)
        return {str(one.metric): sum(one.values[one.rows[arch]] != one.values[one.rows[arch]] for arch in archs) for one in needed}

    def history(self) -> pd.DataFrame:
        """One row for each query that was charged, indexed by its order from 1.

        Columns: arch; one for each objective; incumbent, the best value so far, where there is one objective; cost, all that was spent so far.
        """
        import pandas as pd

        values = np.array([query.value for query in self._history], np.float64).reshape(-1, len(self.objectives))
        table = pd.DataFrame({"arch": [str(query.arch) for query in self._history]}, index=pd.RangeIndex(1, len(values) + 1, name="order"))
        table[list(self.objectives)] = values
        if self._single:
            table["incumbent"] = self.incumbents()
        table["cost"] = [query.cost for query in self._history]
        return table

    def incumbents(self) -> np.ndarray:
        """The best value so far after each query that was charged: ``(queries,)``, float64; NaN before the first value.

        Raises:
            UnknownMetric: there are several objectives, so no best.
        """
        if not self._single:
            raise UnknownMetric(f"there is no incumbent of {len(self.objectives)} objectives; `history` has all their values.")
        values = np.array([query.value for query in self._history], np.float64)
        return np.asarray(np.fmax.accumulate(values) if self.directions[0] == "max" else np.fmin.accumulate(values))

    def _ask(self, arch: Architecture) -> Value:
        cell = self._lookup.cell(arch)
        identity = self._identities[cell]
        before = self._asked.get(identity, 0)
        value = self._value(cell, identity, before if self._trained_again and not self._free else 0)
        if not (before and self._free):
            self._charge(cell, value)
            self._asked[identity] = before + 1
        same = self._free or not self._trained_again
        if same and not isinstance(arch, Integral):  # 1, 1.0 and True are one key to a dict, and not one architecture to us
            with suppress(TypeError):  # not hashable
                self._known[arch] = value
        return value

    def _measured(self, cell: Cell) -> list[float]:
        return [one.values[one.rows[cell]] for one in self._answers]

    def _value(self, cell: Cell, identity: int, repeat: int) -> Value:
        values = self._measured(cell)
        if self._raises and any(value != value for value in values):
            raise self._not_measured(cell, values)
        if self._noise is not None:
            values = self._noise.added(values, identity, repeat)
        return values[0] if self._single else tuple(values)

    def _charge(self, cell: Cell, value: Value) -> None:
        price = 1 if self._cost is None else self._cost.values[self._cost.rows[cell]]
        if price != price:
            raise NotMeasured(f"the cost of {cell} was not measured, so it cannot be charged; cost=None charges 1 a query.")
        if self.budget is not None and self.spent + price > self.budget:
            raise BudgetExhausted(
                f"{self.spent:g} of the budget of {self.budget:g} are spent, and {cell} costs {price:g} more;"
                " make a new oracle, with a larger budget, to go on."
            )
        self.spent += price
        if self._keeps:
            self._history.append(Query(cell, value, self.spent))

    def _not_measured(self, cell: Cell, values: list[float]) -> NotMeasured:
        column = next(one.column for one, value in zip(self._answers, values, strict=True) if value != value)
        question, lacking = column.question, int(np.isnan(column.values).sum())
        return NotMeasured(
            f"{question.metric} of {question.dataset} ({question.training}) was not measured for {cell}: {lacking} of {len(column.values)}"
            f" {'classes' if column.rows == 'class' else 'cells'} lack it; missing='nan' answers NaN for them."
        )


def _directions(objectives: Sequence[str], given: Mapping[str, str] | None, single: bool) -> tuple[str, ...]:
    """As `robbench.measurements.directions` has them; of a single objective it is clear that it is a proxy and not a cost: more of it is better."""
    clear = single and objectives[0] in EITHER_WAY and not given
    return tuple(directions_of(objectives, {objectives[0]: "max"} if clear else given).values())


def _checked_budget(budget: float | None, cost: Answers | None) -> float | None:
    if budget is None:
        return None
    number = isinstance(budget, Real) and not isinstance(budget, bool) and 0 < budget < float("inf")
    if not number or (cost is None and budget != int(budget)):
        expected = "a whole number of queries, at least 1" if cost is None else f"a number above 0, in the unit of {cost.metric}"
        raise UnknownMetric(f"budget={budget!r} is not a budget; expected {expected}, or None for no end.")
    return budget


def _among(what: str, given: object, known: Sequence[object]) -> None:
    if given not in known:
        raise UnknownMetric(f"{what} is {given!r}; expected {' or '.join(map(repr, known))}.")
