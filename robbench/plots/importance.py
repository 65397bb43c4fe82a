"""Feature importance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from robbench.arguments import checked_choice, checked_count, options_checked
from robbench.errors import CannotPlot
from robbench.measurements.wording import feature, several
from robbench.plots.style import COLUMN, GREY, OKABE_ITO, PAGE, SMALL, fitted, legend_below, new_figure, styled

HATCHES = ("", "////", "....", "xxxx")

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

LABELS = {"permutation": "R² lost when permuted", "impurity": "share of impurity"}
SPREADS = {"permutation": "permutations", "impurity": "trees"}
"""What the bars' errors are the standard deviation over."""
_ERRORS: Any = {"elinewidth": 0.8, "capsize": 1.8, "capthick": 0.8, "ecolor": "black"}


def spread(by: str) -> str:
    """The column of a table of importances that holds the standard deviations of another."""
    return f"{by}_sd"


@styled
@options_checked
def importance_bars(table: pd.DataFrame, *, by: str = "permutation", n: int = 15, width: float | str = COLUMN, title: str = "") -> Figure:
    """The n most important features of a table that `analysis.importance` makes, most important on top, with their values.

    Arguments:
        table: one row a feature; a column ``permutation_sd`` or ``impurity_sd``, if it is there, is drawn as error bars.
        by: ``"permutation"`` or ``"impurity"``.
        n: how many at most.
        width: in inches, or ``"column"`` or ``"page"``.
        title: above the bars.

    Raises:
        CannotPlot: the table has no rows, or no such column.
        InvalidArgument: no such importance, or an n that is none.
    """
    checked_choice(by, "by", tuple(LABELS))
    checked_count(n, "n", of="features")
    if table.empty or by not in table:
        raise CannotPlot(f"there are no features to draw; expected a table with one row a feature, and a column {by}.")
    shown = table.sort_values(by, ascending=False, kind="stable").head(n)
    values, errors = shown[by], shown.get(spread(by))
    figure = new_figure(float(width), 0.17 * len(shown) + 0.65, title)
    ax = figure.subplots()
    ax.barh(range(len(shown)), values, color=OKABE_ITO[5], height=0.7, xerr=errors, error_kw=_ERRORS)
    ends = values.clip(lower=0) if errors is None else (values + errors).clip(lower=0)
    for place, (value, end) in enumerate(zip(values, ends, strict=True)):
        beside: Any = {"xytext": (2.5, 0), "textcoords": "offset points"}
        ax.annotate(f"{value:.3f}".replace("-", "−"), (end, place), va="center", fontsize=SMALL, **beside)
    ax.set_yticks(range(len(shown)), [feature(str(name)) for name in shown.index])
    ax.invert_yaxis()
    ax.axvline(0, color=GREY, linewidth=0.6)
    low = min(float((values if errors is None else values - errors).min()), 0.0)
    ax.set_xlim(1.05 * low, low + 1.2 * (float(ends.max()) - low) or 1.0)  # room for the numbers
    ax.set_xlabel(fitted(_label(by, errors is not None), float(width) - 1.2))
    return figure


@styled
@options_checked
def importance_groups(
    table: pd.DataFrame,
    *,
    errors: pd.DataFrame | None = None,
    by: str = "permutation",
    n: int = 15,
    width: float | str = PAGE,
    title: str = "",
) -> Figure:
    """The importance of the same features to several targets: for each feature a group of bars, one a target, in the order of the last one.

    Arguments:
        table: one row a feature, one column a target; NaN is left out.
        errors: the standard deviations, in the same form.
        by: what the numbers are: ``"permutation"`` or ``"impurity"``.
        n: how many features at most.
        width: in inches, or ``"column"`` or ``"page"``.
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
    figure = new_figure(float(width), 2.4, title)
    ax = figure.subplots()
    each = 0.8 / len(shown.columns)
    for place, (target, values) in enumerate(shown.items()):
        left = [position - 0.4 + (place + 0.5) * each for position in range(len(shown))]
        style: Any = {"color": OKABE_ITO[(5, 1, 2, 4)[place]], "hatch": HATCHES[place], "edgecolor": "white", "linewidth": 0}
        error = None if errors is None else errors[target].reindex(shown.index)
        ax.bar(left, values, each, label=several(str(target)), yerr=error, error_kw=_ERRORS, **style)
    ax.set_xticks(range(len(shown)), [feature(str(name)) for name in shown.index], rotation=45, ha="right", rotation_mode="anchor")
    ax.axhline(0, color=GREY, linewidth=0.6)
    ax.set_ylabel(fitted(_label(by, errors is not None), 1.4))
    legend_below(figure, ax)
    return figure


def _label(by: str, has_errors: bool) -> str:
    return f"{LABELS[by]} (± sd over {SPREADS[by]})" if has_errors else LABELS[by]
