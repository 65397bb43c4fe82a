"""Cascades: attacks in turn, each on the images that those before it could not break, and one attack towards several target classes in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from robbench_builders.attacks.base import ActiveRows, Attack, Classifier, ball, correct, likely, per_row, pixels


class Attempt(Protocol):
    """An attack without settings: what is called."""

    def __call__(self, network: Classifier, images: Tensor, labels: Tensor, eps: float | Tensor, *, streams: Tensor) -> Tensor:
        """Adversarial candidates, of the images' shape."""


@dataclass(frozen=True)
class InTurn:
    """A cascade: each attack gets the images that those before it could not break."""

    attacks: tuple[Attack, ...]

    def settings(self) -> dict[str, str | int | float | bool]:
        """The name and the parameters of the attack, for the provenance of what is measured with it."""
        settings = [attack.settings() for attack in self.attacks]
        parts = {f"{part['attack']}/{key}": value for part in settings for key, value in part.items() if key != "attack"}
        return {"attack": ", ".join(str(part["attack"]) for part in settings), **parts}

    def __call__(self, network: Classifier, images: Tensor, labels: Tensor, eps: float | Tensor, *, streams: Tensor) -> Tensor:
        """Adversarial candidates; see `robbench_builders.attacks.base` for shapes.  All draw from the same streams."""
        return in_turn(network, images, labels, eps, streams, self.attacks)


TargetedAttack = Callable[[Classifier, Tensor, Tensor, Tensor, float | Tensor, Tensor], Tensor]
"""From network, images, labels, targets, eps and streams to adversarial candidates that the network should take for the targets."""


@torch.no_grad()
def in_turn(
    network: Classifier, images: Tensor, labels: Tensor, eps: float | Tensor, streams: Tensor, attempts: Sequence[Attempt]
) -> Tensor:
    """Adversarial candidates: of each row, from the first attempt that breaks it, else from the last."""
    labels, eps, streams = per_row(images, labels, eps, streams)
    found, live = images, correct(network(images), labels)
    active = ActiveRows(images, patience=1)
    for attempt in attempts:
        if active.can_shrink(live):
            state = (live, images, labels, eps, streams, found)
            live, images, labels, eps, streams, found = active.shrink(live, found, *state)
            if not images.numel():
                break
        proposed = attempt(network, images, labels, eps, streams=streams)
        proposed = torch.where(proposed.isnan(), images, proposed).clamp(*ball(images, eps))  # as the evaluation will see it
        found = torch.where(pixels(live), proposed, found)
        live = live & correct(network(proposed), labels)
    return active.all_results(found)


def toward_each(network: Classifier, images: Tensor, count: int, attack: TargetedAttack) -> list[Attempt]:
    """An attempt towards each of the classes that are most likely on the clean image, the label left out; at most count."""
    classes = network(images[..., :1, :, :, :]).shape[-1]

    def toward(rank: int) -> Attempt:
        def attempt(network: Classifier, images: Tensor, labels: Tensor, eps: float | Tensor, *, streams: Tensor) -> Tensor:
            return attack(network, images, labels, likely(network, images, labels, rank + 1)[..., rank], eps, streams)

        return attempt

    return [toward(rank) for rank in range(min(count, classes - 1))]
