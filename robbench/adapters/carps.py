"""CARP-S: an oracle as an objective function, and as a task with all that CARP-S asks of one.

oracle = bench.oracle(["clean", "pgd@1/255"])
optimizer = RandomSearchOptimizer(task(oracle, trials=100, seed=0))
optimizer.run()

CARP-S minimizes: an objective to be maximized is given to it with its sign turned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from robbench.adapters import needs
from robbench.adapters.configspace import config_space
from robbench.arguments import checked_count
from robbench.measurements.directions import SIGNS
from robbench.search.oracle import Oracle

try:
    from carps.objective_functions.objective_function import ObjectiveFunction
    from carps.utils.task import InputSpace, OptimizationResources, OutputSpace, Task, TaskMetadata, get_search_space_info
    from carps.utils.trials import TrialInfo, TrialValue
except ImportError as error:
    raise needs("CARP-S", "carps", error) from error

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace


class OracleFunction(ObjectiveFunction):  # type: ignore[misc]  # its types are not always there
    """The oracle's objectives, to be minimized, over all architectures of its search space.

    A query beyond the oracle's budget raises BudgetExhausted: CARP-S counts its own trials, so leave the budget to it.

    Arguments:
        oracle: what is asked.
        seed: of sampling from the search space.
        loggers: CARP-S's own.
    """

    def __init__(self, oracle: Oracle, *, seed: int | None = None, loggers: list[Any] | None = None) -> None:
        super().__init__(loggers)
        self.oracle = oracle
        self._configspace = config_space(oracle.space, seed=seed)
        self._signs = [-SIGNS[direction] for direction in oracle.directions]

    @property
    def configspace(self) -> ConfigurationSpace:
        """The search space."""
        return self._configspace

    def _evaluate(self, trial_info: TrialInfo) -> TrialValue:
        value = self.oracle(self.oracle.space.from_assignment(dict(trial_info.config)))
        if isinstance(value, tuple):
            return TrialValue(cost=[sign * one for sign, one in zip(self._signs, value, strict=True)])
        return TrialValue(cost=self._signs[0] * value)


def task(oracle: Oracle, *, trials: int, seed: int | None = None, loggers: list[Any] | None = None) -> Task:
    """An oracle as a task of CARP-S.

    Arguments:
        oracle: what is asked; its objectives are those of the task.
        trials: how often an optimizer may ask.
        seed: of sampling from the search space.
        loggers: CARP-S's own.

    Raises:
        InvalidArgument: ``trials`` is no number of trials, or the seed none.
    """
    checked_count(trials, "trials", of="trials")
    function = OracleFunction(oracle, seed=seed, loggers=loggers)
    return Task(
        name=f"robbench/{oracle.space.name}/{'+'.join(oracle.objectives)}",
        objective_function=function,
        input_space=InputSpace(function.configspace),
        output_space=OutputSpace(len(oracle.objectives), tuple(oracle.objectives)),
        optimization_resources=OptimizationResources(n_trials=trials),
        metadata=TaskMetadata(
            has_constraints=False,
            domain="NAS",
            objective_function_approximation="tabular",
            has_virtual_time=False,
            deterministic=True,
            **get_search_space_info(function.configspace),
        ),
        seed=seed,
    )
