"""APGD: PGD that sets its own step size.  Croce and Hein (2020), "Reliable evaluation of adversarial robustness", algorithm 1."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from robbench_builders.attacks.base import ActiveRows, Classifier, ascent, ball, correct, cross_entropy, least_likely, per_row, pixels
from robbench_builders.attacks.cascade import in_turn, toward_each
from robbench_builders.attacks.losses import dlr
from robbench_builders.attacks.streams import uniform


def checkpoints(steps: int) -> tuple[int, ...]:
    """The iterations after which the step size may be halved: ceil(pⱼ · steps), p₀ = 0, p₁ = 0.22, pⱼ₊₁ = pⱼ + max(pⱼ − pⱼ₋₁ − 0.03, 0.06).

    Source: the paper's paragraph on step size selection.  In whole hundredths, so that ceil never meets a rounding error.
    """
    last, here, found = 0, 22, []
    while here <= 100:
        found.append(-(-here * steps // 100))
        last, here = here, here + max(here - last - 3, 6)
    return tuple(dict.fromkeys(found))  # few steps: neighbours may coincide


class _State(NamedTuple):
    """What APGD knows of each row; every tensor is ``(…, batch)``, or of the images' shape."""

    labels: Tensor
    classes: Tensor
    """The target classes, or the labels."""
    low: Tensor
    high: Tensor
    """The bounds of the ball."""
    live: Tensor
    """No iterate has been misclassified yet."""
    x: Tensor
    x_before: Tensor
    step_size: Tensor
    loss: Tensor
    gradient: Tensor
    """Of the loss at x."""
    x_best: Tensor
    """The iterate with the largest loss so far, with its loss and gradient."""
    loss_best: Tensor
    gradient_best: Tensor
    x_broken: Tensor
    """The last iterate that was misclassified, where the row is not live."""
    loss_checked: Tensor
    """The best loss at the last checkpoint."""
    was_halved: Tensor
    """The step size was halved at the last checkpoint."""
    rises: Tensor
    """In how many steps since the last checkpoint the loss rose."""

    @property
    def result(self) -> Tensor:
        """The attack's answer, were it to stop here."""
        return torch.where(pixels(self.live), self.x_best, self.x_broken)

    def step(self, alpha: float) -> Tensor:
        """The next iterate."""
        z = (self.x + pixels(self.step_size) * self.gradient.sign()).clamp_(self.low, self.high)
        return (self.x + alpha * (z - self.x) + (1 - alpha) * (self.x - self.x_before)).clamp_(self.low, self.high)

    def moved(self, x: Tensor, logits: Tensor, loss: Tensor, gradient: Tensor) -> _State:
        """After a step to x, where the network gave these logits, loss and gradient."""
        wrong, better = ~correct(logits, self.labels), loss > self.loss_best
        return self._replace(
            live=self.live & ~wrong,
            x=x,
            x_before=self.x,
            loss=loss,
            gradient=gradient,
            x_best=torch.where(pixels(better), x, self.x_best),
            loss_best=torch.where(better, loss, self.loss_best),
            gradient_best=torch.where(pixels(better), gradient, self.gradient_best),
            x_broken=torch.where(pixels(wrong), x, self.x_broken),
            rises=self.rises + (loss > self.loss),
        )

    def checked(self, enough_rises: float) -> _State:
        """After a checkpoint: rows that made too little progress halve their step size and go back to their best point."""
        halve = (self.rises <= enough_rises) | (~self.was_halved & (self.loss_best <= self.loss_checked))
        return self._replace(
            x=torch.where(pixels(halve), self.x_best, self.x),
            step_size=torch.where(halve, self.step_size / 2, self.step_size),
            gradient=torch.where(pixels(halve), self.gradient_best, self.gradient),
            loss_checked=self.loss_best,
            was_halved=halve,
            rises=torch.zeros_like(self.rises),
        )


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
        """The loss that the attack raises, ``(…, batch)``."""
        return cross_entropy(logits, labels, targets)

    def settings(self) -> dict[str, str | int | float | bool]:
        """The name and the parameters of the attack, for the provenance of what is measured with it."""
        return {"attack": self.name, "norm": "Linf", "restarts": 1, **asdict(self)}

    @torch.no_grad()
    def __call__(self, network: Classifier, images: Tensor, labels: Tensor, eps: float | Tensor, *, streams: Tensor) -> Tensor:
        """Adversarial candidates; see `robbench_builders.attacks.base` for shapes.  Draws one number a pixel."""
        targets = least_likely(network, images) if self.targeted else None
        return self.climb(network, images, labels, targets, eps, streams)

    def climb(
        self, network: Classifier, images: Tensor, labels: Tensor, targets: Tensor | None, eps: float | Tensor, streams: Tensor
    ) -> Tensor:
        """The attack, towards target classes ``(…, batch)`` if there are any."""
        labels, eps, streams, classes = per_row(images, labels, eps, streams, labels if targets is None else targets)

        def look(x: Tensor, labels: Tensor, classes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            return ascent(network, x, labels, None if targets is None else classes, self.loss)

        low, high = ball(images, eps)
        x = self._start(images, eps, streams).clamp(low, high)
        logits, loss, gradient = look(x, labels, classes)
        state = _State(
            labels, classes, low, high, live=correct(logits, labels), x=x, x_before=x, step_size=2 * eps, loss=loss, gradient=gradient,
            x_best=x, loss_best=loss, gradient_best=gradient, x_broken=x,
            loss_checked=loss, was_halved=torch.ones_like(labels, dtype=torch.bool), rises=torch.zeros_like(labels),
        )  # fmt: skip
        active = ActiveRows(x)
        schedule = (0, *checkpoints(self.steps))
        for step in range(1, self.steps + 1):
            if self.early_stop and active.can_shrink(state.live):
                state = _State(*active.shrink(state.live, state.result, *state))
                if not state.x.numel():
                    break
            x = state.step(self.momentum if step > 1 else 1.0)
            state = state.moved(x, *look(x, state.labels, state.classes))
            if step in schedule:
                state = state.checked(self.rho * (step - schedule[schedule.index(step) - 1]))
        return active.all_results(state.result)

    def _start(self, images: Tensor, eps: Tensor, streams: Tensor) -> Tensor:
        noise = 2 * uniform(streams, 0, images.shape[-3:].numel()).view(images.shape) - 1
        return images + pixels(eps) * noise / noise.abs().amax((-3, -2, -1), keepdim=True)


@dataclass(frozen=True)
class APGDDLR(APGD):
    """APGD on the difference of logits ratio, one restart: APGD-DLR.  Needs 3 classes, or 4 where targeted."""

    name: ClassVar[str] = "apgd-dlr"

    def loss(self, logits: Tensor, labels: Tensor, targets: Tensor | None) -> Tensor:
        """The loss that the attack raises, ``(…, batch)``."""
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
        """The name and the parameters of the attack, for the provenance of what is measured with it."""
        return {"attack": "apgd-t", "norm": "Linf", "restarts": 1, **asdict(self)}

    @torch.no_grad()
    def __call__(self, network: Classifier, images: Tensor, labels: Tensor, eps: float | Tensor, *, streams: Tensor) -> Tensor:
        """Adversarial candidates; see `robbench_builders.attacks.base` for shapes.  Draws one number a pixel, the same for all targets."""
        apgd = APGDDLR(self.steps, self.momentum, self.rho, early_stop=self.early_stop)
        return in_turn(network, images, labels, eps, streams, toward_each(network, images, self.targets, apgd.climb))
