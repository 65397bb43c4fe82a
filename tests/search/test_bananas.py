"""The encodings of BANANAS, and what its settings do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from robbench import RobBench
from robbench.errors import InvalidArgument
from robbench.search.bananas import NASLIB, NASZILLA, bananas
from robbench.search.oracle import Oracle
from robbench.search.random_search import random_search
from robbench.spaces.moves import Moves
from robbench.spaces.nb201.features import ENCODINGS, paths
from tests.search.conftest import ALL

PATHS, SHORT = ENCODINGS["paths"], ENCODINGS["short"]


def test_paths_are_words_of_operations_without_none() -> None:
    found = PATHS(ALL)
    assert found.shape == (len(ALL), 84)
    assert set(np.unique(found)) == {0, 1}
    assert found[0].sum() == 0
    assert found.sum(axis=1).max() == 4


def test_paths_without_skips_are_the_features_words() -> None:
    """A second witness: `robbench.spaces.nb201.features.paths` counts the same ways, with skips contracted."""
    chosen = [cell for cell in ALL if "skip_connect" not in cell.ops][::7]
    ways = paths(chosen)
    words = [i for i, name in enumerate(ways.names) if name.startswith("path:")]
    assert PATHS(chosen).sum(axis=1).tolist() == (ways.values[:, words] > 0).sum(axis=1).tolist()


def test_short_paths_see_none_but_not_the_edge_in_the_middle_of_the_longest() -> None:
    """As naszilla cuts them off: of 15,625 cells it tells 2,875 apart, where two paths of two operations may change places."""
    found = SHORT(ALL)
    assert found.shape == (len(ALL), 30)
    assert (found[:, :5].sum(axis=1) == 1).all()
    assert set(found[:, 5:].sum(axis=1)) == {1, 2}
    seen = {(cell.ops[3], frozenset([(cell.ops[0], cell.ops[4]), (cell.ops[1], cell.ops[5])])) for cell in ALL}
    assert len(np.unique(found, axis=0)) == len(seen) == 5 * (25 + 25 * 24 // 2)


def test_nothing_is_asked_twice_but_as_naslib_does(landscape: RobBench, space: Moves[Any]) -> None:
    ours, theirs = (landscape.oracle("clean", budget=150, on_repeat="charge", identity="exact") for _ in range(2))
    bananas(ours, space, np.random.default_rng(0), members=2)
    bananas(theirs, space, np.random.default_rng(0), **NASLIB)
    assert ours.asked == 150
    assert theirs.asked < 150


def test_naszillas_spends_its_budget_on_new_cells_and_a_seed_says_all(landscape: RobBench, space: Moves[Any]) -> None:
    def searched(seed: int) -> Oracle:
        oracle = landscape.oracle("clean", budget=37, on_repeat="charge", identity="exact")
        bananas(oracle, space, np.random.default_rng(seed), **NASZILLA)
        return oracle

    one, same, other = (searched(seed) for seed in (1, 1, 2))
    assert one.spent == one.asked == 37
    assert one.queries == same.queries != other.queries


def test_naszillas_beats_random_search_on_published_accuracies(published: RobBench, space: Moves[Any]) -> None:
    def oracle() -> Oracle:
        return published.oracle("fgsm@1/255", dataset="cifar10", budget=80, on_repeat="charge")

    found = [bananas(oracle(), space, np.random.default_rng(seed), **NASZILLA).value for seed in range(3)]
    drawn = [random_search(oracle(), space, np.random.default_rng(seed)).value for seed in range(30)]
    assert np.mean(found) > np.mean(drawn) + 0.01


def test_the_best_is_mutated_first_unless_parents_share(landscape: RobBench, space: Moves[Any]) -> None:
    def from_the_best(seed: int, shared: bool) -> bool:
        oracle = landscape.oracle("clean", budget=11, on_repeat="charge", identity="exact")
        candidates = 5 if shared else 1
        bananas(oracle, space, np.random.default_rng(seed), parents=5, candidates=candidates, batch=1, members=1, shared=shared)
        *first, (last, _, _) = oracle.queries
        return last in space.neighbors(max(first, key=lambda query: query.value).arch)

    assert all(from_the_best(seed, shared=False) for seed in range(20))
    assert not all(from_the_best(seed, shared=True) for seed in range(20))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"predictor": "network"}, r"predictor='network' has no meaning\. Did you mean 'networks'\? Expected 'ridges' or 'networks'\."),
        ({"encoding": "long"}, r"encoding='long' has no meaning\. Expected None or 'paths' or 'short' or 'one-hot'\."),
    ],
)
def test_a_name_that_is_not_known_is_refused(options: dict[str, Any], said: str, landscape: RobBench, space: Moves[Any]) -> None:
    with pytest.raises(InvalidArgument, match=said):
        bananas(landscape.oracle("clean", budget=9), space, np.random.default_rng(0), **options)
