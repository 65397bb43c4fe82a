"""Which images a network classifies correctly: clean, corrupted, and under attack.

An attack only proposes images.  They are put within the L∞ ball and [0, 1] (`robbench_builders.rules`), and the network is asked again.  Of each
network, only the images that it classifies correctly when clean are attacked.  Every eps is attacked on its own, as in the published dataset:
an image broken at a smaller eps counts at a larger one only if the attack finds it there, too.  An attack that looks for the nearest
misclassified image (`MinimalAttack`) walks once, and what it found is projected on the ball of each eps, as in Foolbox.

A network is any callable from images ``(…, batch, channels, height, width)`` to logits ``(…, batch, classes)`` that treats images one
by one (so in eval mode); `robbench_builders.classifiers` says what else is put right or refused.  A stacked one has leading dimensions in its
logits, and takes images with and without them.  On a GPU, its convolutions are computed as in a build.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robbench_builders.attacks.base import Attack, Classifier, correct, live_first, nearest_of, pixels, put, take
from robbench_builders.attacks.streams import image_streams
from robbench_builders.classifiers import fit_for_attacks
from robbench_builders.corruptions import CorruptedImages, as_floats
from robbench_builders.errors import AttackError
from robbench_builders.precision import exact_convolutions
from robbench_builders.rules import checked_grid, checked_images, within_rules
from robbench.measurements.metrics import SEVERITIES


class Answers(NamedTuple):
    """What networks say of images."""

    outcomes: NDArray[np.bool_]
    """Whether each image is classified correctly, ``(…, images)``."""
    logits: Tensor | None
    """``(…, images, classes)``, on the CPU; None where nobody asked for them."""


@exact_convolutions()
def clean_answers(network: Classifier, images: Tensor, labels: Tensor, *, batch_size: int = 512, whole: bool = True) -> Answers:
    """Outcomes, as `clean_outcomes`, and if the whole is wanted, logits; raises as `clean_outcomes`."""
    images = checked_images(images, labels, batch_size)
    with fit_for_attacks(network) as fit:
        return _as_answers(*_answers(fit, images, labels, batch_size), whole)


def clean_outcomes(network: Classifier, images: Tensor, labels: Tensor, *, batch_size: int = 512) -> NDArray[np.bool_]:
    """Whether each image is classified correctly, ``(…, images)``.

    Arguments:
        images: ``(images, channels, height, width)``, float, in [0, 1].
        labels: ``(images,)``, int64.
        batch_size: at most so many images at a time, for each network of a stack.

    Raises:
        AttackError: if images, labels or the network do not fit.
    """
    return clean_answers(network, images, labels, batch_size=batch_size, whole=False).outcomes


@exact_convolutions()
def robust_answers(
    network: Classifier,
    images: Tensor,
    labels: Tensor,
    attack: Attack,
    eps_grid: Sequence[float],
    *,
    seed: int = 0,
    batch_size: int = 512,
    whole: bool = True,
) -> Answers:
    """Outcomes, as `robust_outcomes`, and if the whole is wanted, logits ``(…, len(eps_grid), images, classes)``; raises as `robust_outcomes`.

    An image that a network misclassifies when clean is not attacked: its logits are those of the clean image.
    """
    images = checked_images(images, labels, batch_size)
    grid = checked_grid(eps_grid, images)
    with fit_for_attacks(network) as fit:
        return _as_answers(*_robust(fit, images, labels, attack, grid, seed, batch_size, whole), whole)


def robust_outcomes(
    network: Classifier,
    images: Tensor,
    labels: Tensor,
    attack: Attack,
    eps_grid: Sequence[float],
    *,
    seed: int = 0,
    batch_size: int = 512,
) -> NDArray[np.bool_]:
    """Whether each image is still classified correctly at each eps, ``(…, len(eps_grid), images)``.

    The outcome for a network, an image and an eps does not depend on the other networks, images and eps of the call, nor on
    batch_size, but for rounding: convolutions may round differently in batches of different sizes.

    Arguments:
        images: ``(images, channels, height, width)``, float, in [0, 1].
        labels: ``(images,)``, int64.
        attack: from `robbench_builders.attacks.ATTACKS`, or anyone's.
        eps_grid: radii of the L∞ balls, in units of images; 0 is the clean image.
        seed: of the attack's random numbers.
        batch_size: at most so many images at a time, for each network of a stack; several eps share a batch.

    Raises:
        AttackError: if images, labels, the network or an eps do not fit.
    """
    return robust_answers(network, images, labels, attack, eps_grid, seed=seed, batch_size=batch_size, whole=False).outcomes


def _robust(
    network: Classifier, images: Tensor, labels: Tensor, attack: Attack, grid: Tensor, seed: int, batch_size: int, whole: bool
) -> tuple[Tensor, Tensor]:
    """Outcomes ``(…, eps, images)`` and logits ``(…, eps, images, classes)``; the latter of the clean images, unless the whole is wanted."""
    clean, answers = _answers(network, images, labels, batch_size)
    n_eps, n_images = len(grid), len(images)

    # One row for each image and eps, image by image; a network's rows are those where there is something to break.
    attackable = (clean[..., None] & (grid > 0)).flatten(-2)
    outcomes, logits = clean.repeat_interleave(n_eps, -1), answers.repeat_interleave(n_eps if whole else 1, -2)
    streams = image_streams(seed, torch.arange(n_images, device=images.device))

    def settle(rows: Tensor, found: Tensor, truth: Tensor) -> None:
        # Networks with fewer attackable rows than others fill up with rows whose outcome is settled.
        attacked = take(attackable, rows)
        put(outcomes, rows, torch.where(attacked, correct(found, truth), take(outcomes, rows)))
        if whole:
            put(logits, rows, torch.where(attacked[..., None], found, take(logits, rows)))

    if (nearest := nearest_of(attack)) is not None:
        smallest = grid[grid > 0].amin() if (grid > 0).any() else grid[0]
        for index in _batches(live_first(attackable.unflatten(-1, (n_images, n_eps)).any(-1)), batch_size):
            given = images[index]
            proposed = nearest(network, given, labels[index], smallest.expand(index.shape), streams=streams[index])
            for level, eps in enumerate(grid):
                settle(index * n_eps + level, _found(network, given, proposed, eps.expand(index.shape)), labels[index])
    else:
        for rows in _batches(live_first(attackable), batch_size):
            which, eps = rows // n_eps, grid[rows % n_eps]
            given = images[which]
            proposed = attack(network, given, labels[which], eps, streams=streams[which])
            settle(rows, _found(network, given, proposed, eps), labels[which])
    levels = n_eps if whole else 1
    return outcomes.view(*clean.shape, n_eps).transpose(-2, -1), logits.view(*clean.shape, levels, -1).transpose(-3, -2)


def corruption_answers(
    network: Classifier,
    corrupted: CorruptedImages,
    labels: Tensor,
    name: str,
    severities: Sequence[int] = SEVERITIES,
    *,
    first: int | None = None,
    batch_size: int = 512,
    whole: bool = True,
) -> Answers:
    """Outcomes, as `corruption_outcomes`, and if the whole is wanted, logits ``(…, len(severities), images, classes)``; raises the same."""
    if not len(severities):
        raise AttackError("severities is empty; expected at least one, such as [1, 3, 5].")
    images = (torch.from_numpy(as_floats(corrupted(name, severity)[:first])).to(labels.device) for severity in severities)
    found = [clean_answers(network, corrupt, labels[:first], batch_size=batch_size, whole=whole) for corrupt in images]
    logits = [one.logits for one in found if one.logits is not None]
    return Answers(np.stack([one.outcomes for one in found], axis=-2), torch.stack(logits, -3) if logits else None)


def corruption_outcomes(
    network: Classifier,
    corrupted: CorruptedImages,
    labels: Tensor,
    name: str,
    severities: Sequence[int] = SEVERITIES,
    *,
    first: int | None = None,
    batch_size: int = 512,
) -> NDArray[np.bool_]:
    """Whether each image is classified correctly when corrupted, ``(…, len(severities), images)``.

    Arguments:
        corrupted: the images, `robbench_builders.corruptions.Corrupted` for ours or `robbench_builders.corruptions.published.PublishedCorruptions`.
        labels: ``(images,)``, int64, on the network's device.
        name: one of `robbench_builders.corruptions.CORRUPTIONS`.
        severities: each from 1 to 5.
        first: only so many of the images, the first ones; all, if left out.
        batch_size: at most so many images at a time, for each network of a stack.

    Raises:
        AttackError: if images, labels or the network do not fit, or there are no severities.
        CorruptionError: as `corrupted` raises it.
    """
    return corruption_answers(network, corrupted, labels, name, severities, first=first, batch_size=batch_size, whole=False).outcomes


@exact_convolutions()
def transfer_outcomes(
    sources: Classifier,
    targets: Classifier,
    images: Tensor,
    labels: Tensor,
    attack: Attack,
    eps: float,
    *,
    every: bool = False,
    seed: int = 0,
    batch_size: int = 512,
) -> NDArray[np.bool_]:
    """Whether each target still classifies each image correctly as attacked on each source, ``(*sources, *targets, images)``.

    The leading dimensions are those of the sources' and of the targets' logits: none for a plain network.  An image that a source
    misclassifies when clean is not attacked there; one that a target misclassifies when clean is wrong whatever the source.  So a network
    that is its own target has its robust outcomes, and no target is better than when clean.

    Arguments:
        sources, targets: networks, plain or stacked.
        images, labels, attack, seed, batch_size: as for `robust_outcomes`.
        eps: radius of the L∞ ball, in units of images.
        every: attack every image, whatever a source says of the clean one, and ask the targets of nothing else, as black-box attacks are
            commonly reported.

    Raises:
        AttackError: if images, labels, a network or eps do not fit.
    """
    images = checked_images(images, labels, batch_size)
    (radius,) = checked_grid([eps], images)
    with fit_for_attacks(sources) as fit_sources, fit_for_attacks(targets) as fit_targets:
        return _as_array(_transferred(fit_sources, fit_targets, images, labels, attack, radius, every, seed, batch_size))


def _transferred(
    sources: Classifier,
    targets: Classifier,
    images: Tensor,
    labels: Tensor,
    attack: Attack,
    radius: Tensor,
    every: bool,
    seed: int,
    batch_size: int,
) -> Tensor:
    attackable, clean = (_clean(networks, images, labels, batch_size) | every for networks in (sources, targets))
    streams = image_streams(seed, torch.arange(len(images), device=images.device))
    crafted = images.expand(*attackable.shape, *images.shape[1:]).clone()
    for index in _batches(live_first(attackable), batch_size) if radius > 0 else ():
        given, radii = images[index], radius.expand(index.shape)
        proposed = attack(sources, given, labels[index], radii, streams=streams[index])
        found = within_rules(proposed, given, radii)
        put(crafted, index, torch.where(pixels(take(attackable, index)), found, given))
    outcomes = [_clean(targets, one, labels, batch_size) & clean for one in crafted.reshape(-1, *images.shape)]
    return torch.stack(outcomes).reshape(*attackable.shape[:-1], *clean.shape)


def accuracy(outcomes: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The share of images classified correctly, in [0, 1]: the mean over the last axis."""
    return np.asarray(outcomes.mean(axis=-1))


