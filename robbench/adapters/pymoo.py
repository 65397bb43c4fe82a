"""pymoo: an oracle as a problem of integers, one for each variable of the search space: an architecture's code.

oracle = bench.oracle(["clean", "pgd@1/255"], budget=600)
minimize(OracleProblem(oracle), NSGA2(pop_size=20, sampling=IntegerRandomSampling(), …), WithinBudget(), seed=1)

pymoo minimizes: an objective to be maximized is given to it with its sign turned.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from robbench.adapters import needs
from robbench.errors import InvalidArgument, UnknownArchitecture
from robbench.search.oracle import Oracle
from robbench.spaces import SearchSpace

try:
    from pymoo.core.problem import ElementwiseProblem
    from pymoo.core.termination import Termination
except ImportError as error:
    raise needs("pymoo", "'robbench[pymoo]'", error) from error


class OracleProblem(ElementwiseProblem):  # type: ignore[misc]  # pymoo has no types
    """The oracle's objectives, to be minimized, over all architectures of its search space.

    A query beyond the budget raises BudgetExhausted out of ``minimize``; what was asked before is in ``oracle.history()``.  `WithinBudget`
    ends in time.
    """

    def __init__(self, oracle: Oracle) -> None:
        last = np.array([len(variable.choices) - 1 for variable in oracle.space.variables])
        super().__init__(n_var=len(last), n_obj=len(oracle.objectives), xl=np.zeros_like(last), xu=last, vtype=int)
        self.oracle = oracle
        self._signs = signs(oracle)

    def _evaluate(self, x: np.ndarray, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        out["F"] = self._signs * self.oracle(decoded(self.oracle.space, x))

    def __deepcopy__(self, memo: dict[int, Any]) -> OracleProblem:
        return self  # pymoo copies what it keeps, and a budget is spent once


class WithinBudget(Termination):  # type: ignore[misc]
    """Ends an algorithm on an `OracleProblem` before the first generation that the rest of the budget may not pay for.

    It is for an oracle that counts queries.  Repeats are free unless the oracle charges for them, so a population that only repeats itself
    goes on for ever: ``on_repeat="charge"`` is a sure end.

    Raises:
        InvalidArgument: from within, the oracle has no budget.
    """

    def _update(self, algorithm: Any) -> float:
        oracle: Oracle = algorithm.problem.oracle
        if oracle.budget is None:
            raise InvalidArgument("the oracle has no budget to stay within; give it one: bench.oracle(…, budget=600).")
        return float(oracle.spent / oracle.budget) if oracle.spent + algorithm.n_offsprings <= oracle.budget else 1.0


def decoded(space: SearchSpace[Any], x: np.ndarray) -> Any:
    """The architecture of a solution: ``(variables,)``, whole numbers of any dtype, each the position of a choice.

    Raises:
        UnknownArchitecture: a number is no position of a choice; pymoo's operators make such ones unless told to round (``RoundingRepair``).
    """
    x = np.asarray(x)
    code = tuple(int(choice) for choice in x) if x.ndim == 1 and (x == x.round()).all() else ()
    if not space.is_valid(code):
        ranges = ", ".join(f"{variable.name} 0 to {len(variable.choices) - 1}" for variable in space.variables)
        raise UnknownArchitecture(
            f"{x} is no code of {space.title}; expected one whole number for each variable: {ranges}. pymoo keeps variables whole with"
            " IntegerRandomSampling, and with repair=RoundingRepair() in crossover and mutation."
        )
    return space.decode(code)


def signs(oracle: Oracle) -> np.ndarray:
    """-1 for each objective to be maximized, 1 for each to be minimized: ``(objectives,)``, float64."""
    return np.array([-1.0 if direction == "max" else 1.0 for direction in oracle.directions])
