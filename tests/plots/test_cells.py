from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from robbench import CannotPlot, InvalidArgument, RobBench, UnknownArchitecture
from robbench.measurements.wording import words
from robbench.plots import COLUMN, PAGE, best_cells, cell_drawing
from robbench.spaces.darts import DARTS
from robbench.spaces.nb201 import NB201, Cell
from robbench.spaces.space import Arrow, Graph
from robbench.store.writing import extend
from tests.genotypes import drawn
from tests.plots.legible import assert_legible
from tests.strategies import any_cell
from tests.synthetic import CLASSES, ROWS, array

NAMES = {"none": "none", "skip_connect": "skip", "nor_conv_1x1": "conv 1×1", "nor_conv_3x3": "conv 3×3", "avg_pool_3x3": "pool 3×3"}


@given(any_cell)
@settings(max_examples=5)
def test_every_edge_carries_its_operation(cell: Cell) -> None:
    figure = cell_drawing(NB201.graph(cell))
    texts = {text.get_position(): text.get_text() for text in figure.axes[0].texts}
    at = [(0.5, 0.06), (1.0, 0.62), (1.5, 0.06), (1.5, 1.2), (2.0, -0.62), (2.5, 0.06)]
    assert [texts[place] for place in at] == [NAMES[op] for op in cell.ops]
    assert_legible(figure)


@pytest.mark.parametrize("width", [COLUMN, PAGE])
def test_arrows_are_told_apart_without_colour(width: float) -> None:
    figure = cell_drawing(NB201.graph(Cell([*NAMES, "none"])), width=width, title="five operations")
    from matplotlib.patches import FancyArrowPatch

    arrows = [patch for patch in figure.axes[0].patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) == 6
    heads = [type(arrow.get_arrowstyle()).__name__ for arrow in arrows]
    assert heads == ["Curve", *["CurveFilledB"] * 4, "Curve"], "none is no arrow"
    assert len({(arrow.get_linestyle(), arrow.get_linewidth()) for arrow in arrows}) == 5
    assert_legible(figure)


def test_an_architecture_of_another_space_is_drawn_without_its_store(bench: RobBench) -> None:
    texts = [
        {text.get_text() for text in figure.axes[0].texts}
        for figure in (bench.plot.architecture("trnas"), cell_drawing(DARTS.graph(DARTS.parse("trnas"))))
    ]
    assert texts[0] == texts[1]
    with pytest.raises(UnknownArchitecture, match="'nobody' has 1 parts"):
        bench.plot.architecture("nobody")


@pytest.mark.parametrize("width", [COLUMN, PAGE])
def test_the_best_cells_stand_side_by_side(bench: RobBench, width: float) -> None:
    metrics = ["clean", "pgd@1/255", "edgegpu_latency"]
    figure = best_cells(bench, metrics, width=width)
    assert [ax.get_title() for ax in figure.axes] == [f"best {words(metric)}" for metric in metrics]
    assert figure.get_suptitle() == "toy10"
    for ax, metric in zip(figure.axes, metrics, strict=True):
        best = bench.top(metric, 1).iloc[0]
        below = ax.get_xlabel()
        assert f"{words(metric, brief=True)}: {best[metric]:.3g}" in below
        assert f"kernel parameters: {Cell.parse(best['arch']).kernel_parameters}" in below
    assert_legible(figure)


def test_what_was_never_measured_has_no_best(tmp_path: Path) -> None:
    arrays = [
        array("toy standard clean accuracy", np.full(CLASSES, 0.5)),
        array("toy standard fgsm accuracy", np.full((CLASSES, 1), np.nan), {"eps": [1 / 255]}),
    ]
    extend(tmp_path / "toy.h5", ROWS, arrays)
    with pytest.raises(CannotPlot, match="fgsm@1/255 was not measured of any architecture; there is no best one to draw"):
        best_cells(RobBench(tmp_path / "toy.h5"), ["clean", "fgsm@1/255"])
    with pytest.raises(InvalidArgument, match="clean is among the metrics more than once"):
        best_cells(RobBench(tmp_path / "toy.h5"), ["clean", "clean"])


def test_a_graph_of_any_space_is_drawn_and_unknown_operations_are_told_apart() -> None:
    """Arrows may point anywhere; what the styles do not name gets one by its name, the same in every figure of these operations."""
    from matplotlib.patches import FancyArrowPatch

    operations = [f"sep_conv_{size}x{size}" for size in (3, 5, 7)]
    nodes = {"c(k-2)": (0.0, 1.0), "c(k-1)": (0.0, -1.0), "a": (1.5, 0.0), "c(k)": (3.0, 0.0)}
    arrows = [
        Arrow("c(k-2)", "a", operations[0], "sep 3×3", 0.0),
        Arrow("c(k-1)", "a", operations[1], "sep 5×5", 0.0),
        Arrow("a", "c(k)", operations[2], "sep 7×7", 0.5),
    ]
    (ax,) = cell_drawing(Graph(nodes, tuple(arrows))).axes
    drawn = [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]
    assert len({arrow.get_edgecolor() for arrow in drawn}) == 3
    again = cell_drawing(Graph(nodes, tuple(reversed(arrows)))).axes[0]
    assert {text.get_text(): text.get_color() for text in ax.texts} == {text.get_text(): text.get_color() for text in again.texts}
    texts = {text.get_text(): text.get_position() for text in ax.texts}
    assert texts["sep 7×7"] == pytest.approx((2.25, 0.5))
    assert texts["sep 3×3"] == pytest.approx((0.75, 0.5)), "in the middle of a slope, so that no arrowhead is behind it"
    assert [text.get_text() for text in ax.texts].count("input") == 2
    assert texts["output"][0] == pytest.approx(3.13)
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    assert all(left < x < right and bottom < y < top for x, y in texts.values())


def test_the_two_cells_of_a_genotype_are_drawn_as_papers_do() -> None:
    for genotype in drawn(3):
        figure = cell_drawing(DARTS.graph(genotype), width="page")
        texts = [text.get_text() for text in figure.axes[0].texts]
        assert [texts.count(title) for title in ("normal cell", "reduction cell", "c(k−2)", "c(k−1)", "c(k)")] == [1, 1, 2, 2, 2]
        assert "input" not in texts
        assert sum(text[:3] in ("max", "avg", "ski", "sep", "dil") for text in texts) == 16
        assert_legible(figure)


def test_options_are_spelled(bench: RobBench) -> None:
    with pytest.raises(InvalidArgument, match=r"best_cells has no option 'dataste'\. Did you mean 'dataset'"):
        best_cells(bench, ["clean"], dataste="toy10")  # type: ignore[call-arg]
