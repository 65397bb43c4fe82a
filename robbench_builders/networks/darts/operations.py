"""The operations of DARTS' cells, by name: their layers, plain and stacked, and what they cost; convolutions that depend on the stride.

    sep_conv    twice ReLU, depthwise convolution, 1×1, batch norm; the first has the stride
    dil_conv    ReLU, depthwise convolution of dilation 2, 1×1, batch norm
    pooling     3×3, without batch norm; an average does not count padding
    skip        identity; at stride 2 a factorised reduction

A plain layer and its stacked form have parameters of the same names.

Source: Liu, Simonyan and Yang (2019), appendix A.1, as released (the evaluation network).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from robbench_builders.networks.layers import AvgPool, Conv, ReLUConvBN, StackedBatchNorm, StackedConv, StackedPooling, StackedReLUConvBN

DILATION = 2


class Work(NamedTuple):
    """What layers cost one network, for one image, in the parts that publications count differently."""

    parameters: int = 0
    products: int = 0
    """Multiply-accumulates of convolutions and linear layers."""
    normalised: int = 0
    """Elements of batch norms."""
    rectified: int = 0
    """Elements that a ReLU takes."""
    pooled: int = 0
    """Elements that poolings take, the last over all pixels left out."""
    windows: int = 0
    """Elements in all windows of poolings, the last over all pixels among them."""

    @property
    def flops(self) -> int:
        """As `robbench_builders.networks.cost` counts."""
        return self.products + 2 * self.normalised + self.rectified + self.windows

    @property
    def layers(self) -> int:
        """Multiply-accumulates, 2 an element of a batch norm, and 1 an element that a ReLU or a pooling takes: most FLOPs of Yang et al. (2025), Table 2."""
        return self.products + 2 * self.normalised + self.rectified + self.pooled


def total(parts: Iterable[Work]) -> Work:
    """The sum."""
    return Work(*map(sum, zip(*parts, strict=True)))


class Operation(NamedTuple):
    """What stands on an edge of a cell."""

    plain: Callable[[int, int], nn.Module]
    """From channels and stride to the layer of one network."""
    stacked: Callable[[Sequence[int], int, int], nn.Module]
    """From the networks that have it, as positions in the stack, channels and stride to their layer."""
    work: Callable[[int, int, int], Work]
    """From channels, and the pixels that it takes and gives, to what it costs one network."""


class Depthwise(nn.Module):
    """ReLU, depthwise convolution, 1×1 convolution, batch norm; of one network."""

    def __init__(self, channels: int, kernel: int, stride: int, dilation: int = 1) -> None:
        super().__init__()
        self.depthwise = Conv(channels, channels, kernel, stride, dilation=dilation, groups=channels)
        self.pointwise = Conv(channels, channels, 1)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.bn(self.pointwise(self.depthwise(torch.relu(x))))
        return out


class StackedDepthwise(nn.Module):
    """`Depthwise` of several networks."""

    def __init__(self, members: Sequence[int], channels: int, kernel: int, stride: int, dilation: int = 1) -> None:
        super().__init__()
        self.depthwise = StackedConv(members, channels, channels, kernel, stride, dilation=dilation, groups=channels)
        self.pointwise = StackedConv(members, channels, channels, 1)
        self.bn = StackedBatchNorm(members, channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.bn(self.pointwise(self.depthwise(torch.relu(x))))
        return out


class FactorizedReduction(nn.Module):
    """ReLU; two 1×1 convolutions of stride 2, one of the image and one of the image moved by a pixel; concatenated; batch norm.  Outputs are even."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(outputs)  # before the convolutions, so that it does not look like the second one's alone
        self.conv_1 = Conv(inputs, outputs // 2, 1, 2)
        self.conv_2 = Conv(inputs, outputs // 2, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(x)
        out: Tensor = self.bn(torch.cat([self.conv_1(x), self.conv_2(_moved(x, 2, 3))], dim=1))
        return out


class StackedFactorizedReduction(nn.Module):
    """`FactorizedReduction` of several networks."""

    def __init__(self, members: Sequence[int], inputs: int, outputs: int) -> None:
        super().__init__()
        self.bn = StackedBatchNorm(members, outputs)
        self.conv_1 = StackedConv(members, inputs, outputs // 2, 1, 2)
        self.conv_2 = StackedConv(members, inputs, outputs // 2, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(x)
        out: Tensor = self.bn(torch.cat([self.conv_1(x), self.conv_2(_moved(x, 1, 2))], dim=-1))
        return out


def _separable(kernel: int) -> Operation:
    return Operation(
        lambda channels, stride: nn.Sequential(Depthwise(channels, kernel, stride), Depthwise(channels, kernel, 1)),
        lambda members, channels, stride: nn.Sequential(
            StackedDepthwise(members, channels, kernel, stride), StackedDepthwise(members, channels, kernel, 1)
        ),
        lambda channels, taken, given: total([_depthwise(channels, kernel, taken, given), _depthwise(channels, kernel, given, given)]),
    )


def _dilated(kernel: int) -> Operation:
    return Operation(
        lambda channels, stride: Depthwise(channels, kernel, stride, DILATION),
        lambda members, channels, stride: StackedDepthwise(members, channels, kernel, stride, DILATION),
        lambda channels, taken, given: _depthwise(channels, kernel, taken, given),
    )


def _pooling(pool: Callable[[int], nn.Module]) -> Operation:
    return Operation(
        lambda channels, stride: pool(stride),
        lambda members, channels, stride: StackedPooling(pool(stride)),
        lambda channels, taken, given: Work(pooled=channels * taken, windows=9 * channels * given),
    )


def _depthwise(channels: int, kernel: int, taken: int, given: int) -> Work:
    weights = channels * kernel**2 + channels**2
    return Work(weights + 2 * channels, weights * given, channels * given, channels * taken)


OPERATIONS: dict[str, Operation] = {
    "max_pool_3x3": _pooling(lambda stride: nn.MaxPool2d(3, stride, 1)),
    "avg_pool_3x3": _pooling(lambda stride: AvgPool(3, stride, 1)),
    "skip_connect": Operation(
        lambda channels, stride: nn.Identity() if stride == 1 else FactorizedReduction(channels, channels),
        lambda members, channels, stride: nn.Identity() if stride == 1 else StackedFactorizedReduction(members, channels, channels),
        lambda channels, taken, given: Work() if taken == given else brought_work(channels, channels, taken, given),
    ),
    "sep_conv_3x3": _separable(3),
    "sep_conv_5x5": _separable(5),
    "dil_conv_3x3": _dilated(3),
    "dil_conv_5x5": _dilated(5),
}
"""``none`` is not among them: an edge that has it computes nothing."""


def brought(inputs: int, channels: int, reduced: bool) -> nn.Module:
    """What brings an input of a cell to its channels, and, where the cell before was a reduction (`reduced`), to its size."""
    return FactorizedReduction(inputs, channels) if reduced else ReLUConvBN(inputs, channels, 1)


def stacked_brought(members: Sequence[int], inputs: int, channels: int, reduced: bool) -> nn.Module:
    """`brought` of several networks."""
    return StackedFactorizedReduction(members, inputs, channels) if reduced else StackedReLUConvBN(members, inputs, channels, 1)


def brought_work(inputs: int, outputs: int, taken: int, given: int) -> Work:
    """What `brought` costs, whose two forms cost the same."""
    return Work(inputs * outputs + 2 * outputs, inputs * outputs * given, outputs * given, inputs * taken)


def _moved(x: Tensor, height: int, width: int) -> Tensor:
    """The image from its second pixel on, along these dimensions; where their size is odd, padded, so that half of it is as many pixels as of the image."""
    for dimension in (height, width):
        if x.shape[dimension] % 2:
            zeros = x.new_zeros([1 if place == dimension else size for place, size in enumerate(x.shape)])
            x = torch.cat([x, zeros], dimension)
        x = x.narrow(dimension, 1, x.shape[dimension] - 1)
    return x
