"""What is checked before a search, and when it ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from robbench import RobBench
from robbench.errors import BudgetExhausted, CannotSearch
from robbench.search.evaluation import PATIENCE, Evaluation, evaluating
from robbench.spaces import Subset
from robbench.spaces.moves import Moves
from robbench.spaces.nb201 import NB201
from tests.search.conftest import ALL, CLASSES

RNG = np.random.default_rng(0)


def test_a_search_needs_an_end(landscape: RobBench, space: Moves[Any]) -> None:
    with pytest.raises(
        CannotSearch, match=r"the oracle has no budget, so the search would not end; make it with one, such as bench\.oracle"
    ):
        evaluating(landscape.oracle("clean"), space, RNG).__enter__()


def test_a_seed_is_not_a_generator(landscape: RobBench, space: Moves[Any]) -> None:
    with pytest.raises(CannotSearch, match=r"rng=0 is a int; expected a generator, such as np\.random\.default_rng\(0\)"):
        evaluating(landscape.oracle("clean", budget=3), space, 0).__enter__()  # type: ignore[arg-type]


def test_what_the_store_lacks_is_said_before_anything_is_asked(landscape: RobBench, space: Moves[Any]) -> None:
    oracle = landscape.oracle(["clean", "fog@1", "synflow"], budget=10)
    lacking = oracle.lacking(ALL)
    assert lacking["clean"] == 0
    assert lacking["synflow"] == len(ALL[::10])
    assert lacking["fog@1"] == sum(not landscape.oracle("fog@1").answers(cell) for cell in ALL)
    message = (
        rf"the store lacks fog@1 of {lacking['fog@1']}, synflow of 1563 of the 15625 architectures in the space; search oracle\.subset"
    )
    with pytest.raises(CannotSearch, match=message):
        evaluating(oracle, space, RNG, several=True).__enter__()
    assert oracle.spent == 0
    with evaluating(oracle, oracle.subset(), RNG, several=True) as evaluate:
        for cell in oracle.subset().members[:20]:
            evaluate.scores(cell)
    assert oracle.lacking(oracle.subset().members) == {"clean": 0, "fog@1": 0, "synflow": 0}
    assert landscape.oracle("fog@1", missing="nan").lacking(ALL) == {}


def test_scores_are_better_higher_and_worst_without_a_value(landscape: RobBench, space: Moves[Any]) -> None:
    missing = next(cell for cell in CLASSES if not landscape.oracle("fog@1").answers(cell))
    low = Evaluation(landscape.oracle("fog@1", budget=9, missing="nan", directions={"fog@1": "min"}), space)
    assert low(CLASSES[0]) == -landscape.query(CLASSES[0], "fog@1")
    assert low(missing) == -np.inf
    both = Evaluation(landscape.oracle(["clean", "fog@1"], budget=9, missing="nan"), space)
    assert both.scores(missing) == (-np.inf, -np.inf), "worst in all, so that half of it leads to no front"
    assert both.scores(CLASSES[0]) == (landscape.query(CLASSES[0], "clean"), landscape.query(CLASSES[0], "fog@1"))
    assert [found.arch for found in both.result().front] == [CLASSES[0]]


def test_asking_ends_where_nothing_is_new(landscape: RobBench) -> None:
    evaluate = Evaluation(landscape.oracle("clean", budget=9), Subset(NB201, CLASSES[:3]))
    for _ in range(PATIENCE):
        evaluate(CLASSES[0])
    with pytest.raises(BudgetExhausted, match="1000 architectures in a row cost nothing: all that this search can reach has been asked"):
        evaluate(CLASSES[0])


def test_what_a_budget_cannot_begin_to_pay_for_has_no_best(landscape: RobBench, space: Moves[Any]) -> None:
    oracle = landscape.oracle("clean", budget=0.5, cost="edgegpu_latency")
    with evaluating(oracle, space, RNG) as evaluate:
        evaluate(CLASSES[0])
    with pytest.raises(CannotSearch, match=r"nothing was found: the budget of 0\.5 did not pay for the first architecture"):
        _ = evaluate.result().best


def test_isomorphic_cells_are_one_architecture_of_the_front(landscape: RobBench, space: Moves[Any]) -> None:
    oracle = landscape.oracle(["clean", "pgd@1/255"], budget=50)
    evaluate = Evaluation(oracle, space)
    for cell in ALL[:40]:
        evaluate.scores(cell)
    assert 0 < len(evaluate.result().front) <= oracle.asked < 40
