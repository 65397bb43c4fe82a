"""NAS-Bench-201 for builders: its cells as graphs of four nodes and six edges.  The only module of builders that knows the space.

Source: Dong and Yang (2020), section 2.1 and figure 1.
"""

from __future__ import annotations

from robbench_builders.networks.graph import CellGraph
from robbench.spaces.nb201 import EDGES, Cell

NODES = 4


def cell(arch: Cell) -> CellGraph:
    """The graph of a cell."""
    return CellGraph.of(NODES, ((source, target, op) for (source, target), op in zip(EDGES, arch.ops, strict=True)))
