"""What all attacks share: their interface, the input gradient, the L∞ ball, and batches that broken images leave.

Shapes throughout, with ``…`` the stack (absent for a plain network, ``(stack,)`` for stacked ones):

    images     (…, batch, channels, height, width)   float, in [0, 1]
    labels     (…, batch)                            int64
    eps        (…, batch)                            float, in units of images: one grey level is 1/255
    streams    (…, batch)                            int64, each image's own random numbers (see streams.py)
    logits     (…, batch, classes)

A row of a batch is one network's attempt at one image at one eps.  Everything an attack decides, it decides per row.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

Classifier = Callable[[Tensor], Tensor]
"""From images ``(…, batch, channels, height, width)`` in [0, 1] to logits ``(…, batch, classes)``: a network, a stack of them, or any function."""
Loss = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""From logits, labels, and target classes (or None, for any class but the label) to the loss that an attack raises, ``(…, batch)``."""


class Attack(Protocol):
    """An L∞ attack: from images to images that the network should get wrong."""

    def __call__(self, network: Classifier, images: Tensor, labels: Tensor, eps: float | Tensor, *, streams: Tensor) -> Tensor:
        """Adversarial candidates, of the images' shape.  What comes back is checked by `robbench_builders.evaluate`, never trusted."""

    def settings(self) -> dict[str, str | int | float | bool]:
        """The name and the parameters of the attack, for the provenance of what is measured with it."""


class MinimalAttack(Attack, Protocol):
    """An attack that looks for the nearest misclassified image, so that one walk serves all eps: an image is broken at those that reach it."""

    def nearest(self, network: Classifier, images: Tensor, labels: Tensor, within: float | Tensor, *, streams: Tensor) -> Tensor:
        """The nearest misclassified image found to each, of the images' shape, however far; one within the radius ends the search."""


def nearest_of(attack: Attack) -> Callable[..., Tensor] | None:
    """How an attack looks for the nearest misclassified image, as `MinimalAttack.nearest`; None where it does not."""
    found: Callable[..., Tensor] | None = getattr(attack, "nearest", None)
    return found


def per_row(images: Tensor, *values: float | Tensor) -> tuple[Tensor, ...]:
    """Each value broadcast to one entry a row, ``(…, batch)``, on the images' device; floats take the images' dtype."""
    shape = images.shape[:-3]
    return tuple(
        (value if isinstance(value, Tensor) else torch.tensor(value, dtype=images.dtype)).to(images.device).expand(shape)
        for value in values
    )


def pixels(value: Tensor) -> Tensor:
    """``(…, batch)`` made to broadcast against images."""
    return value[..., None, None, None]


