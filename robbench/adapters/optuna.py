"""Optuna: an oracle as an objective, six categorical suggestions a trial.

oracle = bench.oracle("pgd@1/255", budget=300)
study = optuna.create_study(directions=directions(oracle))
study.optimize(objective(oracle))                  # ends with the oracle's budget
cell_of(study.best_trial.params)                   # robbench.adapters.cell_of
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from robbench.adapters import EDGE_NAMES, needs
from robbench.errors import BudgetExhausted
from robbench.search.oracle import Oracle, Value
from robbench.spaces.nb201 import OPERATIONS, Cell

if TYPE_CHECKING:
    import optuna


def objective(oracle: Oracle) -> Callable[[optuna.Trial], Value]:
    """A function for ``study.optimize``: a float, or the tuple of an oracle of several objectives.

    When the budget is spent, the study is stopped, and the trial that it did not pay for is pruned: it has no value.  Repeats are free
    unless the oracle charges for them, and samplers do repeat themselves: give ``n_trials``, or ``on_repeat="charge"``, for a sure end.

    Raises:
        MissingLibrary: Optuna is not installed.
        NotMeasured: from within a trial, as the oracle; with ``missing="nan"``, Optuna counts the trial as failed.
    """
    try:
        from optuna import TrialPruned
    except ImportError as error:
        raise needs("Optuna", "optuna", error) from error

    def value(trial: optuna.Trial) -> Value:
        cell = Cell([trial.suggest_categorical(edge, OPERATIONS) for edge in EDGE_NAMES])
        try:
            return oracle(cell)
        except BudgetExhausted as error:
            trial.study.stop()
            raise TrialPruned(str(error)) from error

    return value


def directions(oracle: Oracle) -> list[Literal["maximize", "minimize"]]:
    """``directions`` of ``create_study``, one for each objective."""
    return ["maximize" if direction == "max" else "minimize" for direction in oracle.directions]
