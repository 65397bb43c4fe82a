"""Two metrics of every architecture, how many lie where, and the front between them."""

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
from robbench.measurements.wording import setting, words
from robbench.plots.style import COLUMN, MAP, OKABE_ITO, fitted, legend_below, new_figure, scale, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from robbench.bench import RobBench

_SHOWN = (0.001, 0.999)
"""Between which quantiles axes and colours tell values apart."""
NEARBY = 0.01
"""How far apart, as a share of each axis, two points lie over each other."""
_DENSE = 10
"""So many of them somewhere, and the figure tells with colour how many there are."""
_FEW = 500


@styled
@options_checked
def scatter(
    bench: RobBench,
    x: str | Metric,
    y: str | Metric,
    *,
    color: str | Metric | None = None,
    directions: Mapping[str, str] | None = None,
    width: float | str = COLUMN,
    dataset: str | None = None,
    training: str | None = None,
    seed: int | None = None,
    interpolate: bool = False,
) -> Figure:
    """Every architecture by two metrics, and the Pareto front, as steps: up to it a point is dominated by some architecture of the front.

    Colour tells how many architectures lie over each other, within a hundredth of each axis, if many do somewhere; or, where it is asked for, a third
    metric, and points are drawn in an order that has nothing to do with it.  Each architecture is a point of its own, so those at the edge are seen.

    Points run over classes, or over exact architectures where one of the metrics does (see `robbench.measurements.joining`), and are rasterised.  The
    axes reach over the whole front, and over all but a thousandth of the points on each side; the figure says how many are outside.

    Arguments:
        bench: where the measurements are.
        x: a metric, as for a query, with its level.
        y: another.
        color: a third, such as any attribute of the space; if left out, colour tells how many architectures there are.
        directions: as for `analysis.pareto_front`.
        width: in inches, or ``"column"`` or ``"page"``.
        dataset, training, seed, interpolate: as for a query.

    Raises:
        As `analysis.pareto_front`.
        CannotPlot: no architecture has them all.
    """
    where: Where = {"dataset": dataset, "training": training, "seed": seed, "interpolate": interpolate}
    one, other = directions_of([x, y], directions)
    shade = None if color is None else spelled(color)
    rows = "class" if join(bench.measurements, [one, other], **where).rows == "class" else None  # whatever the colour belongs to
    joined = join(bench.measurements, list(dict.fromkeys([one, other, *([shade] if shade else [])])), rows=rows, **where)
    if not joined.measured.any():
        names = f"{one}, {other} and {shade}" if shade else f"both {one} and {other}"
        raise CannotPlot(f"no architecture has {names}; there is nothing to draw.  `robbench info` lists what there is.")
    front = pareto_front(bench, [one, other], directions=directions, **where)
    across, up, *third = (joined.values[name][joined.measured] for name in (one, other, *([shade] if shade else [])))
    limits = _limits(across, front[one]), _limits(up, front[other])
    outside = len(across) - np.count_nonzero(_within(across, limits[0]) & _within(up, limits[1]))
    rows_drawn = "classes" if joined.rows == "class" else "architectures"
    heading = f"{setting(bench.measurements, [one, other], **where)}, {len(across):,} {rows_drawn}"
    height = min(0.8 * float(width), 4.2)
    figure = new_figure(float(width), height, heading + (f", {outside} outside" if outside else ""))
    ax = figure.subplots()
    colours = _third(third[0]) if third else _density(across, up, limits)
    order = colours.pop("order")
    size = (1.0 if len(across) > _FEW else 2.5) * float(width)
    points = ax.scatter(across[order], up[order], s=size, linewidths=0, rasterized=True, **colours)
    style: dict[str, Any] = {"color": OKABE_ITO[1], "markerfacecolor": "white", "markeredgewidth": 0.9, "marker": "o"}
    # Up to an architecture that is better to the right, whatever is further left is dominated; and the other way round.
    steps = "steps-pre" if directions_of([one, other], directions)[one] == "max" else "steps-post"
    stairs = front.sort_values([one, other])
    ax.plot(stairs[one], stairs[other], drawstyle=steps, label=f"Pareto front ({len(front)})", **style)
    ax.set_xlim(limits[0])
    ax.set_ylim(limits[1])
    ax.locator_params(axis="x", nbins=max(int(1.6 * float(width)), 2))
    ax.set_xlabel(fitted(words(one), float(width) - 1.2))
    ax.set_ylabel(fitted(words(other), height - 0.5))
    legend_below(figure, ax)
    if "cmap" in colours:
        label = words(shade) if shade else f"{rows_drawn} at a point"
        scale(figure, ax, points, fitted(label, height - 0.5), extend="both" if shade else "neither")
    return figure


def _third(values: np.ndarray) -> dict[str, Any]:
    """Colours by a third metric, points in any order: were it the metric's, its greatest values would hide all others."""
    order = np.random.default_rng(0).permutation(len(values))
    low, high = np.quantile(values, _SHOWN)  # a few constant networks at 0.1 would leave one colour for all others
    return {"order": order, "c": values[order], "cmap": MAP, "vmin": low, "vmax": high}


def _density(across: np.ndarray, up: np.ndarray, limits: tuple[tuple[float, float], tuple[float, float]]) -> dict[str, Any]:
    """Colours by how many points lie over each, the densest on top; one colour where they are few everywhere."""
    from matplotlib.colors import LogNorm
    from scipy.spatial import cKDTree

    scaled = np.column_stack([(values - low) / (high - low) for values, (low, high) in zip((across, up), limits, strict=True)])
    # Of equal points, one is asked for all.
    unique, place, times = np.unique(scaled, axis=0, return_inverse=True, return_counts=True)
    tree = cKDTree(unique)
    near = tree.query_ball_point(unique, NEARBY, p=np.inf)
    count = np.array([times[others].sum() for others in near])[place.ravel()]
    if count.max() < _DENSE:
        return {"order": np.arange(len(count)), "color": OKABE_ITO[0]}
    order = np.argsort(count, kind="stable")
    return {"order": order, "c": count[order], "cmap": MAP, "norm": LogNorm(1, count.max())}


def _limits(values: np.ndarray, front: pd.Series[float]) -> tuple[float, float]:
    """Where an axis begins and ends: around all but a thousandth of the values on either side, and the front."""
    low, high = np.quantile(values, _SHOWN)
    low, high = min(low, front.min()), max(high, front.max())
    margin = 0.03 * (high - low) or 0.01
    return float(low - margin), float(high + margin)


def _within(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    return np.asarray((values >= limits[0]) & (values <= limits[1]))
