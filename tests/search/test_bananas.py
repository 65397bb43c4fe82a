"""The encoding and the ensemble of BANANAS."""

from __future__ import annotations

import numpy as np
import pytest

from robbench import RobBench
from robbench.features import paths
from robbench.search import Space
from robbench.search.bananas import NASLIB, Ensemble, bananas, encodings
from tests.search.conftest import ALL, height


def test_paths_are_words_of_operations_without_none() -> None:
    found = encodings(ALL)
    assert found.shape == (len(ALL), 84)
    assert set(np.unique(found)) == {0, 1}
    assert found[0].sum() == 0
    assert found.sum(axis=1).max() == 4


def test_paths_without_skips_are_the_features_words() -> None:
    """A second witness: `robbench.features.paths` counts the same ways, with skips contracted."""
    chosen = [cell for cell in ALL if "skip_connect" not in cell.ops][::7]
    ways = paths(chosen)
    words = [i for i, name in enumerate(ways.names) if name.startswith("path:")]
    assert encodings(chosen).sum(axis=1).tolist() == (ways.values[:, words] > 0).sum(axis=1).tolist()


def test_an_ensemble_learns_and_is_sure_of_what_it_has_seen() -> None:
    rng = np.random.default_rng(0)
    drawn = [ALL[i] for i in rng.permutation(len(ALL))[:400]]
    values = np.array([height(cell) for cell in drawn])
    ensemble = Ensemble(encodings(drawn[:200]), values[:200], 5, rng)
    seen, unseen = ensemble.predict(encodings(drawn[:200])), ensemble.predict(encodings(drawn[200:]))
    assert unseen.shape == (5, 200)
    assert np.corrcoef(unseen.mean(axis=0), values[200:])[0, 1] > 0.8
    assert seen.std(axis=0).mean() < unseen.std(axis=0).mean()


@pytest.mark.parametrize("targets", [[-np.inf, 1.0, 2.0], [-np.inf] * 3, [0.5] * 3])
def test_targets_without_a_value_or_a_spread_are_learned_from(targets: list[float]) -> None:
    ensemble = Ensemble(encodings(ALL[:3]), np.array(targets), 2, np.random.default_rng(0))
    assert np.isfinite(ensemble.predict(encodings(ALL))).all()


def test_nothing_is_asked_twice_but_as_naslib_does(landscape: RobBench, space: Space) -> None:
    ours, theirs = (landscape.oracle("clean", budget=150, on_repeat="charge", identity="exact") for _ in range(2))
    bananas(ours, space, np.random.default_rng(0), members=2)
    bananas(theirs, space, np.random.default_rng(0), **NASLIB)
    assert ours.asked == 150
    assert theirs.asked < 150
