from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import LogNorm

from robbench import CannotPlot, InvalidArgument, RobBench
from robbench.analysis import pareto_front
from robbench.measurements.joining import join
from robbench.plots import COLUMN, PAGE, scatter
from robbench.plots.scatter import NEARBY, _density
from robbench.store.writing import extend
from tests.plots.legible import assert_legible
from tests.synthetic import CLASSES, ROWS, array


def offsets(figure: Any) -> np.ndarray:
    return np.asarray(figure.axes[0].collections[0].get_offsets())


def test_points_are_the_architectures_and_the_markers_are_the_front(bench: RobBench) -> None:
    figure = scatter(bench, "clean", "pgd@1/255")
    ax = figure.axes[0]
    measured = [cell for cell in bench.classes if np.isfinite(bench.query_many([cell], "clean", missing="nan")[0])]
    values = {(*bench.query_many([cell], "clean"), *bench.query_many([cell], "pgd@1/255")) for cell in measured}
    assert len(offsets(figure)) == CLASSES - 1
    assert set(map(tuple, offsets(figure))) == values
    (line,) = ax.lines
    front = pareto_front(bench, ["clean", "pgd@1/255"])
    np.testing.assert_array_equal(line.get_xydata(), front[["clean", "pgd@1/255"]][::-1])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [f"Pareto front ({len(front)})"]
    assert ax.collections[0].get_rasterized()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("clean accuracy", "accuracy under PGD, eps 1/255")
    assert (figure.get_suptitle() + ",").startswith(f"toy10, {CLASSES - 1:,} classes,")


@pytest.mark.parametrize("width", [COLUMN, PAGE])
def test_the_front_is_inside_and_what_is_outside_is_counted(published: RobBench, width: float) -> None:
    figure = scatter(published, "clean", "pgd@1/255", width=width)
    ax, colours = figure.axes
    assert_legible(figure)
    drawn = offsets(figure)
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    outside = (drawn[:, 0] < left) | (drawn[:, 0] > right) | (drawn[:, 1] < low) | (drawn[:, 1] > high)
    assert 0 < outside.sum() < 0.004 * len(drawn)
    assert figure.get_suptitle() == f"CIFAR-10, 6,466 classes, {outside.sum()} outside"
    front = np.asarray(ax.lines[0].get_xydata())
    assert ((front > [left, low]) & (front < [right, high])).all()
    assert colours.get_ylabel() == "classes at a point"
    points: Any = ax.collections[0]
    assert isinstance(points.norm, LogNorm)
    assert points.get_array().max() == (points.norm.vmax or 0) > 100
    assert points.get_array()[0] == 1, "single points are seen"


@pytest.mark.parametrize(("directions", "steps"), [({}, "steps-pre"), ({"clean": "min"}, "steps-post")])
def test_up_to_the_front_what_is_below_its_steps_is_dominated(directions: dict[str, str], steps: str, bench: RobBench) -> None:
    """Accuracy up: no architecture lies above the steps, and each step's inner corner is dominated."""
    figure = scatter(bench, "clean", "pgd@1/255", directions=directions)
    (line,) = figure.axes[0].lines
    assert line.get_drawstyle() == steps
    x, y = np.asarray(line.get_xydata()).T
    assert (np.diff(x) >= 0).all()
    for across, up in offsets(figure):
        better = y[x >= across] if steps == "steps-pre" else y[x <= across]
        assert not len(better) or up <= better.max()


def test_density_counts_who_lies_within_a_hundredth_of_each_axis() -> None:
    rng = np.random.default_rng(0)
    across, up = np.repeat(rng.normal(0.5, 0.02, (2, 200)), 2, axis=1)
    limits = (0.3, 0.8), (0.0, 1.0)
    found = _density(across, up, limits)
    near = (np.abs(across[:, None] - across) <= NEARBY * 0.5) & (np.abs(up[:, None] - up) <= NEARBY)
    np.testing.assert_array_equal(found["c"], near.sum(axis=1)[found["order"]])
    assert (np.diff(found["c"]) >= 0).all(), "the densest are drawn last"
    few = _density(across[:5], np.linspace(0, 1, 5), limits)
    assert "cmap" not in few


@pytest.mark.parametrize("color", ["fog@3", "synflow", "kernel_parameters"])
def test_points_are_coloured_by_any_metric_in_an_order_that_does_not_follow_it(color: str, bench: RobBench) -> None:
    figure = scatter(bench, "clean", "pgd@1/255", color=color)
    ax, colors = figure.axes
    points: Any = ax.collections[0]
    joined = join(bench.measurements, ["clean", "pgd@1/255", color], rows="class")
    expected = np.column_stack(list(joined.values.values()))[joined.measured]
    drawn = np.column_stack([offsets(figure), points.get_array()])
    assert set(map(tuple, drawn)) == set(map(tuple, expected))
    assert len(drawn) == len(expected) < CLASSES
    assert abs(np.corrcoef(np.arange(len(drawn)), drawn[:, 2])[0, 1]) < 0.05
    words = {"fog@3": "accuracy under fog, severity 3", "synflow": "SynFlow", "kernel_parameters": "kernel parameters of the cell"}
    assert colors.get_ylabel().replace("\n", " ") == words[color]
    np.testing.assert_array_equal(offsets(scatter(bench, "clean", "pgd@1/255", color=color)), offsets(figure))


def test_directions_reach_the_front(bench: RobBench) -> None:
    figure = scatter(bench, "kernel_parameters", "edgegpu_latency", directions={"kernel_parameters": "max"})
    front = pareto_front(bench, ["kernel_parameters", "edgegpu_latency"], directions={"kernel_parameters": "max"})
    drawn = np.asarray(figure.axes[0].lines[0].get_xydata())
    assert sorted(map(tuple, drawn)) == sorted(map(tuple, front[["kernel_parameters", "edgegpu_latency"]].to_numpy()))
    assert figure.get_suptitle().startswith("toy10, 15,625 architectures")
    with pytest.raises(InvalidArgument, match="kernel_parameters is a proxy for accuracy"):
        scatter(bench, "kernel_parameters", "edgegpu_latency")
    with pytest.raises(InvalidArgument, match=r"scatter has no option 'direction'\. Did you mean 'directions'"):
        scatter(bench, "clean", "pgd@1/255", direction={})  # type: ignore[call-arg]


@pytest.mark.parametrize("measured", [0, 1, 2])
def test_few_points_are_drawn_and_none_is_an_error(measured: int, tmp_path: Path) -> None:
    values = np.full(CLASSES, np.nan)
    values[:measured] = [0.7, 0.8][:measured]
    arrays = [array("toy standard clean accuracy", values), array("toy standard fog accuracy", values[:, None], {"severity": [1]})]
    extend(tmp_path / "few.h5", ROWS, arrays)
    bench = RobBench(tmp_path / "few.h5")
    if not measured:
        with pytest.raises(
            CannotPlot, match=r"no architecture has both clean and fog@1; there is nothing to draw\.  `robbench info` lists"
        ):
            scatter(bench, "clean", "fog@1")
        return
    figure = scatter(bench, "clean", "fog@1", width="column")
    assert len(figure.axes) == 1, "no scale of what is one everywhere"
    assert len(offsets(figure)) == measured
    assert_legible(figure)
