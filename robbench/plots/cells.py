"""Cells as they are drawn in papers: nodes, and an arrow for each edge that carries its operation.

Nodes stand in a row.  Edges to the next node are straight; 0→2 and 0→3 pass above, 1→3 below, so that no two cross.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from robbench.analysis.pareto import best
from robbench.errors import CannotPlot
from robbench.measurements.directions import EITHER_WAY, higher_is_better, listed
from robbench.plots.style import COLUMN, FULL, GREY, OKABE_ITO, panels, styled
from robbench.spaces.nb201 import EDGES, Cell
from robbench.spaces.nb201.drawing import SHORT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from robbench.bench import RobBench

HEIGHTS = {(0, 1): 0.0, (1, 2): 0.0, (2, 3): 0.0, (0, 2): 0.62, (0, 3): 1.2, (1, 3): -0.62}
"""How far above the nodes the middle of each edge is; the distance from node to node is 1."""
STYLES: dict[str, dict[str, Any]] = {
    "none": {"color": GREY, "linestyle": ":", "linewidth": 0.7},
    "skip_connect": {"color": OKABE_ITO[6], "linestyle": "--", "linewidth": 1.0},
    "nor_conv_1x1": {"color": OKABE_ITO[0], "linestyle": "-", "linewidth": 1.0},
    "nor_conv_3x3": {"color": OKABE_ITO[1], "linestyle": "-", "linewidth": 2.0},
    "avg_pool_3x3": {"color": OKABE_ITO[2], "linestyle": "-.", "linewidth": 1.2},
}
_RADIUS = 0.15
_A_LINE = 3
_WIDTH, _HEIGHT = 3.7, 2.35


@styled
def cell_drawing(cell: Cell, *, width: float = COLUMN, title: str = "") -> Figure:
    """One cell: four nodes, from input to output, and its six operations."""
    figure, axes = panels(width, 1, 1, min(width, COLUMN) * _HEIGHT / _WIDTH + (0.2 if title else 0))
    _draw(axes[0], cell)
    axes[0].set_title(title)
    return figure


@styled
def best_cells(bench: RobBench, metrics: Sequence[str], *, width: float = FULL, **options: Any) -> Figure:
    """The best cell by each of several metrics, side by side, each with its value in all of them and its kernel parameters.

    Arguments:
        bench: where the measurements are.
        metrics: as for a query; of parameters and FLOPs, less is best.
        width: in inches.
        options: dataset, training, seed and interpolate, as for a query.

    Raises:
        CannotPlot: nothing was measured of one of them.
        UnknownMetric, NotMeasured: as for a query.
    """
    names = listed(metrics, "metrics")
    columns = max(int(width // (COLUMN - 0.1)), 1)
    lines = -(-(len(names) + 1) // _A_LINE)
    height = width / columns * _HEIGHT / _WIDTH + 0.2 + 0.14 * lines
    figure, axes = panels(width, len(names), columns, height)
    for ax, name in zip(axes, names, strict=True):
        direction = "max" if higher_is_better(name) and name not in EITHER_WAY else "min"
        found = best(bench, name, {}, 1, direction=direction, **options)
        if found.empty:
            raise CannotPlot(f"{name} was not measured of any architecture; there is no best one to draw.")
        cell = Cell.parse(found["arch"][0])
        _draw(ax, cell)
        ax.set_title(f"best {name}", fontweight="bold", pad=2)
        values = [f"{other} {bench.query_many([cell], other, missing='nan', **options)[0]:.3g}" for other in names]
        ax.set_xlabel(_wrapped([*values, f"kernel parameters {cell.kernel_parameters}"]), fontsize=7, labelpad=0)
    return figure


def _wrapped(parts: list[str]) -> str:
    return "\n".join(", ".join(parts[start : start + _A_LINE]) for start in range(0, len(parts), _A_LINE))


def _draw(ax: Axes, cell: Cell) -> None:
    from matplotlib.patches import Circle, FancyArrowPatch

    ax.set(aspect="equal", xlim=(-0.3, 3.4), ylim=(-0.85, 1.5), xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    nodes = [Circle((node, 0), _RADIUS, facecolor="white", edgecolor="black", linewidth=0.8, zorder=3) for node in range(4)]
    for node, circle in enumerate(nodes):
        ax.add_patch(circle)
        ax.text(node, 0, str(node), ha="center", va="center", zorder=4)
    for (source, target), op in zip(EDGES, cell.ops, strict=True):
        height, span = HEIGHTS[source, target], target - source
        arrow = FancyArrowPatch(
            (source, 0),
            (target, 0),
            patchA=nodes[source],
            patchB=nodes[target],
            connectionstyle=f"arc3,rad={-2 * height / span}",
            arrowstyle="-|>",
            mutation_scale=7,
            zorder=1,
            **STYLES[op],
        )
        ax.add_patch(arrow)
        place = {"va": "center", "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 0.8}} if height else {"va": "bottom"}
        ax.text((source + target) / 2, height or 0.06, SHORT[op], ha="center", fontsize=7, color=STYLES[op]["color"], zorder=2, **place)
    ax.text(0, -_RADIUS - 0.05, "input", ha="center", va="top", fontsize=7)
    ax.text(3.13, -_RADIUS - 0.05, "output", ha="center", va="top", fontsize=7)
