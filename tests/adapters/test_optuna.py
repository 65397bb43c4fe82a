"""Optuna's own studies on an oracle."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from robbench import RobBench
from robbench.adapters.optuna import directions, objective
from robbench.errors import MissingLibrary, NotMeasured
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
    assert [trial.value for trial in told] == [bench.query(bench.space.from_assignment(trial.params), "pgd@1/255") for trial in told]
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
    ops = bench.space.assignment(bench.classes[UNMEASURED])
    study = optuna.create_study()
    study.enqueue_trial(ops)
    with pytest.raises(NotMeasured):
        study.optimize(objective(bench.oracle("clean")), n_trials=1)
    study.enqueue_trial(ops)
    study.optimize(objective(bench.oracle("clean", missing="nan")), n_trials=1)
    assert study.trials[-1].state == TrialState.FAIL


def test_any_space_is_suggested_by_its_variables(toy_bench: RobBench) -> None:
    oracle = toy_bench.oracle("pgd@1/255")
    study = optuna.create_study(directions=directions(oracle), sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective(oracle), n_trials=60)
    assert oracle.asked == len(toy_bench.classes)
    assert study.best_value == toy_bench.top("pgd@1/255", 1)["pgd@1/255"][0]
    assert oracle(toy_bench.space.from_assignment(study.best_trial.params)) == study.best_value


def test_functions_are_objectives_too(toy_bench: RobBench) -> None:
    def convolutions(arch: Any) -> float:
        return str(arch).count("conv")

    oracle = toy_bench.oracle(["clean", convolutions], directions={"convolutions": "min"}, on_repeat="charge", budget=9)
    assert directions(oracle) == ["maximize", "minimize"]
    study = optuna.create_study(directions=directions(oracle), sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective(oracle))
    assert [tuple(trial.values) for trial in study.trials[:9]] == [query.value for query in oracle.queries]


def test_without_optuna_the_extra_is_named(bench: RobBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingLibrary, match=r"this adapter needs Optuna: pip install 'robbench\[optuna\]'"):
        objective(bench.oracle("clean"))
