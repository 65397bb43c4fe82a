"""Gather and scatter-add along the stack axis; each is the other's backward pass.

Autograd alone would fill a whole activation with zeros for each subset of the networks that is gathered, and then add them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

Index = slice | Tensor
"""A subset whose networks are evenly spaced is a slice, which is read without a copy, so stacks of similar networks are fastest; others are indices."""


class StackIndex(nn.Module):
    """Subsets of the networks of a stack, along axis 3 of an activation ``(batch, height, width, stack, channels)``.

    Arguments:
        stack: how many networks an activation of all has.
        subsets: of each subset its networks, as positions in the stack, ascending.  Subsets may overlap.
    """

    def __init__(self, stack: int, subsets: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.stack = stack
        self.whole = [len(subset) == stack for subset in subsets]  # it has all networks, so its activation is one of all
        self._slices = [_as_slice(subset) for subset in subsets]
        self.copied: list[bool] = []  # a slice that shares no network with the subsets before: copied, not added to zeros
        seen, written = set[int](), set[int]()
        for subset, evenly in zip(subsets, self._slices, strict=True):
            self.copied.append(evenly is not None and seen.isdisjoint(subset))
            seen.update(subset)
            written.update(subset if self.copied[-1] else ())
        self._all_copied = len(written) == stack
        for n, (subset, evenly) in enumerate(zip(subsets, self._slices, strict=True)):
            self.register_buffer(f"index_{n}", torch.tensor(subset) if evenly is None else None, persistent=False)

    def __len__(self) -> int:
        """How many subsets."""
        return len(self.copied)

    def gather(self, x: Tensor) -> tuple[Tensor, ...]:
        """From an activation of all networks, one of each subset, ``(batch, height, width, subset, channels)``."""
        parts: tuple[Tensor, ...] = _Gather.apply(self, x) if len(self) else ()  # type: ignore[no-untyped-call]
        return parts

    def scatter_add(self, *parts: Tensor) -> Tensor:
        """From one activation a subset, their sum as an activation of all networks, contiguous; zero for networks in no subset."""
        if len(parts) == 1 and self.whole[0]:
            return parts[0].contiguous()
        total: Tensor = _ScatterAdd.apply(self, *parts)  # type: ignore[no-untyped-call]
        return total

    def new_total(self, part: Tensor) -> Tensor:
        """An activation of all networks, for the sum to be written to: zeros, or anything where all of it will be copied over."""
        batch, height, width, _, channels = part.shape
        new = part.new_empty if self._all_copied else part.new_zeros
        return new(batch, height, width, self.stack, channels)

    def indices(self) -> list[Index]:
        """What selects each subset along the stack axis."""
        return [getattr(self, f"index_{n}") if evenly is None else evenly for n, evenly in enumerate(self._slices)]


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, subsets: StackIndex, x: Tensor) -> tuple[Tensor, ...]:
        ctx.subsets = subsets
        return tuple(x[:, :, :, index] if isinstance(index, slice) else x.index_select(3, index) for index in subsets.indices())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, ctx.subsets.scatter_add(*gradients)


class _ScatterAdd(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, subsets: StackIndex, *parts: Tensor) -> Tensor:
        ctx.subsets = subsets
        both = subsets.whole[:2] == [True, True]  # one pass over the memory instead of two
        total = subsets.new_total(parts[0])
        if both:
            torch.add(parts[0], parts[1], out=total)
        for index, part, copied in list(zip(subsets.indices(), parts, subsets.copied, strict=True))[2 * both :]:
            if isinstance(index, slice):
                here = total[:, :, :, index]
                here.copy_(part) if copied else here.add_(part)
            else:
                total.index_add_(3, index, part)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return None, *ctx.subsets.gather(gradient)


def _as_slice(subset: Sequence[int]) -> slice | None:
    """The subset as a slice, if its networks are evenly spaced."""
    step = subset[1] - subset[0] if len(subset) > 1 else 1
    evenly = range(subset[0], subset[-1] + 1, step) if subset else range(0)
    return slice(evenly.start, evenly.stop, step) if list(evenly) == list(subset) else None
