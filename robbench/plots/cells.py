"""Architectures as they are drawn in papers: nodes, and an arrow for each operation; `none` is a dotted line without a head.

Where nodes and arrows are, the search space says (`SearchSpace.graph`).  An operation has the same style in every figure of a space.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import hypot
from typing import TYPE_CHECKING, Any

from robbench.analysis.pareto import best
from robbench.arguments import options_checked
from robbench.errors import CannotPlot
from robbench.measurements.directions import direction_as_cost, listed
from robbench.measurements.metrics import Metric
from robbench.measurements.question import Where
from robbench.measurements.wording import setting, unit, words
from robbench.plots.style import (
    COLUMN,
    GREY,
    HIGHEST,
    LINE_HEIGHT,
    LINES,
    OKABE_ITO,
    PAGE,
    SMALL,
    TOGETHER,
    breadth,
    fitted,
    panels,
    styled,
)
from robbench.spaces.space import Arrow, Graph

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from robbench.bench import RobBench

Style = dict[str, Any]

STYLES: dict[str, Style] = {
    "none": {"color": GREY, "linestyle": ":", "linewidth": 0.7},
    "skip_connect": {"color": OKABE_ITO[6], "linestyle": "--", "linewidth": 1.0},
    "nor_conv_1x1": {"color": OKABE_ITO[0], "linestyle": "-", "linewidth": 1.0},
    "nor_conv_3x3": {"color": OKABE_ITO[1], "linestyle": "-", "linewidth": 2.0},
    "avg_pool_3x3": {"color": OKABE_ITO[2], "linestyle": "-.", "linewidth": 1.2},
    "max_pool_3x3": {"color": OKABE_ITO[2], "linestyle": ":", "linewidth": 1.8},
    "sep_conv_3x3": {"color": OKABE_ITO[1], "linestyle": "-", "linewidth": 1.4},
    "sep_conv_5x5": {"color": OKABE_ITO[3], "linestyle": "-", "linewidth": 2.2},
    "dil_conv_3x3": {"color": OKABE_ITO[4], "linestyle": "--", "linewidth": 1.4},
    "dil_conv_5x5": {"color": OKABE_ITO[5], "linestyle": "--", "linewidth": 2.2},
    "concatenate": {"color": GREY, "linestyle": "-", "linewidth": 0.7},
}
"""Of operations that are met in many search spaces; others get one of `OTHERS`, in the order of their names."""
OTHERS: tuple[Style, ...] = tuple(
    {"color": color, "linestyle": line, "linewidth": width} for width in (1.6, 0.9) for line in LINES for color in OKABE_ITO[:5]
)
NOTHING = "none"
"""The operation that passes nothing on."""
RADIUS = 0.15
_LEFT, _RIGHT, _BELOW, _ABOVE = 0.3, 0.4, 0.23, 0.3
"""Room around nodes and arrows; neighbouring nodes are 1 apart."""
_BESIDE = 0.55
"""Room for labels that do not fit into the nodes at the ends."""
_SMALLEST = 0.7
"""Of the height that a drawing would have in a column by itself: smaller, its labels lie over each other."""


@styled
def cell_drawing(graph: Graph, *, width: float | str = COLUMN, title: str = "") -> Figure:
    """One architecture, such as a cell: its nodes from input to output, and its operations.

        cell_drawing(bench.space.graph(bench.parse(arch)))

    Arguments:
        graph: as `SearchSpace.graph` gives it.
        width: in inches, or ``"column"`` or ``"page"``.
        title: above it.
    """
    height = _height([graph], min(float(width), COLUMN))
    figure, axes = panels(float(width), 1, 1, height, heading=title)
    _draw(axes[0], graph, styles_of([graph]), height)
    return figure


@styled
@options_checked
def best_cells(
    bench: RobBench,
    metrics: str | Metric | Sequence[str | Metric],
    *,
    width: float | str = PAGE,
    dataset: str | None = None,
    training: str | None = None,
    seed: int | None = None,
    interpolate: bool = False,
) -> Figure:
    """The best architecture by each of several metrics, side by side, each with its value in all of them and its attributes (kernel parameters).

    Arguments:
        bench: where the measurements are.
        metrics: as for a query, each with its level; of parameters and FLOPs, less is best.
        width: in inches, or ``"column"`` or ``"page"``.
        dataset, training, seed, interpolate: as for a query.

    Raises:
        CannotPlot: nothing was measured of one of them, or the search space has no figures of architectures.
        UnknownMetric, InvalidArgument, NotMeasured: as for a query.
    """
    where: Where = {"dataset": dataset, "training": training, "seed": seed, "interpolate": interpolate}
    names = listed(metrics, "metrics")
    archs = [_best(bench, name, where) for name in names]
    graphs = list(map(bench.space.graph, archs))
    styles = styles_of(graphs)
    columns = max(min(int(float(width) // (COLUMN - 0.1)), len(names)), 1)
    room = min(float(width) / columns, COLUMN)
    texts = [
        (fitted(f"best {words(name)}", room), _below(bench, arch, names, room, where)) for name, arch in zip(names, archs, strict=True)
    ]
    lines = max(title.count("\n") + below.count("\n") for title, below in texts) + 2
    drawing, rows = _height(graphs, room), -(-len(names) // columns)
    height = min(drawing + lines * LINE_HEIGHT, max((HIGHEST - LINE_HEIGHT) / rows, _SMALLEST * drawing + lines * LINE_HEIGHT))
    heading = setting(bench.measurements, names, dataset=dataset, training=training, seed=seed)
    figure, axes = panels(float(width), len(names), columns, height, heading=heading)
    for ax, graph, (title, below) in zip(axes, graphs, texts, strict=True):
        _draw(ax, graph, styles, height - lines * LINE_HEIGHT)
        ax.set_title(title, fontweight="bold", pad=2)
        ax.set_xlabel(below, fontsize=SMALL, labelpad=0)
    return figure


def _below(bench: RobBench, arch: Any, names: Sequence[str], room: float, where: Where) -> str:
    """The values of an architecture in all of the metrics and its attributes, in lines that have room."""
    values = [(name, bench.query_many([arch], name, missing="nan", **where)[0]) for name in names]
    values += [(attribute, of(arch)) for attribute, of in bench.space.attributes.items()]
    texts = [f"{words(name, brief=True)}: {value:.3g} {unit(name)}".strip() for name, value in values]
    return fitted("; ".join(text.replace(" ", TOGETHER) for text in texts), room, SMALL)


def _best(bench: RobBench, name: str, where: Where) -> Any:
    found = best(bench, name, {}, 1, direction=direction_as_cost(name), **where)
    if found.empty:
        raise CannotPlot(f"{name} was not measured of any architecture; there is no best one to draw.")
    return bench.parse(found["arch"][0])


def styles_of(graphs: Iterable[Graph]) -> dict[str, Style]:
    """Operation → its style in matplotlib's words, for all operations of `STYLES` and of these graphs."""
    used = {arrow.operation for graph in graphs for arrow in graph.arrows}
    others = {operation: OTHERS[position % len(OTHERS)] for position, operation in enumerate(sorted(used - STYLES.keys()))}
    return {**STYLES, **others}


