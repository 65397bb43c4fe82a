"""The package for OptunaHub's registry, loaded and run as OptunaHub does."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from robbench import RobBench
from robbench.errors import MissingLibrary, UnknownArchitecture, UnknownMetric

REGISTRY = Path(__file__).parents[2] / "examples" / "optunahub"
PACKAGE = REGISTRY / "benchmarks" / "robbench"


def test_the_readme_has_what_the_registry_asks_for() -> None:
    """The fields of the registry's template, each of them text or a list, and its headings."""
    _, front, text = (PACKAGE / "README.md").read_text("utf-8").split("---\n", 2)
    fields = dict(re.findall(r"^(\w+): (.+)$", front, re.MULTILINE))
    assert list(fields) == ["author", "title", "description", "tags", "optuna_versions", "license"]
    assert "benchmark" in fields["tags"].strip("[]").split(", ")
    assert re.fullmatch(r"\[\d+\.\d+\.\d+(, \d+\.\d+\.\d+)*\]", fields["optuna_versions"])
    assert fields["license"] == (PACKAGE / "LICENSE").read_text("utf-8").splitlines()[0] == "MIT License"
    assert [heading for heading in ("Abstract", "APIs", "Installation", "Example") if f"\n## {heading}\n" not in text] == []


@pytest.fixture
def hub() -> Any:
    """The package, as OptunaHub imports it."""
    return pytest.importorskip("optunahub").load_local_module("benchmarks/robbench", registry_root=str(REGISTRY))


@pytest.fixture
def optuna() -> Any:
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def test_a_study_is_told_what_the_store_holds(hub: Any, optuna: Any, toy_bench: RobBench) -> None:
    problem = hub.Problem(["clean", "edgegpu_latency"], store=toy_bench.path, on_repeat="charge")
    assert problem.metric_names == ["clean", "edgegpu_latency"]
    assert problem.directions == [optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE]
    study = optuna.create_study(directions=problem.directions, sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(problem, n_trials=20)
    for trial in study.trials:
        assert trial.distributions == problem.search_space
        arch = toy_bench.space.from_assignment(trial.params)
        assert trial.values == [toy_bench.query(arch, "clean"), toy_bench.query(arch, "edgegpu_latency")]
        assert tuple(trial.values) == problem.evaluate(trial.params)


def test_a_budget_ends_the_study(hub: Any, optuna: Any, toy_bench: RobBench) -> None:
    problem = hub.Problem("pgd@1/255", store=toy_bench.path, budget=5, on_repeat="charge")
    study = optuna.create_study(directions=problem.directions, sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(problem, n_trials=20)
    assert len(study.trials) == 6
    assert study.best_value == problem.oracle.incumbents()[-1]


def test_the_embedded_store_is_asked_unless_another_is_named(hub: Any) -> None:
    problem = hub.Problem("pgd", eps=16 / 255)
    first = problem.oracle.space.assignment(RobBench().classes[0])
    assert problem.evaluate(first) == RobBench().query(RobBench().classes[0], "pgd@16/255")
    with pytest.raises(UnknownArchitecture, match="has no choice for"):
        problem.evaluate({})
    with pytest.raises(UnknownMetric):
        hub.Problem("pdg")


def test_without_optunahub_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna")
    monkeypatch.delitem(sys.modules, "robbench.adapters.optunahub", raising=False)
    monkeypatch.setitem(sys.modules, "optunahub.benchmarks", None)
    with pytest.raises(MissingLibrary, match=r"this adapter needs OptunaHub: pip install 'robbench\[optunahub\]'"):
        importlib.import_module("robbench.adapters.optunahub")
