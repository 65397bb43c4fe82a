"""NAS-Bench-201 (Dong and Yang, 2020): cells of four nodes and six edges, five operations, 15,625 cells in all.

cell.py       Cell, its arch string, and NASLib's tuples
identity.py   exact cells, isomorphism classes, functional twins
costs.py      parameters and FLOPs of the published networks
features.py   what surrogates and predictors see of a cell
drawing.py    a cell in text, and as a graph
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from robbench.spaces.nb201 import identity
from robbench.spaces.nb201.cell import EDGES, OPERATIONS, SIZE, Cell, cells, position
from robbench.spaces.space import Features, Graph, SearchSpace, Variable

__all__ = ["EDGES", "NB201", "OPERATIONS", "SIZE", "Cell", "NASBench201", "cells", "position"]

_NASLIB = re.compile(r"\([0-9](?:, ?[0-9]){5}\)")
_CHOICE = {op: choice for choice, op in enumerate(OPERATIONS)}


class NASBench201(SearchSpace[Cell]):
    """Six variables, one an edge, each with five operations; `NB201` is the one instance."""

    name = "nb201"
    title = "NAS-Bench-201"
    architecture = Cell
    variables = tuple(Variable(f"edge_{source}_{target}", OPERATIONS) for source, target in EDGES)
    variable_kind = "edge"

    def parse(self, arch: Any) -> Cell:
        """The cell that an arch string, six operation names, or a `Cell` means; raises UnknownArchitecture."""
        if isinstance(arch, Cell):
            return arch
        return Cell.parse(arch) if isinstance(arch, str) else Cell(arch)

    def from_text(self, text: str) -> Cell:
        """The cell of an arch string, or of a NASLib tuple written as ``"(4, 0, 3, 1, 4, 3)"``; raises UnknownArchitecture."""
        return Cell.from_naslib([int(digit) for digit in text[1:-1].split(",")]) if _NASLIB.fullmatch(text) else self.parse(text)

    def encode(self, arch: Cell) -> tuple[int, ...]:
        """For each edge, the position of its operation in `OPERATIONS`."""
        return tuple(_CHOICE[op] for op in arch.ops)

    def decode(self, code: Sequence[int]) -> Cell:
        """The cell with these operations on its edges."""
        return Cell.of_operations(tuple(OPERATIONS[choice] for choice in code))

    def canonical_form(self, arch: Cell) -> str:
        """As the published rule writes the cell's isomorphism class."""
        return identity.canonical_form(arch)

    def key(self, arch: Cell) -> str:
        """The key of the cell's isomorphism class."""
        return identity.class_key(arch)

    def twin_key(self, arch: Cell) -> str:
        """The key of the cell's group of functional twins."""
        return identity.twin_key(arch)

    def is_constant(self, arch: Cell) -> bool:
        """Whether no path without `none` leads from the input to the output."""
        return not arch.depends_on_input

    @cached_property
    def members(self) -> tuple[Cell, ...]:
        """All 15,625 cells, in lexicographic order of their operations."""
        return tuple(cells())

    @property
    def features(self) -> Mapping[str, tuple[Callable[[Sequence[Cell]], Features], ...]]:
        """See `robbench.spaces.nb201.features`."""
        from robbench.spaces.nb201.features import STRUCTURE

        return STRUCTURE

    @property
    def network_features(self) -> Mapping[str, tuple[Callable[[Sequence[Cell]], Features], ...]]:
        """The wiring."""
        from robbench.spaces.nb201.features import NETWORK

        return NETWORK

    @property
    def attributes(self) -> Mapping[str, Callable[[Cell], float]]:
        """Kernel parameters."""
        return {"kernel_parameters": lambda arch: arch.kernel_parameters}

    def costs(self, dataset: str) -> Mapping[str, Callable[[Cell], float]]:
        """Parameters and FLOPs of the published networks for cifar10, cifar100 and ImageNet16-120."""
        from robbench.spaces.nb201.costs import TASKS, flops, params

        task = TASKS.get(dataset)
        return {} if task is None else {"params": lambda arch: params(arch, task), "flops": lambda arch: flops(arch, task)}

    @property
    def encodings(self) -> Mapping[str, Callable[[Sequence[Cell]], np.ndarray]]:
        """Paths, as BANANAS has them; paths, as naszilla truncates them; one-hot."""
        from robbench.spaces.nb201.features import ENCODINGS

        return {**ENCODINGS, **super().encodings}

    def label(self, variable: Variable) -> str:
        """An edge as an arrow, ``"0→1"``."""
        return "{}→{}".format(*EDGES[self.variables.index(variable)])

    def spellings(self, arch: Cell) -> dict[str, str]:
        """NASLib's tuple."""
        return {"naslib": str(arch.to_naslib())}

    def drawing(self, arch: Cell) -> str:
        """The cell as a matrix."""
        from robbench.spaces.nb201.drawing import drawing

        return drawing(arch)

    def graph(self, arch: Cell) -> Graph:
        """Four nodes in a row, and an arrow for each edge."""
        from robbench.spaces.nb201.drawing import graph

        return graph(arch)


NB201 = NASBench201()
