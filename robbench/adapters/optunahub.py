"""OptunaHub: an oracle as a benchmark problem; examples/optunahub has the package for its registry, which is this class under OptunaHub's name.

problem = Problem(["clean", "pgd@1/255"], store="jung2023.h5")
study = optuna.create_study(directions=problem.directions)
study.optimize(problem, n_trials=100)
problem.oracle.front()
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from robbench.adapters import needs
from robbench.adapters.optuna import directions, objective
from robbench.bench import RobBench
from robbench.measurements.metrics import Metric
from robbench.search.oracle import Value

try:
    from optuna.distributions import BaseDistribution, CategoricalDistribution
    from optuna.study import StudyDirection
    from optunahub.benchmarks import BaseProblem
except ImportError as error:
    raise needs("OptunaHub", "'robbench[optunahub]'", error) from error

if TYPE_CHECKING:
    import optuna


class Problem(BaseProblem):  # type: ignore[misc]  # its types are not always there
    """What a store measured, as a function of the choices that make an architecture.

    Arguments:
        objectives: a metric, or a list of them, as for `RobBench.oracle`.
        store: its file; the embedded one if left out.
        options: of `RobBench.oracle`, such as ``dataset``, ``noise``, or a ``budget``, with which a study ends.

    Raises:
        StoreError: the file is no store.
        UnknownMetric, NotMeasured, InvalidArgument: as `RobBench.oracle`.
    """

    def __init__(
        self, objectives: str | Metric | Sequence[str | Metric], *, store: str | os.PathLike[str] | None = None, **options: Any
    ) -> None:
        self.oracle = RobBench(store).oracle(objectives, **options)

    @property
    def search_space(self) -> dict[str, BaseDistribution]:
        """The choices of each variable of the store's search space."""
        return {variable.name: CategoricalDistribution(variable.choices) for variable in self.oracle.space.variables}

    @property
    def directions(self) -> list[StudyDirection]:
        """One for each objective."""
        return [StudyDirection[direction.upper()] for direction in directions(self.oracle)]

    @property
    def metric_names(self) -> list[str]:
        """What the objectives are called."""
        return list(self.oracle.objectives)

    def __call__(self, trial: optuna.Trial) -> Value:
        """The values of what a trial suggests; as `robbench.adapters.optuna.objective`, which ends with the oracle's budget."""
        return objective(self.oracle)(trial)

    def evaluate(self, params: dict[str, Any]) -> Value:
        """The values of a choice for each variable; raises UnknownArchitecture, and as the oracle."""
        return self.oracle(self.oracle.space.from_assignment(params))
