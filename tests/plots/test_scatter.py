from __future__ import annotations

import numpy as np
import pytest

from robbench import CannotPlot, InvalidArgument, RobBench
from robbench.analysis import pareto_front
from robbench.measurements.joining import join
from robbench.plots import COLUMN, PAGE, scatter
from tests.plots.legible import assert_clear_of, assert_legible
from tests.synthetic import CLASSES


def test_points_are_the_architectures_and_the_line_is_the_front(bench: RobBench) -> None:
    figure = scatter(bench, "clean", "pgd@1/255")
    ax, colors = figure.axes
    (points,) = ax.collections
    measured = [cell for cell in bench.classes if np.isfinite(bench.query_many([cell], "clean", missing="nan")[0])]
    values = {
        (*bench.query_many([cell], "clean"), *bench.query_many([cell], "pgd@1/255"), float(cell.kernel_parameters)) for cell in measured
    }
    drawn = np.column_stack([points.get_offsets(), points.get_array()])  # type: ignore[list-item]
    assert len(drawn) == CLASSES - 1
    assert set(map(tuple, drawn)) == values
    (line,) = ax.lines
    front = pareto_front(bench, ["clean", "pgd@1/255"])
    np.testing.assert_array_equal(line.get_xydata(), front[["clean", "pgd@1/255"]])
    assert line.get_label() == f"Pareto front ({len(front)})"
    assert points.get_rasterized()
    assert colors.get_ylabel() == "cell kernel parameters"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("clean accuracy", "pgd@1/255 accuracy")


@pytest.mark.parametrize("width", [COLUMN, PAGE])
def test_the_front_is_inside_and_what_is_outside_is_counted(published: RobBench, width: float) -> None:
    figure = scatter(published, "clean", "pgd@1/255", width=width)
    ax = figure.axes[0]
    assert_legible(figure)
    drawn = np.asarray(ax.collections[0].get_offsets())
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    outside = (drawn[:, 0] < left) | (drawn[:, 0] > right) | (drawn[:, 1] < low) | (drawn[:, 1] > high)
    assert 0 < outside.sum() < 0.004 * len(drawn)
    assert ax.get_title("left") == f"{outside.sum()} of {len(drawn)} outside"
    front = np.asarray(ax.lines[0].get_xydata())
    assert ((front > [left, low]) & (front < [right, high])).all()
    assert_clear_of(figure, ax, *drawn[~outside].T)


@pytest.mark.parametrize("color", ["fog@3", "synflow"])
def test_points_are_coloured_by_any_metric_and_stay_what_they_are(color: str, bench: RobBench) -> None:
    ax, colors = scatter(bench, "clean", "pgd@1/255", color=color).axes
    (points,) = ax.collections
    joined = join(bench.measurements, ["clean", "pgd@1/255", color], rows="class")
    expected = np.column_stack(list(joined.values.values()))[joined.measured]
    drawn = np.column_stack([points.get_offsets(), points.get_array()])  # type: ignore[list-item]
    assert set(map(tuple, drawn)) == set(map(tuple, expected))
    assert len(drawn) == len(expected) < CLASSES
    assert colors.get_ylabel().startswith(color)


def test_directions_reach_the_front(bench: RobBench) -> None:
    figure = scatter(bench, "kernel_parameters", "edgegpu_latency", directions={"kernel_parameters": "max"})
    front = pareto_front(bench, ["kernel_parameters", "edgegpu_latency"], directions={"kernel_parameters": "max"})
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_xydata(), front[["kernel_parameters", "edgegpu_latency"]])
    with pytest.raises(InvalidArgument, match="kernel_parameters is a proxy for accuracy"):
        scatter(bench, "kernel_parameters", "edgegpu_latency")
    with pytest.raises(InvalidArgument, match=r"scatter has no option 'direction'\. Did you mean 'directions'"):
        scatter(bench, "clean", "pgd@1/255", direction={})  # type: ignore[call-arg]


def test_without_a_point_there_is_no_figure(bench: RobBench, monkeypatch: pytest.MonkeyPatch) -> None:
    from robbench.measurements.joining import Joined

    monkeypatch.setattr(Joined, "measured", np.zeros(CLASSES, bool))
    with pytest.raises(CannotPlot, match="no architecture has both clean and pgd@1/255; there is nothing to draw"):
        scatter(bench, "clean", "pgd@1/255")
