"""Accuracy over eps, and what searches have found after so many queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from robbench.arguments import options_checked
from robbench.errors import CannotPlot
from robbench.measurements.lookup import Architecture
from robbench.measurements.metrics import TABLE, canonical_name
from robbench.measurements.wording import setting, words
from robbench.plots.levels import FROM_CLEAN, dress, with_gap
from robbench.plots.style import COLUMN, fitted, legend_below, new_figure, series, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from robbench.bench import RobBench

    Runs = np.ndarray | pd.DataFrame | Sequence[pd.DataFrame]

BAND = (0.1, 0.9)
_ROUNDING = 1e-9


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
    width: float | str = COLUMN,
    dataset: str | None = None,
    training: str | None = None,
    seed: int | None = None,
) -> Figure:
    """The accuracy of chosen architectures under one attack, from clean (eps 0) to the largest measured eps, with eps 1 apart (see `plots.levels`).

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
    figure = new_figure(float(width), _height(width), setting(bench.measurements, ["clean", name], **where))
    ax = figure.subplots()
    measured: set[float] = set()
    for (text, arch), style in zip(archs.items(), series(len(archs)), strict=True):
        curve = bench.curve(arch, name, **where).sort_index()
        eps = [0.0, *map(float, curve.index)]
        measured.update(eps)
        values = np.array([bench.query(arch, "clean", **where), *curve], np.float64)
        ax.plot(*with_gap(eps, values), label=text, clip_on=False, **style)
    dress(ax, measured, float(width) - 0.6)
    ax.set_xlabel(FROM_CLEAN)
    ax.set_ylabel(words(name))
    ax.set_ylim(0, 1)
    legend_below(figure, ax)
    return figure


@styled
@options_checked
def search_curves(
    curves: Mapping[str, Runs],
    *,
    best: float | None = None,
    x: str = "queries",
    y: str = "incumbent",
    width: float | str = COLUMN,
    title: str = "",
) -> Figure:
    """Incumbents of several searches, or their regret: the mean over runs, and a band from the 10th to the 90th percentile.

    Arguments:
        curves: name → runs: an array ``(runs, queries)`` of incumbents after 1, 2, … queries; or one DataFrame a run, or one alone,
            with columns cost (rising) and incumbent, which holds until the next cost; then all runs are shown from where the last begins
            to where the first ends.
        best: the best value there is; where it is given, the regret is drawn, how far the incumbent is from it, on an axis that is logarithmic from
            the smallest regret that is met in a run on, and linear from there to 0.
        x: what costs are.
        y: what is searched for.
        width: in inches, or ``"column"`` or ``"page"``.
        title: above, such as the data set.

    Raises:
        CannotPlot: no curves; runs that are neither; runs that don't overlap; nothing but NaN.
    """
    if not curves:
        raise CannotPlot("there are no search curves to draw; expected a name and its runs.")
    drawn = {name: _stacked(name, runs) for name, runs in curves.items()}
    if best is not None:
        drawn = {name: (cost, _regret(incumbents, best)) for name, (cost, incumbents) in drawn.items()}
    if all(np.isnan(values).all() for _, values in drawn.values()):
        raise CannotPlot(f"no run of {', '.join(drawn)} has found a value; there are no search curves to draw.")
    figure = new_figure(float(width), _height(width), title)
    ax = figure.subplots()
    for (name, (cost, values)), style in zip(drawn.items(), series(len(drawn)), strict=True):
        _band(ax, name, cost, values, style)
    if best is not None:
        _from_zero_on(ax, np.concatenate([values.ravel() for _, values in drawn.values()]))
    ax.set_xlabel(x)
    ax.set_ylabel(fitted(y if best is None else f"regret in {y}", _height(width) - 0.4))
    legend_below(figure, ax)
    return figure


def _band(ax: Axes, name: str, cost: np.ndarray, values: np.ndarray, style: dict[str, Any]) -> None:
    low, high = np.quantile(values, BAND, axis=0)
    ax.fill_between(cost, low, high, step="post", color=style["color"], alpha=0.18, linewidth=0)
    every = max(len(cost) // 8, 1)
    ax.plot(cost, values.mean(axis=0), drawstyle="steps-post", label=name, markevery=(every // 2, every), **style)


def _regret(incumbents: np.ndarray, best: float) -> np.ndarray:
    """How far each incumbent is from the best value there is; 0 where rounding alone parts them."""
    regret = np.abs(best - incumbents)
    return np.where(regret <= _ROUNDING * abs(best), 0.0, regret)


def _from_zero_on(ax: Axes, values: np.ndarray) -> None:
    """An axis that is logarithmic down to the smallest positive value, and has 0."""
    positive = values[values > 0]
    if len(positive):
        least, most = float(positive.min()), float(positive.max())
        ax.set_yscale("symlog", linthresh=least, linscale=0.5)
        digits = (1,) if most > 100 * least else (1, 2, 5)
        powers = range(int(np.floor(np.log10(least))), int(np.ceil(np.log10(most))) + 1)
        ticks = [tick for power in powers for digit in digits if least <= (tick := digit * 10.0**power) <= most]
        ax.set_yticks([0, *ticks], ["0", *(f"{tick:g}" for tick in ticks)])
        ax.set_yticks([], minor=True)
    ax.set_ylim(bottom=0)


def _height(width: float | str) -> float:
    return 0.72 * min(float(width), 4.5)


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
