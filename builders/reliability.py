"""Whether AutoAttack's robust accuracies are reliable: the checks of its authors' program, as numbers.

    randomized        two calls of the network on the same images differ: attacks would have to average over its randomness, and these do not
    probabilities     the network seems to return probabilities, not logits: losses saturate
    zero_gradients    share of images where the cross-entropy's gradient is zero or NaN in every pixel: attacks that use it fail there
    square_gain       share of images that Square broke after all attacks with gradients had failed: gradients are masked

Source: Croce and Hein (2020), and the flags of their program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from builders.attacks import AutoAttack
from builders.attacks.base import Classifier, ascent
from builders.evaluate import accuracy, robust_outcomes

CALLS = 5
# The authors' thresholds.
RANDOM = 1e-4
PROBABILITY = 1e-5
GAIN = 0.002


@dataclass(frozen=True)
class Reliability:
    """The checks' results; ``…`` is the stack, absent for a plain network."""

    randomized: NDArray[np.bool_]
    """``(…,)``."""
    probabilities: NDArray[np.bool_]
    """``(…,)``."""
    zero_gradients: NDArray[np.float64]
    """``(…,)``, in [0, 1]."""
    square_gain: NDArray[np.float64]
    """``(…, len(eps_grid))``, in [0, 1]."""
    outcomes: NDArray[np.bool_]
    """AutoAttack's, ``(…, len(eps_grid), images)``, as `builders.evaluate.robust_outcomes` gives them."""

    @property
    def warnings(self) -> list[str]:
        """A sentence for each check that failed."""
        found = []
        if self.randomized.any():
            found.append(f"{_networks(self.randomized)} random: their answers to the same images differ.")
        if self.probabilities.any():
            found.append(f"{_networks(self.probabilities)} returning probabilities: give the attacks logits.")
        if (blind := np.asarray(self.zero_gradients > 0)).any():
            found.append(f"{_networks(blind)} without any gradient on up to {self.zero_gradients.max():.1%} of the images.")
        if (misled := np.asarray((self.square_gain > GAIN).any(-1))).any():
            found.append(
                f"{_networks(misled)} broken by Square where gradients failed, on up to {self.square_gain.max():.1%} of the images."
            )
        return found


def _networks(which: NDArray[np.bool_]) -> str:
    return "the network is" if which.ndim == 0 else f"{int(which.sum())} of {which.size} networks are"


def reliability(
    network: Classifier,
    images: Tensor,
    labels: Tensor,
    eps_grid: Sequence[float],
    attack: AutoAttack | None = None,
    *,
    seed: int = 0,
    batch_size: int = 512,
) -> Reliability:
    """AutoAttack's outcomes, and checks of whether they are reliable.

    Attacks on a row are independent of one another, so the cascade's outcomes are those of its parts together: correct under each.

    Arguments:
        network, images, labels, eps_grid, seed, batch_size: as for `builders.evaluate.robust_outcomes`.
        attack: the cascade; by default the standard one.

    Raises:
        AttackError: as `robust_outcomes` does.
    """
    attack = AutoAttack() if attack is None else attack
    outcomes = robust_outcomes(network, images, labels, attack.white_box, eps_grid, seed=seed, batch_size=batch_size)
    square = robust_outcomes(network, images, labels, attack.black_box, eps_grid, seed=seed, batch_size=batch_size)
    randomized, probabilities = _random_or_probabilities(network, images[:batch_size])
    without = [_without_gradient(network, *part) for part in zip(images.split(batch_size), labels.split(batch_size), strict=True)]
    return Reliability(randomized, probabilities, accuracy(np.concatenate(without, -1)), accuracy(outcomes & ~square), outcomes & square)


@torch.no_grad()
def _random_or_probabilities(network: Classifier, images: Tensor) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether outputs for the same images differ, and whether they are probabilities."""
    answers = torch.stack([network(images) for _ in range(CALLS)])
    directions = answers / (answers.norm(dim=-1, keepdim=True) + 1e-10)
    apart = torch.stack([(one - other).norm(dim=-1).amax(-1) for one, other in combinations(directions, 2)]).amax(0)
    logits = answers[0]
    sums_to_1 = ((logits.sum(-1) - 1).abs() < PROBABILITY).all(-1)
    return (apart > RANDOM).numpy(force=True), (sums_to_1 & (logits > -PROBABILITY).flatten(-2).all(-1)).numpy(force=True)


def _without_gradient(network: Classifier, images: Tensor, labels: Tensor) -> NDArray[np.bool_]:
    """Whether the gradient is zero or NaN in every pixel of each image, ``(…, batch)``."""
    with torch.no_grad():
        lead = network(images).shape[:-2]
    _, _, gradient = ascent(network, images.expand(*lead, *images.shape), labels.expand(*lead, *labels.shape))
    return np.asarray(((gradient == 0) | gradient.isnan()).flatten(-3).all(-1).numpy(force=True))
