"""Multi-objective selection, part by part."""

from __future__ import annotations

from typing import Any

import numpy as np

from robbench import RobBench
from robbench.search.trnas import clusters, decomposition_rank, normalised, r_score, selected, trnas
from robbench.spaces.moves import Moves

POINTS = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.6], [0.5, 0.5], [0.1, 0.1]])


def test_objectives_are_normalised_over_what_was_measured() -> None:
    scores = np.array([[10.0, 5.0], [20.0, 5.0], [-np.inf, -np.inf], [15.0, 5.0]])
    assert normalised(scores).tolist() == [[0, 0], [1, 0], [0, 0], [0.5, 0]]
    assert normalised(np.full((2, 2), -np.inf)).tolist() == [[0, 0], [0, 0]]


def test_the_best_of_any_weighting_rank_first() -> None:
    rank = decomposition_rank(POINTS, 11)
    assert np.floor(rank[:3]).tolist() == [0, 0, 0]
    assert rank[2] < rank[3] < rank[4]
    assert np.floor(decomposition_rank(POINTS[:, :1], 3)).tolist() == [0, 4, 1, 2, 3]
    three = decomposition_rank(np.eye(3), 5)
    assert np.floor(three).tolist() == [0, 0, 0]


def test_clusters_are_of_points_close_together() -> None:
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    points = np.repeat(centres, 20, axis=0) + rng.normal(scale=0.01, size=(60, 2))
    found = min((clusters(points, 3, np.random.default_rng(seed)) for seed in range(10)), key=lambda one: _spread(points, one))
    assert [len(set(found[i : i + 20])) for i in (0, 20, 40)] == [1, 1, 1]
    assert len(set(found)) == 3


def _spread(points: np.ndarray, cluster: np.ndarray) -> float:
    return float(sum(((points[cluster == one] - points[cluster == one].mean(axis=0)) ** 2).sum() for one in set(cluster)))


def test_one_of_each_cluster_survives() -> None:
    kept = selected(POINTS, 3, 11, np.random.default_rng(0))
    assert len(kept) == len(set(kept)) <= 3
    assert selected(POINTS, 1, 11, np.random.default_rng(0)) == [2]


def test_r_score_is_the_root_of_psi_times_phi_over_the_population() -> None:
    psi, phi, cost = np.array([1.0, 10.0, 100.0, 10.0]), np.array([1.0, 100.0, 10.0, np.nan]), np.arange(4.0)
    found = r_score(np.column_stack([psi, phi, cost]))
    assert np.allclose(found[:, 0], [1, np.sqrt(50.5) * 100, 10 * 50.5, -np.inf])
    assert found[:, 1].tolist() == cost.tolist()
    assert r_score(np.array([[1.0, -np.inf, 3.0], [2.0, np.nan, 4.0]])).tolist() == [[-np.inf, 3.0], [-np.inf, 4.0]]


def test_a_combined_objective_is_selected_by(landscape: RobBench, space: Moves[Any]) -> None:
    """With the two objectives combined into the one that counts, the other does not matter."""
    oracle = landscape.oracle(["clean", "pgd@1/255"], budget=150)
    trnas(oracle, space, np.random.default_rng(0), combine=lambda scores: scores[:, :1])
    alone = landscape.oracle("clean", budget=150)
    trnas(alone, space, np.random.default_rng(0))
    assert [query.arch for query in oracle.queries] == [query.arch for query in alone.queries]