def ball(images: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
    """Lower and upper bound of every pixel in the L∞ ball of radius eps, ``(…, batch)``, intersected with [0, 1]."""
    return (images - pixels(eps)).clamp_(min=0), (images + pixels(eps)).clamp_(max=1)


def cross_entropy(logits: Tensor, labels: Tensor, targets: Tensor | None = None) -> Tensor:
    """Cross-entropy of every row, ``(…, batch)``; or of the targets, negated."""
    classes, sign = (labels, 1) if targets is None else (targets, -1)
    return sign * F.cross_entropy(logits.flatten(0, -2), classes.flatten(), reduction="none").view(classes.shape)


def ascent(
    network: Classifier, x: Tensor, labels: Tensor, targets: Tensor | None = None, loss: Loss = cross_entropy
) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, the loss of every row, and its gradient with respect to the images; parameters keep their ``.grad``.

    Rows are summed, so each row's gradient is its own.  Zero where the output ignores the input.
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        logits = network(x)
        value = loss(logits, labels, targets)
        gradient = torch.autograd.grad(value.sum(), x, allow_unused=True)[0] if value.requires_grad else None
    return logits.detach(), value.detach(), torch.zeros_like(x) if gradient is None else gradient


def least_likely(network: Classifier, images: Tensor) -> Tensor:
    """The class with the smallest logit on the clean image, ``(…, batch)``, of those that are not masked.

    Source: Kurakin et al. (2017), section 2.3.
    """
    with torch.no_grad():
        logits = network(images)
    return logits.masked_fill(logits.isneginf(), torch.inf).argmin(-1)


def likely(network: Classifier, images: Tensor, labels: Tensor, count: int) -> Tensor:
    """The classes other than the label, most likely first, on the clean image: ``(…, batch, n)``, n the lesser of count and all there are.

    In place of a class that is masked, whose logit is −∞, stands the most likely one again.
    """
    with torch.no_grad():
        logits = network(images)
    others = logits.scatter(-1, labels[..., None], -torch.inf)
    values, classes = others.topk(min(count, logits.shape[-1] - 1))
    return torch.where(values.isneginf(), classes[..., :1], classes)


def correct(logits: Tensor, labels: Tensor) -> Tensor:
    """Which rows are classified correctly, bool ``(…, batch)``; a row with a logit of NaN or +∞ is not.

    A class whose logit is −∞ is masked: it is never the answer, and the others count.
    """
    return (logits.argmax(-1) == labels) & logits.amax(-1).isfinite()


def take(values: Tensor, index: Tensor) -> Tensor:
    """``values[…, index]``: of each network's rows, those in its line of index ``(…, n)``."""
    return _flat(values, index.ndim)[_flat_index(index, values.shape[index.ndim - 1])]


def put(values: Tensor, index: Tensor, new: Tensor) -> None:
    """``values[…, index] = new``, in place: the reverse of `take`.  Values are contiguous."""
    values.view(-1, *values.shape[index.ndim :])[_flat_index(index, values.shape[index.ndim - 1])] = new


def _flat(values: Tensor, dims: int) -> Tensor:
    return values.flatten(0, dims - 1)


def _flat_index(index: Tensor, batch: int) -> Tensor:
    lead = index.shape[:-1]
    return index + batch * torch.arange(math.prod(lead), device=index.device).view(*lead, 1)


def live_first(live: Tensor) -> Tensor:
    """The positions of the live rows, ``(…, n)`` int64, n the largest number that any one network has.

    Networks are stacked, so all must keep equally many rows: those with fewer live ones fill up with rows that are not.
    """
    most = int(live.sum(-1).max())
    return (~live).to(torch.uint8).argsort(dim=-1, stable=True)[..., :most]


PATIENCE = 10
"""On a GPU, steps of an attack from one look at which rows are live to the next: a look waits for all that was asked before."""


def looks_are_free(device: torch.device) -> bool:
    """Whether a value can be read at any time without waiting for the device."""
    return device.type == "cpu"


class ActiveRows:
    """The rows that an attack still works on: broken ones can leave the batch, and every row's result is kept.

    Some broken rows stay, to keep a stack rectangular, and are attacked further to no effect: an attack keeps the point that broke the network.

    On a GPU, where a look at the rows costs more than going on with some that are broken, it looks now and then, and batches only halve, so
    that few shapes are met.

    Arguments:
        like: the images that are attacked, ``(…, batch, channels, height, width)``.
        patience: on a GPU, look at every so-manieth call of `can_shrink`.
    """

    def __init__(self, like: Tensor, patience: int = PATIENCE) -> None:
        shape = like.shape[:-3]
        self._results = like.clone(memory_format=torch.contiguous_format)
        self._index = torch.arange(shape[-1], device=like.device).expand(shape)
        self._free = looks_are_free(like.device)
        self._patience, self._calls = patience, 0

    def can_shrink(self, live: Tensor) -> bool:
        """Whether so few rows are live that going on without the others saves more than `shrink` costs.  Synchronises with a GPU."""
        if self._free:
            return int(live.sum(-1).max()) <= 0.8 * live.shape[-1]
        self._calls += 1
        return self._calls % self._patience == 0 and int(live.sum(-1).max()) <= live.shape[-1] // 2

    def shrink(self, live: Tensor, results: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """The attack's state of the live rows only; of those that leave, the results so far are kept."""
        put(self._results, self._index, results)
        index = live_first(live) if self._free else _halved(live)
        self._index = take(self._index, index)
        return tuple(take(values, index) for values in state)

    def all_results(self, results: Tensor) -> Tensor:
        """The results of all rows, from those of the rows that stayed to the end."""
        put(self._results, self._index, results)
        return self._results


def _halved(live: Tensor) -> Tensor:
    """As `live_first`, with as many rows as there are after halving their number as often as the live ones allow; none, if none is live."""
    most, rows = int(live.sum(-1).max()), live.shape[-1]
    while most and rows // 2 >= most:
        rows //= 2
    return (~live).to(torch.uint8).argsort(dim=-1, stable=True)[..., : rows if most else 0]
