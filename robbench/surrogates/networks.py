"""An ensemble of small networks over many targets at once, trained and evaluated in numpy."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Self

import numpy as np

from robbench.surrogates.adam import Adam
from robbench.surrogates.inputs import Inputs, averaged
from robbench.surrogates.perceptrons import Perceptrons


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


class Networks(Perceptrons):
    """Networks of three hidden layers that learn every target together and differ in their random start and order of rows.

    What two attacks or two datasets have in common is learned from both, and the noise of one measurement from many.  A feature enters as log(1 + x) and as
    whether it is there at all.  Targets are standardised; equal rows are one row that weighs as the root of their number.

    Arrays: those of `Perceptrons`.

    Source: Kingma and Ba (2015) and Loshchilov and Hutter (2019) for the optimiser; Lakshminarayanan et al. (2017) for the ensemble.
    """

    version = oldest = 1
    fewest_rows = 42
    # Chosen by benchmarks/selection.py, on groups that are on no test side.
    settings = Settings(members=6, hidden=(128, 128, 64), epochs=100, fewest_steps=1500, batch=64, rate=3e-3, decay=0.6)

    @classmethod
    def fit(cls, features: np.ndarray, targets: np.ndarray, outputs: int, seed: int, names: Sequence[str] = ()) -> Self:
        """Train on all targets; keep what the first `outputs` of them need."""
        from threadpoolctl import threadpool_limits

        rows, means, count = averaged(features, targets)
        prepared = Inputs.of(rows)
        target_centre, target_scale = means.mean(axis=0), np.maximum(means.std(axis=0), 1e-4)
        inputs = prepared.standard(rows).astype(np.float32)
        wanted = ((means - target_centre) / target_scale).astype(np.float32)
        # The products are small: on a busy machine the threads of a BLAS wait for each other, a hundred times longer than they work.
        with threadpool_limits(1):
            weights, biases = _trained(inputs, wanted, (np.sqrt(count) / np.sqrt(count).mean()).astype(np.float32), seed, cls.settings)
        weights[-1], biases[-1] = weights[-1][..., :outputs], biases[-1][..., :outputs]
        found = {**prepared._asdict(), "target_centre": target_centre[:outputs], "target_scale": target_scale[:outputs]}
        found |= {f"weight{layer}": weight for layer, weight in enumerate(weights)}
        return cls(found | {f"bias{layer}": bias for layer, bias in enumerate(biases)})


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
    optimiser = Adam([weight.shape for weight in start] + [(1, weight.shape[1]) for weight in start], settings.decay)
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
