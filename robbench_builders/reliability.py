"""Whether AutoAttack's robust accuracies are reliable: the checks of its authors' program, as numbers.

    randomized        two calls of the network on the same images differ: attacks would have to average over its randomness, and these do not
    probabilities     the network seems to return probabilities, not logits: losses saturate
    zero_gradients    share of images where the cross-entropy's gradient is zero or NaN in every pixel: attacks that use it fail there
    square_gain       share of images that Square broke after all attacks with gradients had failed: gradients are masked

and of whether the network is one that attacks can serve at all:

    mixes_images      its answer to an image depends on the rest of the batch
    not_finite        share of images where a logit is NaN or +∞: they count as misclassified
    without_dlr       it has too few classes for APGD-T, which AutoAttack then leaves out
    notes             what had to be put right for the while (`robbench_builders.classifiers`)

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

from robbench_builders.attacks import AutoAttack
from robbench_builders.attacks.autoattack import DLR_CLASSES, WITHOUT_DLR
from robbench_builders.attacks.base import Classifier, ascent
from robbench_builders.classifiers import fit_for_attacks
from robbench_builders.evaluate import accuracy, robust_outcomes

CALLS = 5
ALONE = 8
"""So many images are asked about one by one."""
MIXED = 0.01
"""Rounding moves logits by less than this share of their length, in half precision too."""
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
    """AutoAttack's, ``(…, len(eps_grid), images)``, as `robbench_builders.evaluate.robust_outcomes` gives them."""

    mixes_images: NDArray[np.bool_]
    """``(…,)``."""
    not_finite: NDArray[np.float64]
    """``(…,)``, in [0, 1]."""
    without_dlr: bool
    notes: tuple[str, ...]

    @property
    def warnings(self) -> list[str]:
        """A sentence for each check that failed, and for each thing that had to be put right."""
        found = list(self.notes)
        if self.without_dlr:
            found.append(WITHOUT_DLR)
        if self.mixes_images.any():
            found.append(f"{_networks(self.mixes_images)} mixing images: an answer depends on the rest of the batch, so outcomes do, too.")
        if (broken := np.asarray(self.not_finite > 0)).any():
            found.append(f"{_networks(broken)} answering with NaN or infinity, on up to {self.not_finite.max():.1%} of the images.")
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
        network, images, labels, eps_grid, seed, batch_size: as for `robbench_builders.evaluate.robust_outcomes`.
        attack: the cascade; by default the standard one.

    Raises:
        AttackError: as `robust_outcomes` does.
    """
    attack = AutoAttack() if attack is None else attack
    with fit_for_attacks(network) as fit:
        square = robust_outcomes(fit, images, labels, attack.black_box, eps_grid, seed=seed, batch_size=batch_size)
        outcomes = robust_outcomes(fit, images, labels, attack.white_box_for(fit.classes), eps_grid, seed=seed, batch_size=batch_size)
        randomized, probabilities, mixes = _conduct(fit, images[:batch_size])
        parts = zip(images.split(batch_size), labels.split(batch_size), strict=True)
        without, broken = (np.concatenate(found, -1) for found in zip(*(_without_gradient(fit, *part) for part in parts), strict=True))
        return Reliability(
            randomized, probabilities, accuracy(without), accuracy(outcomes & ~square), outcomes & square, mixes, accuracy(broken),
            fit.classes < DLR_CLASSES, tuple(fit.notes()),
        )  # fmt: skip


@torch.no_grad()
def _conduct(network: Classifier, images: Tensor) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether outputs for the same images differ, whether they are probabilities, and whether they are others for an image by itself."""
    answers = torch.stack([network(images) for _ in range(CALLS)])
    directions = [_direction(answer) for answer in answers]
    apart = torch.stack([(one - other).norm(dim=-1).amax(-1) for one, other in combinations(directions, 2)]).amax(0)
    randomized = apart > RANDOM
    alone = _direction(torch.cat([network(image) for image in images[:ALONE].split(1)], -2))
    mixed = ((alone - directions[0][..., :ALONE, :]).norm(dim=-1).amax(-1) > MIXED) & ~randomized
    logits = answers[0]
    sums_to_1 = ((logits.sum(-1) - 1).abs() < PROBABILITY).all(-1)
    probabilities = sums_to_1 & (logits > -PROBABILITY).flatten(-2).all(-1)
    return randomized.numpy(force=True), probabilities.numpy(force=True), mixed.numpy(force=True)


def _direction(logits: Tensor) -> Tensor:
    """The logits of each image without their length, ``(…, batch, classes)``; 0 where one is not finite, as of a masked class."""
    finite: Tensor = torch.where(logits.isfinite(), logits, 0.0)
    length: Tensor = finite.norm(dim=-1, keepdim=True)
    return finite / (length + 1e-10)


def _without_gradient(network: Classifier, images: Tensor, labels: Tensor) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Of each image, ``(…, batch)``: whether the gradient is zero or NaN in every pixel, and whether a logit is NaN or +∞."""
    with torch.no_grad():
        lead = network(images).shape[:-2]
    logits, _, gradient = ascent(network, images.expand(*lead, *images.shape), labels.expand(*lead, *labels.shape))
    blind = ((gradient == 0) | gradient.isnan()).flatten(-3).all(-1)
    broken = ~(logits < torch.inf).all(-1)
    return np.asarray(blind.numpy(force=True)), np.asarray(broken.numpy(force=True))
