"""APGD: PGD that sets its own step size.  Croce and Hein (2020), "Reliable evaluation of adversarial robustness", algorithm 1."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

import torch
from torch import Tensor

from builders.attacks.base import Network, Survivors, ascent, ball, correct, cross_entropy, least_likely, pixels, rows
from builders.attacks.cascade import in_turn, toward_each
from builders.attacks.losses import dlr
from builders.attacks.streams import uniform


def checkpoints(steps: int) -> tuple[int, ...]:
    """The iterations after which the step size may be halved: ceil(pⱼ · steps), p₀ = 0, p₁ = 0.22, pⱼ₊₁ = pⱼ + max(pⱼ − pⱼ₋₁ − 0.03, 0.06).

    Source: the paper's paragraph on step size selection.  In whole hundredths, so that ceil never meets a rounding error.
    """
    last, here, found = 0, 22, []
    while here <= 100:
        found.append(-(-here * steps // 100))
        last, here = here, here + max(here - last - 3, 6)
    return tuple(dict.fromkeys(found))  # few steps: neighbours may coincide


@dataclass(frozen=True)
class APGD:
    """APGD on the cross-entropy, one restart: APGD-CE.

    A step moves by momentum: ``z = P(x + η · sign(∇ₓ L))``, ``x ← P(x + α(z − x) + (1 − α)(x − x_before))``, with η = 2 eps at first.
    At each checkpoint, η is halved and x returns to the best point so far, for each row by itself, if since the last checkpoint
    (1) the loss rose in at most ρ of the steps, or (2) neither did the step size change then nor has the best loss improved since.

    Starts on the surface of the ball, uniformly scaled, and counts any misclassified iterate, as does the authors' AutoAttack.

    Arguments:
        steps: iterations.
        momentum: α.
        rho: ρ.
        targeted: descend towards the least likely class instead.
        early_stop: misclassified images leave the batch.  Changes the cost only: their point is kept in either case.
    """

    steps: int = 100
    momentum: float = 0.75
    rho: float = 0.75
    targeted: bool = False
    early_stop: bool = True

    name: ClassVar[str] = "apgd-ce"

    def loss(self, logits: Tensor, labels: Tensor, targets: Tensor | None) -> Tensor:
        """What the attack raises, ``(…, batch)``."""
        return cross_entropy(logits, labels, targets)

    def settings(self) -> dict[str, str | int | float | bool]:
        """What a number measured with this attack must be stored with."""
        return {"attack": self.name, "norm": "Linf", "restarts": 1, **asdict(self)}

    @torch.no_grad()
    def __call__(self, network: Network, images: Tensor, labels: Tensor, eps: float | Tensor, *, streams: Tensor) -> Tensor:
        """Adversarial candidates; see `builders.attacks.base` for shapes.  Draws one number a pixel."""
        targets = least_likely(network, images) if self.targeted else None
        return self.climb(network, images, labels, targets, eps, streams)

    def climb(
        self, network: Network, images: Tensor, labels: Tensor, targets: Tensor | None, eps: float | Tensor, streams: Tensor
    ) -> Tensor:
        """The attack, towards the targets if there are any; ``(…, batch)``."""
        labels, eps, streams, classes = rows(images, labels, eps, streams, labels if targets is None else targets)

        def look(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            return ascent(network, x, labels, None if targets is None else classes, self.loss)

        low, high = ball(images, eps)
        x = self._start(images, eps, streams).clamp(low, high)
        logits, loss, gradient = look(x)
        live = correct(logits, labels)

        x_before, size = x, 2 * eps
        x_best, loss_best, gradient_best = x, loss, gradient
        fooling = x  # a misclassified point where live is False
        loss_checked, was_halved, rises = loss, torch.ones_like(live), torch.zeros_like(labels)
        survivors = Survivors(x)
        schedule = (0, *checkpoints(self.steps))
        for step in range(1, self.steps + 1):
            if self.early_stop and survivors.few(live):
                state = (live, labels, classes, low, high, x, x_before, size, loss, gradient, x_best, loss_best, gradient_best, fooling,
                         loss_checked, was_halved, rises)  # fmt: skip
                (live, labels, classes, low, high, x, x_before, size, loss, gradient, x_best, loss_best, gradient_best, fooling,
                 loss_checked, was_halved, rises) = survivors.keep(live, torch.where(pixels(live), x_best, fooling), *state)  # fmt: skip
                if not x.numel():
                    break

            z = (x + pixels(size) * gradient.sign()).clamp_(low, high)
            alpha = self.momentum if step > 1 else 1.0
            x, x_before = (x + alpha * (z - x) + (1 - alpha) * (x - x_before)).clamp_(low, high), x
            loss_before = loss
            logits, loss, gradient = look(x)

            wrong = ~correct(logits, labels)
            fooling = torch.where(pixels(wrong), x, fooling)
            live = live & ~wrong
            rises = rises + (loss > loss_before)
            better = loss > loss_best
            x_best = torch.where(pixels(better), x, x_best)
            gradient_best = torch.where(pixels(better), gradient, gradient_best)
            loss_best = torch.where(better, loss, loss_best)

            if step in schedule:
                since = step - schedule[schedule.index(step) - 1]
                halve = (rises <= self.rho * since) | (~was_halved & (loss_best <= loss_checked))
                size = torch.where(halve, size / 2, size)
                x = torch.where(pixels(halve), x_best, x)
                gradient = torch.where(pixels(halve), gradient_best, gradient)
                loss_checked, was_halved, rises = loss_best, halve, torch.zeros_like(rises)
        return survivors.all(torch.where(pixels(live), x_best, fooling))

    def _start(self, images: Tensor, eps: Tensor, streams: Tensor) -> Tensor:
        noise = 2 * uniform(streams, 0, images.shape[-3:].numel()).view(images.shape) - 1
        return images + pixels(eps) * noise / noise.abs().amax((-3, -2, -1), keepdim=True)


@dataclass(frozen=True)
class APGDDLR(APGD):
    """APGD on the difference of logits ratio, one restart: APGD-DLR.  Needs 3 classes, or 4 where targeted."""

    name: ClassVar[str] = "apgd-dlr"

    def loss(self, logits: Tensor, labels: Tensor, targets: Tensor | None) -> Tensor:
        """What the attack raises, ``(…, batch)``."""
        return dlr(logits, labels, targets)


@dataclass(frozen=True)
class APGDT:
    """APGD on the targeted difference of logits ratio, for each of the most likely classes in turn: APGD-T.  Needs 4 classes.

    Arguments:
        targets: classes tried, from the most likely on the clean image on, until one breaks the network; at most all but the label.
        steps, momentum, rho, early_stop: as for APGD, for each target.
    """

    targets: int = 9
    steps: int = 100
    momentum: float = 0.75
    rho: float = 0.75
    early_stop: bool = True

    def settings(self) -> dict[str, str | int | float | bool]:
        """What a number measured with this attack must be stored with."""
        return {"attack": "apgd-t", "norm": "Linf", "restarts": 1, **asdict(self)}

    @torch.no_grad()
    def __call__(self, network: Network, images: Tensor, labels: Tensor, eps: float | Tensor, *, streams: Tensor) -> Tensor:
        """Adversarial candidates; see `builders.attacks.base` for shapes.  Draws one number a pixel, the same for all targets."""
        apgd = APGDDLR(self.steps, self.momentum, self.rho, early_stop=self.early_stop)
        return in_turn(network, images, labels, eps, streams, toward_each(network, images, self.targets, apgd.climb))
