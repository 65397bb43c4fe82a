"""Architectures as they are drawn in papers: nodes, and an arrow for each operation.

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
from robbench.plots.style import COLUMN, FULL, GREY, LINES, OKABE_ITO, panels, styled
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
RADIUS = 0.15
_LEFT, _RIGHT, _BELOW, _ABOVE = 0.3, 0.4, 0.23, 0.3
"""Room around nodes and arrows; neighbouring nodes are 1 apart."""
_BESIDE = 0.55
"""Room for labels that do not fit into the nodes at the ends."""
_A_LINE = 3


@styled
def cell_drawing(graph: Graph, *, width: float = COLUMN, title: str = "") -> Figure:
    """One architecture, such as a cell: its nodes from input to output, and its operations.

        cell_drawing(bench.space.graph(bench.parse(arch)))

    Arguments:
        graph: as `SearchSpace.graph` gives it.
        width: in inches.
        title: above it.
    """
    figure, axes = panels(width, 1, 1, _height([graph], min(width, COLUMN)) + (0.2 if title else 0))
    _draw(axes[0], graph, styles_of([graph]))
    axes[0].set_title(title)
    return figure


@styled
@options_checked
def best_cells(
    bench: RobBench,
    metrics: str | Metric | Sequence[str | Metric],
    *,
    width: float = FULL,
    dataset: str | None = None,
    training: str | None = None,
    seed: int | None = None,
    interpolate: bool = False,
) -> Figure:
    """The best architecture by each of several metrics, side by side, each with its value in all of them and its attributes (kernel parameters).

    Arguments:
        bench: where the measurements are.
        metrics: as for a query, each with its level; of parameters and FLOPs, less is best.
        width: in inches.
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
    columns = max(int(width // (COLUMN - 0.1)), 1)
    lines = -(-(len(names) + len(bench.space.attributes)) // _A_LINE)
    height = _height(graphs, width / columns) + 0.2 + 0.14 * lines
    figure, axes = panels(width, len(names), columns, height)
    for ax, name, arch, graph in zip(axes, names, archs, graphs, strict=True):
        _draw(ax, graph, styles)
        ax.set_title(f"best {name}", fontweight="bold", pad=2)
        values = [f"{other} {bench.query_many([arch], other, missing='nan', **where)[0]:.3g}" for other in names]
        values += [f"{attribute.replace('_', ' ')} {of(arch):g}" for attribute, of in bench.space.attributes.items()]
        ax.set_xlabel(_wrapped(values), fontsize=7, labelpad=0)
    return figure


def _best(bench: RobBench, name: str, where: Where) -> Any:
    found = best(bench, name, {}, 1, direction=direction_as_cost(name), **where)
    if found.empty:
        raise CannotPlot(f"{name} was not measured of any architecture; there is no best one to draw.")
    return bench.parse(found["arch"][0])


def _wrapped(parts: list[str]) -> str:
    return "\n".join(", ".join(parts[start : start + _A_LINE]) for start in range(0, len(parts), _A_LINE))


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


def _draw(ax: Axes, graph: Graph, styles: dict[str, Style]) -> None:
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
            arrowstyle="-|>",
            mutation_scale=7,
            zorder=1,
            **style,
        )
        ax.add_patch(patch)
        across, up = middle(graph, arrow)
        beside: Style = (
            {"va": "center", "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 0.8}} if arrow.height else {"va": "bottom"}
        )
        ax.text(across, up if arrow.height else up + 0.06, arrow.label, ha="center", fontsize=7, color=style["color"], zorder=2, **beside)
    _name_parts(ax, graph)


def _name_parts(ax: Axes, graph: Graph) -> None:
    """Write titles; long labels beside their nodes; else "input" under nodes that no arrow enters, and "output" under those that none leaves."""
    entered, left = {arrow.target for arrow in graph.arrows}, {arrow.source for arrow in graph.arrows}
    for title, place in graph.titles.items():
        ax.text(*place, title, ha="center", va="center", fontweight="bold")
    for label, (x, y) in graph.nodes.items():
        if _is_long(graph.labels.get(label, "")):
            side = 1 if label in entered else -1
            ax.text(x + side * (RADIUS + 0.05), y, graph.labels[label], ha="left" if side > 0 else "right", va="center", fontsize=7)
        elif label not in entered:
            ax.text(x, y - RADIUS - 0.05, "input", ha="center", va="top", fontsize=7)
        elif label not in left:
            ax.text(x + 0.13, y - RADIUS - 0.05, "output", ha="center", va="top", fontsize=7)
