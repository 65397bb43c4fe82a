"""Layers of many networks at once: a plain network's layer, with a leading axis for the networks that have it.

Between layers an activation is one contiguous tensor

    (batch, height, width, stack, channels)

which is at the same time, without a copy, the channels-last image `(batch, stack·channels, height, width)` that grouped convolutions,
batch norm and pooling want, and one whose networks can be gathered along an axis.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Stacked(nn.Module):
    """A layer of several networks: every parameter and buffer has one row for each of its `members`, positions in the stack."""

    def __init__(self, members: Sequence[int]) -> None:
        super().__init__()
        self.members = tuple(members)

    def add_parameter(self, name: str, *shape: int) -> None:
        self.register_parameter(name, nn.Parameter(torch.zeros(len(self.members), *shape)))


class StackedConv(Stacked):
    """Convolutions, as one grouped convolution; one input for all is convolved with all kernels, without a copy."""

    weight: Tensor

    def __init__(self, members: Sequence[int], inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(members)
        self.stride, self.padding = stride, kernel // 2
        self.add_parameter("weight", outputs, inputs, kernel, kernel)

    def forward(self, x: Tensor) -> Tensor:
        return networks(F.conv2d(image(x), self.weight.flatten(0, 1), None, self.stride, self.padding, 1, x.shape[3]), len(self.members))


class StackedBatchNorm(Stacked):
    """Batch norms, as one over all channels."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor
    eps = 1e-5

    def __init__(self, members: Sequence[int], channels: int) -> None:
        super().__init__(members)
        self.add_parameter("weight", channels)
        self.add_parameter("bias", channels)
        self.register_buffer("running_mean", torch.zeros(len(self.members), channels))
        self.register_buffer("running_var", torch.ones(len(self.members), channels))

    def forward(self, x: Tensor) -> Tensor:
        # Flattening a contiguous tensor gives a view, so the running statistics are updated in place.
        mean, var, weight, bias = (t.flatten() for t in (self.running_mean, self.running_var, self.weight, self.bias))
        return networks(F.batch_norm(image(x), mean, var, weight, bias, self.training, eps=self.eps), len(self.members))


class StackedLinear(Stacked):
    """Linear layers, as one batched product: features ``(batch, stack, inputs)`` → ``(stack, batch, outputs)``."""

    weight: Tensor
    bias: Tensor

    def __init__(self, members: Sequence[int], inputs: int, outputs: int) -> None:
        super().__init__(members)
        self.add_parameter("weight", outputs, inputs)
        self.add_parameter("bias", outputs)

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias.unsqueeze(1), x.transpose(0, 1), self.weight.transpose(1, 2))


class StackedReLUConvBN(nn.Module):
    """ReLU, convolution, batch norm."""

    def __init__(self, members: Sequence[int], inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = StackedConv(members, inputs, outputs, kernel, stride)
        self.bn = StackedBatchNorm(members, outputs)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.bn(self.conv(torch.relu(x)))
        return out


class StackedAvgPool(nn.Module):
    """Average pooling; networks are only more channels to it."""

    def __init__(self, kernel: int, stride: int, padding: int) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(kernel, stride, padding, ceil_mode=stride > 1, count_include_pad=False)

    def forward(self, x: Tensor) -> Tensor:
        return networks(self.pool(image(x)), x.shape[3])


def image(x: Tensor) -> Tensor:
    """(batch, h, w, stack, channels) → (batch, stack·channels, h, w), a view in channels-last order."""
    return x.flatten(3).permute(0, 3, 1, 2)


def networks(x: Tensor, stack: int) -> Tensor:
    """(batch, stack·channels, h, w) → (batch, h, w, stack, channels), contiguous; a view where the image is channels-last already."""
    batch, channels, height, width = x.shape
    return x.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1).view(batch, height, width, stack, channels // stack)
