from __future__ import annotations

import numpy as np
import pytest

from robbench import InvalidArgument, LevelNotMeasured, NotMeasured, RobBench
from robbench.measurements.directions import higher_is_better, listed, spelled
from robbench.measurements.joining import join
from tests.synthetic import CLASSES, UNMEASURED


def test_metrics_of_classes_run_over_classes(bench: RobBench) -> None:
    found = join(bench.measurements, ["clean", "pgd@1/255"])
    assert (found.rows, found.archs) == ("class", bench.classes)
    np.testing.assert_array_equal(found.values["pgd@1/255"], bench.query_many(bench.classes, "pgd@1/255", missing="nan"))
    np.testing.assert_array_equal(found.classes, np.arange(CLASSES))
    assert np.flatnonzero(~found.measured).tolist() == [UNMEASURED]


def test_beside_a_metric_of_exact_architectures_each_has_the_value_of_its_class(bench: RobBench) -> None:
    found = join(bench.measurements, ["clean", "synflow"])
    assert (found.rows, found.archs) == ("exact", bench.architectures)
    for metric in ("clean", "synflow"):
        np.testing.assert_array_equal(found.values[metric], bench.query_many(bench.architectures, metric, missing="nan"))
    keys = [str(bench.classes[row]) for row in found.classes[:50]]
    np.testing.assert_array_equal(bench.query_many(keys, "clean", missing="nan"), found.values["clean"][:50])


def test_an_attribute_is_of_whatever_rows_the_others_have(bench: RobBench) -> None:
    found = join(bench.measurements, ["kernel_parameters"])
    assert found.rows == "class"
    assert found.values["kernel_parameters"].tolist() == [cell.kernel_parameters for cell in bench.classes]
    assert join(bench.measurements, ["clean", "kernel_parameters"]).rows == "class"
    beside = join(bench.measurements, ["kernel_parameters", "synflow"])
    assert beside.rows == "exact"
    assert beside.values["kernel_parameters"].tolist() == [cell.kernel_parameters for cell in bench.architectures]


def test_training_and_seed_do_not_matter_to_untrained_networks(bench: RobBench) -> None:
    found = join(bench.measurements, ["clean", "synflow"], training="pgd-8/255", seed=888)
    expected = bench.query_many(bench.architectures, "clean", training="pgd-8/255", seed=888, missing="nan")
    np.testing.assert_array_equal(found.values["clean"], expected)
    np.testing.assert_array_equal(found.values["synflow"], bench.query_many(bench.architectures, "synflow", missing="nan"))


def test_what_cannot_be_asked_cannot_be_joined(bench: RobBench) -> None:
    with pytest.raises(LevelNotMeasured, match="pgd on toy10 needs a level"):
        join(bench.measurements, ["clean", "pgd"])
    with pytest.raises(NotMeasured, match=r"nwot \(value\) of toy10 is not in small.h5"):
        join(bench.measurements, ["clean", "nwot"])
    with pytest.raises(InvalidArgument, match=r"join has no option 'eps'"):
        join(bench.measurements, ["clean", "pgd"], eps=1 / 255)  # type: ignore[call-arg]


def test_spelling_and_orientation() -> None:
    assert [spelled(text) for text in ("aa_square@0.00392156862745", "kernel_parameters")] == ["square@1/255", "kernel_parameters"]
    assert [higher_is_better(text) for text in ("clean", "params", "edgegpu_latency", "kernel_parameters")] == [True, True, False, True]


def test_each_metric_is_named_once_and_there_is_one() -> None:
    assert listed("pgd@1/255", "metrics") == ["pgd@1/255"]
    with pytest.raises(InvalidArgument, match="clean is among the metrics more than once; name each once"):
        listed(["clean", "pgd@1/255", "clean"], "metrics")
    with pytest.raises(InvalidArgument, match="no targets were given; expected at least one metric"):
        listed([], "targets")
