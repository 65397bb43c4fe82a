"""`robbench judge` with a method in a file of the current folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import Run, answer, refusal
from tests.judge.conftest import write_judged

MINE = """
def convolutions(arch):
    return sum("conv" in op for op in arch.ops)


def search(oracle, space, rng):
    while True:
        oracle(space.sample(rng))
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
    assert "two_many" not in refusal(run("judge", "proxy", "synflo", "--store", store))


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
