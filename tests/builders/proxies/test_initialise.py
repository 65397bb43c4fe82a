from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch

from robbench_builders.networks.plain import Network, Skeleton
from robbench_builders.proxies import ProxyError, initialised
from robbench_builders.train import generator
from tests.builders.proxies.small import CELLS, SKELETON, weighted

WIDE = Skeleton(channels=32, cells=1, image_channels=3, classes=10)


def test_random_networks_are_those_that_training_starts_from() -> None:
    found = initialised(CELLS, SKELETON, seed=3)
    for k, cell in enumerate(CELLS):
        expected = Network(cell, SKELETON, generator=generator(3, f"weights/{cell}")).state_dict()
        assert all(torch.equal(expected[name], tensor) for name, tensor in found.extract(k).state_dict().items())


@pytest.mark.parametrize(
    ("init", "variance"),
    [
        ("random", lambda fan_in, _: 1 / (3 * fan_in)),
        ("kaiming", lambda fan_in, _: 2 / fan_in),
        ("xavier", lambda fan_in, fan_out: 2 / (fan_in + fan_out)),
        ("gaussian", lambda *_: 1.0),
    ],
)
def test_weights_have_the_variance_of_their_initialisation(init: str, variance: object) -> None:
    assert callable(variance)
    network = initialised(CELLS[:2], WIDE, init=init).extract(1)
    for module in weighted(network):
        if module.weight.numel() > 3000:
            receptive = module.weight[0, 0].numel()
            expected = variance(module.weight.shape[1] * receptive, module.weight.shape[0] * receptive)
            assert float(module.weight.detach().var()) == pytest.approx(expected, rel=0.1)
    assert network.training
    assert (init == "random") is bool(network.classifier.bias.detach().any())


def test_a_network_does_not_depend_on_its_stack_but_on_seed_and_purpose() -> None:
    one, two = initialised(CELLS, SKELETON, init="kaiming"), initialised(CELLS[::-1], SKELETON, init="kaiming")
    assert torch.equal(one.extract(0).stem[0].weight, two.extract(2).stem[0].weight)
    for other in (initialised(CELLS, SKELETON, init="kaiming", seed=1), initialised(CELLS, SKELETON, init="kaiming", purpose="other")):
        assert not torch.equal(one.extract(0).stem[0].weight, other.extract(0).stem[0].weight)


def test_an_unknown_initialisation() -> None:
    with pytest.raises(ProxyError, match="'zeros' is not an initialisation; expected one of random, kaiming, xavier, gaussian"):
        initialised(CELLS, SKELETON, init="zeros")
