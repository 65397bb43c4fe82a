"""Parts of a stack: activations of some of its networks, read out of one of all, or added up to one.  Each is the other's derivative.

Autograd would fill a whole activation with zeros for each part that is read, and then add them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

Where = slice | Tensor
"""Networks that are evenly spaced are a slice, which is read without a copy, so stacks of similar networks are fastest; others an index."""


class Places(nn.Module):
    """Where some parts stand in a stack: along axis 3 of an activation ``(batch, height, width, stack, channels)``.

    Arguments:
        stack: how many networks an activation of all has.
        members: the networks of each part: positions in the stack, ascending.  Parts may overlap.
    """

    def __init__(self, stack: int, members: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.stack = stack
        self.whole = [len(part) == stack for part in members]  # it has all networks, and is a total as it is
        self._slices = [_evenly(part) for part in members]
        self.first: list[bool] = []  # a slice that no part before has any of: it is copied, not added to zeros
        seen, copied = set[int](), set[int]()
        for part, evenly in zip(members, self._slices, strict=True):
            self.first.append(evenly is not None and seen.isdisjoint(part))
            seen.update(part)
            copied.update(part if self.first[-1] else ())
        self._filled = len(copied) == stack
        for n, (part, evenly) in enumerate(zip(members, self._slices, strict=True)):
            self.register_buffer(f"index_{n}", torch.tensor(part) if evenly is None else None, persistent=False)

    def __len__(self) -> int:
        """How many parts."""
        return len(self.first)

    def gather(self, x: Tensor) -> tuple[Tensor, ...]:
        """The parts of an activation of all networks."""
        parts: tuple[Tensor, ...] = _Gather.apply(self, x) if len(self) else ()  # type: ignore[no-untyped-call]
        return parts

    def total(self, *parts: Tensor) -> Tensor:
        """The sum of the parts, each in its place: an activation of all networks, zero where no part has them."""
        if len(parts) == 1 and self.whole[0]:
            return parts[0].contiguous()
        total: Tensor = _Total.apply(self, *parts)  # type: ignore[no-untyped-call]
        return total

    def blank(self, part: Tensor) -> Tensor:
        """An activation of all networks, shaped as this part: zeros, but not filled where all is copied to."""
        batch, height, width, _, channels = part.shape
        new = part.new_empty if self._filled else part.new_zeros
        return new(batch, height, width, self.stack, channels)

    def wheres(self) -> list[Where]:
        """The place of each part."""
        return [getattr(self, f"index_{n}") if evenly is None else evenly for n, evenly in enumerate(self._slices)]


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, places: Places, x: Tensor) -> tuple[Tensor, ...]:
        ctx.places = places
        return tuple(x[:, :, :, where] if isinstance(where, slice) else x.index_select(3, where) for where in places.wheres())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, ctx.places.total(*gradients)


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, places: Places, *parts: Tensor) -> Tensor:
        ctx.places = places
        both = places.whole[:2] == [True, True]  # one pass over the memory instead of two
        total = places.blank(parts[0])
        if both:
            torch.add(parts[0], parts[1], out=total)
        for where, part, first in list(zip(places.wheres(), parts, places.first, strict=True))[2 * both :]:
            if isinstance(where, slice):
                here = total[:, :, :, where]
                here.copy_(part) if first else here.add_(part)
            else:
                total.index_add_(3, where, part)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return None, *ctx.places.gather(gradient)


def _evenly(part: Sequence[int]) -> slice | None:
    """The part as a slice, if its networks are evenly spaced."""
    step = part[1] - part[0] if len(part) > 1 else 1
    evenly = range(part[0], part[-1] + 1, step) if part else range(0)
    return slice(evenly.start, evenly.stop, step) if list(evenly) == list(part) else None
