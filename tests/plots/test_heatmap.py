from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from robbench import CannotPlot, RobBench
from robbench.analysis import correlation_matrix
from robbench.plots import COLUMN, PAGE, correlation_heatmap
from tests.plots.legible import assert_legible


def matrix(size: int) -> pd.DataFrame:
    names = [f"metric_{position}@1/255" for position in range(size)]
    values = np.random.default_rng(0).uniform(-1, 1, (size, size))
    values[0, 1] = np.nan
    return pd.DataFrame(values, index=names, columns=names)


@pytest.mark.parametrize(("size", "width", "numbers"), [(5, COLUMN, True), (12, COLUMN, False), (13, PAGE, True), (30, PAGE, False)])
def test_fields_are_the_correlations_and_numbers_stand_where_they_fit(size: int, width: float, numbers: bool) -> None:
    table = matrix(size)
    figure = correlation_heatmap(table, width=width, title="Kendall τ")
    ax = figure.axes[0]
    np.testing.assert_array_equal(ax.images[0].get_array(), table)
    assert ax.images[0].get_clim() == (-1, 1)
    assert [text.get_text() for text in ax.get_yticklabels()] == table.index.tolist()
    assert len(ax.texts) == (size * size - 1 if numbers else 0)
    assert_legible(figure)


def test_absolute_values_take_all_of_the_scale() -> None:
    figure = correlation_heatmap(matrix(5).abs(), width=COLUMN, lowest=0)
    assert figure.axes[0].images[0].get_clim() == (0, 1)
    assert_legible(figure)


def test_numbers_are_the_values(bench: RobBench) -> None:
    table = correlation_matrix(bench, ["clean", "pgd@1/255", "edgegpu_latency"])
    figure = correlation_heatmap(table, width=COLUMN)
    shown = [float(text.get_text().replace("−", "-")) for text in figure.axes[0].texts]
    np.testing.assert_allclose(shown, table.to_numpy().ravel(), atol=0.005)


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(CannotPlot, match="there are no correlations to draw; expected a table with at least one row and one column"):
        correlation_heatmap(pd.DataFrame())
