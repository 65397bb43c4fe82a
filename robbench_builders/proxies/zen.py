"""The Zen-score: the sensitivity of a network with Gaussian weights to a change of its input.  Lin et al. (2021)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from robbench_builders.proxies.initialise import initialised
from robbench_builders.proxies.passes import Passes, batch_norms, calibrated, record, summed
from robbench_builders.train import generator


@dataclass(frozen=True)
class Zen:
    """log E‖f(x) − f(x + α·ε)‖₂ + Σ over batch norms of log σ̄, with x, ε and all weights standard normal.

    f is the network up to its last pooling; σ̄² the mean over channels of the (unbiased) variance of a batch norm's input, which
    the sum gives back.  A batch norm whose input is always zero does not count.  Weights are drawn anew: the score does not depend on the
    network's own.  The norm is the paper's; its authors' code takes ‖·‖₁.  Links around a convolution stay, though the paper's skeletons lose theirs.

    Arguments:
        alpha: length of the step.

    Source: Lin et al. (2021), the algorithm of the Zen-score.
    """

    alpha: float = 0.01

    @torch.no_grad()
    def __call__(self, passes: Passes) -> Tensor:
        """``(stack,)``, float64; the batch has as many inputs as there are images."""
        given, random = passes.stack, generator(passes.seed, "zen")
        # Without mean and std, networks do not normalise their inputs, which are standard normal already.
        stack = initialised(given.archs, given.skeleton, seed=passes.seed, init="gaussian", purpose="zen").to(passes.images)
        x, epsilon = (torch.randn(passes.images.shape, generator=random).to(passes.images) for _ in range(2))
        near, far = (record(stack, inputs).head for inputs in (x, x + self.alpha * epsilon))
        moved = (near - far).double().flatten(2).norm(dim=-1).mean(-1)
        norms = batch_norms(calibrated(stack, x))
        scales = summed(len(stack), ((norm.members, _log_scale(norm.get_buffer("running_var"))) for norm in norms.values()))
        found: Tensor = moved.log() + scales
        return found


def _log_scale(variance: Tensor) -> Tensor:
    """The logarithm of σ̄ of each network, from the variance of each channel ``(members, channels)``; zero where nothing varies."""
    mean = variance.double().mean(1)
    return torch.where(mean > 0, mean, torch.ones_like(mean)).log() / 2
