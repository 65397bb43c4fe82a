"""A task of CARP-S, run by CARP-S's own random search."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import pytest

from robbench import RobBench
from robbench.errors import BudgetExhausted, InvalidArgument, MissingLibrary
from tests.toy_space import TOY

pytest.importorskip("carps")
pytestmark = pytest.mark.filterwarnings("ignore:Please use `space:DeprecationWarning")  # CARP-S on the newest ConfigSpace

adapter: Any = importlib.import_module("robbench.adapters.carps")
search: Any = importlib.import_module("carps.optimizers.random_search")
trials: Any = importlib.import_module("carps.utils.trials")


def test_a_search_is_told_what_the_oracle_knows_with_its_sign_turned(toy_bench: RobBench) -> None:
    oracle = toy_bench.oracle("pgd@1/255", on_repeat="charge")
    optimizer = search.RandomSearchOptimizer(adapter.task(oracle, trials=40, seed=3))
    best, value = optimizer.run()
    assert len(optimizer.history) == oracle.spent == 40
    for info, told in optimizer.history:
        assert told.cost == -toy_bench.query(TOY.from_assignment(dict(info.config)), "pgd@1/255")
    assert -value.cost == oracle.incumbents()[-1] == toy_bench.query(TOY.from_assignment(dict(best.config)), "pgd@1/255")


def test_several_objectives_are_a_list(toy_bench: RobBench) -> None:
    oracle = toy_bench.oracle(["clean", "edgegpu_latency"])
    task = adapter.task(oracle, trials=5)
    assert (task.output_space.n_objectives, task.output_space.objectives) == (2, ("clean", "edgegpu_latency"))
    assert (task.metadata.domain, task.metadata.dimensions, task.metadata.search_space_n_categoricals) == ("NAS", 3, 3)
    assert task.name == "robbench/toy/clean+edgegpu_latency"
    config = task.input_space.configuration_space.sample_configuration()
    told = task.objective_function.evaluate(trials.TrialInfo(config))
    arch = TOY.from_assignment(dict(config))
    assert told.cost == [-toy_bench.query(arch, "clean"), toy_bench.query(arch, "edgegpu_latency")]


def test_the_seed_is_that_of_sampling(toy_bench: RobBench) -> None:
    drawn = [adapter.OracleFunction(toy_bench.oracle("clean"), seed=seed).configspace.sample_configuration(9) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_budgets_are_carpss_own(toy_bench: RobBench) -> None:
    with pytest.raises(InvalidArgument, match="trials=0"):
        adapter.task(toy_bench.oracle("clean"), trials=0)
    with pytest.raises(BudgetExhausted):
        search.RandomSearchOptimizer(adapter.task(toy_bench.oracle("clean", budget=3, on_repeat="charge"), trials=9)).run()


def test_without_carps_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "robbench.adapters.carps")
    monkeypatch.setitem(sys.modules, "carps.utils.task", None)
    with pytest.raises(MissingLibrary, match=r"this adapter needs CARP-S: pip install carps \("):
        importlib.import_module("robbench.adapters.carps")
