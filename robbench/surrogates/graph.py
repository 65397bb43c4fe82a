"""An ensemble of networks along the graph of a cell: torch trains them, numpy evaluates them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np

from robbench.errors import InvalidArgument
from robbench.spaces.terms import Layout
from robbench.surrogates.inputs import Inputs, averaged
from robbench.surrogates.models import Arrays, needs
from robbench.surrogates.perceptrons import Perceptrons
from robbench.surrogates.program import Program, Settings, vectors

_OF_OPERATIONS = ("inner", "inner_bias", "outer", "outer_bias")


class Graph(Perceptrons):
    """Networks that compute what the cell computes, on vectors that they learn, for every target together.

    The cell's input is a vector; an operation is a network of one hidden layer on the standardised sum of what arrives; and from the sum of what arrives at the
    output, with the other features beside it, a network of three hidden layers predicts the targets.  Targets are standardised; equal rows are one row
    that weighs as the root of their number.

    It takes the features ``terms`` (`robbench.spaces.terms`) among others.

    Arrays: those of `Perceptrons`; ``applied`` (terms, operations), ``held`` (terms + 1, terms + 1): the columns of the terms; ``start`` (members, 1, width);
    ``inner{o}``, ``outer{o}`` (members, width, width) and ``inner_bias{o}``, ``outer_bias{o}`` (members, 1, width) of each operation, float32.

    Source: Ning et al. (2020), "A generic graph-based neural architecture encoding scheme for predictor-based NAS", for encoding a cell by running along it.
    """

    version = oldest = 1
    fewest_rows = 42
    # Those of `Networks` where both have them; the rest by trials on groups that are on no test side (docs/ceiling.md).
    settings = Settings(
        members=6, width=32, hidden=(128, 128, 64), epochs=100, fewest_steps=1500, batch=64, rate=3e-3, decay=0.6, held_out=0
    )

    def __init__(self, arrays: Arrays) -> None:
        self._operations = range(np.asarray(arrays["applied"]).shape[1])
        super().__init__(arrays, ["applied", "held", "start", *(f"{part}{op}" for part in _OF_OPERATIONS for op in self._operations)])
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
        found |= {f"{part}{op}": values for part in _OF_OPERATIONS for op, values in enumerate(found[part].swapaxes(0, 1))}
        found |= {"target_centre": target_centre[:outputs], "target_scale": target_scale[:outputs]}
        return cls(found | inputs._asdict() | {name: columns.astype(np.int32) for name, columns in layout._asdict().items()})

    def _beside(self, features: np.ndarray) -> Sequence[np.ndarray]:
        """The output of each cell, ``(rows, width)``, as each member has it."""
        parts = {part: np.stack([self._arrays[f"{part}{op}"] for op in self._operations], axis=1) for part in _OF_OPERATIONS}
        parts = {part: values.astype(np.float64) for part, values in {**parts, "start": self._arrays["start"]}.items()}
        program = Program.of(features, self.layout)
        return list(program.output @ vectors(parts, program.levels, np.concatenate))

    def _check(self, own: Mapping[str, tuple[int, ...]], beside: int = 0) -> None:
        self.layout.check(len(self._arrays["fill"]))
        _, _, width = self._arrays["start"].shape
        shapes = {"start": (1, width)}
        for op in self._operations:
            shapes |= {f"{part}{op}": (width, width) for part in ("inner", "outer")}
            shapes |= {f"{part}{op}": (1, width) for part in ("inner_bias", "outer_bias")}
        super()._check({**own, **shapes}, width)


def layout_of(names: Sequence[str], model: str) -> Layout:
    """Where features of these names have their terms; raises InvalidArgument where they have none."""
    layout = Layout.of(names)
    if layout is None:
        raise InvalidArgument(
            f"a surrogate of kind {model!r} runs along the terms of a cell, and these features have none; add the set 'terms', where the space has it."
        )
    return layout
