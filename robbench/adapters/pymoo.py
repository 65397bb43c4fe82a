"""pymoo: an oracle as a problem of six integers, each the position of an edge's operation in `OPERATIONS`.

oracle = bench.oracle(["clean", "pgd@1/255"], budget=600)
minimize(OracleProblem(oracle), NSGA2(pop_size=20, sampling=IntegerRandomSampling(), …), WithinBudget(), seed=1)

pymoo minimizes: an objective to be maximized is given to it with its sign turned.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from robbench.adapters import needs
from robbench.errors import UnknownArchitecture, UnknownMetric
from robbench.search.oracle import Oracle
from robbench.spaces.nb201 import EDGES, OPERATIONS, Cell

try:
    from pymoo.core.problem import ElementwiseProblem
    from pymoo.core.termination import Termination
except ImportError as error:
    raise needs("pymoo", "pymoo", error) from error


class OracleProblem(ElementwiseProblem):  # type: ignore[misc]  # pymoo has no types
    """The oracle's objectives, to be minimized, over all cells.

    A query beyond the budget raises BudgetExhausted out of ``minimize``; what was asked before is in ``oracle.history()``.  `WithinBudget`
    ends in time.
    """

    def __init__(self, oracle: Oracle) -> None:
        super().__init__(n_var=len(EDGES), n_obj=len(oracle.objectives), xl=0, xu=len(OPERATIONS) - 1, vtype=int)
        self.oracle = oracle
        self._signs = signs(oracle)

    def _evaluate(self, x: np.ndarray, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        out["F"] = self._signs * self.oracle(cell_of(x))

    def __deepcopy__(self, memo: dict[int, Any]) -> OracleProblem:
        return self  # pymoo copies what it keeps, and a budget is spent once


class WithinBudget(Termination):  # type: ignore[misc]
    """Ends an algorithm on an `OracleProblem` before the first generation that the rest of the budget may not pay for.

    It is for an oracle that counts queries.  Repeats are free unless the oracle charges for them, so a population that only repeats itself
    goes on for ever: ``on_repeat="charge"`` is a sure end.

    Raises:
        UnknownMetric: from within, the oracle has no budget.
    """

    def _update(self, algorithm: Any) -> float:
        oracle: Oracle = algorithm.problem.oracle
        if oracle.budget is None:
            raise UnknownMetric("the oracle has no budget to stay within; give it one: bench.oracle(…, budget=600).")
        return float(oracle.spent / oracle.budget) if oracle.spent + algorithm.n_offsprings <= oracle.budget else 1.0


def cell_of(x: np.ndarray) -> Cell:
    """The cell of six positions in `OPERATIONS`: ``(6,)``, integers, of any dtype.

    Raises:
        UnknownArchitecture: not six integers from 0 to 4; pymoo's operators make others unless told to round (``RoundingRepair``).
    """
    x = np.asarray(x)
    if x.shape != (len(EDGES),) or not np.isin(x, range(len(OPERATIONS))).all():
        raise UnknownArchitecture(
            f"{x} are not six integers from 0 to {len(OPERATIONS) - 1}; pymoo keeps variables whole with IntegerRandomSampling,"
            " and with repair=RoundingRepair() in crossover and mutation."
        )
    return Cell([OPERATIONS[int(position)] for position in x])


def signs(oracle: Oracle) -> np.ndarray:
    """-1 for each objective to be maximized, 1 for each to be minimized: ``(objectives,)``."""
    return np.array([-1.0 if direction == "max" else 1.0 for direction in oracle.directions])
