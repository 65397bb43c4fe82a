"""One cell → one plain network: the macro skeleton of NAS-Bench-201, written to be read.

    images (batch, image_channels, h, w) in [0, 1]
      → normalise → stem: 3×3 convolution, batch norm                      C channels,  h   × w
      → N cells → reduction → N cells → reduction → N cells                C, 2C, 4C channels, h/4 × w/4 at the end
      → batch norm → ReLU → mean over pixels → linear                      logits (batch, classes)

`stacked.py` runs many of these at once and is tested against this module, whose state_dict names every weight.

Source: Dong and Yang (2020), section 2.1 and figure 1; residual reductions as in He et al. (2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from builders.errors import BuildError
from robbench.spaces.nb201 import EDGES, Cell

KERNEL = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}


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
    """The network of one cell.

    Arguments:
        cell: what every cell of the network computes.
        skeleton: the macro skeleton.
        mean, std: one number an image channel, subtracted and divided by first; images are in [0, 1].
        generator: draws the weights, uniform in ±fan_in^-½ (as published: the default of torch's layers); without one they are
            zero, for `load_state_dict` to fill.

    Raises:
        BuildError: mean or std has another length than the images have channels.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        cell: Cell,
        skeleton: Skeleton,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.cell, self.skeleton = cell, skeleton
        for name, given, default in (("mean", mean, 0.0), ("std", std, 1.0)):
            values = (default,) * skeleton.image_channels if given is None else tuple(given)
            if len(values) != skeleton.image_channels:
                raise BuildError(f"{name} has {len(values)} values; expected {skeleton.image_channels}, one for each image channel.")
            self.register_buffer(name, torch.tensor(values).view(-1, 1, 1))
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
            _draw_weights(self, generator)

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(batch, image_channels, h, w)`` in [0, 1] → logits ``(batch, classes)``."""
        features: Tensor = self.head(self.body(self.stem((images - self.mean) / self.std)))
        logits: Tensor = self.classifier(features.mean((2, 3)))
        return logits


class CellModule(nn.Module):
    """Four nodes; each is the sum of its incoming edges, the first is the input and the last the output."""

    def __init__(self, cell: Cell, channels: int) -> None:
        super().__init__()
        self.edges = nn.ModuleDict(
            {edge_name(op, edge): operation(op, channels) for op, edge in zip(cell.ops, EDGES, strict=True) if op != "none"}
        )
        self.cell = cell

    def forward(self, x: Tensor) -> Tensor:
        nodes = [x]
        for target, incoming in enumerate(self.cell.inputs, start=1):
            node = torch.zeros_like(x)
            for op, source in incoming:
                if op != "none":
                    node = node + self.edges[edge_name(op, (source, target))](nodes[source])
            nodes.append(node)
        return nodes[-1]


class ReLUConvBN(nn.Module):
    """ReLU, convolution without bias, batch norm."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = Conv(inputs, outputs, kernel, stride)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.bn(self.conv(torch.relu(x)))
        return out


class Reduction(nn.Module):
    """The residual block that halves height and width and doubles the channels to `width`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.a = ReLUConvBN(width // 2, width, 3, stride=2)
        self.b = ReLUConvBN(width, width, 3)
        # ceil_mode only matters for odd sizes, which the strided convolution rounds up.
        self.pool = nn.AvgPool2d(2, ceil_mode=True)
        self.shortcut = Conv(width // 2, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.shortcut(self.pool(x)) + self.b(self.a(x))
        return out


class Conv(nn.Conv2d):
    """A convolution without bias, padded to keep height and width; weights are drawn by `Network`, with its own generator."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)


class Linear(nn.Linear):
    """A linear layer; weights are drawn by `Network`, with its own generator."""

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)


def operation(op: str, channels: int) -> nn.Module:
    """The module of an operation other than `none`, which keeps shape."""
    if op == "skip_connect":
        return nn.Identity()
    if op == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    return ReLUConvBN(channels, channels, KERNEL[op])


def edge_name(op: str, edge: tuple[int, int]) -> str:
    """What an edge with this operation is called in a state_dict, here and in a stack."""
    return f"{op}_{edge[0]}{edge[1]}"


def _draw_weights(network: nn.Module, generator: Generator) -> None:
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, Conv | Linear):
                bound = module.weight[0].numel() ** -0.5
                for parameter in module.parameters():
                    parameter.uniform_(-bound, bound, generator=generator)


class _Cost(NamedTuple):
    parameters: int
    flops: int


def parameters(cell: Cell, skeleton: Skeleton) -> int:
    """Trainable parameters of the cell's network."""
    return sum(layer.parameters for layer in _layers(cell, skeleton, (8, 8)))


def flops(cell: Cell, skeleton: Skeleton, image_size: int | tuple[int, int]) -> int:
    """Operations for one image of `image_size` (pixels: a side, or height and width), counted as the published ones are.

    Multiply-accumulates of convolutions and of the linear layer, 1 for each input of a ReLU, 2 for each element of a batch norm,
    and the window's size for each output of a pooling; sums of edges, biases and the normalisation are not counted.

    Source: equals NAS-Bench-Suite-Zero (Krishnakumar et al., 2022) on all cells, to the operation.
    """
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    return sum(layer.flops for layer in _layers(cell, skeleton, size))


def _layers(cell: Cell, skeleton: Skeleton, size: tuple[int, int]) -> list[_Cost]:
    height, width = size
    first, _, last = skeleton.widths
    costs = [_conv(skeleton.image_channels, first, 3, height * width), _batch_norm(first, height * width)]
    for stage, channels in enumerate(skeleton.widths):
        if stage > 0:
            before = height * width
            height, width = -(-height // 2), -(-width // 2)
            costs += _relu_conv_bn(channels // 2, channels, 3, before, height * width)
            costs += _relu_conv_bn(channels, channels, 3, height * width, height * width)
            costs += [_pool(channels // 2, 4, height * width), _conv(channels // 2, channels, 1, height * width)]
        pixels = height * width
        for op in cell.ops * skeleton.cells:
            if op == "avg_pool_3x3":
                costs.append(_pool(channels, 9, pixels))
            elif op in KERNEL:
                costs += _relu_conv_bn(channels, channels, KERNEL[op], pixels, pixels)
    # The published counter takes the window of the last, global pooling to be one pixel higher and wider than the image.
    costs += [_batch_norm(last, height * width), _relu(last, height * width), _pool(last, (height + 1) * (width + 1), 1)]
    return [*costs, _Cost((last + 1) * skeleton.classes, last * skeleton.classes)]


def _conv(inputs: int, outputs: int, kernel: int, pixels: int) -> _Cost:
    weights = inputs * outputs * kernel**2
    return _Cost(weights, weights * pixels)


def _batch_norm(channels: int, pixels: int) -> _Cost:
    return _Cost(2 * channels, 2 * channels * pixels)


def _relu(channels: int, pixels: int) -> _Cost:
    return _Cost(0, channels * pixels)


def _pool(channels: int, window: int, pixels: int) -> _Cost:
    return _Cost(0, channels * window * pixels)


def _relu_conv_bn(inputs: int, outputs: int, kernel: int, pixels_in: int, pixels_out: int) -> list[_Cost]:
    return [_relu(inputs, pixels_in), _conv(inputs, outputs, kernel, pixels_out), _batch_norm(outputs, pixels_out)]
