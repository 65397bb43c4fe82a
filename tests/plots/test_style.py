from __future__ import annotations

import subprocess
import sys

import pytest

from robbench import MissingLibrary
from robbench.plots import cell_drawing, save
from robbench.plots.style import label
from robbench.spaces.nb201 import NB201, Cell

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


def test_labels_name_the_metric_and_its_unit() -> None:
    names = ["clean", "pgd@1/255", "mean_corruption", "edgegpu_latency", "params", "synflow", "kernel_parameters"]
    assert [label(name) for name in names] == [
        "clean accuracy",
        "pgd@1/255 accuracy",
        "mean_corruption",
        "edgegpu_latency (ms)",
        "params (millions)",
        "synflow",
        "cell kernel parameters",
    ]
