from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from robbench import RobBench
from robbench.analysis import anomalies, anomaly_counts, best, correlations, neighbors, pareto_front
from robbench.cli import main
from robbench.spaces.nb201 import NB201
from robbench.store.rows import Rows
from robbench.store.writing import extend
from tests.few import UNMEASURED
from tests.synthetic import array

ARCH = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"


def run(store: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--store", str(store)])


def answer(store: Path, *arguments: str) -> Any:
    found = run(store, *arguments, "--json")
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def test_correlate_prints_what_the_library_finds(few_store: Path, few_bench: RobBench) -> None:
    expected = correlations(few_bench, "pgd@1/255", ["clean", "edgegpu_latency"], resamples=20, seed=3)
    arguments = ["correlate", "pgd@1/255", "clean", "edgegpu_latency", "--resamples", "20", "--seed", "3"]
    assert answer(few_store, *arguments) == expected.to_dict("records")
    lines = run(few_store, *arguments).stdout.splitlines()
    assert lines[0] == "with pgd@1/255 (higher is better):"
    assert lines[2].split("  ")[0] == "metric"
    row = expected.loc[1]
    assert lines[4].split()[:5] == ["edgegpu_latency", "lower", "exact", str(row["n"]), f"{row['kendall']:.3f}"]
    assert f"{row['spearman_low']:.3f} to {row['spearman_high']:.3f}" in lines[4]


def test_correlate_without_intervals_is_null_in_json_and_has_no_columns_of_them(few_store: Path) -> None:
    arguments = ["correlate", "clean", "pgd@1/255", "--resamples", "0"]
    (found,) = answer(few_store, *arguments)
    assert found["kendall"] is not None
    assert found["kendall_low"] is None
    printed = run(few_store, *arguments).stdout
    assert f"{found['kendall']:.3f}" in printed
    assert "95%" not in printed


def test_a_seed_that_is_none_is_one_line(few_store: Path) -> None:
    found = run(few_store, "correlate", "clean", "pgd@1/255", "--seed", "-1")
    assert (found.exit_code, found.stderr) == (1, "Error: InvalidArgument: --seed -1 is not a seed; expected an integer of at least 0.\n")


def test_pareto_prints_the_front(few_store: Path, few_bench: RobBench) -> None:
    expected = pareto_front(few_bench, ["clean", "kernel_parameters"], directions={"kernel_parameters": "min"})
    arguments = ["pareto", "clean", "kernel_parameters", "--direction", "kernel_parameters=min"]
    found = answer(few_store, *arguments)
    assert found["front"] == expected.to_dict("records")
    assert found["directions"] == {"clean": "max", "kernel_parameters": "min"}
    assert found["hypervolume"] is None
    lines = run(few_store, *arguments).stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["arch", *expected["arch"]]


def test_pareto_measures_the_front_from_a_reference(few_store: Path) -> None:
    arguments = ["pareto", "clean", "aa@1/255", "--training", "standard"]
    assert "NotMeasured: autoattack" in run(few_store, *arguments).stderr
    arguments = ["pareto", "clean", "--reference", "clean=0.25"]
    found = answer(few_store, *arguments)
    assert found["hypervolume"] == pytest.approx(found["front"][0]["clean"] - 0.25)
    assert run(few_store, *arguments).stdout.splitlines()[-1] == f"hypervolume {found['hypervolume']:.6g}"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["clean", "params"], 1, "InvalidArgument: params is a proxy for accuracy (more is better) and a cost"),
        (["clean", "--direction", "pgd@1/255=min"], 1, "InvalidArgument: --direction names pgd@1/255, which is not an objective"),
        (["clean", "--direction", "clean=up"], 1, "InvalidArgument: direction of clean='up' has no meaning"),
        (["clean", "--direction", "min"], 2, "'min' is not METRIC=…, as in params=min"),
        (["clean", "--reference", "clean=low"], 2, "could not convert string to float: 'low'; expected METRIC=NUMBER"),
        (["clean", "pgd@1/255", "--reference", "clean=0"], 2, "it is for clean; expected one number for each of clean, pgd@1/255"),
        ([], 2, "Missing argument 'METRICS...'"),
    ],
)
def test_a_front_that_makes_no_sense_is_refused(few_store: Path, arguments: list[str], code: int, message: str) -> None:
    found = run(few_store, "pareto", *arguments)
    assert (found.exit_code, found.stdout) == (code, "")
    assert message in found.stderr


def test_best_keeps_both_kinds_of_constraints(few_store: Path, few_bench: RobBench) -> None:
    expected = best(few_bench, "clean", {"kernel_parameters": (1, 20), "edgegpu_latency": (None, 0.5)}, 4)
    arguments = ["best", "clean", "--at-least", "kernel_parameters=1", "--at-most", "kernel_parameters=20"]
    arguments += ["--at-most", "edgegpu_latency=0.5", "-n", "4"]
    assert answer(few_store, *arguments) == expected.to_dict("records")
    assert len(expected) == 4
    lines = run(few_store, *arguments).stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["arch", *expected["arch"]]


