"""A plain network of the small stack and its perturbed twin, made step by step: CRoZe's pair, as released and by the equations."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from robbench_builders.networks.layers import Reduction
from robbench_builders.networks.plain import CellModule, Network
from robbench_builders.proxies import initialised
from robbench_builders.train import generator
from tests.builders.proxies.small import CELLS, MEAN, SKELETON, STD, images, labels, stacked, weighted, without_batch_norm

X, Y = images(8), labels(8)
# In single precision first, as networks hold them.
CENTRE, SPREAD = (torch.tensor(numbers).double().view(-1, 1, 1) for numbers in (MEAN, STD))


class Twin(NamedTuple):
    """One of two networks after a pass; lists run over its convolutions and its linear layer."""

    weights: list[Tensor]
    gradients: list[Tensor]
    features: list[Tensor]
    """The feature that each layer is compared by."""


def released(network: Network, *, gaussian: bool | str = False) -> tuple[Twin, Twin]:
    """As the released code: no batch norm, absolute weights, β = 2, ε = 0.01 down the loss of standardised images, a stage's features.

    Weights and input may be perturbed at random instead, or the "input" alone.
    """
    k, twin = CELLS.index(network.arch), stacked().extract(CELLS.index(network.arch))
    for bare in (network, twin):
        without_batch_norm(bare)
        with torch.no_grad():
            for parameter in bare.parameters():
                parameter.abs_()
    x = (X - CENTRE) / SPREAD
    if gaussian is True:
        drawn = initialised(CELLS, SKELETON, init="gaussian", purpose="croze").double().extract(k)
        _step(twin, [module.weight.detach() for module in weighted(drawn)], 2.0)
    else:
        _step(twin, _gradients(network, x), 2.0)
    if gaussian:
        moves = torch.randn(X.shape, dtype=torch.float64, generator=generator(0, "croze/input"))
    else:
        point = x.clone().requires_grad_()
        moves = -torch.autograd.grad(F.cross_entropy(_forward(twin, point)[0], Y), point)[0].sign()
    perturbed = (x + 0.01 * moves).clamp(0, 1)
    numbers = feature_of_each_layer(network)
    one, other = (
        Twin([module.weight.detach() for module in weighted(each)], _gradients(each, given), [_forward(each, given)[1][n] for n in numbers])
        for each, given in ((network, x), (twin, perturbed))
    )
    return one, other


def by_the_equations(network: Network) -> tuple[Twin, Twin]:
    """As the paper: batch norm, signed weights, β = 0.1, ε = 0.01 up the loss of images in [0, 1], a layer's own output."""
    twin = stacked().extract(CELLS.index(network.arch))
    _step(twin, _gradients(network, (X - CENTRE) / SPREAD), 0.1)
    point = X.clone().requires_grad_()
    slope = torch.autograd.grad(F.cross_entropy(twin(point), Y), point)[0]
    perturbed = (X + 0.01 * slope.sign()).clamp(0, 1)
    one, other = (
        Twin([module.weight.detach() for module in weighted(each)], _gradients(each, (given - CENTRE) / SPREAD), _outputs(each, given))
        for each, given in ((network, X), (twin, perturbed))
    )
    return one, other


def feature_of_each_layer(network: Network) -> list[int]:
    """Cells seen so far // cells a stage, in the order of the modules, and one more for the classifier."""
    numbers, cells = [], 0
    for module in network.modules():
        cells += isinstance(module, CellModule)
        if module in weighted(network):
            numbers.append(cells // SKELETON.cells + (module is network.classifier))
    return numbers


@torch.no_grad()
def _step(twin: Network, directions: list[Tensor], beta: float) -> None:
    for module, direction in zip(weighted(twin), directions, strict=True):
        if direction.any():
            module.weight += beta * module.weight.norm() / direction.norm() * direction


def _forward(network: Network, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Logits and the five features of a network, from standardised images, module by module."""
    x = network.stem(x)
    features = [x]
    for module in network.body:
        x = module(x)
        if isinstance(module, Reduction):
            features.append(x)
    features.append(x)
    features.append(network.head(x).mean((2, 3)))
    return network.classifier(features[-1]), features


def _gradients(network: Network, x: Tensor) -> list[Tensor]:
    found = torch.autograd.grad(F.cross_entropy(_forward(network, x)[0], Y), [m.weight for m in weighted(network)], allow_unused=True)
    return [torch.zeros_like(m.weight) if g is None else g for m, g in zip(weighted(network), found, strict=True)]


def _outputs(network: Network, x: Tensor) -> list[Tensor]:
    """What each layer gives, in the order of the layers."""
    seen: dict[int, Tensor] = {}
    hooks = [m.register_forward_hook(lambda _, __, output, i=i: seen.__setitem__(i, output)) for i, m in enumerate(weighted(network))]
    network(x)
    for hook in hooks:
        hook.remove()
    return [seen[i] for i in range(len(hooks))]
