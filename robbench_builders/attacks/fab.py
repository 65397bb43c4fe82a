"""FAB: projections on the linearised decision boundary, biased towards the image.  Croce and Hein (2020), "Minimally distorted adversarial examples …", algorithm 1.

In its targeted form, FAB-T, which AutoAttack uses: one boundary at a time, which costs one backward pass a step.  The untargeted form, which
takes the nearest of all boundaries and costs one backward pass for each class, is not implemented.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from robbench_builders.attacks.base import ActiveRows, Classifier, ascent, ball, correct, likely, per_row, pixels
from robbench_builders.attacks.cascade import in_turn, toward_each
from robbench_builders.attacks.losses import logit_of


@dataclass(frozen=True)
class FABT:
    """FAB-T in the L∞ norm, without random restarts.

    A step projects both the iterate x and the image on the hyperplane where the label's and the target's logit, linearised at x, are equal,
    goes beyond it by the factor η, and mixes the two: ``x ← (1 − α)(x + η d_x) + α(image + η d_image)``, in [0, 1], with
    ``α = min(‖d_x‖ / (‖d_x‖ + ‖d_image‖), alpha_max)``.  Where that broke the network, the point is kept if it is the nearest so far, and
    x goes back to the share β of its way from the image.

    The perturbation that it minimises does not depend on eps, so several eps share one walk (`nearest`); one that is larger than eps is
    clipped to it.

    Arguments:
        targets: classes tried, from the most likely on the clean image on, until one breaks the network; at most all but the label.
        steps: for each target.
        alpha_max, eta, beta: as above.
        early_stop: images for which a perturbation within eps was found leave the batch.  Changes the cost only.
    """

    targets: int = 9
    steps: int = 100
    alpha_max: float = 0.1
    eta: float = 1.05
    beta: float = 0.9
    early_stop: bool = True

    def settings(self) -> dict[str, str | int | float | bool]:
        """The name and the parameters of the attack, for the provenance of what is measured with it."""
        return {"attack": "fab-t", "norm": "Linf", "restarts": 1, **asdict(self)}

    @torch.no_grad()
    def __call__(self, network: Classifier, images: Tensor, labels: Tensor, eps: float | Tensor, *, streams: Tensor) -> Tensor:
        """Adversarial candidates; see `robbench_builders.attacks.base` for shapes.  Draws no random numbers."""
        return in_turn(network, images, labels, eps, streams, toward_each(network, images, self.targets, self._clipped))

    @torch.no_grad()
    def nearest(self, network: Classifier, images: Tensor, labels: Tensor, within: float | Tensor, *, streams: Tensor) -> Tensor:
        """The nearest that any target's walk found, or the image itself; see `robbench_builders.attacks.base.MinimalAttack`."""
        labels, within = per_row(images, labels, within)
        best, closest = images, torch.full_like(within, torch.inf)
        active = ActiveRows(images, patience=1)
        for rank in range(likely(network, images, labels, self.targets).shape[-1]):
            live = closest > within
            if self.early_stop and active.can_shrink(live):
                live, images, labels, within, best, closest = active.shrink(live, best, live, images, labels, within, best, closest)
                if not best.numel():
                    break
            found = self._walk(network, images, labels, likely(network, images, labels, rank + 1)[..., rank], within)
            distance = _length(found - images)
            closer = (distance > 0) & (distance < closest) & (live if self.early_stop else True)
            best, closest = torch.where(pixels(closer), found, best), torch.where(closer, distance, closest)
        return active.all_results(best)

    def _clipped(
        self, network: Classifier, images: Tensor, labels: Tensor, targets: Tensor, eps: float | Tensor, streams: Tensor
    ) -> Tensor:
        labels, eps = per_row(images, labels, eps)
        return self._walk(network, images, labels, targets, eps).clamp(*ball(images, eps))

    def _walk(self, network: Classifier, images: Tensor, labels: Tensor, targets: Tensor, eps: Tensor) -> Tensor:
        """The nearest point found that is misclassified, or the image."""
        x, best = images, images
        closest = torch.full_like(eps, torch.inf)
        active = ActiveRows(images)
        for _ in range(self.steps):
            live = closest > eps
            if self.early_stop and active.can_shrink(live):
                state = (live, images, labels, targets, eps, x, best, closest)
                live, images, labels, targets, eps, x, best, closest = active.shrink(live, best, *state)
                if not x.numel():
                    break
            _, lead, gradient = ascent(network, x, labels, targets, _lead)
            from_x, from_image = (to_hyperplane(start, x, lead, gradient) for start in (x, images))
            length, image_length = (_length(step).clamp(min=1e-8) for step in (from_x, from_image))
            alpha = pixels((length / (length + image_length)).clamp(max=self.alpha_max))
            x = ((1 - alpha) * (x + self.eta * from_x) + alpha * (images + self.eta * from_image)).clamp(0, 1)
            broken, distance = ~correct(network(x), labels), _length(x - images)
            # A row that may leave keeps its point while it stays, so that no row depends on when its batch is thinned out.
            closer = broken & (distance < closest) & (live if self.early_stop else True)
            best, closest = torch.where(pixels(closer), x, best), torch.where(closer, distance, closest)
            x = torch.where(pixels(broken), images + self.beta * (x - images), x)
        return active.all_results(best)


def to_hyperplane(start: Tensor, x: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
    """The L∞-smallest step from start, within [0, 1], to where ``value + gradient · (point − x) = 0``; as far as [0, 1] lets it.

    Every pixel goes the same way λ in the direction that helps, but none farther than it has room.  What is gained is piecewise linear
    and concave in λ, so λ follows from the sorted rooms.

    Arguments:
        start, x, gradient: ``(…, batch, channels, height, width)``.
        value: ``(…, batch)``.

    Source: the paper, section 2.2 and appendix A.
    """
    missing = -(value + (gradient * (start - x)).sum((-3, -2, -1)))
    direction = gradient.sign() * pixels(missing.sign())
    room = torch.where(direction > 0, 1 - start, start).flatten(-3)
    slope = gradient.abs().flatten(-3)
    rooms, order = room.sort(-1)
    slopes = slope.gather(-1, order)
    spent = (slopes * rooms).cumsum(-1)
    left = slopes.sum(-1, keepdim=True) - slopes.cumsum(-1)  # the slope once a pixel has no room left
    gained = spent + left * rooms
    first = (gained < missing.abs()[..., None]).sum(-1, keepdim=True).clamp(max=gained.shape[-1] - 1)
    before = spent.gather(-1, first) - (slopes * rooms).gather(-1, first)
    going = left.gather(-1, first) + slopes.gather(-1, first)
    reach = (missing.abs()[..., None] - before) / going.clamp(min=1e-12)
    return direction * torch.minimum(reach, room).view(gradient.shape)


def _lead(logits: Tensor, labels: Tensor, targets: Tensor | None) -> Tensor:
    assert targets is not None
    return logit_of(logits, targets) - logit_of(logits, labels)


def _length(step: Tensor) -> Tensor:
    return step.abs().amax((-3, -2, -1))
