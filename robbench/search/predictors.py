"""What BANANAS learns with: ensembles that are fitted to the architectures evaluated so far.

predictor = PREDICTORS["networks"](features, targets, members, rng)
predictor.predict(features)     (members, rows): what each member predicts
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol, Self

import numpy as np

_HIDDEN = 100
_PENALTY = 1.0
_FIRST, _SECOND, _TINY = 0.9, 0.99, 1e-7
"""Of Adam: what is kept of the mean and of the square at each step, and the least divisor; naszilla's, and Keras's."""


class Predictor(Protocol):
    """An ensemble that was fitted."""

    def predict(self, features: np.ndarray) -> np.ndarray:
        """What each member predicts: ``(members, rows)``, in the targets' unit."""


class Ridges:
    """Ridge regressions that differ in their random features and in the rows that they were fitted to.

    Arguments:
        features: ``(rows, features)``.
        targets: ``(rows,)``; what is not finite counts as the worst of the others.
    """

    def __init__(self, features: np.ndarray, targets: np.ndarray, members: int, rng: np.random.Generator) -> None:
        targets = _finite(targets)
        self._mean, self._scale = targets.mean(), max(float(targets.std()), 1e-9)
        self._members = [self._fitted(features, (targets - self._mean) / self._scale, rng) for _ in range(members)]

    def predict(self, features: np.ndarray) -> np.ndarray:
        """What each member predicts: ``(members, rows)``, in the targets' unit."""
        return np.asarray([_lifted(features, *hidden) @ weights * self._scale + self._mean for hidden, weights in self._members])

    @staticmethod
    def _fitted(features: np.ndarray, targets: np.ndarray, rng: np.random.Generator) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
        hidden = rng.normal(size=(features.shape[1], _HIDDEN)), rng.normal(size=_HIDDEN)
        rows = rng.integers(len(targets), size=len(targets))
        inputs = _lifted(features[rows], *hidden)
        moments = inputs.T @ inputs + _PENALTY * np.eye(inputs.shape[1])
        return hidden, np.linalg.solve(moments, inputs.T @ targets[rows])


class Networks:
    """Networks of rectified layers that differ in their first weights and in the order of the rows; all are trained side by side.

    The defaults are naszilla's (`meta_neuralnet_params("standard")` of `naszilla/params.py`, and `meta_neural_net.py`), which Keras completes:
    weights drawn after Glorot and Bengio (2010), offsets from zero, rows shuffled every epoch, a last batch that is smaller, float32.  As
    there, the targets are neither centred nor scaled, but fitted as losses in percent.

    Arguments:
        features: ``(rows, features)``.
        targets: ``(rows,)``, fractions; what is not finite counts as the worst of the others.
        depth: how many hidden layers.
        width: units of each.
        rate: at which Adam learns.
    """

    def __init__(
        self,
        features: np.ndarray,
        targets: np.ndarray,
        members: int,
        rng: np.random.Generator,
        *,
        depth: int = 10,
        width: int = 20,
        epochs: int = 150,
        batch: int = 32,
        rate: float = 0.01,
    ) -> None:
        self._weights = Weights.blank(members, [features.shape[1], *[width] * depth, 1])
        for layer in self._weights.layers:
            limit = math.sqrt(6 / (layer.shape[1] - 1 + layer.shape[2]))
            layer[:, :-1] = rng.uniform(-limit, limit, layer[:, :-1].shape)
        losses = 100 * (1 - _finite(targets))
        batches = _batches(members, len(losses), epochs, batch, rng)
        train(self._weights, features.astype(np.float32), losses.astype(np.float32), batches, rate)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """What each member predicts: ``(members, rows)``, fractions."""
        *_, losses = forward(self._weights, features.astype(np.float32)[np.newaxis])
        return 1 - losses[:, :, 0] / 100


