"""A stack for evaluation only: the same logits and input gradients, but for rounding, in less time.

In eval mode a batch norm is an affine function of each channel, so the convolution before it can do its work:

    s · (W ∗ x − mean) + bias  =  (s W) ∗ x + (bias − s mean),    s = weight / √(var + ε), for each output channel
"""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor, nn

from builders.errors import BuildError
from builders.layers import StackedBatchNorm, StackedConv
from builders.stacked import StackedNetwork


class FrozenStack(nn.Module):
    """What a stack in eval mode computes, with every batch norm that follows a convolution folded into it; takes no gradients for weights.

    A copy: later changes of the stack do not reach it.  It has no networks to extract, and no training mode.

    Arguments:
        stack: in eval mode.

    Raises:
        BuildError: the stack is in training mode, where batch norm is not affine.
    """

    def __init__(self, stack: StackedNetwork) -> None:
        super().__init__()
        if stack.training:
            raise BuildError("the stack is in training mode, where batch norm depends on the batch; call stack.eval() first.")
        self._stack = copy.deepcopy(stack).requires_grad_(False)
        for block in list(self._stack.modules()):
            layers = list(block.named_children())
            for (_, conv), (name, norm) in pairwise(layers):
                if isinstance(conv, StackedConv) and isinstance(norm, StackedBatchNorm):
                    _fold(conv, norm)
                    setattr(block, name, nn.Identity())
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(stack, batch, classes)``; images as for `StackedNetwork`."""
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


def _fold(conv: StackedConv, norm: StackedBatchNorm) -> None:
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    conv.weight.mul_(scale[..., None, None, None])
    conv.bias = norm.bias - scale * norm.running_mean
