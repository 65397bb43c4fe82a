"""FGSM: one step along the sign of the gradient, from the image.  Goodfellow, Shlens and Szegedy (2015), section 4."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from builders.attacks.base import Network, ascent, ball, least_likely, pixels, rows


@dataclass(frozen=True)
class FGSM:
    """``x + eps · sign(∇ₓ L(x, y))``, in the ball and in [0, 1]; L is cross-entropy.

    Arguments:
        targeted: step towards the least likely class instead (Kurakin et al., 2017, section 2.3).
    """

    targeted: bool = False

    def settings(self) -> dict[str, str | int | float | bool]:
        """What a number measured with this attack must be stored with."""
        return {"attack": "fgsm", "norm": "Linf", "targeted": self.targeted}

    @torch.no_grad()
    def __call__(self, network: Network, images: Tensor, labels: Tensor, eps: float | Tensor, *, streams: Tensor) -> Tensor:
        """Adversarial candidates; see `builders.attacks.base` for shapes.  Draws no random numbers."""
        labels, eps = rows(images, labels, eps)
        classes, sign = (least_likely(network, images), -1) if self.targeted else (labels, 1)
        _, _, gradient = ascent(network, images, classes)
        return (images + sign * pixels(eps) * gradient.sign()).clamp(*ball(images, eps))
