"""An ensemble of small networks over many targets at once, trained and evaluated in numpy."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Self

import numpy as np

from robbench.surrogates.models import Arrays, filled, medians


class Settings(NamedTuple):
    """Hyper-parameters."""

    members: int
    hidden: tuple[int, ...]
    """The width of each hidden layer."""
    epochs: int
    fewest_steps: int
    """So few rows are seen more often."""
    batch: int
    rate: float
    decay: float


class Networks:
    """Networks of three hidden layers that learn every target together and differ in their random start and order of rows.

    What two attacks or two datasets have in common is learned from both, and the noise of one measurement from many.  A feature enters as log(1 + x) and as
    whether it is there at all.  Targets are standardised; equal rows are one row that weighs as the root of their number.

    Arrays: ``fill``, ``centre``, ``scale``, ``keep`` of the inputs; ``weight0…3`` (members, in, out), ``bias0…3`` (members, 1, out), float32;
    ``target_centre``, ``target_scale`` (outputs,).

    Source: Kingma and Ba (2015) and Loshchilov and Hutter (2019) for the optimiser; Lakshminarayanan et al. (2017) for the ensemble.
    """

    version = oldest = 1
    fewest_rows = 42
    # Chosen by benchmarks/selection.py, on groups that are on no test side.
    settings = Settings(members=6, hidden=(128, 128, 64), epochs=100, fewest_steps=1500, batch=64, rate=3e-3, decay=0.6)

    def __init__(self, arrays: Arrays) -> None:
        names = ["fill", "centre", "scale", "keep", "target_centre", "target_scale"]
        self._layers = sum(name.startswith("weight") for name in arrays)
        names += [f"{part}{layer}" for part in ("weight", "bias") for layer in range(self._layers)]
        self._arrays = {name: np.asarray(arrays[name]) for name in names}

    @classmethod
    def fit(cls, features: np.ndarray, targets: np.ndarray, outputs: int, seed: int) -> Self:
        """Train on all targets; keep what the first `outputs` of them need."""
        from threadpoolctl import threadpool_limits

        rows, index, count = np.unique(features, axis=0, return_inverse=True, return_counts=True, equal_nan=False)
        means = np.zeros((len(rows), targets.shape[1]))
        np.add.at(means, index.reshape(-1), targets)
        means /= count[:, np.newaxis]
        fill = medians(rows)
        raw = _expanded(filled(rows, fill))
        keep = np.flatnonzero(np.ptp(raw, axis=0) > 0)
        centre, scale = raw[:, keep].mean(axis=0), np.maximum(raw[:, keep].std(axis=0), 0.1)
        target_centre, target_scale = means.mean(axis=0), np.maximum(means.std(axis=0), 1e-4)
        inputs = ((raw[:, keep] - centre) / scale).astype(np.float32)
        wanted = ((means - target_centre) / target_scale).astype(np.float32)
        # The products are small: on a busy machine the threads of a BLAS wait for each other, a hundred times longer than they work.
        with threadpool_limits(1):
            weights, biases = _trained(inputs, wanted, (np.sqrt(count) / np.sqrt(count).mean()).astype(np.float32), seed, cls.settings)
        weights[-1], biases[-1] = weights[-1][..., :outputs], biases[-1][..., :outputs]
        found = {"fill": fill, "centre": centre, "scale": scale, "keep": keep.astype(np.int32)}
        found |= {"target_centre": target_centre[:outputs], "target_scale": target_scale[:outputs]}
        found |= {f"weight{layer}": weight for layer, weight in enumerate(weights)}
        return cls(found | {f"bias{layer}": bias for layer, bias in enumerate(biases)})

    def predict(self, features: np.ndarray) -> np.ndarray:
        """The mean over the members, in double precision."""
        found = self._arrays
        inputs = (_expanded(filled(features, found["fill"]))[:, found["keep"]] - found["centre"]) / found["scale"]
        total = np.zeros((len(inputs), len(found["target_centre"])))
        members = len(found["weight0"])
        for member in range(members):
            hidden = inputs
            for layer in range(self._layers):
                hidden = np.maximum(hidden, 0) if layer else hidden
                hidden = hidden @ found[f"weight{layer}"][member].astype(np.float64) + found[f"bias{layer}"][member]
            total += hidden
        return np.asarray(total / members * found["target_scale"] + found["target_centre"])

    @property
    def shape(self) -> tuple[int, int]:
        """Features and outputs."""
        return len(self._arrays["fill"]), len(self._arrays["target_centre"])

    def arrays(self) -> dict[str, np.ndarray]:
        """As the class lists them."""
        return dict(self._arrays)

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The networks of these arrays."""
        networks = cls(arrays)
        found = networks._arrays
        widths = [(len(found["keep"]), found["weight0"].shape[1])]
        widths += [(found[f"weight{layer}"].shape[2], found[f"weight{layer + 1}"].shape[1]) for layer in range(networks._layers - 1)]
        if any(given != taken for given, taken in widths):
            raise ValueError(f"the layers do not fit together: {widths}")
        members, outputs = len(found["weight0"]), found["target_centre"].shape
        for layer in range(networks._layers):
            weight, bias = found[f"weight{layer}"], found[f"bias{layer}"]
            if len(weight) != members or bias.shape != (members, 1, weight.shape[2]):
                raise ValueError(f"layer {layer} has weights {weight.shape} and biases {bias.shape}")
        if not members or outputs != (found[f"weight{networks._layers - 1}"].shape[2],) or found["target_scale"].shape != outputs:
            raise ValueError("the last layer and the targets' scale do not fit together")
        if not all(np.isfinite(values).all() for values in found.values()):
            raise ValueError("a number is not finite")
        if found["keep"].dtype.kind not in "iu" or not ((found["keep"] >= 0) & (found["keep"] < 2 * len(found["fill"]))).all():
            raise ValueError("the inputs that are kept are not among the features")
        return networks


