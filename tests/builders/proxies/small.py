"""Small networks in double precision, stacked and plain, and a batch for them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from robbench_builders.networks.layers import Conv, Linear, ReLUConvBN
from robbench_builders.networks.plain import Network, Skeleton
from robbench_builders.proxies import KNOWN, Proxy, initialised, score
from robbench_builders.proxies.anatomy import AnyStack
from robbench.spaces.nb201 import Cell

torch.set_num_threads(1)

SKELETON = Skeleton(channels=3, cells=2, image_channels=2, classes=3)
MEAN, STD = [0.3, 0.6], [0.2, 0.4]
CELLS = tuple(
    map(
        Cell.parse,
        (
            "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|",
            "|nor_conv_1x1~0|+|nor_conv_3x3~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|nor_conv_3x3~2|",
            # The convolutions on 0→1 and 1→2 reach no output, that on 2→3 no input but theirs.
            "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|none~2|",
        ),
    )
)
CONSTANT = Cell.parse("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|")
NOTHING = Cell.parse("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")

Values = npt.NDArray[np.float64]


def stacked(cells: tuple[Cell, ...] = CELLS, *, seed: int = 0, init: str = "random") -> AnyStack:
    return initialised(cells, SKELETON, MEAN, STD, seed=seed, init=init).double()


def images(n: int = 16) -> Tensor:
    return torch.rand(n, 2, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(9))


def labels(n: int = 16) -> Tensor:
    return torch.arange(n) % 3


def value(name: str, stack: AnyStack | None = None, *, compute: Callable[..., Tensor] | None = None, n: int = 16) -> Values:
    """One proxy of the small stack, as `score` gives it; with `compute` in place of the registered function."""
    proxy = KNOWN[name] if compute is None else Proxy(compute, order=KNOWN[name].order)
    return score(stacked() if stack is None else stack, images(n), labels(n), [name], proxies={name: proxy}).values[name]


def plain(function: Callable[[Network], float], stack: AnyStack | None = None) -> Values:
    """A function of each plain network."""
    given = stacked() if stack is None else stack
    return np.array([function(given.extract(k)) for k in range(len(given))])


def weighted(network: nn.Module) -> list[Conv | Linear]:
    return [module for module in network.modules() if isinstance(module, Conv | Linear)]


def loss(network: Network, n: int = 16) -> Tensor:
    return F.cross_entropy(network(images(n)), labels(n))


def with_gradients(network: Network) -> Network:
    """After a backward pass; weights that reach no output have a gradient of zero."""
    network.zero_grad()
    torch.autograd.backward(loss(network))
    for module in weighted(network):
        if module.weight.grad is None:
            module.weight.grad = torch.zeros_like(module.weight)
    return network


def frozen(network: Network, n: int = 16) -> Network:
    """In eval mode, with the statistics of the batch."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    network.train()(images(n))
    return network.eval()


def without_batch_norm(network: Network) -> Network:
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())
    return network


def relu_inputs(network: Network, batch: Tensor) -> list[Tensor]:
    """What each ReLU was given, ``(batch, neurons)``."""
    seen: list[Tensor] = []
    places = [module for module in network.modules() if isinstance(module, ReLUConvBN)] + [network.head[1]]
    hooks = [place.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().flatten(1).clone())) for place in places]
    network(batch)
    for hook in hooks:
        hook.remove()
    return seen
