"""A tabular benchmark as hposuite reads it, asked and searched by hpoglue, which runs hposuite's studies."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import pytest

from robbench import RobBench
from robbench.errors import InvalidArgument, MissingLibrary
from tests.toy_space import TOY

hpoglue: Any = pytest.importorskip("hpoglue")

description: Any = importlib.import_module("robbench.adapters.hposuite").description


class InOrder(hpoglue.Optimizer):  # type: ignore[misc]  # its types are not always there
    """Asks for every configuration of the table once, at the highest fidelity, and is told the results."""

    name = "in order"
    support = hpoglue.Problem.Support(objectives=("single", "many"), fidelities=(None, "single"), cost_awareness=(None,), tabular=True)

    def __init__(self, *, problem: Any, seed: int, working_directory: Any) -> None:
        self._problem, self._left = problem, list(problem.config_space)

    def ask(self) -> Any:
        fidelity = None if self._problem.fidelities is None else (self._problem.fidelities[0], self._problem.fidelities[1].max)
        return hpoglue.Query(config=self._left.pop(0), fidelity=fidelity)

    def tell(self, result: Any) -> None:
        """It learns nothing."""


def test_every_configuration_has_the_values_of_its_architecture(curved: RobBench) -> None:
    """hpoglue numbers configurations by sorting them, so the table must be numbered in that order."""
    described = description(curved, ["clean", "synflow", "edgegpu_latency"])
    assert (described.name, described.is_tabular, described.fidelities) == ("robbench-toy-toy10", True, None)
    assert {name: measure.minimize for name, measure in described.metrics.items()} == {
        "clean": False,
        "synflow": False,
        "edgegpu_latency": True,
    }
    assert described.metrics["clean"].bounds == (0, 1)
    loaded = described.load(described)
    assert len(loaded.config_space) == len(described.config_space) == 12
    for config in described.config_space:
        arch = TOY.from_assignment(config.values)
        values = loaded.query(hpoglue.Query(config=config, fidelity=None)).values
        assert values == {name: curved.query(arch, name) for name in ("clean", "synflow", "edgegpu_latency")}


def test_learning_curves_are_a_fidelity(curved: RobBench) -> None:
    described = description(curved, ["clean", "kernel_parameters"], epochs=[0, 2, 3], directions={"kernel_parameters": "min"})
    assert list(described.fidelities["epoch"]) == [1, 3, 4]
    assert described.metrics["kernel_parameters"].minimize
    loaded = described.load(described)
    config = described.config_space[7]
    arch = TOY.from_assignment(config.values)
    for epoch in (0, 2, 3):
        values = loaded.query(hpoglue.Query(config=config, fidelity=("epoch", epoch + 1))).values
        assert values == {"clean": curved.query(arch, "clean", epoch=epoch), "kernel_parameters": curved.query(arch, "kernel_parameters")}


@pytest.mark.parametrize("epochs", [None, "all"])
def test_hpoglue_runs_an_optimizer_on_it(curved: RobBench, epochs: str | None) -> None:
    found = hpoglue.run(
        InOrder,
        description(curved, ["clean", "pgd@1/255"], epochs=epochs),
        objectives="pgd@1_over_255",
        fidelities=epochs and "epoch",
        budget=12,
        continuations=False,
    )
    last = None if epochs is None else 3
    asked = sorted(TOY.members, key=lambda arch: list(TOY.assignment(arch).values()))
    assert [one["pgd@1_over_255"] for one in found["results"]] == [curved.query(arch, "pgd@1/255", epoch=last) for arch in asked]


def test_names_are_names_of_files_too(few_bench: RobBench) -> None:
    """hposuite would not find its own results under a name that is a path."""
    described = description(few_bench, "clean", datasets=["toy/odd%"])
    assert described.name == "robbench-nb201-toy_odd_"
    assert list(description(few_bench, "pgd@0.5/255", missing="drop").metrics) == ["pgd@0.5_over_255"]


def test_what_one_table_cannot_hold_is_refused(curved: RobBench) -> None:
    for options in ({"datasets": ["toy10", "toy20"]}, {"training": "pgd-8/255", "seeds": [7, 8], "missing": "drop"}):
        with pytest.raises(InvalidArgument, match="is of one data set, and of one seed or the mean over seeds; make one for each"):
            description(curved, "clean", **options)
    with pytest.raises(InvalidArgument, match="kernel_parameters"):
        description(curved, ["clean", "kernel_parameters"])


def test_without_hpoglue_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "robbench.adapters.hposuite")
    monkeypatch.setitem(sys.modules, "hpoglue", None)
    with pytest.raises(MissingLibrary, match=r"this adapter needs hpoglue, .*: pip install 'robbench\[hposuite\]'"):
        importlib.import_module("robbench.adapters.hposuite")
