"""Feature importance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from robbench.arguments import checked_choice, checked_count, options_checked
from robbench.errors import CannotPlot
from robbench.plots.style import COLUMN, FULL, GREY, OKABE_ITO, new_figure, styled

HATCHES = ("", "////", "....", "xxxx")

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

LABELS = {"permutation": "R² lost when permuted", "impurity": "share of impurity"}


@styled
@options_checked
def importance_bars(table: pd.DataFrame, *, by: str = "permutation", n: int = 15, width: float = COLUMN, title: str = "") -> Figure:
    """The n most important features of a table that `analysis.importance` makes, most important on top, with their values.

    Arguments:
        table: one row a feature.
        by: ``"permutation"`` or ``"impurity"``.
        n: how many at most.
        width: in inches.
        title: above the bars.

    Raises:
        CannotPlot: the table has no rows, or no such column.
        InvalidArgument: no such importance, or an n that is none.
    """
    checked_choice(by, "by", tuple(LABELS))
    checked_count(n, "n", of="features")
    if table.empty or by not in table:
        raise CannotPlot(f"there are no features to draw; expected a table with one row a feature, and a column {by}.")
    shown = table[by].sort_values(ascending=False, kind="stable").head(n)
    figure = new_figure(width, 0.17 * len(shown) + 0.65)
    ax = figure.subplots()
    bars = ax.barh(range(len(shown)), shown, color=OKABE_ITO[0], height=0.7)
    ax.bar_label(bars, [f"{value:.3f}" for value in shown], padding=2, fontsize=7)
    ax.set_yticks(range(len(shown)), list(map(str, shown.index)))
    ax.invert_yaxis()
    ax.axvline(0, color=GREY, linewidth=0.6)
    ax.margins(x=0.16)
    if shown.min() >= 0:
        ax.set_xlim(left=0)
    ax.set_xlabel(LABELS[by])
    ax.set_title(title)
    return figure


@styled
@options_checked
def importance_groups(table: pd.DataFrame, *, by: str = "permutation", n: int = 15, width: float = FULL, title: str = "") -> Figure:
    """The importance of the same features to several targets: for each feature a group of bars, one a target, in the order of the last one.

    Arguments:
        table: one row a feature, one column a target; NaN is left out.
        by: what the numbers are: ``"permutation"`` or ``"impurity"``.
        n: how many features at most.
        width: in inches.
        title: above the bars.

    Raises:
        CannotPlot: the table has no rows, no columns, or more columns than can be told apart.
        InvalidArgument: no such importance, or an n that is none.

    Source: the form of Figures 2 to 5 and 7 of Lukasik et al. (2023).
    """
    checked_choice(by, "by", tuple(LABELS))
    checked_count(n, "n", of="features")
    if table.empty or len(table.columns) > len(HATCHES):
        raise CannotPlot(
            f"{table.shape[1]} targets of {table.shape[0]} features; expected at least one feature and 1 to {len(HATCHES)} targets."
        )
    shown = table.sort_values(str(table.columns[-1]), ascending=False, kind="stable").head(n)
    figure = new_figure(width, 2.4)
    ax = figure.subplots()
    each = 0.8 / len(shown.columns)
    for place, (target, values) in enumerate(shown.items()):
        left = [position - 0.4 + (place + 0.5) * each for position in range(len(shown))]
        ax.bar(left, values, each, label=str(target), color=OKABE_ITO[place], hatch=HATCHES[place], edgecolor="white", linewidth=0)
    ax.set_xticks(range(len(shown)), list(map(str, shown.index)), rotation=45, ha="right", rotation_mode="anchor")
    ax.axhline(0, color=GREY, linewidth=0.6)
    ax.set_ylabel(LABELS[by])
    ax.set_title(title)
    ax.legend()
    return figure
