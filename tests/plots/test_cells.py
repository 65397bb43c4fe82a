from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from robbench import CannotPlot, Cell, RobBench, UnknownMetric
from robbench.plots import COLUMN, FULL, best_cells, cell_drawing
from robbench.store.writing import extend
from tests.plots.legible import assert_legible
from tests.strategies import any_cell
from tests.synthetic import CLASSES, array

NAMES = {"none": "none", "skip_connect": "skip", "nor_conv_1x1": "conv 1×1", "nor_conv_3x3": "conv 3×3", "avg_pool_3x3": "pool 3×3"}


@given(any_cell)
@settings(max_examples=5)
def test_every_edge_carries_its_operation(cell: Cell) -> None:
    figure = cell_drawing(cell)
    texts = {text.get_position(): text.get_text() for text in figure.axes[0].texts}
    at = [(0.5, 0.06), (1.0, 0.62), (1.5, 0.06), (1.5, 1.2), (2.0, -0.62), (2.5, 0.06)]
    assert [texts[place] for place in at] == [NAMES[op] for op in cell.ops]
    assert_legible(figure)


@pytest.mark.parametrize("width", [COLUMN, FULL])
def test_arrows_are_told_apart_without_colour(width: float) -> None:
    figure = cell_drawing(Cell([*NAMES, "none"]), width=width, title="five operations")
    from matplotlib.patches import FancyArrowPatch

    arrows = [patch for patch in figure.axes[0].patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) == 6
    assert len({(arrow.get_linestyle(), arrow.get_linewidth()) for arrow in arrows}) == 5
    assert_legible(figure)


@pytest.mark.parametrize("width", [COLUMN, FULL])
def test_the_best_cells_stand_side_by_side(bench: RobBench, width: float) -> None:
    metrics = ["clean", "pgd@1/255", "edgegpu_latency"]
    figure = best_cells(bench, metrics, width=width)
    assert [ax.get_title() for ax in figure.axes] == [f"best {metric}" for metric in metrics]
    for ax, metric in zip(figure.axes, metrics, strict=True):
        best = bench.top(metric, 1).iloc[0]
        assert f"{metric} {best[metric]:.3g}" in ax.get_xlabel()
        assert f"kernel parameters {Cell.parse(best['arch']).kernel_parameters}" in ax.get_xlabel()
    assert_legible(figure)


def test_what_was_never_measured_has_no_best(tmp_path: Path) -> None:
    arrays = [
        array("toy standard clean accuracy", np.full(CLASSES, 0.5)),
        array("toy standard fgsm accuracy", np.full((CLASSES, 1), np.nan), {"eps": [1 / 255]}),
    ]
    extend(tmp_path / "toy.h5", arrays)
    with pytest.raises(CannotPlot, match="fgsm@1/255 was not measured of any architecture; there is no best one to draw"):
        best_cells(RobBench(tmp_path / "toy.h5"), ["clean", "fgsm@1/255"])
    with pytest.raises(UnknownMetric, match="clean is among the metrics more than once"):
        best_cells(RobBench(tmp_path / "toy.h5"), ["clean", "clean"])
