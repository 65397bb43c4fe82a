"""A cell as a graph: what the network of an architecture computes again and again, whatever search space the architecture is of.

node 0                the cell's input
nodes 1 to n − 1      the sum of what their incoming edges compute; the last is the cell's output
edge                  (source, target, operation), from a lower node to a higher one
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from robbench_builders.errors import BuildError

Edge = tuple[int, int, str]
"""Source node, target node, and the name of an operation: a key of `robbench_builders.networks.operations.OPERATIONS`."""


class CellGraph(NamedTuple):
    """A directed acyclic graph with an operation on each edge."""

    nodes: int
    """How many, with the input and the output."""
    edges: tuple[Edge, ...]
    """By target, then by source: the order in which a node's inputs are summed, and in which weights are drawn."""

    @classmethod
    def of(cls, nodes: int, edges: Iterable[Edge]) -> CellGraph:
        """The cell with these edges; those whose operation is ``none`` compute nothing and are left out.

        Raises:
            BuildError: an edge that leads backwards or to no node, or that is given twice.
        """
        kept = tuple(sorted((edge for edge in edges if edge[2] != "none"), key=lambda edge: edge[1::-1]))
        for source, target, op in kept:
            if not 0 <= source < target < nodes:
                raise BuildError(f"the edge {source}→{target} ({op}) of a cell of {nodes} nodes leads backwards, or to no node.")
        if len(set(kept)) < len(kept):
            raise BuildError(f"a cell has an edge twice: {kept}; expected each operation once between two nodes.")
        return cls(nodes, kept)
