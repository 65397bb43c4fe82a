"""Two metrics of every architecture, and the front between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from robbench.analysis.pareto import pareto_front
from robbench.arguments import options_checked
from robbench.errors import CannotPlot
from robbench.measurements.directions import directions_of, spelled
from robbench.measurements.joining import join
from robbench.measurements.metrics import Metric
from robbench.measurements.question import Where
from robbench.plots.style import COLUMN, GREY, MAP, OKABE_ITO, label, new_figure, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from robbench.bench import RobBench

_SHOWN = (0.001, 0.999)
"""Between which quantiles axes and colours tell values apart."""


@styled
@options_checked
def scatter(
    bench: RobBench,
    x: str | Metric,
    y: str | Metric,
    *,
    color: str | Metric | None = None,
    directions: Mapping[str, str] | None = None,
    width: float = COLUMN,
    dataset: str | None = None,
    training: str | None = None,
    seed: int | None = None,
    interpolate: bool = False,
) -> Figure:
    """Every architecture by two metrics, coloured by a third, and the Pareto front.

    Points run over classes, or over exact architectures where one of the metrics does (see `robbench.measurements.joining`), and are rasterised.  The
    axes reach over the whole front, and over all but a thousandth of the points on each side; the figure says how many are outside.

    Arguments:
        bench: where the measurements are.
        x: a metric, as for a query, with its level.
        y: another.
        color: a third, such as any attribute of the space; its first (kernel parameters) if left out.
        directions: as for `analysis.pareto_front`.
        width: in inches.
        dataset, training, seed, interpolate: as for a query.

    Raises:
        As `analysis.pareto_front`.
        CannotPlot: no architecture has them all.
    """
    where: Where = {"dataset": dataset, "training": training, "seed": seed, "interpolate": interpolate}
    one, other = directions_of([x, y], directions)
    shade = next(iter(bench.space.attributes), None) if color is None else spelled(color)
    rows = "class" if join(bench.measurements, [one, other], **where).rows == "class" else None  # whatever the colour belongs to
    joined = join(bench.measurements, list(dict.fromkeys([one, other, *([shade] if shade else [])])), rows=rows, **where)
    if not joined.measured.any():
        raise CannotPlot(f"no architecture has both {one} and {other}; there is nothing to draw.")
    front = pareto_front(bench, [one, other], directions=directions, **where)
    drawn = np.flatnonzero(joined.measured)
    if shade:
        drawn = drawn[np.argsort(joined.values[shade][drawn], kind="stable")]
    across, up = (joined.values[name][drawn] for name in (one, other))
    figure = new_figure(width, min(0.8 * width, 4.2))
    ax = figure.subplots()
    colors: dict[str, Any] = {"c": joined.values[shade][drawn], "cmap": MAP} if shade else {"color": GREY}
    if shade and color is not None:  # a few constant networks at 0.1 would leave one colour for all others
        colors["vmin"], colors["vmax"] = np.quantile(colors["c"], _SHOWN)
    points = ax.scatter(across, up, s=width, linewidths=0, rasterized=True, **colors)
    style: dict[str, Any] = {"color": OKABE_ITO[1], "markerfacecolor": "white", "markeredgewidth": 0.9}
    ax.plot(front[one], front[other], "-o", label=f"Pareto front ({len(front)})", **style)
    ax.set_xlim(_limits(across, front[one]))
    ax.set_ylim(_limits(up, front[other]))
    ax.set_xlabel(label(one))
    ax.set_ylabel(label(other))
    shown = _within(across, ax.get_xlim()) & _within(up, ax.get_ylim())
    ax.set_title("" if shown.all() else f"{(~shown).sum()} of {len(shown)} outside", loc="left", fontsize=7, color=GREY)
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.1)
    if shade:
        figure.colorbar(points, ax=ax, label=label(shade), fraction=0.06, pad=0.02, extend="neither" if color is None else "both")
    return figure


def _limits(values: np.ndarray, front: pd.Series[float]) -> tuple[float, float]:
    """Where an axis begins and ends: around all but a thousandth of the values on either side, and the front."""
    low, high = np.quantile(values, _SHOWN)
    low, high = min(low, front.min()), max(high, front.max())
    margin = 0.03 * (high - low) or 0.01
    return float(low - margin), float(high + margin)


def _within(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    return np.asarray((values >= limits[0]) & (values <= limits[1]))
