"""Proxies, and the algorithms that they guide."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from robbench import RobBench
from robbench.errors import CannotSearch, InvalidArgument, UnknownMetric
from robbench.search.live import oracle_of
from robbench.search.oracle import Oracle
from robbench.search.proxy import pool_size, scoring
from robbench.search.random_warmup import random_warmup
from robbench.search.warmup import proxy_warmup
from robbench.search.warmup_move import warmup_move
from robbench.spaces import Subset
from robbench.spaces.moves import Moves
from robbench.spaces.nb201 import NB201
from tests.search.conftest import ALL, CLASSES, height


@pytest.fixture
def searched(landscape: RobBench) -> Oracle:
    return landscape.oracle("clean", budget=20)


def test_a_proxy_is_a_metrics_name_an_oracle_or_any_function(landscape: RobBench, space: Moves[Any], searched: Oracle) -> None:
    named = scoring("synflow", space, searched)
    assert [named(ALL[row]) for row in (0, 1)] == [-np.inf, landscape.query(ALL[1], "synflow")]
    assert scoring("edgegpu_latency", space, searched)(ALL[1]) == -landscape.query(ALL[1], "edgegpu_latency")
    with pytest.raises(UnknownMetric, match="synflaw"):
        scoring("synflaw", space, searched)
    with pytest.raises(CannotSearch, match=r"guided by a proxy, here nwot: nwot .* is not in landscape\.h5.* Name another: proxy='nwot'"):
        scoring("nwot", space, searched)
    assert searched.spent == 0
    lenient = scoring(landscape.oracle("synflow", missing="nan"), space, searched)
    assert lenient(ALL[0]) == -np.inf
    assert lenient(ALL[1]) == landscape.query(ALL[1], "synflow")
    assert scoring(landscape.oracle("edgegpu_latency"), space, searched)(ALL[1]) == -landscape.query(ALL[1], "edgegpu_latency")
    assert scoring(lambda cell: float("nan"), space, searched)(ALL[1]) == -np.inf


def test_a_proxy_costs_nothing_and_is_one_number_for_all(landscape: RobBench, space: Moves[Any], searched: Oracle) -> None:
    with pytest.raises(CannotSearch, match=r"a proxy is one objective that costs nothing; make its oracle without a budget"):
        scoring(landscape.oracle("clean", budget=3), space, searched)
    with pytest.raises(CannotSearch, match="a proxy is one objective"):
        scoring(landscape.oracle(["clean", "pgd@1/255"]), space, searched)
    with pytest.raises(
        CannotSearch, match=r"lacks the proxy synflow of 1563 of the 15625 architectures in the space; make its oracle with"
    ):
        scoring(landscape.oracle("synflow"), space, searched)


def test_the_first_population_is_what_the_proxy_ranks_first(landscape: RobBench, space: Moves[Any]) -> None:
    oracle = landscape.oracle("clean", budget=5, on_repeat="charge")
    proxy_warmup(oracle, space, np.random.default_rng(0), proxy=height, warmup=400, population=5)
    rng = np.random.default_rng(0)
    drawn = {space.sample(rng) for _ in range(400)}
    asked = [query.arch for query in oracle.queries]
    assert [height(cell) for cell in asked] == sorted(map(height, drawn), reverse=True)[:5]
    assert len(set(asked)) == 5


def test_a_move_is_to_the_best_neighbour_by_the_proxy(landscape: RobBench, space: Moves[Any]) -> None:
    oracle = landscape.oracle("clean", budget=30, on_repeat="charge")
    warmup_move(oracle, space, np.random.default_rng(0), proxy=height, warmup=10, population=10, explore=0.0)
    asked = [query.arch for query in oracle.queries]
    for position, child in enumerate(asked[10:], start=10):
        assert any(child == max(space.neighbors(parent), key=height) for parent in asked[position - 10 : position])


def test_random_search_with_a_warm_up_goes_by_the_proxy_through_the_pool_and_then_on(landscape: RobBench) -> None:
    few = Subset(NB201, CLASSES[2000:2060])
    oracle = landscape.oracle("clean", budget=45, on_repeat="charge")
    random_warmup(oracle, few, np.random.default_rng(0), proxy=height, warmup=30)
    rng = np.random.default_rng(0)
    pool = {few.sample(rng) for _ in range(30)}
    asked = [query.arch for query in oracle.queries]
    assert set(asked[: len(pool)]) == pool
    assert [height(cell) for cell in asked[: len(pool)]] == sorted(map(height, pool), reverse=True)
    assert asked[len(pool) :] == [few.sample(rng) for _ in range(45 - len(pool))]


@pytest.mark.parametrize("search", [proxy_warmup, warmup_move, random_warmup])
def test_a_pool_larger_than_the_space_is_refused(search: Any, landscape: RobBench, space: Moves[Any]) -> None:
    few, oracle = Subset(NB201, CLASSES[:20]), landscape.oracle("clean", budget=10)
    with pytest.raises(CannotSearch, match=r"a warm-up pool of 21 is larger than the space of 20 architectures; give 20 at the most"):
        search(oracle, few, np.random.default_rng(0), proxy=height, warmup=21)
    with pytest.raises(InvalidArgument, match="warmup=0 is not a number of architectures"):
        search(oracle, space, np.random.default_rng(0), proxy=height, warmup=0)
    assert oracle.spent == 0
    assert (pool_size(None, few), pool_size(None, space)) == (20, 3000)


def test_an_oracle_without_a_store_is_told_its_proxy() -> None:
    oracle = oracle_of("nb201", height, budget=3)
    with pytest.raises(CannotSearch, match=r"here synflow: this oracle asks no store, so there is none that holds synflow\. Name another"):
        random_warmup(oracle, Subset(NB201, CLASSES[:20]), np.random.default_rng(0))
    assert len(random_warmup(oracle, Subset(NB201, CLASSES[:20]), np.random.default_rng(0), proxy=height).history()) == 3
