"""LGV: a transfer attack on networks collected around a surrogate.  Gubri et al. (2022), "LGV: boosting adversarial example transferability from large geometric vicinity".

The attack never asks the network that it is to mislead.  `robbench_builders.vicinity.collect` collects its surrogates from a trained network; any others do, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from robbench_builders.attacks.base import Classifier, ascent, ball, per_row, pixels
from robbench_builders.errors import AttackError
from robbench.arguments import SEED_BITS, checked_count, checked_seed


@dataclass(frozen=True, eq=False)
class Surrogates:
    """Networks whose gradients an attack follows in place of its target's.

    Arguments:
        networks: from images ``(batch, channels, height, width)`` in [0, 1] to logits ``(batch, classes)``, in eval mode, on the target's device.
        settings: how they came to be, for the provenance of what is measured with them.

    Raises:
        AttackError: none, or one in training mode.
    """

    networks: tuple[nn.Module, ...]
    settings: Mapping[str, str | int | float | bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.networks:
            raise AttackError("a transfer attack was given no surrogates; expected at least one network.")
        for place, network in enumerate(self.networks):
            if network.training:
                raise AttackError(f"surrogate {place} is in training mode, in which images mix; call eval() on it.")

    @property
    def weights(self) -> str:
        """16 hexadecimal digits of a SHA-256 of all weights and statistics, in the networks' order."""
        found = hashlib.sha256()
        for network in self.networks:
            for name, tensor in network.state_dict().items():
                found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
                found.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        return found.hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class LGV:
    """``x ← clip(x + step · sign(∇ₓ L(x, y)))`` from the image, each step by the gradient of another surrogate; the last iterate counts.

    L is cross-entropy, clip projects on the ball and on [0, 1].  Surrogates take their turns in an order that is drawn once, and again from the
    first when all have had theirs.

    Arguments:
        surrogates: 40 in the paper, collected from one trained network.
        steps: gradient steps.
        relative_step: step size, as a share of eps.
        seed: of the order.

    Raises:
        InvalidArgument: steps is no integer of at least 1, or seed none from 0 to 2^63 − 1.

    Source: Gubri et al. (2022), algorithm 2 and section 4; their eps is 4/255.
    """

    surrogates: Surrogates
    steps: int = 50
    relative_step: float = 1 / 10
    seed: int = 0

    name: ClassVar[str] = "lgv"

    def __post_init__(self) -> None:
        checked_count(self.steps, "steps")
        checked_seed(self.seed, bits=SEED_BITS)

    def settings(self) -> dict[str, str | int | float | bool]:
        """The name and the parameters of the attack, its surrogates' number and checksum, and how they came to be."""
        return {
            "attack": self.name,
            "norm": "Linf",
            "steps": self.steps,
            "relative_step": self.relative_step,
            "seed": self.seed,
            "surrogates": len(self.surrogates.networks),
            "surrogates_weights": self.surrogates.weights,
            **{f"surrogates_{name}": value for name, value in self.surrogates.settings.items()},
        }

    @torch.no_grad()
    def __call__(self, network: Classifier, images: Tensor, labels: Tensor, eps: float | Tensor, *, streams: Tensor) -> Tensor:
        """Adversarial candidates; see `robbench_builders.attacks.base` for shapes.  Neither asks the network nor draws random numbers an image."""
        labels, eps = per_row(images, labels, eps)
        low, high = ball(images, eps)
        step = self.relative_step * pixels(eps)
        networks = self.surrogates.networks
        order = torch.randperm(len(networks), generator=torch.Generator().manual_seed(self.seed)).tolist()
        x = images
        for turn in range(self.steps):
            _, _, gradient = ascent(_row_by_row(networks[order[turn % len(order)]]), x, labels)
            x = (x + step * gradient.sign()).clamp(low, high)
        return x


def _row_by_row(network: nn.Module) -> Classifier:
    """The same logits for every network of a stack: ``(…, batch, channels, height, width)`` → ``(…, batch, classes)``."""

    def logits(images: Tensor) -> Tensor:
        found: Tensor = network(images.flatten(0, -4)).unflatten(0, images.shape[:-3])
        return found

    return logits
