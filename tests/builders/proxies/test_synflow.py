from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from robbench_builders.networks.plain import Network
from tests.builders.proxies.small import plain, value, weighted, without_batch_norm


def flow(network: Network) -> float:
    """R of the linearised network, and its sum over weights, from the layers themselves: no first layer, so ones come in as ones."""
    without_batch_norm(network)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    ones = torch.ones(1, 2, 8, 8, dtype=torch.float64)
    torch.autograd.backward(network.classifier(network.head(network.body(network.stem(ones))).mean((2, 3))).sum())
    return math.log(sum(float((m.weight.detach() * m.weight.grad).abs().sum()) for m in weighted(network) if m.weight.grad is not None))


def test_synflow() -> None:
    np.testing.assert_allclose(value("synflow"), plain(flow), rtol=1e-10)


def test_each_layer_that_all_flow_passes_carries_the_same_flow() -> None:
    """Conservation (Tanaka et al., 2020, theorem 2): what enters the network by the stem leaves it by the classifier."""
    from tests.builders.proxies.small import stacked

    network = stacked().extract(1)
    torch.nn.init.zeros_(network.classifier.bias)
    flow(network)
    carried = [float((m.weight.detach() * m.weight.grad).sum()) for m in (network.stem[0], network.classifier)]
    assert carried[0] == pytest.approx(carried[1], rel=1e-10)
