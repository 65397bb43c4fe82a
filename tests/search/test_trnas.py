"""Multi-objective selection, part by part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from robbench import RobBench
from robbench.errors import CannotSearch, InvalidArgument
from robbench.search.trnas import minimised, nearest_centres, normalised, r_score, selected, tchebycheff, trnas
from robbench.spaces import Subset
from robbench.spaces.moves import Moves
from robbench.spaces.nb201 import NB201
from tests.search.conftest import CLASSES, height

ONES = np.ones(2)


def test_what_is_better_higher_is_minimised_as_its_reciprocal() -> None:
    scores = np.array([[2.0, -3.0], [4.0, -1.0], [-np.inf, -np.inf], [0.0, 0.0]])
    assert minimised(scores).tolist() == [[0.5, 3.0], [0.25, 1.0], [np.inf, np.inf], [np.inf, 0.0]]


def test_a_reciprocal_never_turns_the_order() -> None:
    assert minimised(np.array([[2.0], [-4.0], [-np.inf], [8.0]])).tolist() == [[-2.0], [4.0], [np.inf], [-8.0]]


def test_objectives_are_normalised_over_what_was_measured() -> None:
    costs = np.array([[10.0, 5.0], [20.0, 5.0], [np.inf, np.inf], [15.0, 5.0]])
    assert normalised(costs).tolist() == [[0, 0], [1, 0], [1, 1], [0.5, 0]]
    assert normalised(np.full((2, 2), np.inf)).tolist() == [[1, 1], [1, 1]]


def test_decomposition_goes_by_the_objective_that_is_furthest_from_ideal() -> None:
    points = np.array([[0.2, 0.6], [0.5, 0.5], [0.0, 1.0], [0.9, 0.0]])
    assert tchebycheff(points, ONES).tolist() == [0.6, 0.5, 1.0, 0.9]
    assert tchebycheff(points, np.array([1.0, 0.5])).tolist() == [0.3, 0.5, 0.5, 0.9]


def test_the_nearest_to_the_centre_of_each_cluster_is_chosen() -> None:
    spots = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    around = np.array([[0.0, 0.0], [0.02, 0.0], [-0.02, 0.0], [0.0, 0.02], [0.0, -0.02]])
    points = (spots[:, np.newaxis] + around).reshape(-1, 2)
    found = [nearest_centres(points, 3, np.random.default_rng(seed)) for seed in range(10)]
    assert [0, 5, 10] in [sorted(one.tolist()) for one in found]
    assert nearest_centres(points, 0, np.random.default_rng(0)).tolist() == []


def test_the_first_survive_by_rank_and_the_others_by_cluster() -> None:
    """Eight on a line: the best two by rank, and of the six others one of each of two groups far apart."""
    costs = np.array([[0.0], [1.0], [5.0], [5.1], [5.2], [9.8], [9.9], [10.0]])
    found = [selected(costs, 4, 2, np.ones(1), np.random.default_rng(seed)) for seed in range(10)]
    assert all(rows[:2] == [0, 1] for rows in found)
    assert all(len(set(rows)) == 4 for rows in found)
    assert [0, 1, 3, 6] in found
    assert selected(costs, 4, 0, np.ones(1), np.random.default_rng(0)) == [0, 1, 2, 3]


def test_as_many_survive_where_clusters_are_empty_or_few_live() -> None:
    alike = np.zeros((6, 2))
    assert sorted(selected(alike, 3, 3, ONES, np.random.default_rng(0)))[:1] == [0]
    assert len(selected(alike, 3, 3, ONES, np.random.default_rng(0))) == 3
    assert sorted(selected(alike[:2], 3, 1, ONES, np.random.default_rng(0))) == [0, 1]


def test_a_population_grows_by_as_many_again_and_ends_after_its_generations(landscape: RobBench, space: Moves[Any]) -> None:
    oracle = landscape.oracle(["clean", "pgd@1/255"], budget=10_000, identity="exact")
    trnas(oracle, space, np.random.default_rng(0), population=10, generations=3)
    assert 10 + 2 * 10 < oracle.asked <= 10 + 3 * 10  # who died and is born again is not asked again


def test_what_is_not_admitted_is_never_asked(landscape: RobBench, space: Moves[Any]) -> None:
    oracle = landscape.oracle(["clean", "pgd@1/255"], budget=120)
    trnas(oracle, space, np.random.default_rng(0), population=10, admits=lambda cell: height(cell) < 0.5)
    assert oracle.asked == 120
    assert max(height(query.arch) for query in oracle.queries) < 0.5


def test_a_bound_that_leaves_nothing_is_an_error_and_one_that_leaves_little_an_end(landscape: RobBench) -> None:
    oracle, few = landscape.oracle("clean", budget=50), Subset(NB201, CLASSES[100:400])
    with pytest.raises(CannotSearch, match="admits refused 1000 architectures in a row, all drawn at random"):
        trnas(oracle, few, np.random.default_rng(0), admits=lambda cell: False)
    only = set(CLASSES[100:104])
    found = trnas(oracle, few, np.random.default_rng(0), admits=lambda cell: cell in only)
    assert found.oracle.asked <= 4
    assert found.best in only


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clusters": 11}, "clusters=11 of 10 survivors"),
        ({"clusters": -1}, "clusters=-1 is not a number"),
        ({"generations": 0}, "generations=0 is not a number"),
        ({"points": 0}, "points=0 is not a number"),
        ({"importance": [1.0]}, "expected one weight of at least 0 for each of 2 objectives"),
        ({"importance": [1.0, -1.0]}, "expected one weight of at least 0"),
    ],
)
def test_numbers_that_are_none_are_refused(options: dict[str, Any], message: str, landscape: RobBench, space: Moves[Any]) -> None:
    with pytest.raises(InvalidArgument, match=message):
        trnas(landscape.oracle(["clean", "pgd@1/255"], budget=40), space, np.random.default_rng(0), population=10, **options)


def test_what_it_asks_last_is_nearer_to_ideal_than_what_it_asked_first(landscape: RobBench, space: Moves[Any]) -> None:
    for seed in range(4):
        oracle = landscape.oracle(["clean", "pgd@1/255"], budget=200)
        trnas(oracle, space, np.random.default_rng(seed), population=10)
        apart = tchebycheff(normalised(minimised(np.array([query.value for query in oracle.queries]))), ONES)
        assert apart[-50:].mean() < apart[:50].mean() - 0.05


def test_importance_decides_between_objectives(landscape: RobBench, space: Moves[Any]) -> None:
    def mean_of_the_last(importance: list[float]) -> float:
        oracle = landscape.oracle(["clean", "pgd@1/255"], budget=200)
        trnas(oracle, space, np.random.default_rng(0), population=10, clusters=0, importance=importance)
        return float(np.mean([query.value[0] for query in oracle.queries[-50:]]))  # type: ignore[index]

    assert mean_of_the_last([1, 0]) > mean_of_the_last([0, 1]) + 0.1


def test_r_score_is_the_root_of_psi_times_phi_over_the_population() -> None:
    psi, phi, cost = np.array([1.0, 10.0, 100.0, 10.0]), np.array([1.0, 100.0, 10.0, np.nan]), np.arange(4.0)
    found = r_score(np.column_stack([psi, phi, cost]))
    assert np.allclose(found[:, 0], [1, np.sqrt(50.5) * 100, 10 * 50.5, -np.inf])
    assert found[:, 1].tolist() == cost.tolist()
    alone = r_score(np.column_stack([psi, phi, cost]), stretched=False)
    assert np.allclose(alone[:, 0], [1, np.sqrt(10) * 100, 10 * 10, -np.inf])
    assert r_score(np.array([[1.0, -np.inf, 3.0], [2.0, np.nan, 4.0]])).tolist() == [[-np.inf, 3.0], [-np.inf, 4.0]]


def test_a_combined_objective_is_selected_by(landscape: RobBench, space: Moves[Any]) -> None:
    """With the two objectives combined into the one that counts, the other does not matter."""
    oracle = landscape.oracle(["clean", "pgd@1/255"], budget=150)
    trnas(oracle, space, np.random.default_rng(0), combine=lambda scores: scores[:, :1])
    alone = landscape.oracle("clean", budget=150)
    trnas(alone, space, np.random.default_rng(0))
    assert [query.arch for query in oracle.queries] == [query.arch for query in alone.queries]
