from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from robbench import InvalidArgument, NotMeasured, RobBench, UnknownMetric
from robbench.analysis import best, hypervolume, non_dominated, pareto_front
from robbench.measurements.directions import directions_of
from robbench.spaces.nb201.identity import class_key
from tests.synthetic import UNMEASURED

points = st.integers(1, 4).flatmap(
    lambda k: st.tuples(
        arrays(np.float64, st.tuples(st.integers(0, 25), st.just(k)), elements=st.integers(0, 5).map(float)),
        st.tuples(*[st.sampled_from(["max", "min"])] * k),
    )
)


def brute_force(values: np.ndarray, directions: tuple[str, ...]) -> list[bool]:
    signs = np.array([1 if direction == "max" else -1 for direction in directions])
    values = signs * values
    return [not ((values >= one).all(axis=1) & (values > one).any(axis=1)).any() for one in values]


@given(points)
def test_the_front_is_what_comparing_all_pairs_gives(drawn: tuple[np.ndarray, tuple[str, ...]]) -> None:
    values, directions = drawn
    assert non_dominated(values, directions).tolist() == brute_force(values, directions)


def test_what_lacks_an_objective_is_not_in_the_front() -> None:
    values = np.array([[np.nan, 9.0], [1.0, 1.0], [1.0, 1.0], [0.0, np.nan]])
    assert non_dominated(values, ["max", "max"]).tolist() == [False, True, True, False]


@given(points, st.integers(0, 2))
def test_pymoo_measures_the_same_hypervolume(drawn: tuple[np.ndarray, tuple[str, ...]], reference: int) -> None:
    indicators = pytest.importorskip("pymoo.indicators.hv")
    values, directions = drawn
    signs = np.array([-1 if direction == "max" else 1 for direction in directions])  # pymoo minimises
    at = np.where(signs == 1, 5 - reference, reference).astype(np.float64)
    expected = indicators.HV(ref_point=signs * at)(signs * values) if len(values) else 0
    assert hypervolume(values, at.tolist(), directions) == pytest.approx(float(expected))


def test_a_hypervolume_by_hand() -> None:
    values = np.array([[0.9, 2.0], [0.5, 1.0], [np.nan, 0.0], [0.4, 9.0]])
    assert hypervolume(values, [0.2, 3.0], ["max", "min"]) == pytest.approx(0.7 * 1 + 0.3 * 1)
    assert hypervolume(values[:0], [0.2, 3.0], ["max", "min"]) == 0


def test_the_front_of_a_store(bench: RobBench) -> None:
    found = pareto_front(bench, ["clean", "pgd@1/255"])
    values = np.column_stack([bench.query_many(bench.classes, metric, missing="nan") for metric in ("clean", "pgd@1/255")])
    rows = [row for row in range(len(values)) if row != UNMEASURED]
    expected = {str(bench.classes[row]) for row, stays in zip(rows, brute_force(values[rows], ("max", "max")), strict=True) if stays}
    assert set(found["arch"]) == expected
    assert found["clean"].is_monotonic_decreasing
    assert found.columns.tolist() == ["arch", "class_key", "clean", "pgd@1/255"]
    assert found["pgd@1/255"].tolist() == bench.query_many(found["arch"].tolist(), "pgd@1/255").tolist()


def test_exact_architectures_compete_where_an_objective_is_theirs_and_equals_of_a_class_are_listed_once(bench: RobBench) -> None:
    found = pareto_front(bench, ["kernel_parameters", "clean", "edgegpu_latency"], directions={"kernel_parameters": "min"})
    assert not found.duplicated(["class_key", "clean", "edgegpu_latency", "kernel_parameters"]).any()
    assert found["edgegpu_latency"].tolist() == bench.query_many(found["arch"].tolist(), "edgegpu_latency").tolist()
    assert found["kernel_parameters"].is_monotonic_increasing
    classes = pareto_front(bench, ["clean", "kernel_parameters"], directions={"kernel_parameters": "min"})
    assert set(classes["arch"]) <= set(map(str, bench.classes))


def test_published_fronts(published: RobBench) -> None:
    """The ends are the best networks that the reference's README tells of."""
    found = pareto_front(published, ["clean", "pgd@1/255"])
    assert (found["clean"].iloc[0], found["pgd@1/255"].iloc[-1]) == (0.946, 0.588)
    assert found["pgd@1/255"].is_monotonic_increasing


def test_default_directions_follow_the_table_and_costs_have_none() -> None:
    assert directions_of(["clean", "edgegpu_latency", "synflow"]) == {"clean": "max", "edgegpu_latency": "min", "synflow": "max"}
    assert directions_of(["aa@1/255"], {"autoattack@1/255": "min"}) == {"autoattack@1/255": "min"}
    for name in ("params", "flops", "kernel_parameters"):
        with pytest.raises(
            InvalidArgument, match=rf"{name} is a proxy for accuracy .* and a cost .*; say which: directions=\{{'{name}': 'min'\}}"
        ):
            directions_of(["clean", name])


