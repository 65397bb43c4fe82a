"""The operations of a cell, by name: their layers, plain and stacked, and what they cost.

All keep an image's shape.  ``none`` is not among them: an edge that has it computes nothing and is left out of a `Cell`.

Source: Dong and Yang (2020), section 2.1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import nn

from robbench_builders.errors import BuildError
from robbench_builders.networks.cost import Cost, pooling, relu_conv_bn
from robbench_builders.networks.layers import AvgPool, ReLUConvBN, StackedPooling, StackedReLUConvBN


class Operation(NamedTuple):
    """What stands on an edge of a cell."""

    plain: Callable[[int], nn.Module]
    """From channels to the layer of one network."""
    stacked: Callable[[Sequence[int], int], nn.Module]
    """From the networks that have it, as positions in the stack, and channels to their layer."""
    cost: Callable[[int, int], Cost]
    """From channels and pixels to what it costs one network."""


def _convolution(kernel: int) -> Operation:
    return Operation(
        lambda channels: ReLUConvBN(channels, channels, kernel),
        lambda members, channels: StackedReLUConvBN(members, channels, channels, kernel),
        lambda channels, pixels: relu_conv_bn(channels, channels, kernel, pixels, pixels),
    )


OPERATIONS: dict[str, Operation] = {
    "skip_connect": Operation(lambda channels: nn.Identity(), lambda members, channels: nn.Identity(), lambda channels, pixels: Cost(0, 0)),
    "nor_conv_1x1": _convolution(1),
    "nor_conv_3x3": _convolution(3),
    "avg_pool_3x3": Operation(
        lambda channels: AvgPool(3, 1, 1),
        lambda members, channels: StackedPooling(AvgPool(3, 1, 1)),
        lambda channels, pixels: pooling(channels, 9, pixels),
    ),
}


def operation(name: str) -> Operation:
    """The operation of that name.

    Raises:
        BuildError: there is none.
    """
    if name not in OPERATIONS:
        raise BuildError(f"{name!r} is not an operation that networks can be built of; expected one of none, {', '.join(OPERATIONS)}.")
    return OPERATIONS[name]


def edge_name(source: int, target: int, name: str) -> str:
    """What the layer of an edge is called in a state_dict, plain or stacked: ``nor_conv_3x3_12`` is a 3×3 convolution on the edge 1→2."""
    return f"{name}_{source}{target}"
