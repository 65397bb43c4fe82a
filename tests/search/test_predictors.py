"""The ensembles that BANANAS learns with."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from robbench.search.predictors import PREDICTORS, Networks, Ridges, Weights, backward, forward, train
from robbench.spaces.nb201.features import ENCODINGS
from tests.search.conftest import ALL, height

PATHS = ENCODINGS["paths"]
SHAPE = [5, 7, 7, 1]
every = pytest.mark.parametrize("name", list(PREDICTORS))


def weights(seed: int = 0) -> Weights:
    """Three networks with weights and offsets."""
    drawn = Weights.blank(3, SHAPE, np.float64)
    drawn.flat[:] = np.random.default_rng(seed).normal(size=drawn.flat.shape) / 2
    return drawn


def problem(seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Forty rows and their targets."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(40, SHAPE[0])), rng.normal(size=40)


def test_ridges_learn_and_are_sure_of_what_they_have_seen() -> None:
    rng = np.random.default_rng(0)
    drawn = [ALL[i] for i in rng.permutation(len(ALL))[:400]]
    values = np.array([height(cell) for cell in drawn])
    ensemble = Ridges(PATHS(drawn[:200]), values[:200], 5, rng)
    seen, unseen = ensemble.predict(PATHS(drawn[:200])), ensemble.predict(PATHS(drawn[200:]))
    assert unseen.shape == (5, 200)
    assert np.corrcoef(unseen.mean(axis=0), values[200:])[0, 1] > 0.8
    assert seen.std(axis=0).mean() < unseen.std(axis=0).mean()


def test_networks_learn_fractions() -> None:
    rng = np.random.default_rng(0)
    drawn = [ALL[i] for i in rng.permutation(len(ALL))[:400]]
    values = np.array([height(cell) for cell in drawn])
    features = ENCODINGS["short"](drawn)
    unseen = Networks(features[:200], values[:200], 5, rng).predict(features[200:])
    assert unseen.shape == (5, 200)
    assert np.corrcoef(unseen.mean(axis=0), values[200:])[0, 1] > 0.8
    assert np.abs(unseen.mean(axis=0) - values[200:]).mean() < 0.08


@every
@pytest.mark.parametrize("targets", [[-np.inf, 1.0, 2.0], [-np.inf] * 3, [0.5] * 3])
def test_targets_without_a_value_or_a_spread_are_learned_from(name: str, targets: list[float]) -> None:
    ensemble = PREDICTORS[name](PATHS(ALL[:3]), np.array(targets), 2, np.random.default_rng(0))
    assert np.isfinite(ensemble.predict(PATHS(ALL))).all()


@every
def test_a_seed_says_all(name: str) -> None:
    features, targets = problem()
    one, same, other = (PREDICTORS[name](features, targets, 2, np.random.default_rng(seed)).predict(features) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.allclose(one, other)
    assert not np.allclose(one[0], one[1])


def test_the_gradient_is_that_of_finite_differences() -> None:
    networks, (features, targets) = weights(), problem()
    rows = np.random.default_rng(2).integers(40, size=(3, 11))

    def error(flat: np.ndarray) -> float:
        moved = networks.like()
        moved.flat[:] = flat
        return float(np.abs(forward(moved, features[rows])[-1][..., 0] - targets[rows]).mean(axis=1).sum())

    slopes = networks.like()
    backward(networks, features[rows], targets[rows], slopes)
    steps = 1e-6 * np.eye(len(networks.flat))
    differences = [(error(networks.flat + step) - error(networks.flat - step)) / 2e-6 for step in steps]
    assert np.abs(slopes.flat).max() > 0.1
    assert slopes.flat == pytest.approx(differences, abs=1e-6)


def test_training_is_that_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second witness: three modules of torch, each with its own weights and rows.  Its Adam has the least divisor elsewhere: here it is too small to tell."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr("robbench.search.predictors._TINY", 1e-10)
    networks, (features, targets) = weights(), problem()
    batches = np.random.default_rng(3).integers(40, size=(60, 3, 8))
    modules = []
    for member in range(3):
        linear = [torch.nn.Linear(inputs, outputs, dtype=torch.float64) for inputs, outputs in pairwise(SHAPE)]
        for module, layer in zip(linear, networks.layers, strict=True):
            module.weight.data, module.bias.data = torch.tensor(layer[member, :-1].T.copy()), torch.tensor(layer[member, -1].copy())
        modules.append(torch.nn.Sequential(linear[0], torch.nn.ReLU(), linear[1], torch.nn.ReLU(), linear[2]))
    for member, module in enumerate(modules):
        adam = torch.optim.Adam(module.parameters(), lr=0.01, betas=(0.9, 0.99), eps=1e-10)
        for rows in batches[:, member]:
            adam.zero_grad()
            torch.nn.functional.l1_loss(module(torch.tensor(features[rows]))[:, 0], torch.tensor(targets[rows])).backward()
            adam.step()
    before = networks.flat.copy()
    train(networks, features, targets, batches, rate=0.01)
    theirs = [module(torch.tensor(features))[:, 0].detach().numpy() for module in modules]
    assert np.abs(networks.flat - before).max() > 0.1
    assert forward(networks, features[np.newaxis])[-1][..., 0] == pytest.approx(np.array(theirs), abs=1e-6)


def test_every_epoch_has_all_rows_once_for_each_member(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray] = []
    monkeypatch.setattr("robbench.search.predictors.train", lambda weights, features, targets, batches, rate: seen.extend(batches))
    Networks(*problem(), 2, np.random.default_rng(0), epochs=3, batch=16)
    assert [rows.shape for rows in seen] == [(2, 16), (2, 16), (2, 8)] * 3
    epochs = [np.concatenate(seen[start : start + 3], axis=1) for start in (0, 3, 6)]
    assert all(np.array_equal(np.sort(order), np.tile(np.arange(40), (2, 1))) for order in epochs)
    assert not np.array_equal(epochs[0], epochs[1])
    assert not np.array_equal(epochs[0][0], epochs[0][1])
