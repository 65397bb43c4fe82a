"""`robbench judge` with a method in a file of the current folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robbench import RobBench
from robbench.judge.methods import checksum
from robbench.spaces import SearchSpace
from robbench.spaces.darts import DARTS
from robbench.spaces.nb201 import NB201
from robbench.spaces.wrn import WRN
from robbench.store.rows import Rows
from robbench.store.writing import extend
from tests.cli.running import Run, answer, refusal
from tests.judge.conftest import clean_of, write_judged
from tests.synthetic import array

MINE = """
def convolutions(arch):
    return sum("conv" in op for op in arch.ops)


def search(oracle, space, rng):
    while True:
        oracle(space.sample(rng))
"""


EITHER = """
import numpy as np


def score(arch):
    return len(str(arch).replace("none", "")) + str(arch).count("conv_3x3")


class Model:
    def fit(self, features, targets):
        self.mean = targets.mean()

    def predict(self, features):
        return np.full(len(features), self.mean)
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "brought.py").write_text(MINE)
    write_judged(tmp_path / "judged.h5")
    return tmp_path / "judged.h5"


def test_a_proxy_in_three_ways(run: Run, store: Path) -> None:
    asked = ("judge", "proxy", "brought:convolutions", "--store", store, "--metric", "clean", "--no-adds", "--resamples", 20)
    text = answer(run(*asked))
    assert text.startswith("proxy brought:convolutions\nEffective rate 1.000")
    assert "seed 0" in text
    said = json.loads(answer(run(*asked, "--json")))
    assert f"{said['sections']['ranking'][0]['spearman']:.3f} [" in text
    assert answer(run(*asked, "--markdown")).startswith("# Proxy: brought:convolutions\n")
    assert "two ways of printing" in refusal(run(*asked, "--markdown", "--json"), 2)


