"""PGD: projected gradient descent on the L∞ ball.  Madry et al. (2018), section 2.1, with Foolbox's defaults, as published."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

import torch
from torch import Tensor

from robbench_builders.attacks.base import ActiveRows, Classifier, ascent, ball, correct, cross_entropy, least_likely, per_row, pixels
from robbench_builders.attacks.losses import margin
from robbench_builders.attacks.streams import uniform


@dataclass(frozen=True)
class PGD:
    """``x ← clip(x + step · sign(∇ₓ L(x, y)))``; L is cross-entropy, clip projects on the ball and on [0, 1].

    Arguments:
        steps: gradient steps.
        relative_step: step size, as a share of eps.
        random_start: begin at a point drawn uniformly from the ball, not at the image.
        targeted: descend towards the least likely class instead (Kurakin et al., 2017, section 2.3).
        early_stop: an image stops at the first iterate that is misclassified, and leaves the batch.  Otherwise all images take all
            steps and only the last iterate counts, as in Foolbox: slower, and weaker by the few images that wander back.
    """

    steps: int = 40
    relative_step: float = 1 / 30
    random_start: bool = True
    targeted: bool = False
    early_stop: bool = True

    name: ClassVar[str] = "pgd"

    def loss(self, logits: Tensor, labels: Tensor, targets: Tensor | None) -> Tensor:
        """The loss that the attack raises, ``(…, batch)``."""
        return cross_entropy(logits, labels, targets)

    def settings(self) -> dict[str, str | int | float | bool]:
        """The name and the parameters of the attack, for the provenance of what is measured with it."""
        return {"attack": self.name, "norm": "Linf", **asdict(self)}

    @torch.no_grad()
    def __call__(self, network: Classifier, images: Tensor, labels: Tensor, eps: float | Tensor, *, streams: Tensor) -> Tensor:
        """Adversarial candidates; see `robbench_builders.attacks.base` for shapes.  Draws one number a pixel, if it starts at random."""
        labels, eps, streams = per_row(images, labels, eps, streams)
        targets = least_likely(network, images) if self.targeted else labels
        low, high = ball(images, eps)
        step = self.relative_step * pixels(eps)
        x = images
        if self.random_start:
            noise = uniform(streams, 0, images.shape[-3:].numel()).view(images.shape)
            x = (images + pixels(eps) * (2 * noise - 1)).clamp(low, high)
        active = ActiveRows(x)
        for _ in range(self.steps):
            logits, _, gradient = ascent(network, x, labels, targets if self.targeted else None, self.loss)
            moved = (x + step * gradient.sign()).clamp_(low, high)
            if not self.early_stop:
                x = moved
                continue
            live = correct(logits, labels)
            x = torch.where(pixels(live), moved, x)
            if active.can_shrink(live):
                x, labels, targets, step, low, high = active.shrink(live, x, x, labels, targets, step, low, high)
                if not x.numel():
                    break
        return active.all_results(x)


@dataclass(frozen=True)
class CW(PGD):
    """PGD on the margin between logits, which does not saturate where the network is sure: the Carlini-Wagner attack for the L∞ ball.

    Source: Carlini and Wagner (2017), section V.A, f₆, maximised in the ball by PGD as by Madry et al. (2018), section 5.
    """

    name: ClassVar[str] = "cw"

    def loss(self, logits: Tensor, labels: Tensor, targets: Tensor | None) -> Tensor:
        """The loss that the attack raises, ``(…, batch)``."""
        return margin(logits, labels, targets)
