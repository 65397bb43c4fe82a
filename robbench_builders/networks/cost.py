"""Parameters and FLOPs, layer by layer.

FLOPs are counted as the published ones are: multiply-accumulates of convolutions and of the linear layer, 1 for each input of a ReLU, 2 for each
element of a batch norm, and the window's size for each output of a pooling; sums of edges, biases and the normalisation are not counted.

Source: NAS-Bench-Suite-Zero (Krishnakumar et al., 2022), whose numbers of all cells of NAS-Bench-201 come out to the operation.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Cost(NamedTuple):
    """Of a layer, or of several together."""

    parameters: int
    flops: int
    """Of one image."""


def total(costs: Iterable[Cost]) -> Cost:
    """The sum."""
    found = list(costs)
    return Cost(sum(cost.parameters for cost in found), sum(cost.flops for cost in found))


def convolution(inputs: int, outputs: int, kernel: int, pixels: int) -> Cost:
    """A convolution without bias, from its channels, its kernel's side, and the pixels that it gives."""
    weights = inputs * outputs * kernel**2
    return Cost(weights, weights * pixels)


def batch_norm(channels: int, pixels: int) -> Cost:
    """A batch norm."""
    return Cost(2 * channels, 2 * channels * pixels)


def relu(channels: int, pixels: int) -> Cost:
    """A ReLU."""
    return Cost(0, channels * pixels)


def pooling(channels: int, window: int, pixels: int) -> Cost:
    """A pooling, from its channels, the pixels of its window, and the pixels that it gives."""
    return Cost(0, channels * window * pixels)


def relu_conv_bn(inputs: int, outputs: int, kernel: int, pixels_in: int, pixels_out: int) -> Cost:
    """ReLU, convolution, batch norm."""
    return total([relu(inputs, pixels_in), convolution(inputs, outputs, kernel, pixels_out), batch_norm(outputs, pixels_out)])


def linear(inputs: int, outputs: int) -> Cost:
    """A linear layer with bias."""
    return Cost((inputs + 1) * outputs, inputs * outputs)
