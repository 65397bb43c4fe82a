"""An architecture drawn as SVG, by no library: for notebooks.  Lines and text take the colour of the page, light or dark."""

from __future__ import annotations

from html import escape
from math import hypot

from robbench.spaces.space import Graph

SCALE = 110
"""Pixels between neighbouring nodes."""
RADIUS = 13
MARGIN = 26
COLOURS = {
    "conv": "#0072b2",
    "pool": "#d55e00",
    "skip": "currentColor",
    "none": "#999999",
    "sep": "#0072b2",
    "dil": "#009e73",
    "max": "#d55e00",
    "avg": "#d55e00",
}
"""By how an operation's label begins; others are drawn in the colour of text."""
_ARROW = '<path d="M{0:.1f},{1:.1f}Q{2:.1f},{3:.1f} {4:.1f},{5:.1f}" fill="none" stroke="{6}" {7}/>'
_TEXT = '<text x="{0:.1f}" y="{1:.1f}" fill="{2}" {3}>{4}</text>'


def shown(text: str, graph: Graph) -> str:
    """What a notebook shows of an architecture: its drawing, and its whole text below."""
    return f"<div>{svg(graph)}<br><code>{escape(text)}</code></div>"


def svg(graph: Graph) -> str:
    """The drawing of a graph: a circle for each node, a bent line with a head for each operation, and a dotted one without for `none`."""
    places = {name: (x * SCALE, -y * SCALE) for name, (x, y) in graph.nodes.items()}
    lines, texts = [], []
    reached = [*places.values(), *((x * SCALE, -y * SCALE) for x, y in graph.titles.values())]
    for arrow in graph.arrows:
        (x, y), (to_x, to_y) = places[arrow.source], places[arrow.target]
        length = hypot(to_x - x, to_y - y)
        rise = arrow.height * SCALE
        bend = (x + to_x) / 2 + 2 * rise * (to_y - y) / length, (y + to_y) / 2 - 2 * rise * (to_x - x) / length
        start, end = _towards((x, y), bend), _towards((to_x, to_y), bend)
        colour = COLOURS.get(arrow.label.split(" ")[0], "currentColor")
        style = 'stroke-dasharray="2 4"' if arrow.operation == "none" else 'marker-end="url(#robbench-arrow)"'
        lines.append(_ARROW.format(*start, *bend, *end, colour, style))
        middle = (start[0] + 2 * bend[0] + end[0]) / 4, (start[1] + 2 * bend[1] + end[1]) / 4
        reached.append(middle)
        if arrow.label:
            texts.append(_TEXT.format(middle[0], middle[1] - 6, colour, "", escape(arrow.label)))
    circles = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}" fill="none" stroke="currentColor"/>' for x, y in places.values()]
    for name, (x, y) in places.items():
        label = graph.labels.get(name, name)
        below = RADIUS + 12 if len(label) > 2 else 4  # a longer one does not fit into the circle
        texts.append(_TEXT.format(x, y + below, "currentColor", "", escape(label)))
    texts += [
        _TEXT.format(x * SCALE, -y * SCALE, "currentColor", 'font-weight="bold"', escape(title)) for title, (x, y) in graph.titles.items()
    ]
    left, right = min(x for x, _ in reached) - MARGIN, max(x for x, _ in reached) + MARGIN
    top, bottom = min(y for _, y in reached) - MARGIN, max(y for _, y in reached) + MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{left:.0f} {top:.0f} {right - left:.0f} {bottom - top:.0f}" width="{right - left:.0f}"'
        ' font-size="11" font-family="sans-serif" text-anchor="middle" role="img">'
        '<defs><marker id="robbench-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0,0L8,4L0,8z" fill="currentColor"/></marker></defs>' + "".join([*lines, *circles, *texts]) + "</svg>"
    )


def _towards(centre: tuple[float, float], point: tuple[float, float]) -> tuple[float, float]:
    """Where a line from a node's centre to a point leaves its circle."""
    (x, y), (to_x, to_y) = centre, point
    share = RADIUS / (hypot(to_x - x, to_y - y) or 1)
    return x + share * (to_x - x), y + share * (to_y - y)
