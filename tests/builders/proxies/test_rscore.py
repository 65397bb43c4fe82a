from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
import torch.nn.functional as F
from torch import Tensor

from builders.network import Network
from builders.proxies import Passes, initialised, r_score
from builders.proxies.croze import EQUATIONS, RELEASED, feature_number, pair
from builders.proxies.passes import layers
from builders.proxies.rscore import Psi
from tests.builders.proxies.small import CELLS, MEAN, SKELETON, STD, images, labels, plain, relu_inputs, stacked, value

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


def released(one: Tensor, other: Tensor) -> float:
    p, q = (np.exp(t.double().flatten().numpy() - t.double().max().item()) for t in (one, other))
    p, q = p / p.sum() + 1e-8, q / q.sum() + 1e-8
    m = (p + q) / 2
    return float(1 / (1 + 0.5 * np.sum(m * np.log(m / p)) + 0.5 * np.sum(m * np.log(m / q))))


def test_phi_as_released_compares_softmaxed_tensors() -> None:
    stack = stacked()
    clean, robust = pair(Passes(stack, images(), labels()), RELEASED)
    expected = []
    for k in range(len(stack)):
        features = [released(a[k].detach(), b[k].detach()) for a, b in zip(clean.record.features, robust.record.features, strict=True)]
        one, other = clean.stack.state(k), robust.stack.state(k)
        mine = [path for path, layer in layers(stack).items() if k in layer.members]
        expected.append(sum(released(one[f"{p}.weight"], other[f"{p}.weight"]) * features[feature_number(stack, p)] for p in mine))
    np.testing.assert_allclose(value("r_score_phi"), expected, rtol=1e-10)


def test_phi_by_the_equations_compares_directions() -> None:
    stack = stacked()
    clean, robust = pair(Passes(stack, images(), labels()), EQUATIONS)
    expected = np.zeros(len(stack))
    for path, layer in layers(stack).items():
        for row, k in enumerate(layer.members):
            tensors = [
                (side.record.outputs[path].value[row].detach().flatten(), side.stack.state(k)[f"{path}.weight"].flatten())
                for side in (clean, robust)
            ]
            v, theta = (1 + F.cosine_similarity(a, b, dim=0) for a, b in zip(*tensors, strict=True))
            expected[k] += float(v * theta)
    np.testing.assert_allclose(value("r_score_phi_equations"), expected, rtol=1e-10)


def test_r_score_is_stretched_over_its_population() -> None:
    psi, phi = np.array([1.0, 10.0, 100.0, np.nan]), np.array([np.e**3, np.e, np.e**2, 1.0])
    np.testing.assert_allclose(r_score(psi, phi)[:3], [1 * 100**1.0, np.sqrt(50.5) * (1 + 99 / 3), 10 * (1 + 99 * 2 / 3)])
    assert np.isnan(r_score(psi, phi)[3])
    assert r_score([5.0, 5.0], [2.0, 2.0]).tolist() == [1.0, 1.0]


def test_r_score_depends_on_the_company() -> None:
    psi, phi = np.array([1.0, 10.0, 100.0]), np.array([2.0, 3.0, 5.0])
    assert r_score(psi, phi)[1] != r_score(psi[:2], phi[:2])[1]
