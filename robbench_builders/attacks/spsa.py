"""SPSA: gradient descent with gradients estimated from the network's outputs alone.  Uesato et al. (2018), section 4.2."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from robbench_builders.attacks.base import ActiveRows, Classifier, ball, correct, per_row, pixels
from robbench_builders.attacks.losses import margin
from robbench_builders.attacks.streams import uniform

# Of Adam (Kingma and Ba, 2015), as they recommend.
DECAYS = (0.9, 0.999)
TINY = 1e-8


@dataclass(frozen=True)
class SPSA:
    """Adam on the margin between logits; its gradient is the mean of ``v · (L(x + δv) − L(x − δv)) / 2δ`` over random signs v.

    Costs 2 · samples queries a step.  The paper takes up to 8,192 queries a step; these defaults are cheaper, and weaker.

    Arguments:
        steps: of Adam.
        samples: random directions a step.
        delta: δ, in units of images.
        learning_rate: of Adam, in units of images.
        early_stop: misclassified images leave the batch.  Changes the cost only: their point is kept in either case.
    """

    steps: int = 100
    samples: int = 128
    delta: float = 0.01
    learning_rate: float = 0.01
    early_stop: bool = True

    def settings(self) -> dict[str, str | int | float | bool]:
        """The name and the parameters of the attack, for the provenance of what is measured with it."""
        return {"attack": "spsa", "norm": "Linf", **asdict(self)}

    @torch.no_grad()
    def __call__(self, network: Classifier, images: Tensor, labels: Tensor, eps: float | Tensor, *, streams: Tensor) -> Tensor:
        """Adversarial candidates; see `robbench_builders.attacks.base` for shapes.  Draws steps · samples numbers a pixel."""
        labels, eps, streams = per_row(images, labels, eps, streams)
        low, high = ball(images, eps)
        x, mean, square = images, torch.zeros_like(images), torch.zeros_like(images)
        active = ActiveRows(x)
        for step in range(self.steps):
            live = correct(network(x), labels)
            if self.early_stop and active.can_shrink(live):
                state = (live, labels, streams, low, high, x, mean, square)
                live, labels, streams, low, high, x, mean, square = active.shrink(live, x, *state)
                if not x.numel():
                    break
            gradient = self._estimate(network, x, labels, streams, step)
            mean, square = (
                decay * old + (1 - decay) * new for decay, old, new in zip(DECAYS, (mean, square), (gradient, gradient**2), strict=True)
            )
            unbiased, scale = (moment / (1 - decay ** (step + 1)) for decay, moment in zip(DECAYS, (mean, square), strict=True))
            moved = (x + self.learning_rate * unbiased / (scale.sqrt() + TINY)).clamp(low, high)
            x = torch.where(pixels(live), moved, x)
        return active.all_results(x)

    def _estimate(self, network: Classifier, x: Tensor, labels: Tensor, streams: Tensor, step: int) -> Tensor:
        total, size = torch.zeros_like(x), x.shape[-3:].numel()
        for sample in range(self.samples):
            draws = uniform(streams, (step * self.samples + sample) * size, size).view(x.shape)
            signs = torch.where(draws < 0.5, -1.0, 1.0)
            up, down = (margin(network(x + side * self.delta * signs), labels) for side in (1, -1))
            total += pixels(up - down) / (2 * self.delta) * signs
        return total / self.samples
