"""pymoo's own algorithms on an oracle."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pymoo")

from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.sampling.rnd import IntegerRandomSampling
from pymoo.optimize import minimize

from robbench import RobBench
from robbench.adapters.pymoo import OracleProblem, WithinBudget, cell_of, signs
from robbench.errors import BudgetExhausted, MissingLibrary, UnknownArchitecture, UnknownMetric
from robbench.spaces.nb201 import OPERATIONS, Cell


def nsga2() -> Any:
    return NSGA2(
        pop_size=10,
        sampling=IntegerRandomSampling(),
        crossover=SBX(vtype=float, repair=RoundingRepair()),
        mutation=PM(vtype=float, repair=RoundingRepair()),
        eliminate_duplicates=True,
    )


def test_nsga2_stays_within_the_budget_and_returns_a_front_of_what_was_asked(bench: RobBench) -> None:
    oracle = bench.oracle(["clean", "pgd@1/255"], budget=45, dataset="toy100", directions={"clean": "min"}, on_repeat="charge")
    assert signs(oracle).tolist() == [1, -1]
    result = minimize(OracleProblem(oracle), nsga2(), WithinBudget(), seed=1, save_history=True)
    assert oracle.spent == 40, "a fifth generation of ten would not have been paid for"
    asked = np.array([query.value for query in oracle.queries]) * [1, -1]
    front = {tuple(row) for row in asked if not ((asked <= row).all(axis=1) & (asked < row).any(axis=1)).any()}
    assert {tuple(row) for row in result.F} == front
    for x, values in zip(result.X, result.F, strict=True):
        assert bench.query(cell_of(x), "clean", dataset="toy100") == values[0]
        assert bench.query(cell_of(x), "pgd@1/255", dataset="toy100") == -values[1]


def test_beyond_the_budget_it_raises_and_the_history_stays(bench: RobBench) -> None:
    oracle = bench.oracle("pgd@1/255", budget=25, missing="nan", on_repeat="charge")
    with pytest.raises(BudgetExhausted):
        minimize(OracleProblem(oracle), nsga2(), ("n_gen", 5), seed=1)
    assert len(oracle.history()) == 25
    assert signs(oracle).tolist() == [-1]


def test_integers_are_operations_by_position() -> None:
    cell = Cell([*OPERATIONS, "none"])
    assert cell_of(np.array([0, 1, 2, 3, 4, 0])) == cell == cell_of(np.array([0.0, 1, 2, 3, 4, 0]))
    for wrong in ([0.5, 1, 2, 3, 4, 0], [0, 1, 2, 3, 5, 0], [-1, 1, 2, 3, 4, 0], [0, 1, 2]):
        with pytest.raises(UnknownArchitecture, match="are not six integers from 0 to 4; pymoo keeps variables whole"):
            cell_of(np.array(wrong))


def test_an_oracle_without_budget_has_nothing_to_stay_within(bench: RobBench) -> None:
    with pytest.raises(UnknownMetric, match="the oracle has no budget to stay within"):
        minimize(OracleProblem(bench.oracle("clean", dataset="toy100")), nsga2(), WithinBudget(), seed=1)


def test_without_pymoo_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "robbench.adapters.pymoo")
    monkeypatch.setitem(sys.modules, "pymoo.core.problem", None)
    with pytest.raises(MissingLibrary, match=r"this adapter needs pymoo: pip install 'robbench\[pymoo\]'"):
        importlib.import_module("robbench.adapters.pymoo")