def limits(graph: Graph) -> tuple[float, float, float, float]:
    """Left, right, bottom and top of what is drawn."""
    points = [*graph.nodes.values(), *graph.titles.values(), *(middle(graph, arrow) for arrow in graph.arrows)]
    across, up = zip(*points, strict=True)
    beside = _BESIDE if any(map(_is_long, graph.labels.values())) else 0
    return min(across) - _LEFT - beside, max(across) + _RIGHT + beside, min(up) - _BELOW, max(up) + _ABOVE


def _is_long(label: str) -> bool:
    """Whether a label does not fit into a node, and stands beside it."""
    return len(label) > 2


def _height(graphs: Iterable[Graph], width: float) -> float:
    """Of a panel so wide that holds any of them; without the rounding errors of limits."""
    frames = map(limits, graphs)
    return max(width * round(top - bottom, 6) / round(right - left, 6) for left, right, bottom, top in frames)


def middle(graph: Graph, arrow: Arrow) -> tuple[float, float]:
    """The middle of an arrow, which is `height` to the left of the straight line, as it points: above, where it points to the right."""
    (x, y), (to_x, to_y) = graph.nodes[arrow.source], graph.nodes[arrow.target]
    length = hypot(to_x - x, to_y - y)
    return (x + to_x) / 2 - arrow.height * (to_y - y) / length, (y + to_y) / 2 + arrow.height * (to_x - x) / length