def _expanded(features: np.ndarray) -> np.ndarray:
    """Each feature twice: its size, signs kept, on a logarithmic scale; and whether it is there."""
    return np.concatenate([np.sign(features) * np.log1p(np.abs(features)), features != 0], axis=1)


def _trained(
    inputs: np.ndarray, targets: np.ndarray, importance: np.ndarray, seed: int, settings: Settings
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weights and biases of each layer, of all members: trained side by side, since numpy lets go of the interpreter while it computes."""
    rng = np.random.default_rng(seed)
    widths = list(itertools.pairwise([inputs.shape[1], *settings.hidden, targets.shape[1]]))
    gains = [2.0] * len(settings.hidden) + [1.0]
    starts = [
        rng.standard_normal((settings.members, *pair)) * np.sqrt(gain / max(pair[0], 1)) for pair, gain in zip(widths, gains, strict=True)
    ]
    batch = min(settings.batch, len(inputs))
    batches = len(inputs) // batch
    steps = max(settings.epochs * batches, settings.fewest_steps)
    drawn = [[rng.permutation(len(inputs)) for _ in range(settings.members)] for _ in range(math.ceil(steps / batches))]
    # All that is random was drawn before, so threads share nothing that changes.
    rows = np.array(drawn, np.int32)[..., : batches * batch].reshape(-1, settings.members, batches, batch).transpose(1, 0, 2, 3)

    def trained(member: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        start = [weight[member] for weight in starts]
        return _member(inputs, targets, importance, start, rows[member].reshape(-1, batch)[:steps], settings)

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        weights, biases = zip(*threads.map(trained, range(settings.members)), strict=True)
    return [np.stack(layer) for layer in zip(*weights, strict=True)], [np.stack(layer) for layer in zip(*biases, strict=True)]


def _member(
    inputs: np.ndarray, targets: np.ndarray, importance: np.ndarray, start: list[np.ndarray], batches: np.ndarray, settings: Settings
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weights ``(in, out)`` and biases ``(1, out)`` of each layer after a step for each batch of rows: the rate warmed up, then a half cosine."""
    layers = len(start)
    optimiser = _Adam([weight.shape for weight in start] + [(1, weight.shape[1]) for weight in start], settings.decay)
    weights, biases = optimiser.parameters[:layers], optimiser.parameters[layers:]
    for weight, values in zip(weights, start, strict=True):
        weight[:] = values
    for step, rows in enumerate(batches):
        hidden = [inputs[rows]]
        for layer in range(layers):
            total = hidden[-1] @ weights[layer]
            total += biases[layer]
            hidden.append(np.maximum(total, 0, out=total) if layer < layers - 1 else total)
        slope = hidden[-1]
        slope -= targets[rows]
        slope *= importance[rows][:, np.newaxis] / len(rows)
        for layer in reversed(range(layers)):
            np.matmul(hidden[layer].T, slope, out=optimiser.gradients[layer])
            slope.sum(axis=0, keepdims=True, out=optimiser.gradients[layers + layer])
            if layer:
                slope = slope @ weights[layer].T
                slope *= hidden[layer] > 0
        optimiser.step(settings.rate * 0.5 * (1 + np.cos(np.pi * step / len(batches))) * min(1, (step + 1) / 100))
    return weights, biases


class _Adam:
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
