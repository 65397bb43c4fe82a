"""A cell drawn in text."""

from __future__ import annotations

from robbench.spaces.nb201 import EDGES, Cell

SHORT = {"none": "none", "skip_connect": "skip", "nor_conv_1x1": "conv 1×1", "nor_conv_3x3": "conv 3×3", "avg_pool_3x3": "pool 3×3"}


def drawing(cell: Cell) -> str:
    """The cell as a matrix: each row is the node that an edge leaves, each column the node that it enters; a dot is `none`."""
    operation = {edge: "·" if op == "none" else SHORT[op] for edge, op in zip(EDGES, cell.ops, strict=True)}
    heads = ("from \\ to", "node 1", "node 2", "node 3 (output)")
    rows = [
        [name, *(operation.get((source, target), "") for target in (1, 2, 3))]
        for source, name in enumerate(("node 0 (input)", "node 1", "node 2"))
    ]
    return "\n".join("  ".join(f"{text:<15}" for text in line).rstrip() for line in (heads, *rows))
