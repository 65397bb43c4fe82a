"""The rules of an attack, which an evaluation enforces: images in [0, 1], radii in their units, and proposals within the L∞ ball."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from robbench_builders.attacks.base import ball
from robbench_builders.classifiers import LOW
from robbench_builders.errors import AttackError
from robbench.arguments import checked_count


def project(proposed: Tensor, images: Tensor, eps: Tensor) -> Tensor:
    """The nearest point in the L∞ ball around each image and in [0, 1]; a pixel that is NaN is the image's own.

    Arguments:
        proposed, images: ``(…, batch, channels, height, width)``.
        eps: ``(…, batch)``.
    """
    return torch.where(proposed.isnan(), images, proposed).clamp(*ball(images, eps))


def within_rules(proposed: Tensor, images: Tensor, eps: Tensor) -> Tensor:
    """What an attack proposes, projected; of shapes as for `project`.

    Raises:
        AttackError: the proposal is not of the images' shape.
    """
    if proposed.shape != images.shape:
        raise AttackError(
            f"the attack returned images of shape {tuple(proposed.shape)}; expected one for each given: {tuple(images.shape)}."
        )
    return project(proposed.detach(), images, eps)


def checked_images(images: Tensor, labels: Tensor, batch_size: int) -> Tensor:
    """The images, in single precision at least, so that a small eps is not rounded away.

    Raises:
        AttackError: images are not ``(images, channels, height, width)`` in [0, 1], or labels not ``(images,)``, int64, from 0, on their device.
        InvalidArgument: batch_size is no number of images.
    """
    if images.ndim != 4 or not images.is_floating_point() or not len(images):
        raise AttackError(
            f"images of shape {tuple(images.shape)} and {images.dtype}; expected floats, (images, channels, height, width), at least one image;"
            " whole grey levels are images / 255."
        )
    low, high = float(images.min()), float(images.max())
    if not (low >= 0 and high <= 1):
        raise AttackError(
            f"images run from {low:g} to {high:g}; expected [0, 1]: eps counts in these units, and normalising is the network's first layer."
        )
    if labels.shape != images.shape[:1] or labels.dtype != torch.int64:
        raise AttackError(
            f"labels of shape {tuple(labels.shape)} and {labels.dtype} for {len(images)} images; expected ({len(images)},) and torch.int64."
        )
    if labels.device != images.device:
        raise AttackError(
            f"the labels are on {labels.device} and the images on {images.device}; move one: labels.to({str(images.device)!r})."
        )
    if int(labels.min()) < 0:
        raise AttackError(f"label {int(labels.min())}; labels run from 0.")
    checked_count(batch_size, "batch_size", of="images at a time")
    return images.float() if images.dtype in LOW else images


def checked_grid(eps_grid: Sequence[float], images: Tensor) -> Tensor:
    """The radii ``(eps,)``, of the images' dtype and on their device; raises AttackError where there are none, or one is outside [0, 1]."""
    for eps in eps_grid:
        if not (math.isfinite(eps) and 0 <= eps <= 1):
            raise AttackError(f"eps {eps:g}; expected 0 to 1, in units of images in [0, 1]: one grey level is eps=1/255.")
    if not len(eps_grid):
        raise AttackError("eps_grid is empty; expected at least one eps, such as [1/255, 2/255].")
    return torch.tensor(list(eps_grid), dtype=images.dtype, device=images.device)