def test_best_goes_the_way_that_it_is_told(few_store: Path, few_bench: RobBench) -> None:
    (found,) = answer(few_store, "best", "kernel_parameters", "--direction", "min", "-n", "1")
    assert found["kernel_parameters"] == min(cell.kernel_parameters for cell in few_bench.classes)


def test_best_says_when_nothing_is_left(few_store: Path) -> None:
    arguments = ["best", "clean", "--at-least", "clean=2"]
    assert run(few_store, *arguments).stdout == "no architecture keeps all constraints\n"
    assert answer(few_store, *arguments) == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["clean", "--at-most", "clean"], 2, "'clean' is not METRIC=…, as in params=min"),
        (["clean", "--at-least", "clean=high"], 2, "could not convert string to float: 'high'; expected METRIC=NUMBER"),
        (["clean", "--at-least", "clean=0.9", "--at-most", "clean=0.8"], 1, "InvalidArgument: (0.9, 0.8) does not bound clean"),
        (["clean", "--at-most", "clean=nan"], 1, "InvalidArgument: (None, nan) does not bound clean"),
        (["kernel_parameters"], 1, "InvalidArgument: kernel_parameters is a proxy for accuracy (more is better) and a cost"),
        (["clean", "-n", "0"], 2, "Invalid value for '-n'"),
    ],
)
def test_constraints_that_make_no_sense_are_refused(few_store: Path, arguments: list[str], code: int, message: str) -> None:
    found = run(few_store, "best", *arguments)
    assert (found.exit_code, found.stdout) == (code, "")
    assert message in found.stderr


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """Networks that behave, but for the first two, whose accuracies rise with eps: from 0 to 1, and from 0.6 to 0.7.  Of how many images?"""
    rows = Rows.of(NB201, NB201.members[:100])
    accuracies = np.tile([0.7, 0.6], (len(rows.keys), 1))
    accuracies[0], accuracies[1] = (0, 1), (0.6, 0.7)
    fgsm = array("toy standard fgsm accuracy", accuracies, {"eps": [1 / 255, 2 / 255]})
    extend(tmp_path / "odd.h5", rows, [fgsm._replace(header=fgsm.header._replace(provenance={"source": "toy"}))])
    return tmp_path / "odd.h5"


def test_anomalies_prints_each_finding(odd: Path) -> None:
    expected = anomalies(RobBench(odd), images=1000)
    lines = run(odd, "anomalies", "--images", "1000").stdout.splitlines()
    assert lines[0].split() == list(expected.columns)
    assert [line.split()[0] for line in lines[1:]] == expected["arch"].tolist()
    sure, other = answer(odd, "anomalies", "--images", "1000")
    assert sure == expected.iloc[0].to_dict() | {"errors": None}, "infinitely many errors, which JSON cannot say"
    assert other == expected.iloc[1].to_dict()


def test_anomalies_counts(odd: Path) -> None:
    assert answer(odd, "anomalies", "--images", "1000", "--counts") == anomaly_counts(RobBench(odd), images=1000).to_dict("records")
    found = answer(odd, "anomalies", "--images", "1000", "--threshold", "5", "--counts")[0]
    assert (found["above"], found["beyond_noise"]) == (2, 1)


def test_no_anomaly_is_said_to_be_none(odd: Path) -> None:
    only = ["anomalies", "--images", "1", "--threshold", "inf"]
    assert run(odd, *only).stdout == "nothing is above what it should not exceed\n"
    assert answer(odd, *only) == []


def test_anomalies_need_to_know_of_how_many_images(odd: Path) -> None:
    found = run(odd, "anomalies")
    assert (found.exit_code, found.stdout) == (1, "")
    assert "the store does not say how many images" in found.stderr


def test_neighbors_lists_the_best_change_first(small_store: Path, bench: RobBench) -> None:
    expected = neighbors(bench, ARCH, "pgd@1/255")
    assert answer(small_store, "neighbors", ARCH, "pgd@1/255") == expected.to_dict("records")
    lines = run(small_store, "neighbors", ARCH, "pgd@1/255").stdout.splitlines()
    assert len(lines) == 1 + 24
    assert lines[0].split() == [*expected.columns.drop("arch"), "arch"]
    difference = lines[0].split().index("difference")
    assert lines[1].split()[difference] == f"{expected['difference'].max():+.6g}"
    assert lines[-1].split()[difference] == f"{expected['difference'].min():+.6g}"


def test_what_was_not_measured_is_null(few_store: Path, few_bench: RobBench) -> None:
    found = answer(few_store, "neighbors", UNMEASURED, "clean")
    assert {row["difference"] for row in found} == {None}


def test_any_space_is_analysed(toy_store: Path, toy_bench: RobBench) -> None:
    arch = str(toy_bench.architectures[0])
    assert len(answer(toy_store, "neighbors", arch, "edgegpu_latency")) == 4
    (found,) = answer(toy_store, "correlate", "edgegpu_latency", "synflow", "--resamples", "5")
    assert (found["rows"], found["n"]) == ("exact", 12)
    front = pareto_front(toy_bench, ["clean", "edgegpu_latency"])
    assert answer(toy_store, "pareto", "clean", "edgegpu_latency")["front"] == front.to_dict("records")
    assert len(answer(toy_store, "best", "clean", "--at-most", "kernel_parameters=1")) > 1
