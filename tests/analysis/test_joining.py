from __future__ import annotations

import numpy as np
import pytest

from robbench import LevelNotMeasured, NotMeasured, RobBench, UnknownMetric
from robbench.analysis.joining import join
from robbench.measurements.directions import higher_is_better, listed, spelled
from tests.synthetic import CLASSES, UNMEASURED


def test_metrics_of_classes_run_over_classes(bench: RobBench) -> None:
    found = join(bench, ["clean", "pgd@1/255"])
    assert (found.rows, found.archs) == ("class", bench.classes)
    np.testing.assert_array_equal(found.values["pgd@1/255"], bench.query_many(bench.classes, "pgd@1/255", missing="nan"))
    np.testing.assert_array_equal(found.classes, np.arange(CLASSES))
    assert np.flatnonzero(~found.measured).tolist() == [UNMEASURED]


def test_beside_a_metric_of_cells_each_cell_has_the_value_of_its_class(bench: RobBench) -> None:
    found = join(bench, ["clean", "synflow"])
    assert (found.rows, found.archs) == ("cell", bench.cells)
    for metric in ("clean", "synflow"):
        np.testing.assert_array_equal(found.values[metric], bench.query_many(bench.cells, metric, missing="nan"))
    keys = [str(bench.classes[row]) for row in found.classes[:50]]
    np.testing.assert_array_equal(bench.query_many(keys, "clean", missing="nan"), found.values["clean"][:50])


def test_kernel_parameters_need_no_store(bench: RobBench) -> None:
    found = join(bench, ["kernel_parameters"])
    assert found.rows == "class"
    assert found.values["kernel_parameters"].tolist() == [cell.kernel_parameters for cell in bench.classes]


def test_training_and_seed_do_not_matter_to_untrained_networks(bench: RobBench) -> None:
    found = join(bench, ["clean", "synflow"], training="pgd-8/255", seed=888)
    expected = bench.query_many(bench.cells, "clean", training="pgd-8/255", seed=888, missing="nan")
    np.testing.assert_array_equal(found.values["clean"], expected)
    np.testing.assert_array_equal(found.values["synflow"], bench.query_many(bench.cells, "synflow", missing="nan"))


def test_what_cannot_be_asked_cannot_be_joined(bench: RobBench) -> None:
    with pytest.raises(LevelNotMeasured, match="pgd on toy10 needs a level"):
        join(bench, ["clean", "pgd"])
    with pytest.raises(NotMeasured, match=r"nwot \(value\) of toy10 is not in small.h5"):
        join(bench, ["clean", "nwot"])


def test_spelling_and_orientation() -> None:
    assert [spelled(text) for text in ("aa_square@0.00392156862745", "kernel_parameters")] == ["square@1/255", "kernel_parameters"]
    assert [higher_is_better(text) for text in ("clean", "params", "edgegpu_latency", "kernel_parameters")] == [True, True, False, True]


def test_each_metric_is_named_once_and_there_is_one() -> None:
    assert listed("pgd@1/255", "metrics") == ["pgd@1/255"]
    with pytest.raises(UnknownMetric, match="clean is among the metrics more than once; name each once"):
        listed(["clean", "pgd@1/255", "clean"], "metrics")
    with pytest.raises(UnknownMetric, match="no targets were given; expected at least one metric"):
        listed([], "targets")
