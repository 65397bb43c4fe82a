"""Synaptic flow, through a network of absolute weights, from an input of ones to its logits.  Tanaka et al. (2020)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from robbench_builders.proxies.passes import Passes, total, unstandardised, weights, without_batch_norm


def synflow(passes: Passes) -> Tensor:
    """The logarithm of Σ |w · ∂R/∂w|, ``(stack,)``, float64; R is the sum of the logits of a network of absolute weights for an input of ones.

    Without batch norm, since a normalised network conserves no flow.  The flow grows exponentially with depth, so its
    logarithm is taken, as in the published values.

    Source: Tanaka et al. (2020), summed over the network as by Abdelfattah et al. (2021).
    """
    stack = without_batch_norm(copy.deepcopy(passes.stack)).double().requires_grad_()
    with torch.no_grad():
        for parameter in stack.parameters():
            parameter.abs_()
    ones = unstandardised(stack, torch.ones(1, *passes.images.shape[1:], dtype=torch.float64, device=passes.images.device))
    by = weights(stack)
    with torch.enable_grad():
        found = torch.autograd.grad(stack(ones).sum(), list(by.values()), allow_unused=True)
    flow = {path: (w * g).flatten(1).abs().sum(1) for (path, w), g in zip(by.items(), found, strict=True) if g is not None}
    return total(stack, flow).log()