def test_files_and_metrics_are_proxies_too(run: Run, store: Path, tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_text("arch,mine,other\n|none~0|+|none~0|none~1|+|none~0|none~1|none~2|,,2\n")
    text = answer(run("judge", "proxy", "scores.csv:mine", "synflow", "--store", store, "--no-adds", "--resamples", 5))
    assert "proxy scores.csv:mine\nEffective rate 0.000: 0 of 1" in text
    assert "proxy synflow\nEffective rate 1.000" in text


def test_what_is_not_there_is_refused(run: Run, store: Path) -> None:
    assert "no 'convolution'. Did you mean" in refusal(run("judge", "proxy", "brought:convolution", "--store", store))
    assert "cannot be imported" in refusal(run("judge", "proxy", "bought:convolutions", "--store", store))
    Path("failing.py").write_text("raise RuntimeError('no licence')")
    assert "cannot be imported: its module raised RuntimeError: no licence." in refusal(
        run("judge", "proxy", "failing:score", "--store", store)
    )
    assert refusal(run("judge", "proxy", "synflo", "--store", store)).endswith(
        "A function of your own is module:name, and a file of scores ends in .csv.\n"
    )
    assert "'synflo' is not a metric" in refusal(run("judge", "proxy", "brought:convolutions", "synflo", "--store", store)), (
        "before any is judged"
    )
    assert "leave it out to score all of them" in refusal(run("judge", "proxy", "brought:convolutions", "--store", store, "--sample", 5000))


def test_a_limit_is_spoken_of_as_it_is_given(run: Run, store: Path) -> None:
    asked = ("--store", store, "--limit", 0)
    proxy = refusal(run("judge", "proxy", "brought:convolutions", *asked))
    search = refusal(run("judge", "search", "brought:search", "--beside", "random", "--objective", "clean", *asked))
    predictor = refusal(run("judge", "predictor", "ridge", "--beside", "ridge", "--size", 50, *asked))
    for said in (proxy, search, predictor):
        assert "--limit 0.0 is not a time; expected seconds, more than 0 and at most" in said
        assert "None" not in said


def test_a_search(run: Run, store: Path) -> None:
    asked = (
        "judge",
        "search",
        "brought:search",
        "--store",
        store,
        "--objective",
        "clean",
        "--beside",
        "random",
        "--budget",
        10,
        "--runs",
        5,
    )
    text = answer(run(*asked))
    assert text.startswith("search brought:search\nUnder one objective, its mean rank is 1.50 of 2 algorithms")
    said = json.loads(answer(run(*asked, "--json")))
    assert said["made"] | {"seed": 0, "runs": 5, "budget": 10} == said["made"]
    assert [one["queries"] for one in said["sections"]["curves"]] == [1, 2, 5, 10] * 2


def test_a_search_on_several_stores(run: Run, store: Path, tmp_path: Path) -> None:
    rows = Rows.of(DARTS, [DARTS.sample(np.random.default_rng(seed)) for seed in range(20)])
    extend(tmp_path / "darts.h5", rows, [array("other standard clean accuracy", np.linspace(0.5, 0.9, len(rows.classes)))])
    asked = ("judge", "search", "brought:search", "--objective", "clean", "--beside", "random", "--budget", 5, "--runs", 2)
    both = (*asked, "--store", "judged.h5", "--store", "darts.h5")
    said = json.loads(answer(run(*both, "--json")))
    assert [(one["store"], one["path"], one["space"], one["dataset"]) for one in said["sections"]["stores"]] == [
        ("judged.h5", "judged.h5", "nb201", "made"),
        ("darts.h5", "darts.h5", "darts", "other"),
    ]
    assert "darts.h5   clean      brought:search" in answer(run(*both))
    assert refusal(run(*both, "--dataset", "made", "--keep", "kept")) == (
        "Error: NotMeasured: dataset 'made' is not in darts.h5; it holds other.\n"
    )
    assert "brought.py is not an HDF5 file; expected a store" in refusal(run(*both, "--store", "brought.py", "--keep", "kept"))
    shutil.copy(store, "copied.h5")
    assert "judged.h5 and copied.h5 are the same store" in refusal(run(*both, "--store", "copied.h5", "--keep", "kept"))
    assert not Path("kept").exists()


def test_the_environment_names_one_store_whatever_is_in_its_name(run: Run, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBBENCH_STORE", str(store.rename("judged:by me.h5")))
    asked = ("judge", "search", "random", "--objective", "clean", "--beside", "random", "--budget", 5, "--runs", 1, "--json")
    assert json.loads(answer(run(*asked)))["made"]["store"] == "judged:by me.h5"


def test_a_report_is_written_as_its_name_says_and_goes_on_from_what_is_kept(run: Run, store: Path, tmp_path: Path) -> None:
    asked = ("--store", store, "--objective", "clean", "--beside", "random", "--budget", 5, "--runs", 2, "--keep", "kept")
    assert answer(run("judge", "search", "brought:search", *asked, "--out", "report.html")) == ""
    assert Path("report.html").read_text("utf-8").count("<svg") == 3
    assert len(list(Path("kept").iterdir())) == 1 + 4
    text = answer(run("judge", "search", "brought:search", *asked))
    assert "seconds" in text
    assert answer(run("judge", "search", "brought:search", *asked)) == text, "seconds, too, are those of the first time"
    assert "seed (was 0, is 1)" in refusal(run("judge", "search", "brought:search", *asked, "--seed", 1))
    assert "'report.csv' does not end in one of" in refusal(
        run("judge", "search", "brought:search", *asked, "--out", "report.csv"), 2
    ).replace("report.csv does", "'report.csv' does")
    assert not Path("report.csv").exists()


def test_a_proxy_of_the_store_is_judged_on_each_data_set_by_its_own_values(run: Run, store: Path) -> None:
    extend_with_another(store)
    asked = ("judge", "proxy", "synflow", "--store", store, "--no-adds", "--resamples", 5, "--metric", "clean", "--json")
    both = [json.loads(line) for line in answer(run(*asked, "--dataset", "made", "--dataset", "other")).splitlines()]
    assert [json.loads(line)["sections"]["ranking"] for line in answer(run(*asked, "--dataset", "all")).splitlines()] == [
        report["sections"]["ranking"] for report in both
    ]
    for dataset, report in zip(("made", "other"), both, strict=True):
        (alone,) = (json.loads(line) for line in answer(run(*asked, "--dataset", dataset)).splitlines())
        assert report["sections"]["ranking"] == alone["sections"]["ranking"]
    assert both[0]["sections"]["ranking"][0]["spearman"] > 0 > both[1]["sections"]["ranking"][0]["spearman"]


@pytest.mark.parametrize("space", [NB201, DARTS, WRN], ids=lambda space: space.name)
def test_three_commands_judge_the_methods_of_a_file_in_every_space(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, space: SearchSpace[Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("either.py").write_text(EITHER + MINE)
    rng = np.random.default_rng(0)
    rows = Rows.of(space, [space.sample(rng) for _ in range(150)])
    clean = 0.3 + np.array([len(spec) for spec in rows.classes]) / 1000 + rng.normal(scale=0.01, size=len(rows.classes))
    extend(Path("small.h5"), rows, [array("made standard clean accuracy", clean)])
    common = ("--store", "small.h5", "--json")
    proxy = json.loads(answer(run("judge", "proxy", "either:score", "--metric", "clean", "--no-adds", "--resamples", 5, *common)))
    search = json.loads(
        answer(run("judge", "search", "either:search", "--objective", "clean", "--beside", "random", "--budget", 5, "--runs", 2, *common))
    )
    predictor = json.loads(answer(run("judge", "predictor", "either:Model", "--size", 50, "--splits", 1, "--beside", "ridge", *common)))
    assert proxy["sections"]["ranking"][0]["n"] == len(rows.classes)
    assert [(one["algorithm"], one["regret"]) for one in search["sections"]["results"]] == [
        (name, search["sections"]["results"][0]["regret"]) for name in ("either:search", "random")
    ], "random search is random search"
    assert [one["predictor"] for one in predictor["sections"]["scores"]][:2] == ["either:Model", "ridge"]
    for report in (proxy, search, predictor):
        assert report["faults"] == []
        assert report["made"] | {"space": space.name, "seed": 0} == report["made"]
        assert report["made"]["method_sha256"] == checksum(Path("either.py"))


def extend_with_another(path: Path) -> None:
    """A data set on which synflow ranks the other way round."""
    bench = RobBench(path)
    rng = np.random.default_rng(0)
    clean = np.array([clean_of(arch) for arch in bench.classes]) + rng.normal(scale=0.01, size=len(bench.classes))
    synflow = -np.array([clean_of(arch) for arch in bench.architectures])
    extend(
        path,
        Rows.of(bench.space, bench.architectures),
        [array("other standard clean accuracy", clean), array("other untrained synflow value", synflow, rows="exact", unit="1")],
    )


def test_a_proxy_that_was_kept_is_not_asked_again(run: Run, store: Path) -> None:
    asked = (
        "judge",
        "proxy",
        "brought:convolutions",
        "--store",
        store,
        "--metric",
        "clean",
        "--no-adds",
        "--resamples",
        5,
        "--keep",
        "kept",
    )
    text = answer(run(*asked))
    assert answer(run(*asked)) == text, "seconds, too, are those of the first time"
    assert "seed (was 0, is 1)" in refusal(run(*asked, "--seed", 1))
