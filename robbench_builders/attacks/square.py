"""Square: random search over square perturbations, without gradients.  Andriushchenko, Croce, Flammarion and Hein (2020), algorithms 1 and 2 (L∞).

Two attacks, which differ in two ways:

    name               share of pixels in a square                               where squares lie
    square             halved after so many queries, however many are allowed    as the authors' code: never in the last row and column
    square-rescaled    halved after that share of the queries allowed            anywhere that fits, as in algorithm 2

The first is what AutoAttack runs, and what is published as Square.  With fewer than 10,000 queries the second is stronger: it gets to the
small squares, which break what large ones could not.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import ClassVar

import torch
from torch import Tensor

from robbench_builders.attacks.base import (
    ActiveRows,
    Classifier,
    ball,
    correct,
    cross_entropy,
    least_likely,
    live_first,
    looks_are_free,
    per_row,
    pixels,
    put,
    take,
)
from robbench_builders.attacks.losses import margin
from robbench_builders.attacks.streams import uniform
from robbench_builders.errors import AttackError

PUBLISHED, RESCALED = "published", "rescaled"

# After how many of 10,000 queries the share of pixels in a square is halved.  Source: the authors' code, which AutoAttack uses.
HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)

BLOCK = 50  # queries whose random numbers are drawn at once: for small networks, drawing would cost more than asking


def share(query: int, queries: int, initial: float, schedule: str = PUBLISHED) -> float:
    """Share of the image's pixels that the square of a query covers; rescaled, the schedule is squeezed from 10,000 queries to those allowed."""
    at = query if schedule == PUBLISHED else int(query / queries * 10_000)
    return float(initial * 0.5 ** sum(at > after for after in HALVINGS))


def side(share: float, height: int, width: int) -> int:
    """Side of the square that covers this share of the pixels, at least one pixel, at most what fits."""
    return min(max(round(math.sqrt(share * height * width)), 1), height, width)


