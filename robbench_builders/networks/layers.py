"""The layers of networks, plain and stacked.

A plain layer is one network's.  A stacked layer is that of several networks at once: its parameters and buffers have the networks that
have it as a leading axis.  Between stacked layers an activation is one contiguous tensor

    (batch, height, width, stack, channels)

which is, without a copy, also the channels-last image ``(batch, stack·channels, height, width)`` that grouped convolutions, batch norm and
pooling take, and along whose stack axis networks can be gathered.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Conv(nn.Conv2d):
    """A convolution without bias, padded to keep height and width unless `padding` says otherwise; weights are drawn by the network, with its own generator."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, *, dilation: int = 1, groups: int = 1, padding: int | None = None
    ) -> None:
        super().__init__(
            inputs, outputs, kernel, stride, dilation * (kernel // 2) if padding is None else padding, dilation, groups, bias=False
        )

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)


class Linear(nn.Linear):
    """A linear layer; weights are drawn by the network, with its own generator."""

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)


class AvgPool(nn.AvgPool2d):
    """Average pooling that does not count padding; its gradients are right on CUDA, too.

    There, the backward pass of torch up to at least 2.13 takes padded windows of channels-last images from the wrong pixels, in silence
    (pytorch/pytorch#188344), so such images are brought into channels-first order.
    """

    def __init__(self, kernel: int, stride: int, padding: int = 0) -> None:
        # ceil_mode only matters for odd sizes, which strided convolutions round up; windows with padding reach the edge without it.
        super().__init__(kernel, stride, padding, ceil_mode=not padding, count_include_pad=False)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.contiguous() if self.padding and x.device.type == "cuda" else x)


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
    """The residual block between two stages, which halves height and width and doubles the channels to `width`.

    Source: He et al. (2016), as used by Dong and Yang (2020).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.a = ReLUConvBN(width // 2, width, 3, stride=2)
        self.b = ReLUConvBN(width, width, 3)
        self.pool = AvgPool(2, 2)
        self.shortcut = Conv(width // 2, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.shortcut(self.pool(x)) + self.b(self.a(x))
        return out


class Stacked(nn.Module):
    """A layer with weights of several networks.

    Arguments:
        members: the networks that have it, as positions in the stack; row i of every parameter and buffer is of network ``members[i]``.
    """

    def __init__(self, members: Sequence[int]) -> None:
        super().__init__()
        self.members = tuple(members)

    def add_parameter(self, name: str, *shape: int) -> None:
        """Register a parameter ``(members, *shape)`` of zeros."""
        self.register_parameter(name, nn.Parameter(torch.zeros(len(self.members), *shape)))


class StackedConv(Stacked):
    """Convolutions without bias, as one grouped convolution; an input that all networks share is convolved with all kernels, without a copy."""

    weight: Tensor
    """``(members, outputs, inputs/groups, kernel, kernel)``"""

    def __init__(
        self,
        members: Sequence[int],
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        *,
        dilation: int = 1,
        groups: int = 1,
        padding: int | None = None,
    ) -> None:
        super().__init__(members)
        self.stride, self.dilation, self.groups = stride, dilation, groups
        self.padding = dilation * (kernel // 2) if padding is None else padding
        self.add_parameter("weight", outputs, inputs // groups, kernel, kernel)

    def forward(self, x: Tensor) -> Tensor:
        groups = x.shape[3] * self.groups
        out = F.conv2d(as_image(x), self.weight.flatten(0, 1), None, self.stride, self.padding, self.dilation, groups)
        return as_stack(out, len(self.members))


class StackedBatchNorm(Stacked):
    """Batch norms, as one over all channels: statistics are taken a channel, so networks do not mix."""

    weight: Tensor
    """``(members, channels)``, as are bias, running_mean and running_var."""
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
        return as_stack(F.batch_norm(as_image(x), mean, var, weight, bias, self.training, eps=self.eps), len(self.members))


class StackedLinear(Stacked):
    """Linear layers, as one batched product: features ``(batch, stack, inputs)`` → ``(stack, batch, outputs)``."""

    weight: Tensor
    """``(members, outputs, inputs)``"""
    bias: Tensor
    """``(members, outputs)``"""

    def __init__(self, members: Sequence[int], inputs: int, outputs: int) -> None:
        super().__init__(members)
        self.add_parameter("weight", outputs, inputs)
        self.add_parameter("bias", outputs)

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias.unsqueeze(1), x.transpose(0, 1), self.weight.transpose(1, 2))


class StackedReLUConvBN(nn.Module):
    """`ReLUConvBN` of several networks."""

    def __init__(self, members: Sequence[int], inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = StackedConv(members, inputs, outputs, kernel, stride)
        self.bn = StackedBatchNorm(members, outputs)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.bn(self.conv(torch.relu(x)))
        return out


class StackedPooling(nn.Module):
    """Pooling of several networks: it works channel by channel, so they are only more channels.

    Arguments:
        pool: that of one network.
    """

    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        return as_stack(self.pool(as_image(x)), x.shape[3])


class StackedReduction(nn.Module):
    """`Reduction` of several networks."""

    def __init__(self, members: Sequence[int], width: int) -> None:
        super().__init__()
        self.a = StackedReLUConvBN(members, width // 2, width, 3, stride=2)
        self.b = StackedReLUConvBN(members, width, width, 3)
        self.pool = StackedPooling(AvgPool(2, 2))
        self.shortcut = StackedConv(members, width // 2, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.shortcut(self.pool(x)) + self.b(self.a(x))
        return out


def as_image(x: Tensor) -> Tensor:
    """(batch, h, w, stack, channels) → (batch, stack·channels, h, w), a view in channels-last order."""
    return x.flatten(3).permute(0, 3, 1, 2)


def as_stack(x: Tensor, stack: int) -> Tensor:
    """(batch, stack·channels, h, w) → (batch, h, w, stack, channels), contiguous; a view where the image is channels-last already."""
    batch, channels, height, width = x.shape
    return x.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1).view(batch, height, width, stack, channels // stack)
