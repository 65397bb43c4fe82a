"""Optuna: an oracle as an objective; a trial suggests one choice for each variable of the search space.

oracle = bench.oracle("pgd@1/255", budget=300)
study = optuna.create_study(directions=directions(oracle))
study.optimize(objective(oracle))                            # ends with the oracle's budget
oracle.space.from_assignment(study.best_trial.params)        # the best architecture
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from robbench.adapters import needs
from robbench.errors import BudgetExhausted
from robbench.search.oracle import Oracle, Value

if TYPE_CHECKING:
    import optuna


def objective(oracle: Oracle) -> Callable[[optuna.Trial], Value]:
    """A function for ``study.optimize``: a float, or the tuple of an oracle of several objectives.

    When the budget is spent, the study is stopped, and the trial that it did not pay for is pruned: it has no value.  Repeats are free
    unless the oracle charges for them, and samplers do repeat themselves: give ``n_trials``, or ``on_repeat="charge"``, for a sure end.

    Raises:
        MissingLibrary: Optuna is not installed.
        NotMeasured, ObjectiveFailed: from within a trial, as the oracle; with ``missing="nan"``, Optuna counts a trial that was not measured
            as failed.
        UnknownArchitecture: from within a trial, where choices of the space do not go together.
    """
    try:
        from optuna import TrialPruned
    except ImportError as error:
        raise needs("Optuna", "'robbench[optuna]'", error) from error
    space = oracle.space

    def value(trial: optuna.Trial) -> Value:
        arch = space.from_assignment(
            {variable.name: trial.suggest_categorical(variable.name, variable.choices) for variable in space.variables}
        )
        try:
            return oracle(arch)
        except BudgetExhausted as error:
            trial.study.stop()
            raise TrialPruned(str(error)) from error

    return value


def directions(oracle: Oracle) -> list[Literal["maximize", "minimize"]]:
    """``directions`` of ``create_study``, one for each objective."""
    return ["maximize" if direction == "max" else "minimize" for direction in oracle.directions]
