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
from robbench.adapters.pymoo import OracleProblem, WithinBudget, decoded, signs
from robbench.errors import BudgetExhausted, InvalidArgument, MissingLibrary, UnknownArchitecture
from robbench.spaces import SearchSpace
from robbench.spaces.nb201 import NB201, OPERATIONS, Cell
from tests.toy_space import TOY


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
        assert bench.query(decoded(bench.space, x), "clean", dataset="toy100") == values[0]
        assert bench.query(decoded(bench.space, x), "pgd@1/255", dataset="toy100") == -values[1]


def test_beyond_the_budget_it_raises_and_the_history_stays(bench: RobBench) -> None:
    oracle = bench.oracle("pgd@1/255", budget=25, missing="nan", on_repeat="charge")
    with pytest.raises(BudgetExhausted):
        minimize(OracleProblem(oracle), nsga2(), ("n_gen", 5), seed=1)
    assert len(oracle.history()) == 25
    assert signs(oracle).tolist() == [-1]


def test_any_space_is_searched_to_its_front(toy_bench: RobBench) -> None:
    oracle = toy_bench.oracle(["clean", "pgd@1/255"])
    result = minimize(OracleProblem(oracle), nsga2(), ("n_gen", 8), seed=1)
    assert oracle.asked == len(toy_bench.classes)
    assert {tuple(-row) for row in result.F} == set(oracle.front()[["clean", "pgd@1/255"]].itertuples(index=False, name=None))


def test_integers_are_choices_by_position() -> None:
    cell = Cell([*OPERATIONS, "none"])
    assert decoded(NB201, np.array([0, 1, 2, 3, 4, 0])) == cell == decoded(NB201, np.array([0.0, 1, 2, 3, 4, 0]))
    assert str(decoded(TOY, np.array([2, 0, 1]))) == "nor_conv_1x1/none/nor_conv_1x1"


@pytest.mark.parametrize(
    ("space", "wrong", "ranges"),
    [
        (NB201, [0.5, 1, 2, 3, 4, 0], "edge_0_1 0 to 4, edge_0_2 0 to 4"),
        (NB201, [0, 1, 2, 3, 5, 0], "edge_0_1 0 to 4"),
        (NB201, [-1, 1, 2, 3, 4, 0], "edge_0_1 0 to 4"),
        (NB201, [0, 1, 2], "edge_0_1 0 to 4"),
        (NB201, [[0, 1, 2, 3, 4, 0]], "edge_0_1 0 to 4"),
        (NB201, [np.nan, 1, 2, 3, 4, 0], "edge_0_1 0 to 4"),
        (TOY, [0, 2, 0], "edge_0_1 0 to 2, edge_0_2 0 to 1, edge_1_2 0 to 1"),
    ],
)
def test_other_numbers_are_refused(space: SearchSpace[Any], wrong: list[Any], ranges: str) -> None:
    with pytest.raises(UnknownArchitecture, match=f"expected one whole number for each variable: {ranges}.* keeps variables whole with"):
        decoded(space, np.array(wrong))


def test_an_oracle_without_budget_has_nothing_to_stay_within(bench: RobBench) -> None:
    with pytest.raises(InvalidArgument, match="the oracle has no budget to stay within"):
        minimize(OracleProblem(bench.oracle("clean", dataset="toy100")), nsga2(), WithinBudget(), seed=1)


def test_without_pymoo_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "robbench.adapters.pymoo")
    monkeypatch.setitem(sys.modules, "pymoo.core.problem", None)
    with pytest.raises(MissingLibrary, match=r"this adapter needs pymoo: pip install 'robbench\[pymoo\]'"):
        importlib.import_module("robbench.adapters.pymoo")
