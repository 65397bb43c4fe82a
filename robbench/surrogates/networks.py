"""An ensemble of small networks over many targets at once, trained and evaluated in numpy."""

from __future__ import annotations

import itertools
from typing import Self

import numpy as np

from robbench.surrogates.models import Arrays, filled, medians, needs

# Chosen on one split inside 80% of cifar10's groups, from about fifteen settings.
MEMBERS = 6
HIDDEN = (128, 128, 64)
EPOCHS = 60
FEWEST_STEPS = 1500  # so few rows are seen more often
BATCH = 64
RATE = 3e-3
DECAY = 0.3


class Networks:
    """Networks of three hidden layers that learn every target together and differ in their random start and order of rows.

    What two attacks have in common is learned from both, and the noise of one measurement from many.  A feature enters as log(1 + x) and as
    whether it is there at all.  Targets are standardised; equal rows are one row that weighs as the root of their number.

    Arrays: ``fill``, ``centre``, ``scale``, ``keep`` of the inputs; ``weight0…3`` (members, in, out), ``bias0…3`` (members, 1, out), float32;
    ``target_centre``, ``target_scale`` (outputs,).

    Source: Kingma and Ba (2015) and Loshchilov and Hutter (2019) for the optimiser; Lakshminarayanan et al. (2017) for the ensemble.
    """

    version = 1
    fewest_rows = 2 * BATCH // 3

    def __init__(self, arrays: Arrays) -> None:
        layers = len(HIDDEN) + 1
        names = ["fill", "centre", "scale", "keep", "target_centre", "target_scale"]
        names += [f"{part}{layer}" for part in ("weight", "bias") for layer in range(layers)]
        self._arrays = {name: np.asarray(arrays[name]) for name in names}

    @classmethod
    def fit(cls, features: np.ndarray, targets: np.ndarray, outputs: int, seed: int) -> Self:
        """Train on all targets; keep what the first `outputs` of them need."""
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
        try:
            from threadpoolctl import threadpool_limits
        except ImportError as error:
            raise needs("threadpoolctl", "networks", error) from error
        # The products are small: on a busy machine the threads of a BLAS wait for each other, a hundred times longer than they work.
        with threadpool_limits(1):
            weights, biases = _trained(inputs, wanted, (np.sqrt(count) / np.sqrt(count).mean()).astype(np.float32), seed)
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
            for layer in range(len(HIDDEN)):
                hidden = np.maximum(hidden @ found[f"weight{layer}"][member].astype(np.float64) + found[f"bias{layer}"][member], 0)
            total += hidden @ found[f"weight{len(HIDDEN)}"][member].astype(np.float64) + found[f"bias{len(HIDDEN)}"][member]
        return np.asarray(total / members * found["target_scale"] + found["target_centre"])

    def arrays(self) -> dict[str, np.ndarray]:
        """As the class lists them."""
        return dict(self._arrays)

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The networks of these arrays."""
        networks = cls(arrays)
        found = networks._arrays
        widths = [(len(found["keep"]), found["weight0"].shape[1])]
        widths += [(found[f"weight{layer}"].shape[2], found[f"weight{layer + 1}"].shape[1]) for layer in range(len(HIDDEN))]
        if any(given != taken for given, taken in widths):
            raise ValueError(f"the layers do not fit together: {widths}")
        return networks


def _expanded(features: np.ndarray) -> np.ndarray:
    """Each feature twice: its size, signs kept, on a logarithmic scale; and whether it is there."""
    return np.concatenate([np.sign(features) * np.log1p(np.abs(features)), features != 0], axis=1)


def _trained(inputs: np.ndarray, targets: np.ndarray, importance: np.ndarray, seed: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weights and biases, all members at once: Adam with decoupled weight decay, the rate warmed up and then a half cosine."""
    rng = np.random.default_rng(seed)
    widths = [inputs.shape[1], *HIDDEN, targets.shape[1]]
    layers = len(widths) - 1
    weights = [
        (rng.standard_normal((MEMBERS, fan_in, fan_out)) * np.sqrt((2 if layer < layers - 1 else 1) / fan_in)).astype(np.float32)
        for layer, (fan_in, fan_out) in enumerate(itertools.pairwise(widths))
    ]
    biases = [np.zeros((MEMBERS, 1, width), np.float32) for width in widths[1:]]
    parameters = weights + biases
    first, second = [np.zeros_like(values) for values in parameters], [np.zeros_like(values) for values in parameters]
    batch = min(BATCH, len(inputs))
    batches = len(inputs) // batch
    steps = max(EPOCHS * batches, FEWEST_STEPS)
    for step in range(steps):
        position = step % batches
        if position == 0:
            order = np.stack([rng.permutation(len(inputs)) for _ in range(MEMBERS)])
        rows = order[:, position * batch : (position + 1) * batch]
        hidden = [inputs[rows]]
        for layer in range(layers):
            total = hidden[-1] @ weights[layer] + biases[layer]
            hidden.append(np.maximum(total, 0) if layer < layers - 1 else total)
        slope = (hidden[-1] - targets[rows]) * (importance[rows][..., np.newaxis] / batch)
        gradients = [np.empty(0)] * len(parameters)
        for layer in reversed(range(layers)):
            gradients[layer] = hidden[layer].transpose(0, 2, 1) @ slope
            gradients[layers + layer] = slope.sum(axis=1, keepdims=True)
            if layer:
                slope = (slope @ weights[layer].transpose(0, 2, 1)) * (hidden[layer] > 0)
        rate = np.float32(RATE * 0.5 * (1 + np.cos(np.pi * step / steps)) * min(1, (step + 1) / 100))
        correction = np.float32(np.sqrt(1 - 0.999 ** (step + 1)) / (1 - 0.9 ** (step + 1)))
        for values, gradient, mean, square in zip(parameters, gradients, first, second, strict=True):
            mean += np.float32(0.1) * (gradient - mean)
            square += np.float32(0.001) * (gradient * gradient - square)
            values -= rate * (correction * mean / (np.sqrt(square) + np.float32(1e-8)) + np.float32(DECAY) * values)
    return weights, biases
