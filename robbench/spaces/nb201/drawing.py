"""A cell drawn: in text, and as papers draw it."""

from __future__ import annotations

from robbench.spaces.nb201.cell import EDGES, Cell
from robbench.spaces.space import Arrow, Graph
from robbench.spaces.svg import shown

LABELS = {"none": "none", "skip_connect": "skip", "nor_conv_1x1": "conv 1×1", "nor_conv_3x3": "conv 3×3", "avg_pool_3x3": "pool 3×3"}
HEIGHTS = {(0, 1): 0.0, (1, 2): 0.0, (2, 3): 0.0, (0, 2): 0.62, (0, 3): 1.2, (1, 3): -0.62}
"""Edges to the next node are straight; 0→2 and 0→3 pass above, 1→3 below, so that no two cross."""


def drawing(cell: Cell) -> str:
    """The cell as a matrix: each row is the node that an edge leaves, each column the node that it enters; a dot is `none`."""
    operation = {edge: "·" if op == "none" else LABELS[op] for edge, op in zip(EDGES, cell.ops, strict=True)}
    heads = ("from \\ to", "node 1", "node 2", "node 3 (output)")
    rows = [
        [name, *(operation.get((source, target), "") for target in (1, 2, 3))]
        for source, name in enumerate(("node 0 (input)", "node 1", "node 2"))
    ]
    return "\n".join("  ".join(f"{text:<15}" for text in line).rstrip() for line in (heads, *rows))


def html(cell: Cell) -> str:
    """What a notebook shows."""
    return shown(str(cell), graph(cell))


def graph(cell: Cell) -> Graph:
    """The cell's nodes in a row, and an arrow for each edge."""
    arrows = (
        Arrow(str(source), str(target), op, LABELS[op], HEIGHTS[source, target])
        for (source, target), op in zip(EDGES, cell.ops, strict=True)
    )
    return Graph({str(node): (float(node), 0.0) for node in range(4)}, tuple(arrows))
