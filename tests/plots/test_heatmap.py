from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from robbench import CannotPlot, RobBench
from robbench.analysis import correlation_matrix
from robbench.plots import COLUMN, PAGE, correlation_heatmap
from robbench.plots.style import DIVERGING, UNDEFINED
from tests.plots.legible import assert_legible


def matrix(size: int) -> pd.DataFrame:
    names = [f"metric {position}, eps 1" for position in range(size)]
    values = np.random.default_rng(0).uniform(-1, 1, (size, size))
    values[0, 1] = np.nan
    return pd.DataFrame(values, index=names, columns=names)


@pytest.mark.parametrize(("size", "width", "numbers"), [(5, COLUMN, True), (12, COLUMN, False), (13, PAGE, True), (30, PAGE, False)])
def test_fields_are_the_correlations_and_numbers_stand_where_they_fit(size: int, width: float, numbers: bool) -> None:
    table = matrix(size)
    figure = correlation_heatmap(table, width=width, label="Kendall τ", title="CIFAR-10")
    ax = figure.axes[0]
    np.testing.assert_array_equal(ax.images[0].get_array(), table)
    assert ax.images[0].get_clim() == (-1, 1)
    assert [text.get_text() for text in ax.get_yticklabels()] == table.index.tolist()
    assert len(ax.texts) == (size * size - 1 if numbers else 0)
    assert figure.get_suptitle() == "CIFAR-10"
    assert figure.axes[1].get_ylabel().replace("\n", " ") == "Kendall τ (grey: undefined)"
    assert_legible(figure)


def test_what_has_a_sign_is_white_at_0_and_darker_the_further_from_it() -> None:
    from matplotlib.colors import to_rgba

    image: Any = correlation_heatmap(matrix(5), width=COLUMN).axes[0].images[0]
    assert image.get_cmap().name == DIVERGING
    shade = [sum(image.to_rgba(value)[:3]) for value in (-1, -0.5, 0, 0.5, 1)]
    assert shade[0] < shade[1] < shade[2] > shade[3] > shade[4]
    assert shade[2] > 2.85
    assert image.to_rgba(-0.9)[2] > image.to_rgba(-0.9)[0], "blue"
    assert image.to_rgba(0.9)[0] > image.to_rgba(0.9)[2], "red"
    assert tuple(image.to_rgba(np.ma.masked_invalid([np.nan]))[0]) == to_rgba(UNDEFINED)


def test_absolute_values_take_all_of_the_scale() -> None:
    figure = correlation_heatmap(matrix(5).abs(), width=COLUMN, lowest=0)
    assert figure.axes[0].images[0].get_clim() == (0, 1)
    assert figure.axes[0].images[0].get_cmap().name != DIVERGING
    assert_legible(figure)


def test_numbers_are_the_values(bench: RobBench) -> None:
    table = correlation_matrix(bench, ["clean", "pgd@1/255", "edgegpu_latency"])
    figure = correlation_heatmap(table, width=COLUMN)
    shown = [float(text.get_text().replace("−", "-")) for text in figure.axes[0].texts]
    np.testing.assert_allclose(shown, table.to_numpy().ravel(), atol=0.005)
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["clean accuracy", "PGD, eps 1/255", "edge GPU latency"]


def test_no_sign_is_turned_round_where_less_is_better(bench: RobBench) -> None:
    from scipy.stats import kendalltau

    latency = bench.query_many(bench.architectures, "edgegpu_latency", missing="nan")
    clean = bench.query_many(bench.architectures, "clean", missing="nan")
    both = ~np.isnan(latency + clean)
    expected = kendalltau(latency[both], clean[both]).statistic
    drawn = bench.plot.correlation(["edgegpu_latency", "clean"]).axes[0].images[0].get_array()
    assert drawn[0, 1] == drawn[1, 0] == pytest.approx(expected)
    assert correlation_matrix(bench, ["edgegpu_latency", "clean"]).iloc[0, 1] == pytest.approx(-expected)


def test_rows_and_columns_change_over_where_the_columns_do_not_fit() -> None:
    wide = matrix(20).head(3)
    figure = correlation_heatmap(wide, width=COLUMN)
    ax = figure.axes[0]
    np.testing.assert_array_equal(ax.images[0].get_array(), wide.T)
    assert [text.get_text() for text in ax.get_yticklabels()] == list(wide.columns)
    assert_legible(figure)
    with pytest.raises(
        CannotPlot, match=r"20 × 20 correlations do not fit into 3.25 inches, which hold \d+ columns; choose fewer metrics, or width"
    ):
        correlation_heatmap(matrix(20), width="column")


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(CannotPlot, match="there are no correlations to draw; expected a table with at least one row and one column"):
        correlation_heatmap(pd.DataFrame())
    with pytest.raises(CannotPlot, match="none of the correlations is defined: each needs at least two architectures that differ in both"):
        correlation_heatmap(matrix(3) * np.nan)
