from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from robbench import CannotPlot, InvalidArgument
from robbench.plots import COLUMN, PAGE, importance_bars, importance_groups
from tests.plots.legible import assert_legible

TABLE = pd.DataFrame(
    {"impurity": [0.1, 0.6, 0.3], "permutation": [0.5, 0.2, -0.01]},
    index=pd.Index(["synflow", "edge 0→1: conv 3×3", "nwot"], name="feature"),
)


@pytest.mark.parametrize("width", [COLUMN, PAGE])
def test_bars_are_the_values_most_important_on_top(width: float) -> None:
    figure = importance_bars(TABLE, width=width, title="clean")
    (ax,) = figure.axes
    assert [bar.get_width() for bar in ax.patches] == [0.5, 0.2, -0.01]  # type: ignore[attr-defined]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["SynFlow", "edge 0→1: conv 3×3", "NWOT"]
    assert ax.yaxis_inverted()
    assert [text.get_text() for text in ax.texts] == ["0.500", "0.200", "−0.010"]
    assert ax.get_xlabel().replace("\n", " ") == "R² lost when permuted"
    assert not ax.collections
    assert_legible(figure)


@pytest.mark.parametrize("width", [COLUMN, PAGE])
def test_error_bars_are_the_standard_deviations(width: float) -> None:
    figure = importance_bars(TABLE.assign(permutation_sd=[0.05, 0.02, 0.03]), width=width, title="CIFAR-10")
    (ax,) = figure.axes
    ends = [np.asarray(segment)[:, 0].tolist() for segment in ax.collections[0].get_segments()]  # type: ignore[attr-defined]
    np.testing.assert_allclose(ends, [[0.45, 0.55], [0.18, 0.22], [-0.04, 0.02]])
    assert ax.get_xlabel().replace("\n", " ") == "R² lost when permuted (± sd over permutations)"
    low, high = ax.get_xlim()
    assert low < -0.04 < 0.55 < high
    assert_legible(figure)


def test_only_the_first_n_by_the_other_measure() -> None:
    (ax,) = importance_bars(TABLE, by="impurity", n=2).axes
    assert [bar.get_width() for bar in ax.patches] == [0.6, 0.3]  # type: ignore[attr-defined]
    assert ax.get_xlim()[0] == 0


def test_wrong_tables_are_refused() -> None:
    with pytest.raises(
        InvalidArgument, match=r"by='impurty' has no meaning\. Did you mean 'impurity'\? Expected 'permutation' or 'impurity'"
    ):
        importance_bars(TABLE, by="impurty")
    with pytest.raises(CannotPlot, match="there are no features to draw"):
        importance_bars(TABLE.head(0))
    with pytest.raises(CannotPlot, match="there are no features to draw; expected a table with one row a feature, and a column impurity"):
        importance_bars(TABLE[["permutation"]], by="impurity")
    with pytest.raises(InvalidArgument, match="n=0 is not a number of features; expected an integer of at least 1"):
        importance_bars(TABLE, n=0)


def test_groups_are_the_values_of_each_target_in_the_order_of_the_last() -> None:
    table = pd.DataFrame({"clean": [0.7, 0.2, 0.1], "clean+pgd@1/255": [0.2, 0.5, 0.3]}, index=["jacov", "snip", "l2_norm"])
    figure = importance_groups(table, by="impurity")
    (ax,) = figure.axes
    assert [bar.get_height() for bar in ax.patches] == [0.2, 0.1, 0.7, 0.5, 0.3, 0.2]  # type: ignore[attr-defined]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["SNIP", "L2 norm", "Jacobian covariance"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["clean accuracy", "clean accuracy and PGD, eps 1/255"]
    assert_legible(figure)
    errors = table * 0.1
    (ax,) = importance_groups(table, errors=errors, by="impurity", width="column").axes
    assert ax.get_ylabel().replace("\n", " ") == "share of impurity (± sd over trees)"
    spans = [np.ptp(np.asarray(segment)[:, 1]) for bars in ax.collections for segment in bars.get_segments()]  # type: ignore[attr-defined]
    np.testing.assert_allclose(spans, 0.2 * np.array([0.2, 0.1, 0.7, 0.5, 0.3, 0.2]))
    with pytest.raises(CannotPlot, match="5 targets of 3 features; expected at least one feature and 1 to 4 targets"):
        importance_groups(pd.concat([table, table, table.iloc[:, :1]], axis=1))
