"""Architectures as `robbench.plots` draws them: where nodes and arrows are, each node layout and each arrow written once.

layouts    what is drawn of many architectures alike: nodes, labels, titles
arrows     from, to, middle (whether it is bent), operation, label
drawn      for each architecture, its layout and its arrows, by their numbers
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from robbench.errors import CannotPlot
from robbench.plots.cells import RADIUS, limits, middle, styles_of
from robbench.spaces import SearchSpace
from robbench.spaces.space import Arrow, Graph

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
    first: dict[Hashable, Graph] = {}  # of those that are drawn alike
    arrows: dict[tuple[int, Arrow], int] = {}
    drawn = []
    numbers: dict[Hashable, int] = {}
    for arch in archs:
        try:
            graph = space.graph(arch)
        except CannotPlot:
            return None
        alike = _alike(graph)
        first.setdefault(alike, graph)
        layout = numbers.setdefault(alike, len(numbers))
        drawn.append([layout, *(arrows.setdefault((layout, arrow), len(arrows)) for arrow in graph.arrows)])
    # Each layout with every arrow that is drawn in it.
    whole = [
        graph._replace(arrows=tuple(arrow for number, arrow in arrows if number == layout)) for layout, graph in enumerate(first.values())
    ]
    ends = list(zip(*map(limits, whole), strict=True))
    return Drawings(
        list(map(_layout, first.values())),
        [_arrow(whole[layout], arrow) for layout, arrow in arrows],
        drawn,
        styles_of(whole),
        (min(ends[0]), max(ends[1]), min(ends[2]), max(ends[3])),
    )


def _alike(graph: Graph) -> Hashable:
    """Equal for graphs whose nodes and titles are drawn alike."""
    return tuple(graph.nodes.items()), tuple(graph.labels.items()), tuple(graph.titles.items()), *map(frozenset, _ends(graph))


def _ends(graph: Graph) -> tuple[set[str], set[str]]:
    """The nodes that an arrow enters, and those that one leaves."""
    return {arrow.target for arrow in graph.arrows}, {arrow.source for arrow in graph.arrows}


def _layout(graph: Graph) -> dict[str, Any]:
    entered, left = _ends(graph)
    return {
        "nodes": [
            [x, y, graph.labels.get(name, name), "input" if name not in entered else "output" if name not in left else ""]
            for name, (x, y) in graph.nodes.items()
        ],
        "titles": [[x, y, text] for text, (x, y) in graph.titles.items()],
    }


def _arrow(graph: Graph, arrow: Arrow) -> list[Any]:
    across, up = middle(graph, arrow)
    return [*graph.nodes[arrow.source], *graph.nodes[arrow.target], round(across, DIGITS), round(up, DIGITS), arrow.operation, arrow.label]
