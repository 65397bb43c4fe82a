"""Climbing."""

from __future__ import annotations

from typing import Any

import numpy as np

from robbench import RobBench
from robbench.search.local_search import NASZILLA, local_search
from robbench.spaces.moves import Moves


def test_a_climb_asks_for_the_whole_neighbourhood_of_the_best_start(landscape: RobBench, space: Moves[Any]) -> None:
    oracle = landscape.oracle("clean", budget=34, on_repeat="charge")
    local_search(oracle, space, np.random.default_rng(0), initial=10)
    start = max(oracle.queries[:10], key=lambda query: query.value).arch
    assert sorted(map(str, (query.arch for query in oracle.queries[10:]))) == sorted(map(str, space.neighbors(start)))


def test_the_first_that_is_better_is_enough(landscape: RobBench, space: Moves[Any]) -> None:
    oracle = landscape.oracle("clean", budget=60, on_repeat="charge")
    local_search(oracle, space, np.random.default_rng(0), initial=1, first=True)
    here = oracle.queries[0]
    for query in oracle.queries[1:20]:
        assert space.distance(here.arch, query.arch) == 1
        here = max(here, query, key=lambda one: one.value)


def test_a_local_optimum_is_left_for_a_random_start(landscape: RobBench, space: Moves[Any]) -> None:
    oracle = landscape.oracle("clean", budget=400, on_repeat="charge")
    result = local_search(oracle, space, np.random.default_rng(0))
    found = [query.arch for query in oracle.queries].index(result.best)
    later = [space.distance(query.arch, result.best) for query in oracle.queries[found:]]
    assert max(later) > 3


def test_naszilla_asks_for_no_neighbour_twice_and_starts_from_the_best_of_ten(landscape: RobBench, space: Moves[Any]) -> None:
    oracle = landscape.oracle("clean", budget=300, on_repeat="charge", identity="exact")
    local_search(oracle, space, np.random.default_rng(0), **NASZILLA)
    archs = [query.arch for query in oracle.queries]
    here, near = max(oracle.queries[:10], key=lambda query: query.value), 10
    while space.distance(archs[near], here.arch) == 1:
        here, near = max(here, oracle.queries[near], key=lambda query: query.value), near + 1
    assert set(space.neighbors(here.arch)) <= set(archs[:near])
    assert len(set(archs[:near])) == near
    again = max(oracle.queries[near : near + 10], key=lambda query: query.value).arch
    assert space.distance(archs[near + 10], again) == 1
