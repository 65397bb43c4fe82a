"""Networks: one architecture as a plain network, and many of them as a stack that runs at once.

    __init__.py     CELLS: of which search spaces networks can be built, and how their architectures are cells
    nb201.py        NAS-Bench-201's cells
    graph.py        a cell as a graph of nodes and operations
    operations.py   the operations by name: their layers, plain and stacked, and what they cost
    plain.py        the macro skeleton, and an architecture's network in it, written to be read
    cost.py         parameters and FLOPs
    stacked.py      many networks as one module; layers.py and gather.py are its parts
    frozen.py       a stack for evaluation only

A search space is added by a module like nb201.py and a line in `CELLS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from builders.errors import BuildError
from builders.networks import nb201
from builders.networks.graph import CellGraph
from robbench.spaces import SPACES
from robbench.spaces.space import SearchSpace

CELLS: dict[str, Callable[[Any], CellGraph]] = {"nb201": nb201.cell}
"""By the name of a search space, what makes a cell of one of its architectures."""


def space_of(arch: Any) -> SearchSpace[Any]:
    """The search space that an architecture is of.

    Raises:
        BuildError: networks can be built of no space that has such architectures.
    """
    for name in CELLS:
        if isinstance(arch, SPACES[name].architecture):
            return SPACES[name]
    known = ", ".join(SPACES[name].title for name in CELLS)
    raise BuildError(f"{arch!r} is a {type(arch).__name__}; expected an architecture of {known}, parsed by its search space.")


def cell_of(arch: Any) -> CellGraph:
    """An architecture as a cell.

    Raises:
        BuildError: as `space_of`.
    """
    return CELLS[space_of(arch).name](arch)
