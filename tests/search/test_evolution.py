"""Populations that age."""

from __future__ import annotations

from typing import Any

import numpy as np

from robbench import RobBench
from robbench.search.evolution import NASZILLA, regularized_evolution
from robbench.spaces.moves import Moves


def test_a_child_is_one_change_from_one_of_those_alive(landscape: RobBench, space: Moves[Any]) -> None:
    oracle = landscape.oracle("clean", budget=60, on_repeat="charge")
    regularized_evolution(oracle, space, np.random.default_rng(0), population=5, sample=3)
    archs = [query.arch for query in oracle.queries]
    for born in range(5, 60):
        assert 1 in {space.distance(archs[born], parent) for parent in archs[born - 5 : born]}


def test_naszilla_begins_with_ten_and_changes_none_or_several_operations(landscape: RobBench, space: Moves[Any]) -> None:
    oracle = landscape.oracle("clean", budget=200, on_repeat="charge")
    regularized_evolution(oracle, space, np.random.default_rng(0), **NASZILLA | {"sample": 1000})
    queries = oracle.queries
    changes = []
    for born in range(10, 200):
        parent = max(queries[max(0, born - 29) : born], key=lambda query: query.value)
        changes.append(space.distance(queries[born].arch, parent.arch))
    assert set(changes) >= {0, 1, 2, 3}
    assert np.mean(changes) < 2.2
