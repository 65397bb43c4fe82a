from __future__ import annotations

import re

from robbench.spaces.nb201 import EDGES, Cell, cells
from robbench.spaces.nb201.drawing import drawing

NAMES = {"skip": "skip_connect", "conv 1×1": "nor_conv_1x1", "conv 3×3": "nor_conv_3x3", "pool 3×3": "avg_pool_3x3", "·": "none"}


def read(text: str) -> Cell:
    """The cell that a drawing shows: rows are sources, columns targets."""
    heads, *rows = text.split("\n")
    columns = [match.start() for match in re.finditer(r"node \d", heads)]
    operation = {}
    for source, row in enumerate(rows):
        for target, start in enumerate(columns, start=1):
            shown = row[start : start + 15].strip()
            if shown:
                operation[source, target] = NAMES[shown]
    return Cell([operation[edge] for edge in EDGES])


def test_a_drawing_shows_every_operation_where_it_is() -> None:
    assert all(read(drawing(cell)) == cell for cell in cells())


def test_a_drawing_looks_like_this() -> None:
    cell = Cell.parse("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|")
    assert drawing(cell).split("\n") == [
        "from \\ to        node 1           node 2           node 3 (output)",
        "node 0 (input)   conv 3×3         ·                pool 3×3",
        "node 1                            skip             conv 1×1",
        "node 2                                             skip",
    ]


def test_a_drawing_is_narrow_and_has_no_trailing_space() -> None:
    for cell in list(cells())[::97]:
        lines = drawing(cell).split("\n")
        assert len(lines) == 4
        assert all(line == line.rstrip() and len(line) <= 80 for line in lines)
