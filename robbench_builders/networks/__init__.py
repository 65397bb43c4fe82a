"""Networks: one architecture as a plain network, and many of them as a stack that runs at once.

    __init__.py     CELLS: of which search spaces networks can be built, and how their architectures are cells
    nb201.py        NAS-Bench-201's cells
    graph.py        a cell as a graph of nodes and operations
    operations.py   the operations by name: their layers, plain and stacked, and what they cost
    plain.py        the macro skeleton, and an architecture's network in it, written to be read
    cost.py         parameters and FLOPs
    stacked.py      many networks as one module; layers.py and gather.py are its parts
    frozen.py       a stack for evaluation only
    darts/          the networks of DARTS, in a skeleton of their own
    wrn.py          WideResNets, in a skeleton of their own
    families.py     which networks belong to a skeleton

A search space whose networks are in the skeleton of NAS-Bench-201 is added by a module like nb201.py and a line in `CELLS`; one with a skeleton of its own
by a module like wrn.py or a folder like darts, a line in `families.FAMILIES` and in `robbench_builders.proxies.anatomy`, and its name in `OTHERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from robbench_builders.errors import BuildError
from robbench_builders.networks import nb201
from robbench_builders.networks.graph import CellGraph
from robbench.spaces import SPACES
from robbench.spaces.space import SearchSpace

CELLS: dict[str, Callable[[Any], CellGraph]] = {"nb201": nb201.cell}
"""By the name of a search space, what makes a cell of one of its architectures."""

OTHERS = ("darts", "wrn")
"""Search spaces whose networks are in a skeleton of their own."""


def space_of(arch: Any) -> SearchSpace[Any]:
    """The search space that an architecture is of.

    Raises:
        BuildError: networks can be built of no space that has such architectures.
    """
    for name in (*CELLS, *OTHERS):
        if isinstance(arch, SPACES[name].architecture):
            return SPACES[name]
    known = ", ".join(SPACES[name].title for name in (*CELLS, *OTHERS))
    raise BuildError(f"{arch!r} is a {type(arch).__name__}; expected an architecture of {known}, parsed by its search space.")


def cell_of(arch: Any) -> CellGraph:
    """An architecture as a cell.

    Raises:
        BuildError: as `space_of`; or its networks are not made of one cell.
    """
    space = space_of(arch)
    if space.name not in CELLS:
        raise BuildError(
            f"networks of {space.title} are not made of one cell in the skeleton of NAS-Bench-201; see robbench_builders.networks.families."
        )
    return CELLS[space.name](arch)