def _draw(ax: Axes, graph: Graph, styles: dict[str, Style], height: float) -> None:
    """Draw a graph so many inches high."""
    from matplotlib.patches import Circle, FancyArrowPatch

    left, right, bottom, top = limits(graph)
    ax.set(aspect="equal", xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    circles = {}
    for label, place in graph.nodes.items():
        circles[label] = Circle(place, RADIUS, facecolor="white", edgecolor="black", linewidth=0.8, zorder=3)
        ax.add_patch(circles[label])
        text = graph.labels.get(label, label)
        if label not in graph.labels or not _is_long(text):
            ax.text(*place, text, ha="center", va="center", zorder=4)
    for arrow in graph.arrows:
        (x, y), (to_x, to_y) = graph.nodes[arrow.source], graph.nodes[arrow.target]
        style = styles[arrow.operation]
        patch = FancyArrowPatch(
            (x, y),
            (to_x, to_y),
            patchA=circles[arrow.source],
            patchB=circles[arrow.target],
            connectionstyle=f"arc3,rad={-2 * arrow.height / hypot(to_x - x, to_y - y)}",
            arrowstyle="-" if arrow.operation == NOTHING else "-|>",
            mutation_scale=7,
            zorder=1,
            **style,
        )
        ax.add_patch(patch)
        across, up = middle(graph, arrow)
        above = not arrow.height and y == to_y
        if above:
            up += _lift(arrow, (to_x - x) * height / (top - bottom), height / (top - bottom))
        blank = {} if above else {"bbox": {"facecolor": "white", "edgecolor": "none", "pad": 0.8}}
        style_of_text: Style = {
            "ha": "center",
            "va": "bottom" if above else "center",
            "fontsize": SMALL,
            "color": style["color"],
            **blank,
        }
        ax.text(across, up, arrow.label, zorder=2, **style_of_text)
    _name_parts(ax, graph)


def _lift(arrow: Arrow, length: float, an_edge: float) -> float:
    """How far a label stands above a level arrow of so many inches: above the nodes, too, where it does not fit between them."""
    return 0.06 if breadth(len(arrow.label)) < 0.9 * (length - 2 * RADIUS * an_edge) else RADIUS + 0.04


def _name_parts(ax: Axes, graph: Graph) -> None:
    """Write titles; long labels beside their nodes; else "input" under nodes that no arrow enters, and "output" under those that none leaves."""
    entered, left = {arrow.target for arrow in graph.arrows}, {arrow.source for arrow in graph.arrows}
    for title, place in graph.titles.items():
        ax.text(*place, title, ha="center", va="center", fontweight="bold")
    for label, (x, y) in graph.nodes.items():
        if _is_long(graph.labels.get(label, "")):
            side = 1 if label in entered else -1
            ax.text(x + side * (RADIUS + 0.05), y, graph.labels[label], ha="left" if side > 0 else "right", va="center", fontsize=SMALL)
        elif label not in entered:
            ax.text(x, y - RADIUS - 0.05, "input", ha="center", va="top", fontsize=SMALL)
        elif label not in left:
            ax.text(x + 0.13, y - RADIUS - 0.05, "output", ha="center", va="top", fontsize=SMALL)
