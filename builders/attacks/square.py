"""Square: random search over square perturbations, without gradients.  Andriushchenko, Croce, Flammarion and Hein (2020), algorithms 1 and 2 (L∞)."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from builders.attacks.base import Classifier, ball, correct, cross_entropy, least_likely, live_first, per_row, pixels, put, take
from builders.attacks.losses import margin
from builders.attacks.streams import uniform

# After how many of 10,000 queries the share of pixels in a square is halved.  Source: the authors' code, which AutoAttack uses.
HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)

BLOCK = 50  # queries whose random numbers are drawn at once: for small networks, drawing would cost more than asking


def share(query: int, queries: int, initial: float) -> float:
    """Share of the image's pixels that the square of a query covers; the schedule is stretched from 10,000 queries to the given number."""
    halvings = sum(int(query / queries * 10_000) > after for after in HALVINGS)
    return initial * 0.5**halvings


def side(share: float, height: int, width: int) -> int:
    """Side of the square that covers this share of the pixels, at least one pixel, at most what fits."""
    return min(max(round(math.sqrt(share * height * width)), 1), height, width)


@dataclass(frozen=True)
class Square:
    """Start with vertical stripes of ±eps; then try squares of ±2 eps, one sign a channel, and keep those that lower the loss.

    The loss is the margin (logit of the label minus the largest other), or, targeted, the cross-entropy of the least likely class.
    Each image has its own squares, anywhere that fits, as in algorithm 2; AutoAttack's code draws them for a whole batch, and never
    in the last row and column, which makes it weaker on small images.

    Arguments:
        queries: squares tried for an image.
        initial_share: p, the share of pixels that the first squares cover.
        targeted: towards the least likely class.
        early_stop: the network is not asked about misclassified images, whose point is kept in either case, nor about squares that move
            no pixel.  Changes the cost only.
    """

    queries: int = 5000
    initial_share: float = 0.8
    targeted: bool = False
    early_stop: bool = True

    def settings(self) -> dict[str, str | int | float | bool]:
        """The name and the parameters of the attack, for the provenance of what is measured with it."""
        return {"attack": "square", "norm": "Linf", "restarts": 1, **asdict(self)}

    @torch.no_grad()
    def __call__(self, network: Classifier, images: Tensor, labels: Tensor, eps: float | Tensor, *, streams: Tensor) -> Tensor:
        """Adversarial candidates; see `builders.attacks.base` for shapes.  Draws channels · width + queries · (channels + 2) numbers."""
        labels, eps, streams = per_row(images, labels, eps, streams)
        classes = least_likely(network, images) if self.targeted else labels
        channels, height, width = images.shape[-3:]
        low, high = ball(images, eps)
        stripes = uniform(streams, 0, channels * width).view(*streams.shape, channels, 1, width)
        x = (images + pixels(eps) * _sign(stripes)).clamp(low, high).contiguous()
        loss, live = (each.contiguous() for each in self._loss_and_correct(network(x), labels, classes))
        for query in range(self.queries):
            if query % BLOCK == 0:
                first = channels * width + query * (channels + 2)
                draws = uniform(streams, first, BLOCK * (channels + 2)).view(*streams.shape, BLOCK, channels + 2)
            s = side(share(query, self.queries, self.initial_share), height, width)
            draw = draws[..., query % BLOCK, :]
            square = _square(draw[..., 0], draw[..., 1], s, height, width)
            shift = 2 * eps[..., None] * _sign(draw[..., 2:])
            tried = (x + square * shift[..., None, None]).clamp_(low, high)
            if not self.early_stop:
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
        return x

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


def _square(top: Tensor, left: Tensor, side: int, height: int, width: int) -> Tensor:
    """One inside the square and zero outside, ``(…, batch, 1, height, width)``; top and left are uniform in [0, 1)."""

    def inside(start: Tensor, length: int) -> Tensor:
        first = (start * (length - side + 1)).floor()[..., None]
        places = torch.arange(length, device=start.device)
        return (places >= first) & (places < first + side)

    return (inside(top, height)[..., :, None] & inside(left, width)[..., None, :])[..., None, :, :]
