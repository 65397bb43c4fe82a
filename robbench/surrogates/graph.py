"""An ensemble of networks along the graph of a cell: torch trains them, numpy evaluates them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Self

import numpy as np

from robbench.errors import InvalidArgument
from robbench.spaces.terms import Layout
from robbench.surrogates.inputs import Inputs, averaged
from robbench.surrogates.models import Arrays, needs
from robbench.surrogates.program import Program, Settings, read_out, vectors


class Graph:
    """Networks that compute what the cell computes, on vectors that they learn, for every target together.

    The cell's input is a vector; an operation is a network of one hidden layer on the standardised sum of what arrives; and from the sum of what arrives at the
    output, with the other features beside it, a network of three hidden layers predicts the targets.  Targets are standardised; equal rows are one row
    that weighs as the root of their number.

    It takes the features ``terms`` (`robbench.spaces.terms`) among others.

    Arrays: ``fill``, ``centre``, ``scale``, ``keep`` of the other features; ``applied`` (terms, operations), ``held`` (terms + 1, terms + 1): the columns of
    the terms; ``start`` (members, 1, width); ``inner{o}``, ``outer{o}`` (members, width, width) and ``inner_bias{o}``, ``outer_bias{o}`` (members, 1, width)
    of each operation; ``weight0…`` (members, in, out), ``bias0…`` (members, 1, out), all float32; ``target_centre``, ``target_scale`` (outputs,).

    Source: Ning et al. (2020), "A generic graph-based neural architecture encoding scheme for predictor-based NAS", for encoding a cell by running along it.
    """

    version = oldest = 1
    fewest_rows = 42
    # Those of `Networks` where both have them; the rest by trials on groups that are on no test side (docs/ceiling.md).
    settings = Settings(
        members=6, width=32, hidden=(128, 128, 64), epochs=100, fewest_steps=1500, batch=64, rate=3e-3, decay=0.6, held_out=0
    )

    def __init__(self, arrays: Arrays) -> None:
        self._layers = sum(name.startswith("weight") for name in arrays)
        operations = sum(name.startswith("inner_bias") for name in arrays)
        self._parts = ["start", *(f"{part}{op}" for part in ("inner", "inner_bias", "outer", "outer_bias") for op in range(operations))]
        self._parts += [f"{part}{layer}" for part in ("weight", "bias") for layer in range(self._layers)]
        names = ["fill", "centre", "scale", "keep", "applied", "held", "target_centre", "target_scale", *self._parts]
        self._arrays = {name: np.asarray(arrays[name]) for name in names}
        self._inputs = Inputs(*(self._arrays[name] for name in Inputs._fields))
        self.layout = Layout(self._arrays["applied"], self._arrays["held"])

    @classmethod
    def fit(cls, features: np.ndarray, targets: np.ndarray, outputs: int, seed: int, names: Sequence[str] = ()) -> Self:
        """Train on all targets; keep what the first `outputs` of them need.

        Raises:
            InvalidArgument: the features have no terms.
            MissingLibrary: torch is not installed.
        """
        layout = layout_of(names, "graph")
        try:
            from robbench.surrogates.training import trained
        except ImportError as error:
            raise needs("torch", "graph", error, extra="builders") from error
        rows, means, count = averaged(features, targets)
        inputs = Inputs.of(rows, layout.others(features.shape[1]))
        target_centre, target_scale = means.mean(axis=0), np.maximum(means.std(axis=0), 1e-4)
        found = trained(
            inputs.standard(rows),
            Program.of(rows, layout),
            (means - target_centre) / target_scale,
            np.sqrt(count) / np.sqrt(count).mean(),
            len(layout.applied.T),
            seed,
            cls.settings,
        )
        last = len(cls.settings.hidden)
        found |= {name: found[name][..., :outputs] for name in (f"weight{last}", f"bias{last}")}
        found |= {"target_centre": target_centre[:outputs], "target_scale": target_scale[:outputs]}
        return cls(found | inputs._asdict() | {name: columns.astype(np.int32) for name, columns in layout._asdict().items()})

    def predict(self, features: np.ndarray) -> np.ndarray:
        """The mean over the members, in double precision."""
        found, program = self._arrays, Program.of(features, self.layout)
        inputs = self._inputs.standard(features)[np.newaxis]
        total = np.zeros((len(features), len(found["target_centre"])))
        members = len(found["start"])
        for member in range(members):
            parts = {name: found[name][member : member + 1].astype(np.float64) for name in self._parts}
            output = program.output @ vectors(parts, program.levels, np.concatenate)
            total += read_out(parts, np.concatenate([inputs, output], 2))[0]
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
        graph = cls(arrays)
        graph._inputs.check()
        graph.layout.check(len(graph._arrays["fill"]))
        graph._check()
        return graph

    def _check(self) -> None:
        found, operations = self._arrays, self._arrays["applied"].shape[1]
        members, _, width = found["start"].shape
        shapes = {"start": (1, width)}
        for op in range(operations):
            inner = found[f"inner{op}"].shape[2]
            shapes |= {f"inner{op}": (width, inner), f"inner_bias{op}": (1, inner)}
            shapes |= {f"outer{op}": (inner, width), f"outer_bias{op}": (1, width)}
        widths = [len(found["keep"]) + width, *(found[f"weight{layer}"].shape[2] for layer in range(self._layers))]
        for layer, pair in enumerate(pairwise(widths)):
            shapes |= {f"weight{layer}": pair, f"bias{layer}": (1, pair[1])}
        if not members or any(found[name].shape != (members, *shape) for name, shape in shapes.items()):
            raise ValueError("the layers do not fit together")
        if not found["target_centre"].shape == found["target_scale"].shape == (widths[-1],):
            raise ValueError("the last layer and the targets' scale do not fit together")
        if not all(np.isfinite(values).all() for values in found.values()):
            raise ValueError("a number is not finite")


def layout_of(names: Sequence[str], model: str) -> Layout:
    """Where features of these names have their terms; raises InvalidArgument where they have none."""
    layout = Layout.of(names)
    if layout is None:
        raise InvalidArgument(
            f"a surrogate of kind {model!r} runs along the terms of a cell, and these features have none; add the set 'terms', where the space has it."
        )
    return layout
