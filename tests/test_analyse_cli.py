from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from robbench import RobBench
from robbench.analysis import correlations, neighbors, pareto_front
from robbench.cli import main
from tests.synthetic import UNMEASURED

ARCH = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"


def run(store: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--store", str(store)])


def answer(store: Path, *arguments: str) -> Any:
    found = run(store, *arguments, "--json")
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def test_correlate_prints_what_the_library_finds(small_store: Path, bench: RobBench) -> None:
    expected = correlations(bench, "pgd@1/255", ["clean", "edgegpu_latency"], resamples=20, seed=3)
    arguments = ["correlate", "pgd@1/255", "clean", "edgegpu_latency", "--resamples", "20", "--seed", "3"]
    assert answer(small_store, *arguments) == expected.to_dict("records")
    lines = run(small_store, *arguments).stdout.splitlines()
    assert lines[0] == "with pgd@1/255 (higher is better):"
    assert lines[2].split("  ")[0] == "metric"
    row = expected.loc[1]
    assert lines[4].split()[:5] == ["edgegpu_latency", "lower", "cell", str(row["n"]), f"{row['kendall']:.3f}"]
    assert f"{row['spearman_low']:.3f} to {row['spearman_high']:.3f}" in lines[4]


def test_correlate_without_intervals_is_null_in_json(small_store: Path) -> None:
    (found,) = answer(small_store, "correlate", "clean", "pgd@1/255", "--resamples", "0")
    assert found["kendall"] is not None
    assert found["kendall_low"] is None


def test_pareto_prints_the_front(small_store: Path, bench: RobBench) -> None:
    expected = pareto_front(bench, ["clean", "kernel_parameters"], directions={"kernel_parameters": "min"})
    arguments = ["pareto", "clean", "kernel_parameters", "--direction", "kernel_parameters=min"]
    found = answer(small_store, *arguments)
    assert found["front"] == expected.to_dict("records")
    assert found["directions"] == {"clean": "max", "kernel_parameters": "min"}
    assert found["hypervolume"] is None
    lines = run(small_store, *arguments).stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["arch", *expected["arch"]]


def test_pareto_measures_the_front_from_a_reference(small_store: Path) -> None:
    arguments = ["pareto", "clean", "aa@1/255", "--training", "standard"]
    assert "NotMeasured: autoattack" in run(small_store, *arguments).stderr
    arguments = ["pareto", "clean", "--reference", "clean=0.25"]
    found = answer(small_store, *arguments)
    assert found["hypervolume"] == pytest.approx(found["front"][0]["clean"] - 0.25)
    assert run(small_store, *arguments).stdout.splitlines()[-1] == f"hypervolume {found['hypervolume']:.6g}"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["clean", "params"], 1, "UnknownMetric: params is a proxy for accuracy (more is better) and a cost"),
        (["clean", "--direction", "pgd@1/255=min"], 1, "UnknownMetric: directions names pgd@1/255, which is not an objective"),
        (["clean", "--direction", "clean=up"], 1, "UnknownMetric: 'up' is not a direction of clean"),
        (["clean", "--direction", "min"], 2, "'min' is not METRIC=…, as in params=min"),
        (["clean", "--reference", "clean=low"], 2, "could not convert string to float: 'low'; expected METRIC=NUMBER"),
        (["clean", "pgd@1/255", "--reference", "clean=0"], 2, "it is for clean; expected one number for each of clean, pgd@1/255"),
        ([], 2, "Missing argument 'METRICS...'"),
    ],
)
def test_a_front_that_makes_no_sense_is_refused(small_store: Path, arguments: list[str], code: int, message: str) -> None:
    found = run(small_store, "pareto", *arguments)
    assert (found.exit_code, found.stdout) == (code, "")
    assert message in found.stderr


def test_neighbors_lists_the_best_change_first(small_store: Path, bench: RobBench) -> None:
    expected = neighbors(bench, ARCH, "pgd@1/255")
    assert answer(small_store, "neighbors", ARCH, "pgd@1/255") == expected.to_dict("records")
    lines = run(small_store, "neighbors", ARCH, "pgd@1/255").stdout.splitlines()
    assert len(lines) == 1 + 24
    assert lines[0].split() == ["edge", "from", "to", "value", "difference", "same_class", "arch"]
    assert lines[1].split()[4] == f"{expected['difference'].max():+.6g}"
    assert lines[-1].split()[4] == f"{expected['difference'].min():+.6g}"


def test_what_was_not_measured_is_null(small_store: Path, bench: RobBench) -> None:
    found = answer(small_store, "neighbors", str(bench.classes[UNMEASURED]), "clean")
    assert {row["difference"] for row in found} == {None}
