from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from robbench import CannotPlot, InvalidArgument, MissingLibrary
from robbench.plots import COLUMN, PAGE, cell_drawing, save, search_curves
from robbench.plots.style import HIGHEST, MARKERS, OKABE_ITO, SMALL, breadth, fitted, new_figure, series
from robbench.spaces.nb201 import NB201, Cell
from tests.plots.legible import assert_legible

CELL = NB201.graph(Cell(["none"] * 6))


def test_matplotlibs_settings_are_left_alone() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    cell_drawing(CELL)
    assert dict(mpl.rcParams) == before


def test_pyplot_is_not_even_loaded() -> None:
    code = (
        "from robbench import plots; from robbench.spaces.nb201 import NB201, Cell; plots.cell_drawing(NB201.graph(Cell(['none'] * 6)));"
        "import sys; print('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "False\n"


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    figure = cell_drawing(CELL)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    message = r"a figure needs matplotlib: pip install 'robbench\[plots\]'"
    with pytest.raises(MissingLibrary, match=message):
        cell_drawing(CELL)
    with pytest.raises(MissingLibrary, match=message):
        save(figure, f"{tmp_path}/cell.png")


@pytest.mark.parametrize(("width", "inches"), [("column", 3.25), ("page", 6.75), (COLUMN, 3.25), (PAGE, 6.75), (5, 5)])
def test_widths_are_those_of_two_column_papers_by_name_or_inches(width: Any, inches: float) -> None:
    assert cell_drawing(CELL, width=width).get_figwidth() == inches


@pytest.mark.parametrize(
    ("width", "message"),
    [
        ("columns", r"width='columns' has no meaning\. Did you mean 'column'\? Expected 'column' or 'page'"),
        (0, "width=0 is not a width; expected 'column', 'page', or 1 to 100 inches"),
        (float("nan"), "width=nan is not a width"),
        (None, "width=None is not a width"),
    ],
)
def test_another_width_is_refused(width: Any, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        cell_drawing(CELL, width=width)


def test_no_figure_is_higher_than_a_page() -> None:
    runs = {f"search {place}" + "x" * 40: np.ones((1, 2)) for place in range(56)}
    with pytest.raises(
        CannotPlot, match=rf"the figure would be 1\d\.\d inches high, and a page has {HIGHEST:g}; draw less in it, or make it wider"
    ):
        search_curves(runs)


def test_a_heading_stands_at_the_upper_left_in_room_of_its_own() -> None:
    bare, headed = new_figure(COLUMN, 2), new_figure(COLUMN, 2, "CIFAR-10, " * 10)
    (text,) = headed.texts
    assert text.get_horizontalalignment() == "left"
    assert text.get_text().count("\n") > 0
    assert headed.get_figheight() > bare.get_figheight() == 2


def test_many_series_are_told_apart_in_black_and_white_too() -> None:
    styles = series(56)
    assert len({(style["color"], style["marker"]) for style in styles}) == 56
    assert len({style["color"] for style in styles[:7]}) == 7
    assert [style["marker"] for style in styles[:8]] == list(MARKERS)
    assert {style["color"] for style in styles} < set(OKABE_ITO)
    with pytest.raises(CannotPlot, match="57 lines cannot be told apart in one figure; draw 56 at most"):
        series(57)


def test_twenty_series_are_legible_and_their_legend_covers_nothing() -> None:
    curves = {f"algorithm {place}": np.linspace(0, place + 1, 20).reshape(1, 20) for place in range(20)}
    figure = search_curves(curves)
    assert_legible(figure)
    assert len(figure.legends[0].get_texts()) == 20
    assert len({(line.get_color(), line.get_marker()) for line in figure.axes[0].lines}) == 20


def test_lines_of_text_are_no_longer_than_they_may_be() -> None:
    text = "regret in accuracy under PGD, eps 16/255"
    for room in (1.0, 1.5, 2.0):
        assert all(breadth(len(line), 8) <= room for line in fitted(text, room).split("\n"))
    assert fitted(text, 10) == text
    assert [fitted(text, room).split("\n")[-1] for room in (1.2, 2.2, 2.4)] == ["eps 16/255"] * 3
    assert breadth(10, 14) == 2 * breadth(10, SMALL)
