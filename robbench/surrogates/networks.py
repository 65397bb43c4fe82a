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
from robbench.surrogates.models import Arrays


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
        self._inputs = Inputs(*(self._arrays[name] for name in Inputs._fields))

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

    def predict(self, features: np.ndarray) -> np.ndarray:
        """The mean over the members, in double precision."""
        found = self._arrays
        inputs = self._inputs.standard(features)
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
        networks._inputs.check()
        return networks


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
