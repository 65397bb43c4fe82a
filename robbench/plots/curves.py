"""Accuracy over eps, and what searches have found after so many queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from robbench.arguments import options_checked
from robbench.errors import CannotPlot
from robbench.measurements.lookup import Architecture
from robbench.measurements.metrics import GREY_LEVELS, TABLE, canonical_name
from robbench.plots.style import COLUMN, GREY, LINES, MARKERS, OKABE_ITO, new_figure, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from robbench.bench import RobBench

    Runs = np.ndarray | pd.DataFrame | Sequence[pd.DataFrame]

BAND = (0.1, 0.9)


class _Where(TypedDict):
    dataset: str | None
    training: str | None
    seed: int | None


@styled
@options_checked
def eps_curves(
    bench: RobBench,
    archs: Mapping[str, Architecture],
    attack: str = "pgd",
    *,
    width: float = COLUMN,
    dataset: str | None = None,
    training: str | None = None,
    seed: int | None = None,
) -> Figure:
    """The accuracy of chosen architectures under one attack, from clean (eps 0) to the largest measured eps below 1.

    At eps 1 an attack may put any image in the place of the given one, so there is nothing to read from it, and it is left out.

    Arguments:
        bench: where the measurements are.
        archs: label → architecture.
        attack: one that the store holds.
        width: in inches.
        dataset, training, seed: as for a query.

    Raises:
        CannotPlot: no architecture, or not an attack.
        UnknownArchitecture, UnknownMetric, InvalidArgument, NotMeasured: as for a query.
    """
    where: _Where = {"dataset": dataset, "training": training, "seed": seed}
    name = canonical_name(attack)
    if not archs or TABLE[name].kind != "attack":
        raise CannotPlot(f"eps curves need at least one architecture and an attack; {len(archs)} and {attack!r} were given.")
    figure = new_figure(width, 0.72 * min(width, 4.5))
    ax = figure.subplots()
    for (text, arch), style in zip(archs.items(), _styles(), strict=False):
        curve = bench.curve(arch, name, **where).sort_index()
        curve = curve[curve.index < 1]
        eps = [0.0, *(float(level) * GREY_LEVELS for level in curve.index)]
        ax.plot(eps, [bench.query(arch, "clean", **where), *curve], label=text, clip_on=False, **style)
    ax.set_xlabel("eps · 255 (0: clean)")
    ax.set_ylabel(f"{name} accuracy")
    ax.set_ylim(0, 1)
    ax.legend(loc="upper right")
    return figure


@styled
@options_checked
def search_curves(
    curves: Mapping[str, Runs], *, best: float | None = None, x: str = "queries", y: str = "incumbent", width: float = COLUMN
) -> Figure:
    """Incumbents of several searches: the mean over runs, and a band from the 10th to the 90th percentile.

    Arguments:
        curves: name → runs: an array ``(runs, queries)`` of incumbents after 1, 2, … queries; or one DataFrame a run, or one alone,
            with columns cost (rising) and incumbent, which holds until the next cost; then all runs are shown from where the last begins
            to where the first ends.
        best: the best value there is, as a dashed line.
        x: what costs are.
        y: what is searched for.
        width: in inches.

    Raises:
        CannotPlot: no curves; runs that are neither; runs that don't overlap.
    """
    if not curves:
        raise CannotPlot("there are no search curves to draw; expected a name and its runs.")
    figure = new_figure(width, 0.72 * min(width, 4.5))
    ax = figure.subplots()
    for (name, runs), style in zip(curves.items(), _styles(), strict=False):
        _band(ax, name, *_stacked(name, runs), style)
    if best is not None:
        ax.axhline(best, color=GREY, linewidth=0.8, linestyle=(0, (1, 1)), label="best")
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.legend(loc="lower right")
    return figure


def _band(ax: Axes, name: str, cost: np.ndarray, incumbents: np.ndarray, style: dict[str, Any]) -> None:
    low, high = np.quantile(incumbents, BAND, axis=0)
    ax.fill_between(cost, low, high, step="post", color=style["color"], alpha=0.18, linewidth=0)
    every = max(len(cost) // 8, 1)
    ax.plot(cost, incumbents.mean(axis=0), drawstyle="steps-post", label=name, markevery=(every // 2, every), **style)


def _stacked(name: str, runs: Runs) -> tuple[np.ndarray, np.ndarray]:
    """Costs ``(m,)``, and the incumbents of all runs at each: ``(runs, m)``."""
    import pandas as pd

    if isinstance(runs, np.ndarray):
        if runs.ndim != 2 or 0 in runs.shape:
            raise CannotPlot(f"{name}: an array of shape {runs.shape} was given; expected (runs, queries), at least one of each.")
        return np.arange(1, runs.shape[1] + 1), runs
    frames = [runs] if isinstance(runs, pd.DataFrame) else list(runs)
    for frame in frames:
        if not isinstance(frame, pd.DataFrame) or frame.empty or not {"cost", "incumbent"} <= set(frame.columns):
            raise CannotPlot(f"{name}: a run is not a DataFrame with columns cost and incumbent, and at least one row.")
    if not frames:
        raise CannotPlot(f"{name}: no runs were given; expected an array (runs, queries), or a DataFrame a run.")
    costs = [frame["cost"].to_numpy(np.float64) for frame in frames]
    first, last = max(cost[0] for cost in costs), min(cost[-1] for cost in costs)
    shared = np.unique(np.concatenate(costs))
    shared = shared[(shared >= first) & (shared <= last)]
    if len(shared) == 0:
        raise CannotPlot(
            f"{name}: one run ends at cost {last:g}, before another begins at {first:g}; there is nothing that all runs cover."
        )
    held = [np.searchsorted(cost, shared, side="right") - 1 for cost in costs]
    return shared, np.stack([frame["incumbent"].to_numpy(np.float64)[at] for frame, at in zip(frames, held, strict=True)])


def _styles() -> cycle[dict[str, Any]]:
    """Colours, markers and lines, endlessly; no two of the first eight share a colour or a marker."""
    return cycle(
        {"color": color, "marker": MARKERS[position], "linestyle": LINES[position % len(LINES)]} for position, color in enumerate(OKABE_ITO)
    )
