"""DeepFool: repeated steps to the nearest of the linearised decision boundaries.  Moosavi-Dezfooli, Fawzi and Frossard (2016)."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from robbench_builders.attacks.base import ActiveRows, Classifier, ball, correct, likely, per_row, pixels
from robbench_builders.attacks.losses import logit_of

# Steps that end at 0 or 1 fall short, and would only ever creep up on the boundary.  So in the authors' code, and in Foolbox's.
NUDGE = 1e-4


@dataclass(frozen=True)
class DeepFool:
    """Algorithm 2 in the L∞ norm (section 3.3, p = ∞): a step of size ``|f_k − f_y| / ‖∇(f_k − f_y)‖₁`` along the sign of that gradient.

    Steps are 10⁻⁴ longer than that, in units of images.  The perturbation that it minimises does not depend on eps, so several eps share
    one walk (`nearest`); one that is larger than eps is clipped to it.

    Arguments:
        steps: iterations at most.
        candidates: how many classes are considered, with the label: the most likely on the clean image.
        overshoot: η, the share of its length by which the perturbation goes beyond the boundary.
    """

    steps: int = 50
    candidates: int = 10
    overshoot: float = 0.02

    def settings(self) -> dict[str, str | int | float | bool]:
        """The name and the parameters of the attack, for the provenance of what is measured with it."""
        return {"attack": "deepfool", "norm": "Linf", **asdict(self)}

    @torch.no_grad()
    def __call__(self, network: Classifier, images: Tensor, labels: Tensor, eps: float | Tensor, *, streams: Tensor) -> Tensor:
        """Adversarial candidates; see `robbench_builders.attacks.base` for shapes.  Draws no random numbers."""
        (eps,) = per_row(images, eps)
        return self.nearest(network, images, labels, eps, streams=streams).clamp(*ball(images, eps))

    @torch.no_grad()
    def nearest(self, network: Classifier, images: Tensor, labels: Tensor, within: float | Tensor, *, streams: Tensor) -> Tensor:
        """The first misclassified image of each walk, or its last; see `robbench_builders.attacks.base.MinimalAttack`."""
        (labels,) = per_row(images, labels)
        classes = likely(network, images, labels, self.candidates - 1)
        if not classes.shape[-1]:  # without another class there is no boundary
            return images
        x, total = images, torch.zeros_like(images)
        active = ActiveRows(x)
        for _ in range(self.steps):
            logits, leads, gradients = leads_of(network, x, labels, classes)
            live = correct(logits, labels)
            if active.can_shrink(live):
                state = (live, images, labels, classes, x, total, leads, gradients)
                live, images, labels, classes, x, total, leads, gradients = active.shrink(live, x, *state)
                if not x.numel():
                    break
            distances = leads.abs() / (gradients.abs().sum((-3, -2, -1)) + 1e-8) + NUDGE
            nearest = distances.argmin(-1, keepdim=True)
            gradient = gradients.take_along_dim(nearest[..., None, None, None], -4).squeeze(-4)
            total = total + pixels(distances.gather(-1, nearest)[..., 0]) * gradient.sign()
            x = torch.where(pixels(live), (images + (1 + self.overshoot) * total).clamp(0, 1), x)
        return active.all_results(x)


def leads_of(network: Classifier, x: Tensor, labels: Tensor, classes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logits; by how much each class leads the label, ``(…, batch, n)``; the gradients of that, ``(…, batch, n, channels, height, width)``.

    Arguments:
        classes: ``(…, batch, n)``.
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        logits = network(x)
        leads = logits.gather(-1, classes) - logit_of(logits, labels)[..., None]
        gradients = [
            torch.autograd.grad(lead.sum(), x, retain_graph=True, allow_unused=True)[0] if leads.requires_grad else None
            for lead in leads.unbind(-1)
        ]
    zero = torch.zeros_like(x)
    return logits.detach(), leads.detach(), torch.stack([zero if g is None else g for g in gradients], -4).detach()
