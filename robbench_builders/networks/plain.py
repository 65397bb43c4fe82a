"""One architecture → one plain network: the macro skeleton of NAS-Bench-201 around the architecture's cell, written to be read.

    images (batch, image_channels, h, w) in [0, 1]
      → normalise → stem: 3×3 convolution, batch norm                      C channels,  h   × w
      → N cells → reduction → N cells → reduction → N cells                C, 2C, 4C channels, h/4 × w/4 at the end
      → batch norm → ReLU → mean over pixels → linear                      logits (batch, classes)

`stacked.py` runs many of these at once and is tested against this module, whose state_dict names every weight.

Source: Dong and Yang (2020), section 2.1 and figure 1; residual reductions as in He et al. (2016).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Generator, Tensor, nn

from robbench_builders.errors import BuildError
from robbench_builders.networks import cell_of, cost
from robbench_builders.networks.cost import Cost
from robbench_builders.networks.graph import CellGraph
from robbench_builders.networks.layers import Conv, Linear, Reduction
from robbench_builders.networks.operations import edge_name, operation


@dataclass(frozen=True)
class Skeleton:
    """What all networks of a benchmark share; the defaults are NAS-Bench-201's on cifar10."""

    channels: int = 16
    """C: channels of the stem and of the first stage; each reduction doubles them."""
    cells: int = 5
    """N: cells in each of the three stages."""
    image_channels: int = 3
    classes: int = 10

    @property
    def widths(self) -> tuple[int, int, int]:
        """The channels of the three stages."""
        return self.channels, 2 * self.channels, 4 * self.channels


class Network(nn.Module):
    """The network of one architecture.

    Arguments:
        arch: an architecture of a search space in `robbench_builders.networks.CELLS`; says what every cell of the network computes.
        skeleton: the macro skeleton.
        mean, std: one number an image channel, subtracted and divided by first; images are in [0, 1].
        generator: draws the weights, uniform in ±fan_in^-½ (as published: the default of torch's layers); without one they are
            zero, for `load_state_dict` to fill.

    Raises:
        BuildError: no networks of such architectures can be built, or mean or std has another length than the images have channels.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        arch: Any,
        skeleton: Skeleton,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.arch, self.skeleton = arch, skeleton
        cell = cell_of(arch)
        register_normalisation(self, skeleton.image_channels, mean, std)
        first, _, last = skeleton.widths
        self.stem = nn.Sequential(Conv(skeleton.image_channels, first, 3), nn.BatchNorm2d(first))
        self.body = nn.Sequential()
        for stage, width in enumerate(skeleton.widths):
            if stage > 0:
                self.body.append(Reduction(width))
            self.body.extend(CellModule(cell, width) for _ in range(skeleton.cells))
        self.head = nn.Sequential(nn.BatchNorm2d(last), nn.ReLU())
        self.classifier = Linear(last, skeleton.classes)
        if generator is not None:
            draw_weights(self, generator)

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(batch, image_channels, h, w)`` in [0, 1] → logits ``(batch, classes)``."""
        features: Tensor = self.head(self.body(self.stem((images - self.mean) / self.std)))
        logits: Tensor = self.classifier(features.mean((2, 3)))
        return logits


class CellModule(nn.Module):
    """A cell: each node is the sum of its incoming edges; the first is the input and the last the output."""

    def __init__(self, cell: CellGraph, channels: int) -> None:
        super().__init__()
        self.edges = nn.ModuleDict({edge_name(*edge): operation(edge[2]).plain(channels) for edge in cell.edges})
        self.cell = cell

    def forward(self, x: Tensor) -> Tensor:
        nodes = [x]
        for node in range(1, self.cell.nodes):
            total = torch.zeros_like(x)
            for source, target, op in self.cell.edges:
                if target == node:
                    total = total + self.edges[edge_name(source, target, op)](nodes[source])
            nodes.append(total)
        return nodes[-1]


def register_normalisation(network: nn.Module, channels: int, mean: Sequence[float] | None, std: Sequence[float] | None) -> None:
    """Give a network the buffers mean and std, ``(channels, 1, 1)``; raises BuildError where one has another length."""
    for name, given, default in (("mean", mean, 0.0), ("std", std, 1.0)):
        values = (default,) * channels if given is None else tuple(given)
        if len(values) != channels:
            raise BuildError(f"{name} has {len(values)} values; expected {channels}, one for each image channel.")
        network.register_buffer(name, torch.tensor(values).view(-1, 1, 1))


def draw_weights(network: nn.Module, generator: Generator) -> None:
    """Draw the weights of convolutions and linear layers, in their order: uniform in ±fan_in^-½."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, Conv | Linear):
                bound = module.weight[0].numel() ** -0.5
                for parameter in module.parameters():
                    parameter.uniform_(-bound, bound, generator=generator)


def parameters(arch: Any, skeleton: Skeleton) -> int:
    """Trainable parameters of the architecture's network; raises BuildError as `Network` does."""
    return _cost(_operations(arch), skeleton, (8, 8)).parameters  # of images of any size


def flops(arch: Any, skeleton: Skeleton, image_size: int | tuple[int, int]) -> int:
    """FLOPs of the architecture's network for one image, counted as in `robbench_builders.networks.cost`; raises BuildError as `Network` does.

    Arguments:
        image_size: in pixels: a side, or height and width.
    """
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    return _cost(_operations(arch), skeleton, size).flops


def _operations(arch: Any) -> tuple[str, ...]:
    """Those of a cell, sorted: where they are does not matter to what they cost, so many cells cost the same."""
    return tuple(sorted(op for _, _, op in cell_of(arch).edges))


@lru_cache(4096)
def _cost(operations: tuple[str, ...], skeleton: Skeleton, size: tuple[int, int]) -> Cost:
    return cost.total(_costs(operations, skeleton, size))


def _costs(operations: tuple[str, ...], skeleton: Skeleton, size: tuple[int, int]) -> Iterator[Cost]:
    height, width = size
    first, _, last = skeleton.widths
    yield cost.convolution(skeleton.image_channels, first, 3, height * width)
    yield cost.batch_norm(first, height * width)
    for stage, channels in enumerate(skeleton.widths):
        if stage > 0:
            before = height * width
            height, width = -(-height // 2), -(-width // 2)
            yield cost.relu_conv_bn(channels // 2, channels, 3, before, height * width)
            yield cost.relu_conv_bn(channels, channels, 3, height * width, height * width)
            yield cost.pooling(channels // 2, 4, height * width)
            yield cost.convolution(channels // 2, channels, 1, height * width)
        for op in operations * skeleton.cells:
            yield operation(op).cost(channels, height * width)
    yield cost.batch_norm(last, height * width)
    yield cost.relu(last, height * width)
    # The published counter takes the window of the last, global pooling to be one pixel higher and wider than the image.
    yield cost.pooling(last, (height + 1) * (width + 1), 1)
    yield cost.linear(last, skeleton.classes)