class Weights(NamedTuple):
    """What networks of one shape have learned, or how their error changes with it."""

    flat: np.ndarray
    """All of it in one row."""
    layers: list[np.ndarray]
    """Views of it: ``(members, inputs + 1, outputs)`` a layer, with the offsets in the last row."""

    @classmethod
    def blank(cls, members: int, sizes: Sequence[int], dtype: type = np.float32) -> Self:
        """Zeros, for layers with so many inputs, the last with so many outputs."""
        shapes = [(members, inputs + 1, outputs) for inputs, outputs in pairwise(sizes)]
        ends = np.cumsum([math.prod(shape) for shape in shapes])
        flat = np.zeros(ends[-1], dtype)
        return cls(flat, [part.reshape(shape) for part, shape in zip(np.split(flat, ends[:-1]), shapes, strict=True)])

    def like(self) -> Self:
        """Zeros of the same shape."""
        members, inputs, _ = self.layers[0].shape
        return self.blank(members, [inputs - 1, *(layer.shape[2] for layer in self.layers)], self.flat.dtype.type)


def forward(weights: Weights, features: np.ndarray) -> list[np.ndarray]:
    """What goes into each layer, ``(members, rows, inputs)``, and comes out of the last, ``(members, rows, 1)``."""
    found = [features]
    for layer in weights.layers:
        if len(found) > 1:
            np.maximum(found[-1], 0, out=found[-1])
        found.append(found[-1] @ layer[:, :-1])
        found[-1] += layer[:, -1:]
    return found


def backward(weights: Weights, features: np.ndarray, targets: np.ndarray, slopes: Weights) -> None:
    """Write into `slopes` how the mean absolute error of each network changes with its weights.

    Arguments:
        features: ``(members, rows, features)``: each network has rows of its own.
        targets: ``(members, rows)``.
    """
    *inputs, outputs = forward(weights, features)
    error = np.sign(outputs - targets[:, :, np.newaxis]) / targets.shape[1]
    for layer, slope, received in zip(weights.layers[::-1], slopes.layers[::-1], inputs[::-1], strict=True):
        np.matmul(received.swapaxes(1, 2), error, out=slope[:, :-1])
        np.sum(error, axis=1, keepdims=True, out=slope[:, -1:])
        error = error @ layer[:, :-1].swapaxes(1, 2)
        error *= received > 0


def train(weights: Weights, features: np.ndarray, targets: np.ndarray, batches: Iterable[np.ndarray], rate: float) -> None:
    """Lower the mean absolute error of each network, by one step of Adam a batch.

    Source: Kingma and Ba (2015), "Adam: a method for stochastic optimization", in the order that ends its section 2, which is that of Keras.

    Arguments:
        batches: which rows of features and targets each network sees next: ``(members, rows)``.
    """
    slopes = weights.like()
    gradient, mean, square = slopes.flat, np.zeros_like(weights.flat), np.zeros_like(weights.flat)
    for step, rows in enumerate(batches, start=1):
        backward(weights, features[rows], targets[rows], slopes)
        mean += (1 - _FIRST) * (gradient - mean)
        square += (1 - _SECOND) * (gradient * gradient - square)
        pace = rate * math.sqrt(1 - _SECOND**step) / (1 - _FIRST**step)
        weights.flat[:] -= pace * mean / (np.sqrt(square) + _TINY)


def _batches(members: int, rows: int, epochs: int, batch: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """All rows in every epoch, shuffled for each member."""
    for _ in range(epochs):
        shuffled = rng.permuted(np.tile(np.arange(rows), (members, 1)), axis=1)
        yield from np.split(shuffled, range(batch, rows, batch), axis=1)


def _finite(targets: np.ndarray) -> np.ndarray:
    finite = np.isfinite(targets)
    return np.where(finite, targets, targets[finite].min(initial=0.0 if not finite.any() else np.inf))


def _lifted(features: np.ndarray, weights: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """The features, their random rectified combinations, and a constant."""
    rectified = np.maximum(features @ weights + offsets, 0) / np.sqrt(_HIDDEN)
    return np.concatenate([features, rectified, np.ones((len(features), 1))], axis=1)


PREDICTORS: dict[str, Callable[[np.ndarray, np.ndarray, int, np.random.Generator], Predictor]] = {"ridges": Ridges, "networks": Networks}
"""Fitted as ``predictor(features, targets, members, rng)``."""
