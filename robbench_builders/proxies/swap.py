"""SWAP: how many sample-wise activation patterns a network has.  Peng et al. (2024)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from robbench_builders.errors import ProxyError
from robbench_builders.networks import space_of
from robbench_builders.networks.families import parameters
from robbench_builders.proxies.passes import Passes
from robbench_builders.proxies.rscore import Psi

_THOUSAND = 1e3
_SAMPLE = 200


@dataclass(frozen=True)
class Swap:
    """The number of distinct rows of the matrix ReLUs × images of which ReLU is active for which image; the mean over Gaussian initialisations.

    The number is that of `Psi`, whose noise changes no pattern: released, the two differ in the networks that they score.  The released script for DARTS
    scores one of 3 channels and one layer without a stem, which is a reduction cell; for that there is ``DartsSkeleton(3, 1, stem=False)``.

    The regularised score is multiplied by exp(−(p − μ)² / σ), p the thousands of parameters.  μ and σ are set by hand for each search space, and not in the
    released code.  Ours, where they are left out: the mean, and twice the variance, of p over architectures drawn at random from the space, in the networks'
    skeleton, so that the factor is that of a bell curve around a middling size.

    Arguments:
        regularised: multiply by the factor.
        mu, sigma: of the factor; σ above 0.
        repeats: initialisations.
        images: how many, the first of the batch; at most 31.

    Raises:
        InvalidArgument, ProxyError: as `Psi`; or only one of mu and sigma, or a sigma of 0 or less.

    Source: Peng, Song, Fayek, Ciesielski and Chang (2024), definitions 3.2 to 3.4, as released.
    """

    regularised: bool = False
    mu: float | None = None
    sigma: float | None = None
    repeats: int = 32
    images: int = 16

    def __post_init__(self) -> None:
        Psi(repeats=self.repeats, images=self.images)
        if (self.mu is None) != (self.sigma is None) or (self.sigma is not None and not self.sigma > 0):
            raise ProxyError(f"SWAP has mu={self.mu!r} and sigma={self.sigma!r}; expected both, sigma above 0, or neither.")

    def __call__(self, passes: Passes) -> Tensor:
        """``(stack,)``, float64."""
        patterns = Psi(repeats=self.repeats, images=self.images)(passes)
        if not self.regularised:
            return patterns
        archs, skeleton = passes.stack.archs, passes.stack.skeleton
        sizes = np.array([parameters(arch, skeleton) / _THOUSAND for arch in archs])
        around = [_middling(space_of(arch).name, skeleton) if self.mu is None else (self.mu, self.sigma) for arch in archs]
        mu, sigma = np.array(around, np.float64).T
        return patterns * torch.from_numpy(np.exp(-((sizes - mu) ** 2) / sigma))


@lru_cache(64)
def _middling(space: str, skeleton: Any) -> tuple[float, float]:
    """Mean and twice the variance of the thousands of parameters of architectures of a space."""
    from robbench.spaces import space_named

    random = np.random.default_rng(0)
    sizes = [parameters(space_named(space).sample(random), skeleton) / _THOUSAND for _ in range(_SAMPLE)]
    return float(np.mean(sizes)), float(2 * np.var(sizes))
