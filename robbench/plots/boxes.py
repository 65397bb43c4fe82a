"""How accuracy falls with eps or severity, over all architectures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from robbench.errors import CannotPlot
from robbench.measurements.columns import Question
from robbench.measurements.metrics import GREY_LEVELS, TABLE, Metric, parse
from robbench.plots.style import FULL, GREY, OKABE_ITO, panels, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from robbench.bench import RobBench

WHISKERS = (5, 95)
_BOX = 0.17
_HEIGHT = 1.35


def threats_of(bench: RobBench, kind: str, **options: Any) -> list[str]:
    """The attacks (``"attack"``) or corruptions (``"corruption"``) that the store holds accuracies under, in the order of the table."""
    held = {metric.name for metric in _levels(bench, options)}
    return [name for name, entry in TABLE.items() if entry.kind == kind and name in held]


@styled
def accuracy_boxes(bench: RobBench, threats: Sequence[str] = (), *, width: float = FULL, **options: Any) -> Figure:
    """Box plots of the accuracy of all architectures at each level: one panel a threat, the clean accuracy at level 0.

    Boxes are quartiles with the median, whiskers reach from the 5th to the 95th percentile, and nothing beyond is drawn.

    Arguments:
        bench: where the measurements are.
        threats: attacks or corruptions; by default all attacks of the store.
        width: in inches.
        options: dataset, training and seed, as for a query.

    Raises:
        CannotPlot: something that is no attack or corruption, or that the store does not hold.
        UnknownMetric: as for a query.
    """
    names = [parse(threat).name for threat in threats] or threats_of(bench, "attack", **options)
    levels = {name: sorted((metric for metric in _levels(bench, options) if metric.name == name), key=_level) for name in names}
    unheld = [name for name, found in levels.items() if not found]
    if unheld or not names:
        held = threats_of(bench, "attack", **options) + threats_of(bench, "corruption", **options)
        raise CannotPlot(f"{', '.join(unheld) or 'no attack'} has no levels in this store; expected among {', '.join(held) or 'none'}.")
    boxes = 1 + max(map(len, levels.values()))
    columns = int(np.clip((width - 0.5) / (_BOX * boxes + 0.2), 1, len(names)))
    figure, axes = panels(width, len(names), columns, _HEIGHT, sharey=True)
    for position, (ax, name) in enumerate(zip(axes, names, strict=True)):
        _panel(ax, bench, name, levels[name], options)
        if position + columns >= len(names):
            ax.set_xlabel(f"{'eps · 255' if TABLE[name].axis == 'eps' else 'severity'} (0: clean)")
        if position % columns == 0:
            ax.set_ylabel("accuracy")
    return figure


def _panel(ax: Axes, bench: RobBench, name: str, levels: list[Metric], options: dict[str, Any]) -> None:
    columns = [bench.query_many(bench.classes, metric, missing="nan", **options) for metric in (parse("clean"), *levels)]
    drawn = ax.boxplot(
        [values[~np.isnan(values)] for values in columns],
        positions=range(len(columns)),
        whis=WHISKERS,
        showfliers=False,
        widths=0.65,
        patch_artist=True,
        medianprops={"color": "black", "linewidth": 1.2},
        whiskerprops={"linewidth": 0.7},
        capprops={"linewidth": 0.7},
    )
    for position, box in enumerate(drawn["boxes"]):
        box.set(facecolor=OKABE_ITO[5] if position else "#CCCCCC", linewidth=0.7)
    grey_levels = GREY_LEVELS if TABLE[name].axis == "eps" else 1
    ax.set_xticks(range(len(columns)), ["0", *(f"{_level(metric) * grey_levels:.3g}" for metric in levels)])
    ax.set_title(name, pad=2)
    ax.set_ylim(0, 1)
    ax.grid(axis="y", linewidth=0.4, color=GREY, alpha=0.4)
    ax.set_axisbelow(True)


def _level(metric: Metric) -> float:
    return metric.level or 0.0


def _levels(bench: RobBench, options: dict[str, Any]) -> list[Metric]:
    """Every level of every attack and corruption in the store, by accuracy."""
    question = Question(parse("clean"), **options)
    return [
        metric
        for metric in bench.columns.numbers(question)
        if metric.measure == "accuracy" and metric.entry.kind in ("attack", "corruption")
    ]
