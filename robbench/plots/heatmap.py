"""Rank correlations, as colours and numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from robbench.arguments import options_checked
from robbench.errors import CannotPlot
from robbench.plots.style import FULL, MAP, new_figure, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_ROOM = 1.75
_NUMBER = 0.25


@styled
@options_checked
def correlation_heatmap(matrix: pd.DataFrame, *, width: float = FULL, title: str = "rank correlation", lowest: float = -1) -> Figure:
    """A table of correlations in [-1, 1], such as `analysis.correlation_matrix` makes; NaN is left blank.

    Arguments:
        matrix: one field a number.
        width: in inches.
        title: of the scale.
        lowest: where the scale of colours begins; 0 for absolute values.

    Where a field is at least a quarter inch wide, its number stands in it.

    Raises:
        CannotPlot: an empty table.
    """
    from matplotlib import colormaps

    if matrix.empty:
        raise CannotPlot("there are no correlations to draw; expected a table with at least one row and one column.")
    values = matrix.to_numpy(np.float64)
    field = (width - _ROOM) / values.shape[1]
    figure = new_figure(width, field * values.shape[0] + 1.0)
    ax = figure.subplots()
    image = ax.imshow(values, cmap=MAP, vmin=lowest, vmax=1, aspect="auto")
    ax.set_xticks(range(values.shape[1]), list(map(str, matrix.columns)), rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(values.shape[0]), list(map(str, matrix.index)))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    if field >= _NUMBER:
        for (row, column), value in np.ndenumerate(values):
            if not np.isnan(value):
                bright = np.dot(colormaps[MAP]((value - lowest) / (1 - lowest))[:3], (0.299, 0.587, 0.114)) > 0.5
                text = f"{value:.2f}".replace("0.", ".").replace("-", "−")
                ax.text(column, row, text, ha="center", va="center", fontsize=7, color="black" if bright else "white")
    figure.colorbar(image, ax=ax, label=title, fraction=0.05, pad=0.02)
    return figure
