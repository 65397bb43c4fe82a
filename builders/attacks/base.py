"""What every attack shares: its interface, the input gradient, the eps ball, and letting broken images leave the batch.

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

Network = Callable[[Tensor], Tensor]
Loss = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""From logits, labels, and the classes to go for (or None: anywhere but the label) to what an attack raises, ``(…, batch)``."""


class Attack(Protocol):
    """An L∞ attack: from images to images that the network should get wrong."""

    def __call__(self, network: Network, images: Tensor, labels: Tensor, eps: float | Tensor, *, streams: Tensor) -> Tensor:
        """Adversarial candidates, of the images' shape.  What comes back is checked by `builders.evaluate`, never trusted."""

    def settings(self) -> dict[str, str | int | float | bool]:
        """What a number measured with this attack must be stored with."""


def rows(images: Tensor, *values: float | Tensor) -> tuple[Tensor, ...]:
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
    """Lowest and highest value of every pixel in the L∞ ball of radius eps, ``(…, batch)``, intersected with [0, 1]."""
    return (images - pixels(eps)).clamp_(min=0), (images + pixels(eps)).clamp_(max=1)


def cross_entropy(logits: Tensor, labels: Tensor, targets: Tensor | None = None) -> Tensor:
    """Cross-entropy of every row, ``(…, batch)``; or of the targets, negated."""
    classes, sign = (labels, 1) if targets is None else (targets, -1)
    return sign * F.cross_entropy(logits.flatten(0, -2), classes.flatten(), reduction="none").view(classes.shape)


def ascent(
    network: Network, x: Tensor, labels: Tensor, targets: Tensor | None = None, loss: Loss = cross_entropy
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


def least_likely(network: Network, images: Tensor) -> Tensor:
    """The class with the smallest logit on the clean image, ``(…, batch)``.  Source: Kurakin et al. (2017), section 2.3."""
    with torch.no_grad():
        return network(images).argmin(-1)


def likely(network: Network, images: Tensor, labels: Tensor, count: int) -> Tensor:
    """The classes other than the label, most likely first, on the clean image: ``(…, batch, n)``, n the lesser of count and all there are."""
    with torch.no_grad():
        logits = network(images)
    others = logits.scatter(-1, labels[..., None], -torch.inf)
    return others.topk(min(count, logits.shape[-1] - 1)).indices


def correct(logits: Tensor, labels: Tensor) -> Tensor:
    """Which rows are classified correctly, bool ``(…, batch)``; a row whose logits are not all finite is not."""
    return (logits.argmax(-1) == labels) & logits.isfinite().all(-1)


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
    """Where the live rows are, ``(…, n)`` int64, n the largest number any one network has.

    Networks are stacked, so all must keep equally many rows: those with fewer live ones fill up with rows that are not.
    """
    most = int(live.sum(-1).max())
    return (~live).to(torch.uint8).argsort(dim=-1, stable=True)[..., :most]


class Survivors:
    """The rows an attack still works on; it can drop the broken ones, and puts every result back in its place.

    Broken rows that stay (to keep a stack rectangular) are attacked on, in vain: an attack never gives up a point that broke the network.
    """

    def __init__(self, like: Tensor) -> None:
        shape = like.shape[:-3]
        self._results = like.clone(memory_format=torch.contiguous_format)
        self._index = torch.arange(shape[-1], device=like.device).expand(shape)

    def few(self, live: Tensor) -> bool:
        """Whether so few rows are live that going on without the others saves more than `keep` costs.  Makes the device wait."""
        return int(live.sum(-1).max()) <= 0.8 * live.shape[-1]

    def keep(self, live: Tensor, results: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """The state for the live rows only; results, the answer so far of every row, are kept for those that leave."""
        put(self._results, self._index, results)
        index = live_first(live)
        self._index = take(self._index, index)
        return tuple(take(values, index) for values in state)

    def all(self, results: Tensor) -> Tensor:
        """The results of all rows: of those that left, and these, of those that stayed to the end."""
        put(self._results, self._index, results)
        return self._results
