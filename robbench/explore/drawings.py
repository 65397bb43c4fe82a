"""Architectures as `robbench.plots` draws them: where nodes and arrows are, each node layout and each arrow written once.

layouts    what is drawn of many architectures alike: nodes, labels, titles
arrows     from, to, middle (whether it is bent), operation, label
drawn      for each architecture, its layout and its arrows, by their numbers
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from robbench.errors import CannotPlot
from robbench.plots.cells import RADIUS, limits, middle, styles_of
from robbench.spaces import SearchSpace
from robbench.spaces.space import Graph

DIGITS = 3


@dataclass(frozen=True)
class Drawings:
    """What it takes to draw many architectures."""

    layouts: list[dict[str, Any]]
    arrows: list[list[Any]]
    drawn: list[list[int]]
    """For each architecture, the number of its layout, then those of its arrows."""
    styles: dict[str, dict[str, Any]]
    limits: tuple[float, ...]
    """Left, right, bottom and top, so wide that every one of them fits."""
    radius: float = RADIUS


def drawings(space: SearchSpace[Any], archs: Sequence[Any]) -> Drawings | None:
    """The drawings of these architectures; None where the space does not say how to draw one."""
    try:
        graphs = [space.graph(arch) for arch in archs]
    except CannotPlot:
        return None
    layouts: dict[str, tuple[int, dict[str, Any]]] = {}
    arrows: dict[tuple[Any, ...], int] = {}
    drawn = []
    for graph in graphs:
        layout = _layout(graph)
        number, _ = layouts.setdefault(repr(layout), (len(layouts), layout))
        drawn.append([number, *(arrows.setdefault(arrow, len(arrows)) for arrow in _arrows(graph))])
    ends = list(zip(*map(limits, graphs), strict=True))
    return Drawings(
        [layout for _, layout in layouts.values()],
        [list(arrow) for arrow in arrows],
        drawn,
        styles_of(graphs),
        (min(ends[0]), max(ends[1]), min(ends[2]), max(ends[3])),
    )


def _layout(graph: Graph) -> dict[str, Any]:
    entered, left = {arrow.target for arrow in graph.arrows}, {arrow.source for arrow in graph.arrows}
    return {
        "nodes": [
            [x, y, graph.labels.get(name, name), "input" if name not in entered else "output" if name not in left else ""]
            for name, (x, y) in graph.nodes.items()
        ],
        "titles": [[x, y, text] for text, (x, y) in graph.titles.items()],
    }


def _arrows(graph: Graph) -> list[tuple[Any, ...]]:
    return [
        (
            *graph.nodes[arrow.source],
            *graph.nodes[arrow.target],
            *(round(place, DIGITS) for place in middle(graph, arrow)),
            arrow.operation,
            arrow.label,
        )
        for arrow in graph.arrows
    ]
