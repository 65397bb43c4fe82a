"""Searches of spaces other than NAS-Bench-201: one of a dozen architectures, and the same one as if it were too large to list."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robbench import RobBench
from robbench.errors import BudgetExhausted, CannotSearch, NotMeasured
from robbench.search import ALGORITHMS, Result, algorithm
from robbench.search.oracle import Oracle
from robbench.search.proxy import scoring
from robbench.search.repeated import repeat
from robbench.spaces import SPACES, SearchSpace
from robbench.spaces.moves import Moves
from robbench.spaces.nb201 import NB201
from robbench.store.rows import Rows
from robbench.store.writing import extend
from tests.synthetic import array
from tests.toy_space import TOY, Chain, ToySpace, register


class Unlisted(ToySpace):
    """The toy space, but that nobody can list its architectures; `UNLISTED` is the one instance."""

    name = "unlisted"
    title = "the unlisted space"
    members: Any = None


UNLISTED = Unlisted()
CHAINS = TOY.members
HELD = (CHAINS[2], *CHAINS[4:])
"""What the stores hold: nine of the twelve.  Of the others, two are a class that the store lacks, and one is of the class of the first that it holds."""
CLASSES = len({TOY.key(chain) for chain in HELD})
SMALL: dict[str, dict[str, Any]] = {
    "random-warmup": {"warmup": 4},
    "warmup": {"warmup": 8, "population": 3},
    "warmup-move": {
        "warmup": 8,
        "population": 12,
        "explore": 0.9,
    },  # else it stays around what its proxy, the objective itself, likes best
    "evolution": {"population": 3},
    "local": {"initial": 2},
    "nsga2": {"population": 4},
    "trnas": {"population": 3},
    "bananas": {"initial": 3, "batch": 2, "members": 2, "candidates": 10},
}
every = pytest.mark.parametrize("name", list(ALGORITHMS))


@pytest.fixture(params=[TOY, UNLISTED], ids=["listed", "unlisted"])
def space(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> SearchSpace[Chain]:
    """The toy space, and its variant."""
    register(monkeypatch)
    monkeypatch.setitem(SPACES, UNLISTED.name, UNLISTED)
    found: SearchSpace[Chain] = request.param
    return found


@pytest.fixture
def bench(space: SearchSpace[Chain], tmp_path: Path) -> RobBench:
    """A store of nine architectures: accuracies of their classes, and a latency of all but one."""
    rng = np.random.default_rng(0)
    latency = np.round(1 + rng.random(len(HELD)), 3)
    latency[0] = np.nan
    extend(
        tmp_path / "toy.h5",
        Rows.of(space, HELD),
        [
            array("toy10 standard clean accuracy", np.round(rng.random(CLASSES), 3)),
            array("toy10 standard pgd accuracy", np.round(rng.random((CLASSES, 1)), 3), {"eps": [1 / 255]}),
            array("toy10 untrained edgegpu_latency value", latency, rows="exact", unit="ms"),
        ],
    )
    return RobBench(tmp_path / "toy.h5")


def worth(chain: Chain) -> float:
    """A live objective, which tells all twelve apart."""
    return float(sum(3**place * choice for place, choice in enumerate(TOY.encode(chain))) / 26)


def searched(name: str, oracle: Oracle, space: Moves[Any]) -> Result:
    options = dict(SMALL.get(name, {}))
    if "warmup" in name:
        options["proxy"] = worth
    return algorithm(name)(oracle, space, np.random.default_rng(0), **options)


@every
def test_a_live_function_is_searched_for_over_the_whole_space(name: str, bench: RobBench, space: SearchSpace[Chain]) -> None:
    oracle = bench.oracle(worth, budget=10)
    result = searched(name, oracle, space)
    assert oracle.spent == oracle.asked == 10
    assert len({query.arch for query in oracle.queries}) == 10, "some of them are not in the store"
    assert result.value == max(query.value for query in oracle.queries) == worth(result.best)


@every
def test_what_a_store_holds_is_searched_for_among_what_it_holds(name: str, bench: RobBench) -> None:
    oracle = bench.oracle("edgegpu_latency", budget=7)
    held = oracle.subset()
    assert set(held.members) == set(HELD[1:])
    result = searched(name, oracle, held)
    assert {query.arch for query in oracle.queries} <= set(held.members)
    assert oracle.spent == 7
    assert result.value == min(query.value for query in oracle.queries) == bench.query(result.best, "edgegpu_latency")


@every
def test_functions_and_metrics_are_searched_for_together(name: str, bench: RobBench) -> None:
    several = name in ("nsga2", "trnas")
    objectives: Any = ["clean", "kernel_parameters", worth] if several else worth
    directions = {"kernel_parameters": "min"} if several else None
    oracle = bench.oracle(objectives, directions=directions, cost="edgegpu_latency", budget=9)
    result = searched(name, oracle, oracle.subset())
    assert 5 < oracle.spent <= 9
    assert oracle.identity == "exact"
    for query in oracle.queries:
        metrics = (bench.query(query.arch, "clean"), float(query.arch.ops.count("nor_conv_1x1")), worth(query.arch))
        assert query.value == (metrics if several else worth(query.arch))
    assert {str(found.arch) for found in result.front} <= set(oracle.front()["arch"])


@every
def test_what_was_not_measured_ranks_last_where_that_is_asked_for(name: str, bench: RobBench, space: SearchSpace[Chain]) -> None:
    oracle = bench.oracle("edgegpu_latency", missing="nan", budget=12)
    result = searched(name, oracle, space)
    values = [query.value for query in oracle.queries]
    assert np.isnan(values).any()
    assert result.value == np.nanmin(values)


@every
def test_a_search_of_a_space_of_which_all_was_asked_ends(name: str, bench: RobBench, space: SearchSpace[Chain]) -> None:
    oracle = bench.oracle(worth, budget=1000)
    result = searched(name, oracle, space)
    assert oracle.spent <= len(CHAINS)
    if name in ("random", "evolution", "local"):
        assert oracle.spent == len(CHAINS)
        assert result.best == max(CHAINS, key=worth)


def test_what_a_store_can_never_hold_is_refused_before_anything_is_asked(bench: RobBench, space: SearchSpace[Chain]) -> None:
    said = (
        r"the unlisted space has more architectures than any store has clean and edgegpu_latency of; search oracle\.subset\(\)"
        if space is UNLISTED
        else r"the store lacks clean of \d+, edgegpu_latency of 4 of the 12 architectures in the space; search oracle\.subset\(\)"
    )
    oracle = bench.oracle(["clean", "edgegpu_latency", worth], budget=9)
    with pytest.raises(CannotSearch, match=said):
        searched("nsga2", oracle, space)
    assert oracle.spent == 0
    with pytest.raises(CannotSearch, match="the proxy edgegpu_latency of"):
        scoring(bench.oracle("edgegpu_latency"), space, oracle)
    lenient = scoring(bench.oracle("edgegpu_latency", missing="nan"), space, oracle)
    assert lenient(CHAINS[0]) == -np.inf
    with pytest.raises(CannotSearch, match="the oracle answers for architectures of"):
        searched("random", bench.oracle(worth, budget=3), NB201)


def test_an_architecture_that_no_store_holds_is_counted_by_what_it_is(bench: RobBench, space: SearchSpace[Chain]) -> None:
    """Its class where all objectives are of classes, itself where one is not; with noise, or without."""
    (dead, _) = [chain for chain in CHAINS if chain not in HELD and space.is_constant(chain)][:2]
    twin = next(chain for chain in CHAINS if chain != dead and space.key(chain) == space.key(dead))

    class Live:
        name, identity = "live", "class"

        def __call__(self, chain: Chain) -> float:
            return worth(chain)

    for objectives, count in ((Live(), 1), (worth, 2)):
        oracle = bench.oracle(objectives)
        first, second = oracle(dead), oracle(twin)
        assert (oracle.asked, oracle.spent) == (count, count)
        assert (first == second) is (count == 1)
    with pytest.raises(NotMeasured, match="clean of toy10"):
        bench.oracle("clean")(next(chain for chain in CHAINS if not bench.oracle("clean").answers(chain)))


def test_what_is_asked_next_is_said_as_it_will_be_evaluated(bench: RobBench, space: SearchSpace[Chain]) -> None:
    """Of each class the representative, once, if it was not asked before, and no more than the budget pays for."""

    class Live:
        name = "live"

        def __init__(self) -> None:
            self.ahead: list[Chain] = []
            self.asked: list[Chain] = []

        def __call__(self, chain: Chain) -> float:
            self.asked.append(chain)
            return worth(chain)

        def prepare(self, chains: list[Chain]) -> None:
            self.ahead += chains

    for identity in ("class", "exact"):
        live = Live()
        oracle = bench.oracle(live, identity=identity, budget=4)
        oracle(CHAINS[0])
        oracle.prepare([*CHAINS, str(CHAINS[1])])
        assert oracle.spent == 1, "it costs nothing"
        told = list(live.ahead)
        for chain in CHAINS:
            with suppress(BudgetExhausted):
                oracle(chain)
        assert told == live.asked[1:4]
        assert len({space.key(chain) if identity == "class" else chain for chain in live.asked}) == 4
    lonely = Live()
    bench.oracle(lonely, budget=1, cost=lambda chain: 5.0).prepare(CHAINS[:3])
    assert len(lonely.ahead) == 3, "what others cost is not known beforehand"


def test_noise_is_the_same_again_for_what_no_store_holds(bench: RobBench, space: SearchSpace[Chain]) -> None:
    """Of such an architecture the class may have been measured, or nothing."""
    oracles = [bench.oracle(["clean", worth], noise="twin", noise_seed=4, missing="nan") for _ in range(2)]
    asked = [str(oracles[0](chain)) for chain in CHAINS]
    assert asked == [str(oracles[1](chain)) for chain in reversed(CHAINS)][::-1]
    measured = [chain for chain in CHAINS if bench.oracle("clean").answers(chain)]
    assert any(chain not in HELD for chain in measured)
    assert len(measured) < len(CHAINS)
    for chain in measured:
        noisy, live = oracles[0](chain)  # type: ignore[misc]
        assert 0 <= noisy <= 1
        assert live == worth(chain)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])  # noqa: S301
def test_oracles_of_any_space_are_copied(copied: Callable[[Any], Any], bench: RobBench, space: SearchSpace[Chain]) -> None:
    oracle = bench.oracle(["pgd@1/255", worth], budget=9, missing="nan")
    oracle(CHAINS[0])
    other = copied(oracle)
    assert other.space is space
    assert [str(other(chain)) for chain in CHAINS[:9]] == [str(oracle(chain)) for chain in CHAINS[:9]]
    assert other.spent == oracle.spent == 9


def test_runs_are_repeated_over_the_whole_space_where_no_store_limits_it(bench: RobBench) -> None:
    (run,) = repeat("random", bench, worth, budget=12, runs=1)
    assert {query.arch for query in run.queries} == set(CHAINS)
    (run,) = repeat("random", bench, "edgegpu_latency", budget=8, runs=1)
    assert {query.arch for query in run.queries} == set(HELD[1:])