@dataclass(frozen=True)
class Square:
    """Start with vertical stripes of ±eps; then try squares of ±2 eps, one sign a channel, and keep those that lower the loss.

    The loss is the margin (logit of the label minus the largest other), or, targeted, the cross-entropy of the least likely class.
    An image that is misclassified is done.  Each image has its own squares, as in algorithm 2; AutoAttack's code draws them for a whole batch.

    Arguments:
        queries: squares tried for an image.
        initial_share: p, the share of pixels that the first squares cover.
        schedule: "published" halves p after 10, 50, 200, 500, 1000, 2000, 4000, 6000 and 8000 queries, whatever ``queries`` is, as AutoAttack
            does (``rescale_schedule=False``); "rescaled" after these numbers times queries / 10,000.
        everywhere: squares lie anywhere that fits; otherwise, as in the authors' code, never in the last row and column.
        targeted: towards the least likely class.
        early_stop: the network is not asked about misclassified images, whose point is kept in either case, nor about squares that move
            no pixel; on a GPU, which would have to wait for every answer, images leave the batch after every 50 queries instead.  Changes
            the cost only.

    Raises:
        AttackError: another schedule.

    Source: the paper, and the authors' code in AutoAttack (autoattack/square.py, attack_single_run).
    """

    queries: int = 5000
    initial_share: float = 0.8
    schedule: str = PUBLISHED
    everywhere: bool = False
    targeted: bool = False
    early_stop: bool = True

    name: ClassVar[str] = "square"

    def __post_init__(self) -> None:
        if self.schedule not in (PUBLISHED, RESCALED):
            raise AttackError(f"schedule={self.schedule!r} is not one of Square's; expected {PUBLISHED!r} or {RESCALED!r}.")

    def settings(self) -> dict[str, str | int | float | bool]:
        """The name and the parameters of the attack, for the provenance of what is measured with it."""
        return {"attack": self.name, "norm": "Linf", "restarts": 1, **asdict(self)}

    @torch.no_grad()
    def __call__(self, network: Classifier, images: Tensor, labels: Tensor, eps: float | Tensor, *, streams: Tensor) -> Tensor:
        """Adversarial candidates; see `robbench_builders.attacks.base` for shapes.  Draws channels · width + queries · (channels + 2) numbers."""
        labels, eps, streams = per_row(images, labels, eps, streams)
        classes = least_likely(network, images) if self.targeted else labels
        channels, height, width = images.shape[-3:]
        low, high = ball(images, eps)
        stripes = uniform(streams, 0, channels * width).view(*streams.shape, channels, 1, width)
        x = (images + pixels(eps) * _sign(stripes)).clamp(low, high).contiguous()
        loss, live = (each.contiguous() for each in self._loss_and_correct(network(x), labels, classes))
        active, selects = ActiveRows(x, patience=1), self.early_stop and looks_are_free(x.device)
        for query in range(self.queries):
            if query % BLOCK == 0:
                if self.early_stop and not selects and active.can_shrink(live):
                    x, loss, live, labels, eps, streams, classes, low, high = active.shrink(
                        live, x, x, loss, live, labels, eps, streams, classes, low, high
                    )
                    if not x.numel():
                        break
                first = channels * width + query * (channels + 2)
                draws = uniform(streams, first, BLOCK * (channels + 2)).view(*streams.shape, BLOCK, channels + 2)
            s = side(share(query, self.queries, self.initial_share, self.schedule), height, width)
            draw = draws[..., query % BLOCK, :]
            square = _square(draw[..., 0], draw[..., 1], s, height, width, self.everywhere)
            shift = 2 * eps[..., None] * _sign(draw[..., 2:])
            tried = (x + square * shift[..., None, None]).clamp_(low, high)
            if not selects:
                x, loss, live = self._query(network, tried, x, loss, live, labels, classes)
                continue
            # Half of the smallest squares find their pixels where they would move them.
            asked = live_first(live & (tried != x).flatten(-3).any(-1))
            if asked.numel():
                state = (take(values, asked) for values in (tried, x, loss, live, labels, classes))
                for values, new in zip((x, loss, live), self._query(network, *state), strict=True):
                    put(values, asked, new)
            elif not live.any():
                break
        return active.all_results(x)

    def _query(
        self, network: Classifier, tried: Tensor, x: Tensor, loss: Tensor, live: Tensor, labels: Tensor, classes: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The points, their losses, and whether they are still classified correctly, after a query with the points tried."""
        loss_tried, live_tried = self._loss_and_correct(network(tried), labels, classes)
        accept = live & ((loss_tried < loss) | ~live_tried)
        return torch.where(pixels(accept), tried, x), torch.where(accept, loss_tried, loss), live & live_tried

    def _loss_and_correct(self, logits: Tensor, labels: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """The loss to lower, and whether the image is still classified correctly; both ``(…, batch)``."""
        if self.targeted:
            return cross_entropy(logits, classes), correct(logits, labels)
        return -margin(logits, labels), correct(logits, labels)


def _sign(uniform: Tensor) -> Tensor:
    return torch.where(uniform < 0.5, -1.0, 1.0)


def _square(top: Tensor, left: Tensor, side: int, height: int, width: int, everywhere: bool) -> Tensor:
    """One inside the square and zero outside, ``(…, batch, 1, height, width)``; top and left are uniform in [0, 1)."""

    def inside(start: Tensor, length: int) -> Tensor:
        # The authors' code draws the first row from 0 to h - s - 1, and is 0 where the square fills the image.
        free = max(length - side + everywhere, 1)
        first = (start * free).floor()[..., None]
        places = torch.arange(length, device=start.device)
        return (places >= first) & (places < first + side)

    return (inside(top, height)[..., :, None] & inside(left, width)[..., None, :])[..., None, :, :]


@dataclass(frozen=True)
class SquareRescaled(Square):
    """Square with its schedule rescaled to the queries allowed, and squares anywhere: stronger than the published attack, and not it."""

    schedule: str = RESCALED
    everywhere: bool = True

    name: ClassVar[str] = "square-rescaled"
