"""Optuna's own studies on an oracle."""

from __future__ import annotations

import sys

import pytest

from robbench import RobBench
from robbench.adapters import EDGE_NAMES, cell_of
from robbench.adapters.optuna import directions, objective
from robbench.errors import MissingLibrary, NotMeasured, UnknownArchitecture
from robbench.spaces.nb201 import OPERATIONS, Cell
from tests.synthetic import UNMEASURED

optuna = pytest.importorskip("optuna")
TrialState = pytest.importorskip("optuna.trial").TrialState


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def test_a_study_ends_with_the_budget_and_finds_what_the_oracle_knows(bench: RobBench) -> None:
    oracle = bench.oracle("pgd@1/255", budget=12, on_repeat="charge", missing="nan")
    study = optuna.create_study(directions=directions(oracle), sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective(oracle))
    told = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    assert [trial.state for trial in study.trials[len(told) :]] == [TrialState.PRUNED]
    assert oracle.spent == 12 == len(told)
    assert [trial.value for trial in told] == [bench.query(cell_of(trial.params), "pgd@1/255") for trial in told]
    assert study.best_value == oracle.incumbents()[-1] == max(trial.value for trial in told)


def test_several_objectives_have_a_direction_each(bench: RobBench) -> None:
    oracle = bench.oracle(["clean", "pgd@1/255"], budget=8, dataset="toy100", directions={"pgd@1/255": "min"}, on_repeat="charge")
    assert directions(oracle) == ["maximize", "minimize"]
    study = optuna.create_study(directions=directions(oracle), sampler=optuna.samplers.NSGAIISampler(seed=1, population_size=4))
    study.optimize(objective(oracle))
    assert [tuple(trial.values) for trial in study.trials[:8]] == [query.value for query in oracle.queries]
    best = study.best_trials
    assert best
    assert all(other.values[0] <= one.values[0] or other.values[1] >= one.values[1] for one in best for other in study.trials[:8])


def test_what_was_not_measured_fails_loudly_or_as_a_failed_trial(bench: RobBench) -> None:
    ops = dict(zip(EDGE_NAMES, bench.classes[UNMEASURED].ops, strict=True))
    study = optuna.create_study()
    study.enqueue_trial(ops)
    with pytest.raises(NotMeasured):
        study.optimize(objective(bench.oracle("clean")), n_trials=1)
    study.enqueue_trial(ops)
    study.optimize(objective(bench.oracle("clean", missing="nan")), n_trials=1)
    assert study.trials[-1].state == TrialState.FAIL


def test_choices_are_read_back_as_a_cell() -> None:
    cell = Cell([*OPERATIONS, "none"])
    assert cell_of(dict(zip(EDGE_NAMES, cell.ops, strict=True))) == cell
    with pytest.raises(UnknownArchitecture, match=r"has no operation for edge_0_1, edge_2_3; expected one for each of the six edges"):
        cell_of(dict.fromkeys(EDGE_NAMES[1:-1], "none"))
    with pytest.raises(UnknownArchitecture, match=r"'none' is a str; expected an operation for each of edge_0_1"):
        cell_of("none")  # type: ignore[arg-type]
    with pytest.raises(UnknownArchitecture, match="'nor_conv_5x5' on edge 0→1"):
        cell_of(dict.fromkeys(EDGE_NAMES, "nor_conv_5x5"))


def test_without_optuna_the_extra_is_named(bench: RobBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingLibrary, match=r"this adapter needs Optuna: pip install 'robbench\[optuna\]'"):
        objective(bench.oracle("clean"))
