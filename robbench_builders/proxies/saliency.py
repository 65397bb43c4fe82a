"""Proxies from pruning: the effect of removing a weight, or a channel, on the loss, summed over the network.

L is the mean cross-entropy of the batch, w a weight of a convolution or of the linear layer, g = ∂L/∂w.
Source of the sums over a network: Abdelfattah et al. (2021).
"""

from __future__ import annotations

import torch
from torch import Tensor

from robbench_builders.proxies.passes import Passes, total, weights


def grad_norm(passes: Passes) -> Tensor:
    """Σ over layers of ‖g‖₂, ``(stack,)``.  Source: Abdelfattah et al. (2021)."""
    return total(passes.stack, {path: gradient.flatten(1).norm(dim=1) for path, gradient in passes.gradients.weights.items()})


def plain(passes: Passes) -> Tensor:
    """Σ w·g, ``(stack,)``: signed, so that most of it cancels.  Source: Abdelfattah et al. (2021), in their released code."""
    return total(passes.stack, _salience(passes))


def snip(passes: Passes) -> Tensor:
    """Σ |w·g|, ``(stack,)``: connection sensitivity before it is normalised.  Source: Lee, Ajanthan and Torr (2019)."""
    return total(passes.stack, _salience(passes, absolute=True))


def _salience(passes: Passes, *, absolute: bool = False) -> dict[str, Tensor]:
    products = {path: (weight * passes.gradients.weights[path]).flatten(1) for path, weight in weights(passes.stack).items()}
    return {path: (product.abs() if absolute else product).sum(1) for path, product in products.items()}


def grasp(passes: Passes) -> Tensor:
    """−Σ w·(Hg), ``(stack,)``: how much the gradient's norm would lose; H is the Hessian of L with respect to the weights.

    Source: Wang, Zhang and Grosse (2020), with the sign of Abdelfattah et al. (2021).
    """
    by, first = weights(passes.stack), passes.gradients.weights
    inner = torch.stack([(gradient * gradient.detach()).sum() for gradient in first.values()]).sum()
    second = torch.autograd.grad(inner, list(by.values()), retain_graph=True, allow_unused=True)
    return total(
        passes.stack,
        {path: -(weight * hg).flatten(1).sum(1) for (path, weight), hg in zip(by.items(), second, strict=True) if hg is not None},
    )


def fisher(passes: Passes) -> Tensor:
    """Σ over channels of ½ · mean over images of (Σ over pixels of a · ∂L/∂a)², ``(stack,)``; a is the output of a layer.

    Each channel counts once, as in the paper; the widely used implementation counts it once for every weight that leads to it.

    Source: Turner et al. (2020), the Fisher potential, after Theis et al. (2018).
    """
    outputs = passes.record.outputs
    return total(passes.stack, {path: _channels(outputs[path].value, g).sum(1) for path, g in passes.gradients.outputs.items()})


def _channels(value: Tensor, gradient: Tensor) -> Tensor:
    """Fisher information of every channel, ``(members, channels)``."""
    product = value * gradient
    over_pixels = product.flatten(2, -2).sum(2) if product.dim() > 3 else product
    return over_pixels.square().mean(1) / 2