@torch.no_grad()
def _found(network: Classifier, images: Tensor, proposed: Tensor, eps: Tensor) -> Tensor:
    """The network's logits of what an attack proposes, within the rules."""
    return network(within_rules(proposed, images, eps))


def _clean(network: Classifier, images: Tensor, labels: Tensor, batch_size: int) -> Tensor:
    return _answers(network, images, labels, batch_size)[0]


@torch.no_grad()
def _answers(network: Classifier, images: Tensor, labels: Tensor, batch_size: int) -> tuple[Tensor, Tensor]:
    """Outcomes ``(…, images)`` and logits ``(…, images, classes)``."""
    outcomes, answers = [], []
    for index in _batches(torch.arange(len(images), device=images.device), batch_size):
        batch, truth = images[index], labels[index]
        logits = network(batch)
        if int(labels.max()) >= logits.shape[-1]:
            raise AttackError(
                f"label {int(labels.max())} for a network of {logits.shape[-1]} classes; labels run from 0 to {logits.shape[-1] - 1}."
            )
        outcomes.append(correct(logits, truth.expand(logits.shape[:-1])))
        answers.append(logits)
    return torch.cat(outcomes, dim=-1), torch.cat(answers, dim=-2)


def _batches(index: Tensor, batch_size: int) -> Iterator[Tensor]:
    """Of about equal size: small rests would cost nearly as much as whole batches."""
    if index.shape[-1]:
        yield from index.tensor_split(math.ceil(index.shape[-1] / batch_size), dim=-1)


def _as_array(outcomes: Tensor) -> NDArray[np.bool_]:
    return np.asarray(outcomes.cpu().numpy(), dtype=np.bool_)


def _as_answers(outcomes: Tensor, logits: Tensor, whole: bool) -> Answers:
    return Answers(_as_array(outcomes), logits.cpu() if whole else None)
