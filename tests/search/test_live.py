"""Oracles without a store: all searches over DARTS, whose architectures nobody can list."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from robbench.errors import BudgetExhausted, CannotSearch, InvalidArgument, NotMeasured, ObjectiveFailed, UnknownSpace
from robbench.search import ALGORITHMS, oracle_of
from robbench.search.oracle import Oracle
from robbench.spaces.darts import DARTS, Genotype
from robbench.spaces.nb201 import NB201
from tests.genotypes import drawn, relabelled

SMALL: dict[str, dict[str, Any]] = {
    "random-warmup": {"warmup": 6},
    "warmup": {"warmup": 8, "population": 3, "sample": 2},
    "warmup-move": {"warmup": 8, "population": 3, "sample": 2},
    "evolution": {"population": 4, "sample": 2},
    "local": {"initial": 3},
    "nsga2": {"population": 4},
    "trnas": {"population": 4},
    "bananas": {"initial": 4, "batch": 3, "members": 2, "candidates": 10},
}


class Separable:
    """Separable convolutions of a genotype."""

    name, identity = "separable", "class"

    def __call__(self, arch: Genotype) -> float:
        return separable(arch)


class Counting(Separable):
    """The same, live; it notes what it is told beforehand, and what it is asked."""

    def __init__(self) -> None:
        self.ahead: list[list[Genotype]] = []
        self.asked: list[Genotype] = []

    def __call__(self, arch: Genotype) -> float:
        self.asked.append(arch)
        return separable(arch)

    def prepare(self, archs: Sequence[Genotype]) -> None:
        self.ahead.append(list(archs))


def separable(arch: Genotype) -> float:
    return float(sum("sep" in op for cell in (arch.normal, arch.reduce) for op in cell.operations))


def searched(name: str, objective: Any, budget: float, **options: Any) -> Oracle:
    oracle = oracle_of("darts", objective, budget=budget)
    proxy = {"proxy": separable} if "warmup" in name else {}
    found = ALGORITHMS[name](oracle, DARTS, np.random.default_rng(0), **SMALL.get(name, {}), **proxy, **options)
    assert found.value == max(query.value for query in oracle.queries)
    return oracle


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_search_runs_and_says_what_it_asks_next(name: str) -> None:
    objective = Counting()
    oracle = searched(name, objective, 20)
    assert oracle.spent == oracle.asked == len(objective.asked) == 20
    ahead = [arch for some in objective.ahead for arch in some]
    assert len({DARTS.key(arch) for arch in ahead}) == len(ahead), "each once"
    assert set(ahead) <= set(objective.asked), "no more than is asked then"
    assert len(ahead) >= 3
    assert [query.arch for query in oracle.queries] == [query.arch for query in searched(name, Separable(), 20).queries], (
        "it changes nothing"
    )


@pytest.mark.parametrize("name", ["warmup", "warmup-move", "random-warmup"])
def test_a_proxy_is_told_what_it_ranks(name: str) -> None:
    proxy = Counting()
    oracle = oracle_of("darts", separable, budget=5)
    ALGORITHMS[name](oracle, DARTS, np.random.default_rng(0), proxy=proxy, **SMALL[name])
    assert len(proxy.ahead[0]) == SMALL[name]["warmup"]
    assert set(proxy.asked) == {arch for some in proxy.ahead for arch in some}
    live = oracle_of("darts", Counting())
    ALGORITHMS[name](oracle_of("darts", separable, budget=5), DARTS, np.random.default_rng(0), proxy=live, **SMALL[name])
    assert live.asked >= SMALL[name]["warmup"]


def test_spellings_of_one_genotype_are_paid_for_once() -> None:
    arch = drawn(1, seed=3)[0]
    objective = Counting()
    oracle = oracle_of(DARTS, objective, budget=1)
    assert {oracle(one) for one in (*relabelled(arch), str(arch), DARTS.spellings(arch)["genotype"])} == {separable(arch)}
    assert (oracle.identity, oracle.spent, len(objective.asked)) == ("class", 1, 1)
    with pytest.raises(BudgetExhausted):
        oracle("trnas")


def test_functions_and_attributes_together() -> None:
    oracle = oracle_of("darts", ["cell_depth", separable], cost="skip_connections", directions={"cell_depth": "min"}, budget=5)
    value = oracle("darts-v1")
    assert value == (DARTS.attributes["cell_depth"](DARTS.parse("darts-v1")), separable(DARTS.parse("darts-v1")))
    assert oracle.spent == DARTS.attributes["skip_connections"](DARTS.parse("darts-v1"))
    assert oracle.answers("trnas")
    with pytest.raises(InvalidArgument, match="no architectures"):
        oracle.subset()


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])  # noqa: S301
def test_copies_go_on_by_themselves(copied: Any) -> None:
    oracle = oracle_of("nb201", height, budget=3)
    oracle(NB201.members[7])
    other = copied(oracle)
    other(NB201.members[8])
    assert (oracle.spent, other.spent, other.space) == (1, 2, NB201)


def height(arch: Any) -> float:
    return float(len(set(arch.ops)))


def test_what_only_a_store_answers_is_refused() -> None:
    with pytest.raises(
        InvalidArgument, match=r"'pgd@8/255' cannot be asked without a store; expected a function .* DARTS .*: cell_depth, cell_width"
    ):
        oracle_of("darts", "pgd@8/255")
    with pytest.raises(InvalidArgument, match="there are no objectives"):
        oracle_of("darts", [])
    with pytest.raises(UnknownSpace, match="'dart' is not a search space"):
        oracle_of("dart", separable)
    with pytest.raises(CannotSearch, match="the oracle has no budget"):
        ALGORITHMS["random"](oracle_of("darts", separable), DARTS, np.random.default_rng(0))
    with pytest.raises(NotMeasured, match=r"has no value for .*: it is NaN"):
        oracle_of("darts", lambda arch: np.nan)("trnas")


def test_an_objective_that_fails_ahead_is_named() -> None:
    class Failing(Counting):
        def prepare(self, archs: Sequence[Genotype]) -> None:
            raise RuntimeError("no memory")

    with pytest.raises(ObjectiveFailed, match="the objective separable failed for 4 architectures at once with RuntimeError: no memory"):
        searched("evolution", Failing(), 10)
