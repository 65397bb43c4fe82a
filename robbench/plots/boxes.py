"""How accuracy falls with eps or severity, over all architectures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from robbench.arguments import checked_choice, options_checked
from robbench.errors import CannotPlot
from robbench.measurements.metrics import TABLE, Metric, parse
from robbench.measurements.question import Question, Where
from robbench.measurements.wording import setting, threat
from robbench.plots.levels import GREY_CLEAN, dress, places
from robbench.plots.style import GREY, OKABE_ITO, PAGE, SMALL, UNDEFINED, panels, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from robbench.bench import RobBench

KINDS = ("attack", "corruption")
WHISKERS = (5, 95)
_HEIGHT = 1.3
_LEAST = {"eps": 1.35, "severity": 0.84}
"""Inches: the narrowest panel, by what its levels are."""
_LABELS = {"eps": GREY_CLEAN, "severity": "severity (grey: clean)"}
_AROUND = 0.45


@options_checked
def threats_of(
    bench: RobBench, kind: str, *, dataset: str | None = None, training: str | None = None, seed: int | None = None
) -> list[str]:
    """The attacks (``"attack"``) or corruptions (``"corruption"``) that the store holds accuracies under, in the order of `metrics.TABLE`.

    Raises:
        InvalidArgument: no such kind.
        NotMeasured: the store holds no such dataset.
    """
    checked_choice(kind, "kind", KINDS)
    held = {metric.name for metric in _levels(bench, {"dataset": dataset, "training": training, "seed": seed})}
    return [name for name, entry in TABLE.items() if entry.kind == kind and name in held]


@styled
@options_checked
def accuracy_boxes(
    bench: RobBench,
    threats: Sequence[str] = (),
    *,
    width: float | str = PAGE,
    dataset: str | None = None,
    training: str | None = None,
    seed: int | None = None,
) -> Figure:
    """Box plots of the accuracy of all architectures at each level: one panel a threat, the clean accuracy at level 0.

    Boxes are quartiles with the median, whiskers reach from the 5th to the 95th percentile, and nothing beyond is drawn.

    Arguments:
        bench: where the measurements are.
        threats: attacks or corruptions; by default all attacks of the store.
        width: in inches, or ``"column"`` or ``"page"``.
        dataset, training, seed: as for a query.

    Raises:
        CannotPlot: something that is no attack or corruption, or that the store does not hold, or holds only gaps of.
        UnknownMetric, InvalidArgument, NotMeasured: as for a query.
    """
    where: Where = {"dataset": dataset, "training": training, "seed": seed}
    held = _levels(bench, where)
    attacks, corruptions = (threats_of(bench, kind, dataset=dataset, training=training, seed=seed) for kind in KINDS)
    names = [parse(threat).name for threat in threats] or attacks
    levels = {name: sorted((metric for metric in held if metric.name == name), key=_level) for name in names}
    unheld = [name for name, found in levels.items() if not found]
    if unheld or not names:
        known = ", ".join([*attacks, *corruptions]) or "none"
        raise CannotPlot(f"{', '.join(unheld) or 'no attack'} has no levels in this store; expected among {known}.")
    kinds = [TABLE[name].axis or "" for name in names]
    columns = _columns(float(width), kinds)
    measured = int(np.count_nonzero(~np.isnan(bench.query_many(bench.classes, "clean", missing="nan", **where))))
    heading = f"{setting(bench.measurements, ['clean', *names], **where)}, {measured:,} architectures"
    figure, axes = panels(float(width), len(names), columns, _HEIGHT, sharey=True, heading=heading)
    for position, (ax, name) in enumerate(zip(axes, names, strict=True)):
        _panel(ax, bench, name, levels[name], where, (float(width) - _AROUND) / columns - 0.2)
        if position % columns == 0:
            ax.set_ylabel("accuracy")
        if len(set(kinds)) > 1 and position + columns >= len(names):
            ax.set_xlabel(_LABELS[kinds[position]], fontsize=SMALL)
    if len(set(kinds)) == 1:
        figure.supxlabel(_LABELS[kinds[0]])
    return figure


def _columns(width: float, kinds: list[str]) -> int:
    """How many panels stand side by side: as many as are wide enough, but no more than fill their rows evenly."""
    most = int(np.clip((width - _AROUND) // max(map(_LEAST.__getitem__, kinds)), 1, len(kinds)))
    rows = -(-len(kinds) // most)
    return -(-len(kinds) // rows)


def _panel(ax: Axes, bench: RobBench, name: str, levels: list[Metric], where: Where, width: float) -> None:
    columns = [bench.query_many(bench.classes, metric, missing="nan", **where) for metric in (parse("clean"), *levels)]
    columns = [values[~np.isnan(values)] for values in columns]
    if not any(map(len, columns[1:])):
        raise CannotPlot(f"{name} was not measured of any architecture; there are no boxes to draw.  `robbench info` lists what there is.")
    is_eps = TABLE[name].axis == "eps"
    steps = [0.0, *map(_level, levels)]
    at = places(steps) if is_eps else np.asarray(steps)
    drawn = ax.boxplot(
        columns,
        positions=at.tolist(),
        whis=WHISKERS,
        showfliers=False,
        widths=0.7 * min(float(np.diff(at).min()), float(at[-1]) / 5),
        patch_artist=True,
        manage_ticks=False,
        medianprops={"color": "black", "linewidth": 1.2},
        whiskerprops={"linewidth": 0.7},
        capprops={"linewidth": 0.7},
    )
    for position, box in enumerate(drawn["boxes"]):
        box.set(facecolor=OKABE_ITO[5] if position else UNDEFINED, linewidth=0.7)
    if is_eps:
        dress(ax, steps, width, zero=False)
    else:
        ax.set_xticks(at[1:])
        ax.set_xlim(at[0] - 0.6, at[-1] + 0.6)
    ax.set_title(threat(name), pad=3, fontsize=SMALL)
    ax.set_ylim(0, 1)
    ax.grid(axis="y", linewidth=0.4, color=GREY, alpha=0.4)
    ax.set_axisbelow(True)


def _level(metric: Metric) -> float:
    return metric.level or 0.0


def _levels(bench: RobBench, where: Where) -> list[Metric]:
    """Every level of every attack and corruption in the store, by accuracy."""
    numbers = bench.measurements.numbers(Question.of("clean", **where))
    return [metric for metric in numbers if metric.measure == "accuracy" and metric.entry.kind in KINDS]
