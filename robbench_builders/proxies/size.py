"""Proxies that take no data: the size of a network."""

from __future__ import annotations

import torch
from torch import Tensor

from robbench_builders.networks.families import flops as flops_of
from robbench_builders.networks.families import parameters
from robbench_builders.proxies.passes import Passes, total, weights

_MILLION = 1e6


def params(passes: Passes) -> Tensor:
    """Trainable parameters, ``(stack,)``, float64, in millions."""
    stack = passes.stack
    return torch.tensor([parameters(arch, stack.skeleton) / _MILLION for arch in stack.archs], dtype=torch.float64)


def flops(passes: Passes) -> Tensor:
    """FLOPs for one image, ``(stack,)``, float64, in millions; counted as the published ones are (`robbench_builders.networks.cost`)."""
    size, skeleton = tuple(passes.images.shape[-2:]), passes.stack.skeleton
    return torch.tensor([flops_of(arch, skeleton, (size[0], size[1])) / _MILLION for arch in passes.stack.archs], dtype=torch.float64)


def l2_norm(passes: Passes) -> Tensor:
    """Σ over layers of ‖w‖₂, ``(stack,)``; w is the weight of a convolution or of the linear layer.

    Source: Abdelfattah et al. (2021), in their released code, whose sums run over these layers.
    """
    return total(passes.stack, {path: weight.flatten(1).norm(dim=1) for path, weight in weights(passes.stack).items()})
