"""Multilayer perceptrons that are averaged: what networks with and without a graph have in common once they are trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Self

import numpy as np

from robbench.surrogates.inputs import Inputs
from robbench.surrogates.models import Arrays

_ROWS = 512
"""Evaluated at once: what they need fits in a processor's cache."""


class Perceptrons:
    """Members from the same inputs to the same targets, of which the mean is what they predict.

    Arrays: ``fill``, ``centre``, ``scale``, ``keep`` of the inputs; ``weight0…`` (members, in, out), ``bias0…`` (members, 1, out), float32;
    ``target_centre``, ``target_scale`` (outputs,).

    Arguments:
        arrays: these, and those of a kind's own.
        own: the names of the latter.
    """

    def __init__(self, arrays: Arrays, own: Sequence[str] = ()) -> None:
        layers = range(sum(name.startswith("weight") for name in arrays))
        self._layers = [(f"weight{layer}", f"bias{layer}") for layer in layers]
        names = [*Inputs._fields, "target_centre", "target_scale", *own, *(name for layer in self._layers for name in layer)]
        self._arrays = {name: np.asarray(arrays[name]) for name in names}
        self._inputs = Inputs(*(self._arrays[name] for name in Inputs._fields))

    def predict(self, features: np.ndarray) -> np.ndarray:
        """The mean over the members, in double precision."""
        found, total = self._arrays, np.zeros((len(features), len(self._arrays["target_centre"])))
        members = [
            {name: found[name][member].astype(np.float64) for layer in self._layers for name in layer} for member in range(self._members)
        ]
        beside = self._beside(features)
        for start in range(0, len(features), _ROWS):
            some = slice(start, start + _ROWS)
            inputs = self._inputs.standard(features[some])
            known = np.concatenate([inputs, beside[0][some]], axis=1)
            for member, own in zip(members, beside, strict=True):
                known[:, inputs.shape[1] :] = own[some]
                total[some] += read_out(member, known)
        return np.asarray(total / self._members * found["target_scale"] + found["target_centre"])

    def _beside(self, features: np.ndarray) -> Sequence[np.ndarray]:
        """What each member knows of rows beside the inputs, ``(rows, width)``: nothing."""
        return [np.empty((len(features), 0))] * self._members

    @property
    def _members(self) -> int:
        return len(self._arrays["weight0"])

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
        networks._inputs.check()
        networks._check({})
        return networks

    def _check(self, own: Mapping[str, tuple[int, ...]], beside: int = 0) -> None:
        """Raise ValueError where the layers, and arrays of a kind's own of these shapes, do not fit together; `beside`: the width of what is beside the inputs."""
        found = self._arrays
        widths = [len(found["keep"]) + beside, *(found[weight].shape[2] for weight, _ in self._layers)]
        shapes = dict(own)
        for (weight, bias), pair in zip(self._layers, pairwise(widths), strict=True):
            shapes |= {weight: pair, bias: (1, pair[1])}
        given = {name: found[name].shape for name in shapes}
        if not self._members or any(given[name] != (self._members, *shape) for name, shape in shapes.items()):
            raise ValueError(f"the layers do not fit together: {given}")
        if not found["target_centre"].shape == found["target_scale"].shape == (widths[-1],):
            raise ValueError("the last layer and the targets' scale do not fit together")
        if not all(np.isfinite(values).all() for values in found.values()):
            raise ValueError("a number is not finite")


def read_out(parts: Mapping[str, Any], hidden: Any) -> Any:
    """The targets, from what is known of each row: ``(…, rows, inputs)`` → ``(…, rows, targets)``; arrays or tensors, all layers of the same kind."""
    layer = 0
    while f"weight{layer}" in parts:
        hidden = (hidden.clip(0) if layer else hidden) @ parts[f"weight{layer}"] + parts[f"bias{layer}"]
        layer += 1
    return hidden
