"""Parameters and FLOPs: arithmetic, so every cell of NAS-Bench-201 has them, and what was measured is what was measured."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from robbench import RobBench
from robbench.errors import NotMeasured
from robbench.measurements.question import Question
from robbench.spaces.nb201 import NB201, SIZE
from robbench.store.arrays import Array
from robbench.store.writing import extend
from tests.synthetic import CLASSES, ROWS, array

MEMBERS = NB201.members
ARCH = MEMBERS[7000]


def bench_of(path: Path, *more: Array) -> RobBench:
    """A store of clean accuracies on cifar10 and on an odd data set, and more."""
    clean = np.full(CLASSES, 0.5)
    extend(path, ROWS, [array("cifar10 standard clean accuracy", clean), array("mine standard clean accuracy", clean), *more])
    return RobBench(path)


def costs(metric: str, dataset: str = "cifar10") -> np.ndarray:
    return np.array([NB201.costs(dataset)[metric](arch) for arch in MEMBERS])


@pytest.mark.parametrize(("file", "dataset"), [("cifar10", "cifar10"), ("ImageNet16-120", "ImageNet16-120")])
def test_the_rule_gives_every_published_number_to_the_last_digit(file: str, dataset: str, reference: Path) -> None:
    rule = NB201.costs(dataset)
    with (reference / "nbsuite_zero" / f"zc_nasbench201_{file}.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 9445
    for row in rows:
        cell = NB201.from_text(row["net"])
        assert (rule["params"](cell), rule["flops"](cell)) == (float(row["params"]), float(row["flops"]))


@pytest.mark.parametrize(("dataset", "classes", "side"), [("cifar10", 10, 32), ("cifar100", 100, 32), ("ImageNet16-120", 120, 16)])
def test_the_rule_is_what_building_the_network_gives(dataset: str, classes: int, side: int) -> None:
    pytest.importorskip("torch")
    from robbench_builders.networks.plain import Skeleton, flops, parameters

    skeleton = Skeleton(classes=classes)
    for arch in MEMBERS[::500]:
        assert NB201.costs(dataset)["params"](arch) == parameters(arch, skeleton) / 1e6
        assert NB201.costs(dataset)["flops"](arch) == flops(arch, skeleton, side) / 1e6


@pytest.mark.parametrize("metric", ["params", "flops"])
def test_every_cell_has_them_in_a_store_that_holds_neither(metric: str, tmp_path: Path) -> None:
    bench = bench_of(tmp_path / "store.h5")
    np.testing.assert_array_equal(bench.query_many(bench.architectures, metric), costs(metric))
    assert bench.table([metric, "clean"])[metric].notna().all()
    explained = bench.explain(ARCH, metric)
    assert (explained.how, explained.sources, explained.unit) == ("computed", {}, "10^6")
    assert explained.formula == "arithmetic over the operations of the published network for cifar10"
    oracle = bench.oracle(["clean", metric], directions={metric: "min"}, training="standard")
    assert oracle(ARCH) == (0.5, bench.query(ARCH, metric))


def test_gaps_of_what_was_measured_are_filled(tmp_path: Path) -> None:
    known = costs("params")
    known[7000] = np.nan
    bench = bench_of(tmp_path / "store.h5", array("cifar10 untrained params value", known, rows="exact", unit="10^6"))
    np.testing.assert_array_equal(bench.query_many(bench.architectures, "params"), costs("params"))
    filled, measured = bench.explain(ARCH, "params"), bench.explain(MEMBERS[0], "params")
    assert (filled.how, filled.sources) == ("computed", {})
    assert (measured.how, measured.formula, len(measured.sources)) == ("measured", "", 1)
    question = Question.of("params")
    np.testing.assert_array_equal(bench.measurements.measured(question).values, known)
    with pytest.raises(NotMeasured, match=r"flops of cifar10 \(untrained\) is not in store\.h5"):
        bench.measurements.measured(Question.of("flops"))


def test_what_other_networks_have_is_theirs(tmp_path: Path) -> None:
    """Networks of half the width: the rule knows nothing of them."""
    values = costs("params") / 4
    values[7000] = np.nan
    bench = bench_of(tmp_path / "store.h5", array("cifar10 untrained params value", values, rows="exact", unit="10^6"))
    assert bench.query(MEMBERS[0], "params") == values[0]
    with pytest.raises(NotMeasured, match=r"params of cifar10 \(untrained\) was not measured for"):
        bench.query(ARCH, "params")


def test_what_is_kept_apart_does_not_hide_them(tmp_path: Path) -> None:
    """A version of a source that holds some, under a name of its own."""
    some = costs("params")
    some[1:] = np.nan
    bench = bench_of(tmp_path / "store.h5", array("cifar10 early.json params value", some, rows="exact", unit="10^6"))
    assert bench.query(ARCH, "params") == bench.query(ARCH, "params", training="early.json") == costs("params")[7000]
    assert bench.oracle(["clean", "params"], directions={"params": "min"}, training="standard")(ARCH) == (0.5, costs("params")[7000])
    other = some / 4
    mine = bench_of(tmp_path / "other.h5", array("cifar10 mine params value", other, rows="exact", unit="10^6"))
    assert mine.oracle("params", training="mine", directions={"params": "min"})(MEMBERS[0]) == other[0]


def test_a_data_set_without_published_networks_has_none(tmp_path: Path) -> None:
    with pytest.raises(NotMeasured, match=r"params \(value\) of mine is not in"):
        bench_of(tmp_path / "store.h5").query(ARCH, "params", dataset="mine")
    assert len(MEMBERS) == SIZE
