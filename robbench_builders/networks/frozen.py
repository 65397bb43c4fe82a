"""A stack for evaluation only, with batch norms folded into convolutions: the same logits and input gradients, but for rounding, in less time.

In eval mode a batch norm is an affine function of each channel, which the convolution before it can include:

    s · (W ∗ x − mean) + bias  =  (s W) ∗ x + (bias − s mean),    s = weight / √(var + ε), for each output channel
"""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from robbench_builders.errors import BuildError
from robbench_builders.networks.layers import StackedBatchNorm, StackedConv, as_image, as_stack
from robbench_builders.networks.stacked import Stack
from robbench_builders.precision import exact_convolutions

ROWS, INPUTS = 4, 16
"""A matrix product of fewer rows, or of fewer inputs a row, is no faster than a convolution on a CPU."""


class FrozenStack(nn.Module):
    """A stack in eval mode, with every batch norm that follows a convolution folded into it; weights take no gradients.

    It is a copy: later changes of the stack do not change it.  It has no networks to extract, and no training mode.

    Arguments:
        stack: in eval mode.

    Raises:
        BuildError: the stack is in training mode, where batch norm is not affine.
    """

    def __init__(self, stack: Stack[Any]) -> None:
        super().__init__()
        if stack.training:
            raise BuildError("the stack is in training mode, where batch norm depends on the batch; call stack.eval() first.")
        self._stack = copy.deepcopy(stack).requires_grad_(False)
        for block in list(self._stack.modules()):
            for (name, conv), (after, norm) in pairwise([*block.named_children(), ("", None)]):
                if isinstance(conv, StackedConv):
                    folded = norm if isinstance(norm, StackedBatchNorm) else None
                    setattr(block, name, FrozenConv(conv, folded))
                    if folded:
                        setattr(block, after, nn.Identity())
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(stack, batch, classes)``; images as for `Stack`."""
        logits: Tensor = self._stack(images)
        return logits

    def train(self, mode: bool = True) -> Self:
        """Refused, but for ``mode=False``.

        Raises:
            BuildError: mode is true.
        """
        if mode:
            raise BuildError("a frozen stack has no training mode; train the stack that it was made from, and freeze it again.")
        return super().train(False)


class FrozenConv(nn.Module):
    """A stack's convolution with the batch norm after it, grouped or as a matrix product, whichever is faster.

    Where a kernel covers the whole image from every pixel (3×3, on up to 2×2 pixels), the convolution is a dense linear map of images, whose
    matrix is its value on unit images.  A 1×1 kernel is a linear map of each pixel, and takes pixels in any shape: a line is faster than a square.

    Arguments:
        conv: kernels as trained.
        norm: the batch norm after it, in eval mode; None if there is none.
    """

    weight: Tensor
    """``(members·outputs, inputs, kernel, kernel)``, channels last."""
    bias: Tensor
    """``(members·outputs,)``"""
    matrix: Tensor
    """``(members, h·w·inputs, h·w·outputs)`` for images of the last size seen; empty before any."""

    def __init__(self, conv: StackedConv, norm: StackedBatchNorm | None) -> None:
        super().__init__()
        self.stack, self.stride, self.padding = len(conv.members), conv.stride, conv.padding
        self.dilation, self.groups = conv.dilation, conv.groups
        self.pixelwise = conv.weight.shape[-1] == 1 and self.padding == 0 and self.stride == 1 and self.groups == 1
        weight, bias = conv.weight, torch.zeros_like(conv.weight[:, :, 0, 0, 0])
        if norm is not None:
            scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
            weight, bias = weight * scale[..., None, None, None], norm.bias - scale * norm.running_mean
        self.register_buffer("weight", weight.flatten(0, 1).contiguous(memory_format=torch.channels_last))
        self.register_buffer("bias", bias.flatten())
        self.register_buffer("matrix", weight.new_empty(0))
        self._size: tuple[int, int] | None = None  # of the images that the matrix is for

    def forward(self, x: Tensor) -> Tensor:
        batch, height, width, _, inputs = x.shape
        if self.pixelwise:
            out = self._multiply(x.flatten(0, 2)[:, None, None]) if inputs >= INPUTS else self._convolve(x.flatten(1, 2)[:, None])
            return out.view(batch, height, width, self.stack, -1)
        covered = self.stride == self.dilation == self.groups == 1 and self.padding == self.weight.shape[-1] // 2
        if covered and max(height, width) <= self.padding + 1 and batch >= ROWS:
            return self._multiply(x)
        return self._convolve(x)

    def _convolve(self, x: Tensor) -> Tensor:
        return as_stack(
            F.conv2d(as_image(x), self.weight, self.bias, self.stride, self.padding, self.dilation, x.shape[3] * self.groups), self.stack
        )

    def _multiply(self, x: Tensor) -> Tensor:
        rows, height, width, stack, inputs = x.shape
        if self._size != (height, width):
            units = torch.eye(height * width * inputs, dtype=self.weight.dtype, device=x.device).view(-1, height, width, 1, inputs)
            # Exact, though the first to ask may compute in another precision: it is kept for others.
            with exact_convolutions(), torch.autocast(x.device.type, enabled=False):
                seen = F.conv2d(as_image(units.expand(-1, -1, -1, stack, -1)), self.weight, None, 1, self.padding, 1, stack)
            self.matrix = as_stack(seen, stack).permute(3, 0, 1, 2, 4).reshape(stack, len(units), -1)
            self._size = height, width
        bias = self.bias.view(stack, 1, -1).repeat(1, 1, height * width)
        out = torch.baddbmm(bias, x.permute(3, 0, 1, 2, 4).reshape(stack, rows, -1), self.matrix)
        return out.view(stack, rows, height, width, -1).permute(1, 2, 3, 0, 4)
