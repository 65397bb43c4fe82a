"""Rank correlations, as colours and numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from robbench.arguments import options_checked
from robbench.errors import CannotPlot
from robbench.measurements.wording import feature
from robbench.plots.style import DIVERGING, MAP, PAGE, SMALL, UNDEFINED, breadth, fitted, new_figure, scale, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_SCALE, _AROUND = 0.75, 0.2
"""Inches beside and below the fields and their labels; the scale is beside."""
_NUMBER, _SLANTED, _LEAST, _LOW, _HIGH = 0.25, 0.15, 0.105, 0.2, 0.4
"""Inches of a field: from which widths on its number stands in it, and slanted labels have room; the least width and height that leave upright ones
apart; heights between which as many rows as there are share `_ROWS`."""
_ROWS = 5.0


@styled
@options_checked
def correlation_heatmap(
    matrix: pd.DataFrame, *, width: float | str = PAGE, label: str = "rank correlation", title: str = "", lowest: float = -1
) -> Figure:
    """A table of correlations in [-1, 1], such as `analysis.correlation_matrix` makes; NaN, where there is none, is grey.

    The scale of what has a sign is centred at 0, where it is white.  Where a field is at least a quarter inch wide, its number stands in it.  A table
    whose columns don't fit side by side is drawn with rows and columns changed over, if that helps.

    Arguments:
        matrix: one field a number; rows and columns are named by metrics, or by anything.
        width: in inches, or ``"column"`` or ``"page"``.
        label: of the scale.
        title: above, such as the data set.
        lowest: where the scale of colours begins; 0 for absolute values.

    Raises:
        CannotPlot: an empty table, nothing but NaN, or more columns than have room.
    """
    from matplotlib import colormaps

    if matrix.empty:
        raise CannotPlot("there are no correlations to draw; expected a table with at least one row and one column.")
    if matrix.isna().all(axis=None):
        raise CannotPlot("none of the correlations is defined: each needs at least two architectures that differ in both metrics.")
    names = [list(map(feature, map(str, labels))) for labels in (matrix.index, matrix.columns)]
    if matrix.shape[1] > _most(width, names[0]) and matrix.shape[0] <= _most(width, names[1]):
        matrix, names = matrix.T, names[::-1]
    if matrix.shape[1] > _most(width, names[0]):
        raise CannotPlot(
            f"{matrix.shape[0]} × {matrix.shape[1]} correlations do not fit into {float(width):g} inches, which hold {_most(width, names[0])} columns;"
            f" choose fewer metrics, or width='page', {PAGE:g} inches."
        )
    values = matrix.to_numpy(np.float64)
    field = _room(width, names[0]) / values.shape[1]
    height = max(min(field, _HIGH, max(_LOW, _ROWS / len(values))), _LEAST)
    below = _AROUND + (0.75 if field >= _SLANTED else 1) * breadth(max(map(len, names[1])))
    figure = new_figure(float(width), height * len(values) + below, title)
    ax = figure.subplots()
    colours = colormaps[DIVERGING if lowest < 0 else MAP].with_extremes(bad=UNDEFINED)
    image = ax.imshow(values, cmap=colours, vmin=lowest, vmax=1, aspect="auto", interpolation="nearest")
    slanted: Any = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    ax.set_xticks(range(values.shape[1]), names[1], **(slanted if field >= _SLANTED else {"rotation": 90}))
    ax.set_yticks(range(values.shape[0]), names[0])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    if field >= _NUMBER:
        for (row, column), value in np.ndenumerate(values):
            if not np.isnan(value):
                bright = np.dot(colours((value - lowest) / (1 - lowest))[:3], (0.299, 0.587, 0.114)) > 0.5
                ax.text(column, row, _short(value), ha="center", va="center", fontsize=SMALL, color="black" if bright else "white")
    scale(figure, ax, image, fitted(f"{label} (grey: undefined)" if np.isnan(values).any() else label, height * len(values)))
    return figure


def _room(width: float | str, labels: list[str]) -> float:
    """Inches for the fields, beside the labels of the rows and the scale."""
    return float(width) - _SCALE - breadth(max(map(len, labels)))


def _most(width: float | str, labels: list[str]) -> int:
    return max(int(_room(width, labels) / _LEAST), 0)


def _short(value: float) -> str:
    """Two decimals without a leading 0: ".31", "−.31", "1.00"."""
    return f"{round(value, 2) + 0.0:.2f}".replace("0.", ".").replace("-", "−")  # 0.0 makes 0 of -0
