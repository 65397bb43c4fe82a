"""Parts of a stack: activations of some of its networks, read out of one of all, or added up to one.  Each is the other's derivative.

Autograd would fill a whole activation with zeros for each part that is read, and then add them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

Where = slice | Tensor
"""Neighbours in a stack are a slice, which is read without a copy, so stacks of similar networks are fastest; others are an index."""


class Places(nn.Module):
    """Where some parts stand in a stack: along axis 3 of an activation ``(batch, height, width, stack, channels)``.

    Arguments:
        stack: how many networks an activation of all has.
        members: the networks of each part: positions in the stack, ascending.  Parts may overlap.
    """

    def __init__(self, stack: int, members: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.stack = stack
        self.first: list[bool] = []  # no part before has any of these networks: they are copied, not added to zeros
        self.whole = [len(part) == stack for part in members]  # it has all networks, and is a total as it is
        seen, copied = set[int](), set[int]()
        for part in members:
            self.first.append(seen.isdisjoint(part))
            seen.update(part)
            copied.update(part if self.first[-1] else ())
        self._slices: list[slice | None] = []
        for n, part in enumerate((*members, sorted(set(range(stack)) - copied))):
            neighbours = not part or part[-1] - part[0] + 1 == len(part)
            self._slices.append(slice(part[0], part[-1] + 1) if part and neighbours else slice(0, 0) if neighbours else None)
            self.register_buffer(f"index_{n}", None if neighbours else torch.tensor(part), persistent=False)

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
            return parts[0]
        total: Tensor = _Total.apply(self, *parts)  # type: ignore[no-untyped-call]
        return total

    def blank(self, part: Tensor) -> Tensor:
        """An activation of all networks, shaped as this part: zero where nothing is copied to, else not filled."""
        batch, height, width, _, channels = part.shape
        blank = part.new_empty(batch, height, width, self.stack, channels)
        *_, empty = self.wheres()
        if isinstance(empty, slice):
            blank[:, :, :, empty] = 0
        else:
            blank.index_fill_(3, empty, 0)
        return blank

    def wheres(self) -> list[Where]:
        """The place of each part, and then of the networks that nothing is copied to."""
        return [getattr(self, f"index_{n}") if run is None else run for n, run in enumerate(self._slices)]


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, places: Places, x: Tensor) -> tuple[Tensor, ...]:
        ctx.places = places
        return tuple(x[:, :, :, where] if isinstance(where, slice) else x.index_select(3, where) for where in places.wheres()[:-1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, ctx.places.total(*gradients)


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, places: Places, *parts: Tensor) -> Tensor:
        ctx.places = places
        both = places.whole[:2] == [True, True]  # one pass over the memory instead of two
        total, done = (parts[0] + parts[1], 2) if both else (places.blank(parts[0]), 0)
        for where, part, first in list(zip(places.wheres()[:-1], parts, places.first, strict=True))[done:]:
            if isinstance(where, slice):
                here = total[:, :, :, where]
                here.copy_(part) if first else here.add_(part)
            else:
                total.index_copy_(3, where, part) if first else total.index_add_(3, where, part)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return None, *ctx.places.gather(gradient)
