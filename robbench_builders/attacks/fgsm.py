"""FGSM: one step along the sign of the gradient, from the image.  Goodfellow, Shlens and Szegedy (2015), section 4."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from robbench_builders.attacks.base import Classifier, ascent, ball, least_likely, live_first, per_row, pixels, take


@dataclass(frozen=True)
class FGSM:
    """``x + eps · sign(∇ₓ L(x, y))``, in the ball and in [0, 1]; L is cross-entropy.

    Arguments:
        targeted: step towards the least likely class instead (Kurakin et al., 2017, section 2.3).
    """

    targeted: bool = False

    def settings(self) -> dict[str, str | int | float | bool]:
        """The name and the parameters of the attack, for the provenance of what is measured with it."""
        return {"attack": "fgsm", "norm": "Linf", "targeted": self.targeted}

    @torch.no_grad()
    def __call__(self, network: Classifier, images: Tensor, labels: Tensor, eps: float | Tensor, *, streams: Tensor) -> Tensor:
        """Adversarial candidates; see `robbench_builders.attacks.base` for shapes.  Draws no random numbers."""
        labels, eps = per_row(images, labels, eps)
        # Neighbours with the same image and label, as the evaluation has them at several eps, have the same gradient.
        new = torch.ones_like(labels, dtype=torch.bool)
        new[..., 1:] = (images.diff(dim=-4) != 0).flatten(-3).any(-1) | (labels.diff() != 0)
        if new.all():
            step = self._step(network, images, labels)
        else:
            asked = live_first(new)
            step = take(self._step(network, take(images, asked), take(labels, asked)), new.cumsum(-1) - 1)
        return (images + pixels(eps) * step).clamp(*ball(images, eps))

    def _step(self, network: Classifier, images: Tensor, labels: Tensor) -> Tensor:
        classes, sign = (least_likely(network, images), -1) if self.targeted else (labels, 1)
        _, _, gradient = ascent(network, images, classes)
        return sign * gradient.sign()
