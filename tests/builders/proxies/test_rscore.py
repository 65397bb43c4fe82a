from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
import torch.nn.functional as F
from torch import Tensor

from robbench_builders.networks.plain import Network
from robbench_builders.proxies import ProxyError, initialised, rscore
from robbench_builders.proxies.rscore import Psi
from robbench.errors import InvalidArgument
from robbench.measurements.rscore import r_scores
from tests.builders.proxies.small import CELLS, MEAN, SKELETON, STD, images, plain, relu_inputs, value
from tests.builders.proxies.twins import by_the_equations, released

REPEATS = 2


@pytest.mark.parametrize("by_layer", [False, True])
def test_psi_counts_patterns_of_neurons_over_images(by_layer: bool) -> None:
    def patterns(network: Network) -> float:
        seen = [
            {tuple(neuron) for neuron in (inputs.numpy() > 0).T} if by_layer else (inputs.numpy() > 0).T
            for inputs in relu_inputs(network, images(16))
        ]
        if by_layer:
            sizes = [inputs.shape[1] for inputs in relu_inputs(network, images(16))]
            return float(np.mean([len(distinct) / size for distinct, size in zip(seen, sizes, strict=True)]))
        return float(len(np.unique(np.concatenate([*map(np.asarray, seen)]), axis=0)))

    with torch.no_grad():
        drawn = [
            initialised(CELLS, SKELETON, MEAN, STD, init="gaussian", purpose=f"r_score/{repeat}").double() for repeat in range(REPEATS)
        ]
        expected = np.mean([plain(patterns, stack) for stack in drawn], axis=0)
    np.testing.assert_allclose(value("r_score_psi", compute=Psi(by_layer, repeats=REPEATS)), expected, rtol=1e-12)


@pytest.mark.parametrize("n", [16, 20])
def test_psi_counts_the_same_whether_patterns_are_ticked_off_or_sorted(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    psi = Psi(by_layer=True, repeats=1, images=n)
    found = value("r_score_psi", compute=psi, n=n)
    monkeypatch.setattr(rscore, "_SHORT", 36 - n)
    assert (value("r_score_psi", compute=psi, n=n) == found).all()


def agreement(one: Tensor, other: Tensor) -> float:
    p, q = (np.exp(t.double().detach().flatten().numpy() - t.max().item()) for t in (one, other))
    p, q = p / p.sum() + 1e-8, q / q.sum() + 1e-8
    m = (p + q) / 2
    return float(1 / (1 + 0.5 * np.sum(m * np.log(m / p)) + 0.5 * np.sum(m * np.log(m / q))))


def test_phi_as_released_compares_softmaxed_tensors() -> None:
    def phi(network: Network) -> float:
        one, other = released(network)
        theta = [agreement(*pair) for pair in zip(one.weights, other.weights, strict=True)]
        v = [agreement(*pair) for pair in zip(one.features, other.features, strict=True)]
        return float(np.dot(theta, v))

    np.testing.assert_allclose(value("r_score_phi"), plain(phi), rtol=1e-8)


def test_phi_by_the_equations_compares_directions() -> None:
    def consistency(one: Tensor, other: Tensor) -> float:
        return 1 + F.cosine_similarity(one.flatten(), other.flatten(), dim=0).item()

    def phi(network: Network) -> float:
        one, other = by_the_equations(network)
        theta = [consistency(*pair) for pair in zip(one.weights, other.weights, strict=True)]
        v = [consistency(*pair) for pair in zip(one.features, other.features, strict=True)]
        return float(np.dot(theta, v))

    np.testing.assert_allclose(value("r_score_phi_equations"), plain(phi), rtol=1e-8)


def test_r_score_is_stretched_over_its_population() -> None:
    psi, phi = np.array([1.0, 10.0, 100.0, np.nan]), np.exp([3.0, 1.0, 2.0, 0.0])
    np.testing.assert_allclose(r_scores(psi, phi)[:3], [1 * 100**1.0, np.sqrt(50.5) * (1 + 99 / 3), 10 * (1 + 99 * 2 / 3)])
    assert np.isnan(r_scores(psi, phi)[3])
    assert r_scores([5.0, 5.0], [2.0, 2.0]).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("psi", "phi", "message"),
    [
        ([1.0, 2.0], [1.0], r"psi is \(2,\) and phi \(1,\); expected one number an architecture in each"),
        ([1.0, 0.0], [1.0, 2.0], "psi or phi is not positive for some architecture"),
        ([1.0, 2.0], [np.nan, np.nan], "psi or phi is missing for all 2 architectures"),
        ([], [], "psi or phi is missing for all 0 architectures"),
    ],
)
def test_r_score_of_what_is_no_population(psi: list[float], phi: list[float], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        r_scores(psi, phi)


def test_r_score_depends_on_the_company() -> None:
    psi, phi = np.array([1.0, 10.0, 100.0]), np.array([2.0, 3.0, 5.0])
    assert r_scores(psi, phi)[1] != r_scores(psi[:2], phi[:2])[1]
    assert r_scores(psi, phi, stretched=False)[1] == r_scores(psi[:2], phi[:2], stretched=False)[1] == np.sqrt(psi[1]) * phi[1]


@pytest.mark.parametrize("wrong", [{"repeats": 0}, {"images": 0}, {"images": 32}])
def test_psi_has_room_for_so_many_images(wrong: dict[str, int]) -> None:
    with pytest.raises((InvalidArgument, ProxyError), match=r"expected (an integer of at least 1|at most 31)"):
        Psi(**wrong)  # type: ignore[arg-type]
