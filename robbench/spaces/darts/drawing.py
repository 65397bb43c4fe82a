"""A genotype drawn: in text, and as papers draw its two cells."""

from __future__ import annotations

from collections.abc import Iterator

from robbench.spaces.darts.genotype import CELLS, INNER, OPERATIONS, Cell, Genotype
from robbench.spaces.space import Arrow, Graph
from robbench.spaces.svg import shown

LABELS = dict(zip(OPERATIONS, ("none", "max 3×3", "avg 3×3", "skip", "sep 3×3", "sep 5×5", "dil 3×3", "dil 5×5"), strict=True))
NODES = ("c(k−2)", "c(k−1)", "0", "1", "2", "3", "c(k)")
"""As papers label them: the inputs, the inner nodes counted from 0, and the output."""
TITLES = {"normal": "normal cell", "reduce": "reduction cell"}
_PLACES = ((0.0, 1.1), (0.0, -1.1), (1.4, 0.0), (2.6, 0.0), (3.8, 0.0), (5.0, 0.0), (6.2, 0.0))
_BETWEEN_CELLS = 5.2
_TITLE = (3.1, 2.5)
_COLUMN = 19


def drawing(genotype: Genotype) -> str:
    """The two cells as matrices: each row is the node that an edge leaves, each column the inner node that it enters, numbered as the spec does."""
    return "\n\n".join("\n".join(_matrix(name, cell)) for name, cell in genotype.cells.items())


def html(genotype: Genotype) -> str:
    """What a notebook shows."""
    return shown(str(genotype), graph(genotype))


def graph(genotype: Genotype) -> Graph:
    """The normal cell above the reduction cell: inner nodes in a row, arrows that skip over nodes bent around them."""
    nodes: dict[str, tuple[float, float]] = {}
    labels: dict[str, str] = {}
    arrows: list[Arrow] = []
    for number, (name, cell) in enumerate(genotype.cells.items()):
        for label, (x, y) in zip(NODES, _PLACES, strict=True):
            nodes[f"{name} {label}"], labels[f"{name} {label}"] = (x, y - number * _BETWEEN_CELLS), label
        arrows += _arrows(name, cell)
    return Graph(
        nodes, tuple(arrows), labels, {TITLES[name]: (_TITLE[0], _TITLE[1] - number * _BETWEEN_CELLS) for number, name in enumerate(CELLS)}
    )


def _matrix(name: str, cell: Cell) -> Iterator[str]:
    operations: dict[tuple[int, int], list[str]] = {}
    for node, edges in zip(INNER, cell.nodes, strict=True):
        for source, op in edges:
            operations.setdefault((source, node), []).append(LABELS[op])
    heads = [f"{TITLES[name]}", *(f"node {node}{'' if node in cell.concat else ' (unread)'}" for node in INNER)]
    yield _line(heads)
    for source in range(5):
        label = f"node {source}" + {0: " (c(k−2))", 1: " (c(k−1))"}.get(source, "")
        yield _line([label, *(", ".join(operations.get((source, node), [])) for node in INNER)])


def _line(texts: list[str]) -> str:
    return "".join(f"{text:<{_COLUMN}}" for text in texts).rstrip()


def _arrows(name: str, cell: Cell) -> Iterator[Arrow]:
    for node, edges in zip(INNER, cell.nodes, strict=True):
        for place, (source, op) in enumerate(edges):
            double = place and edges[0][0] == source
            height = _height(source, node) + (0.25 if double else 0.0)
            yield Arrow(f"{name} {NODES[source]}", f"{name} {NODES[node]}", op, LABELS[op], height)
    for node in cell.concat:
        yield Arrow(f"{name} {NODES[node]}", f"{name} {NODES[-1]}", "concatenate", "", -_height(node, 6) / 2)


def _height(source: int, node: int) -> float:
    """How far an arrow is bent: the more, the more nodes it passes; away from the row for those from the second input and for every other."""
    if (source >= INNER[0] and node == source + 1) or node == INNER[0]:
        return 0.0
    over = node - max(source, 1)
    return {0: 0.32 * over, 1: -0.32 * over}.get(source, 0.4 * over if source % 2 == 0 else -0.4 * over)
