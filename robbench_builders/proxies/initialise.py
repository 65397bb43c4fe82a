"""Untrained networks, and how their weights are drawn.

random      uniform in ±fan_in^-½, biases too: what networks are trained from (robbench_builders.networks.plain)
kaiming     normal, variance 2 / fan_in: He et al. (2015), equation 10; biases zero
xavier      uniform, variance 2 / (fan_in + fan_out): Glorot and Bengio (2010), equation 12; biases zero
gaussian    standard normal: Lin et al. (2021); biases zero
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from robbench_builders.errors import ProxyError
from robbench_builders.networks.families import plain, stacked
from robbench_builders.networks.layers import Conv, Linear
from robbench_builders.proxies.anatomy import AnyStack
from robbench_builders.train import generator


def _kaiming(weight: Tensor, random: Generator) -> None:
    weight.normal_(0, (2 / weight[0].numel()) ** 0.5, generator=random)


def _xavier(weight: Tensor, random: Generator) -> None:
    fans = weight[0].numel() + weight[:, 0].numel()
    bound = (6 / fans) ** 0.5
    weight.uniform_(-bound, bound, generator=random)


def _gaussian(weight: Tensor, random: Generator) -> None:
    weight.normal_(generator=random)


_DRAWS: dict[str, Callable[[Tensor, Generator], None]] = {"kaiming": _kaiming, "xavier": _xavier, "gaussian": _gaussian}
INITIALISATIONS = ("random", *_DRAWS)


def initialised(
    archs: Sequence[Any],
    skeleton: Any,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    *,
    seed: int = 0,
    init: str = "random",
    purpose: str = "weights",
) -> AnyStack:
    """Untrained networks, in training mode; an architecture's weights depend on nothing but the architecture and the arguments.

    With the defaults these are the networks that `robbench_builders.train.train` starts from.

    Arguments:
        archs: of search spaces whose networks are in such a skeleton.
        skeleton: one of `robbench_builders.networks.families`: a `Skeleton`, or a `DartsSkeleton`.
        mean, std: of the data set, one number an image channel.
        init: one of `INITIALISATIONS`.
        purpose: under one seed, weights for different purposes are drawn independently.

    Raises:
        ProxyError: there is no such initialisation.
        BuildError: no architectures, or of a space that has no networks in such a skeleton, or mean or std of the wrong length.
    """
    if init not in INITIALISATIONS:
        raise ProxyError(f"{init!r} is not an initialisation; expected one of {', '.join(INITIALISATIONS)}.")
    return stacked([_network(arch, skeleton, mean, std, init, generator(seed, f"{purpose}/{arch}")) for arch in archs])


@torch.no_grad()
def _network(arch: Any, skeleton: Any, mean: Sequence[float] | None, std: Sequence[float] | None, init: str, random: Generator) -> Any:
    if init == "random":
        return plain(arch, skeleton, mean, std, generator=random)
    network = plain(arch, skeleton, mean, std)
    for module in network.modules():
        if isinstance(module, Conv | Linear):
            _DRAWS[init](module.weight, random)
    return network