@pytest.mark.parametrize(
    ("directions", "message"),
    [
        ({"params": "min"}, r"directions names params, which is not an objective\. Objectives: clean, pgd@1/255\."),
        ({"pgd@2/255": "min"}, r"directions names pgd@2/255, which is not an objective\. Did you mean 'pgd@1/255'\?"),
        ({"clean": "maximum"}, r"direction of clean='maximum' has no meaning\. Did you mean 'max'\? Expected 'max' or 'min'\."),
        ({"clean": -1}, r"direction of clean=-1 has no meaning\. Expected 'max' or 'min'\."),
        (["max", "max"], r"directions=\['max', 'max'\] is a list; expected one for each objective's name: \{'clean': 'max'\}"),
    ],
)
def test_directions_mixed_up_are_refused(bench: RobBench, directions: Any, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        pareto_front(bench, ["clean", "pgd@1/255"], directions=directions)


def test_options_are_spelled(bench: RobBench) -> None:
    with pytest.raises(InvalidArgument, match=r"pareto_front has no option 'direktions'\. Did you mean 'directions'"):
        pareto_front(bench, ["clean", "params"], direktions={"params": "min"})  # type: ignore[call-arg]
    with pytest.raises(InvalidArgument, match=r"best has no option 'datset'\. Did you mean 'dataset'"):
        best(bench, "clean", {}, datset="toy10")  # type: ignore[call-arg]


def test_objectives_are_named_once(bench: RobBench) -> None:
    with pytest.raises(InvalidArgument, match="pgd@1/255 is among the objectives more than once"):
        pareto_front(bench, ["pgd@1/255", "clean", "pgd@1/255"])


def test_points_and_directions_have_to_fit() -> None:
    with pytest.raises(InvalidArgument, match=r"points of shape \(4, 3\) were given with 2 directions; expected \(n, 2\)"):
        non_dominated(np.zeros((4, 3)), ["max", "min"])
    with pytest.raises(InvalidArgument, match=r"'up' is not a direction\. Expected 'max' or 'min' for each objective"):
        non_dominated(np.zeros((4, 2)), ["max", "up"])
    for reference in ([0.0], [0.0, np.inf]):
        with pytest.raises(InvalidArgument, match=r"reference=\[0\.0.* is not one finite number for each of 2 objectives"):
            hypervolume(np.zeros((4, 2)), reference, ["max", "max"])


def test_the_best_keep_every_constraint_and_come_first(bench: RobBench) -> None:
    bounds: dict[str, tuple[float | None, float | None]] = {"kernel_parameters": (None, 20), "edgegpu_latency": (0.2, 0.5)}
    found = best(bench, "pgd@1/255", bounds, 5)
    cells = [
        cell
        for cell, latency in zip(bench.architectures, bench.query_many(bench.architectures, "edgegpu_latency"), strict=True)
        if cell.kernel_parameters <= 20 and 0.2 <= latency <= 0.5
    ]
    values = bench.query_many(cells, "pgd@1/255", missing="nan")
    expected = [cells[row] for row in np.argsort(-values, kind="stable")[:5]]
    assert found["arch"].tolist() == list(map(str, expected))
    assert found.columns.tolist() == ["arch", "class_key", "pgd@1/255", "kernel_parameters", "edgegpu_latency"]
    assert found["class_key"].tolist() == list(map(class_key, expected))


def test_the_best_without_constraints_are_the_top(bench: RobBench) -> None:
    assert best(bench, "clean", {}, 4)["arch"].tolist() == bench.top("clean", 4)["arch"].tolist()
    assert best(bench, "edgegpu_latency", {}, 1)["edgegpu_latency"][0] == bench.top("edgegpu_latency", 1)["edgegpu_latency"][0]
    assert best(bench, "clean", {}, 1, direction="min")["clean"][0] == np.nanmin(bench.query_many(bench.classes, "clean", missing="nan"))
    assert best(bench, "clean", {"clean": (2, None)}).empty


@pytest.mark.parametrize("bounds", [(3, 1), (None,), "20", 20, (None, "20"), (np.nan, 1)])
def test_bounds_that_bound_nothing_are_refused(bench: RobBench, bounds: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"does not bound kernel_parameters; expected \(least, greatest\), either of them None"):
        best(bench, "clean", {"kernel_parameters": bounds})


def test_wrong_questions_about_the_best(bench: RobBench) -> None:
    with pytest.raises(InvalidArgument, match="n=0 is not a number of architectures; expected an integer of at least 1"):
        best(bench, "clean", {}, 0)
    with pytest.raises(NotMeasured, match=r"flops \(value\) of toy10 is not in small.h5"):
        best(bench, "clean", {"flops": (None, 50)})
    with pytest.raises(InvalidArgument, match="kernel_parameters is a proxy for accuracy"):
        best(bench, "kernel_parameters", {})


def test_any_table_and_any_history_has_a_front(few_bench: RobBench) -> None:
    objectives = ["clean", "pgd@1/255"]
    expected = few_bench.pareto(objectives)
    found = pareto_front(few_bench.table(objectives), objectives)
    assert found["clean"].tolist() == expected["clean"].tolist()
    assert found["pgd@1/255"].tolist() == expected["pgd@1/255"].tolist()
    oracle = few_bench.oracle(
        ["clean", few_bench.space.attributes["kernel_parameters"]], budget=40, directions={"<lambda>": "min"}, missing="nan"
    )
    for arch in few_bench.classes[:40]:
        oracle(arch)
    history = oracle.history()
    found = pareto_front(history, ["clean", "<lambda>"], directions={"<lambda>": "min"})
    assert set(found["arch"]) == set(oracle.front()["arch"])
    assert found["clean"].is_monotonic_decreasing


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": ["claen"]}, r"'claen' is not a metric"),
        ({"metrics": ["clean", "mine"]}, r"'mine' is not a metric"),
        ({"metrics": ["fog@3"]}, r"the table has no column 'fog@3'\. Its columns: clean, yours\."),
        ({"metrics": ["clean"], "dataset": "cifar10"}, r"dataset='cifar10' has no meaning for a table"),
    ],
)
def test_a_table_without_the_objectives_has_none(options: dict[str, Any], message: str) -> None:
    with pytest.raises((InvalidArgument, UnknownMetric), match=message):
        pareto_front(pd.DataFrame({"clean": [0.5], "yours": [1.0]}), **options)
