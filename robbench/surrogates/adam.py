"""The optimiser of all networks of the package."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np


class Adam:
    """Adam with decoupled weight decay, in place and on all parameters as one vector: in parts, calls and copies cost more than the networks.

    Arguments:
        shapes: of the parameters; `parameters` and `gradients` are views of these shapes.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]], decay: float) -> None:
        self._decay = decay
        sizes = [math.prod(shape) for shape in shapes]
        self._values, self._slopes, self._mean, self._square, self._change = np.zeros((5, sum(sizes)), np.float32)
        ends = list(itertools.accumulate(sizes))
        places = list(zip(shapes, [0, *ends], ends, strict=False))
        self.parameters = [self._values[start:end].reshape(shape) for shape, start, end in places]
        self.gradients = [self._slopes[start:end].reshape(shape) for shape, start, end in places]
        self._steps = 0

    def clear(self) -> None:
        """Set the gradients to 0."""
        self._slopes[:] = 0

    def step(self, rate: float) -> None:
        """Change the parameters by their gradients.  The means are kept without their factors of 0.1 and 0.001, which the rate takes in."""
        self._steps += 1
        self._mean *= np.float32(0.9)
        self._mean += self._slopes
        self._square *= np.float32(0.999)
        self._square += np.square(self._slopes, out=self._change)
        np.sqrt(self._square, out=self._change)
        spread = np.sqrt(0.001 / (1 - 0.999**self._steps))
        self._change += np.float32(1e-8 / spread)
        np.divide(self._mean, self._change, out=self._change)
        self._change *= np.float32(rate * 0.1 / (1 - 0.9**self._steps) / spread)
        self._values *= np.float32(1 - rate * self._decay)
        self._values -= self._change
