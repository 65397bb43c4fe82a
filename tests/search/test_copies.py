"""Oracles, results and benches that are copied, or handed to another process: the same answers, a budget of their own."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robbench import RobBench
from robbench.errors import BudgetExhausted
from robbench.search import ALGORITHMS, Result
from robbench.search.oracle import Oracle
from tests.search.conftest import CLASSES, height

FIRST, LATER = CLASSES[100:110], CLASSES[3000:3020]


def pickled(one: Any) -> Any:
    return pickle.loads(pickle.dumps(one))  # noqa: S301


copies = pytest.mark.parametrize("copied", [pickled, copy.copy, copy.deepcopy])
OPTIONS: list[tuple[Any, dict[str, Any]]] = [
    ("clean", {}),
    (["clean", "edgegpu_latency"], {}),
    (["clean", "edgegpu_latency"], {"identity": "class"}),
    ("clean", {"noise": "twin", "noise_seed": 3, "on_repeat": "charge"}),
    ("fog@1", {"missing": "nan", "cost": "edgegpu_latency"}),
    (["pgd@1/255", "kernel_parameters", height], {"directions": {"kernel_parameters": "min"}}),
]


@copies
@pytest.mark.parametrize(("objectives", "options"), OPTIONS)
def test_a_copy_goes_on_from_what_was_asked_with_a_budget_of_its_own(
    copied: Callable[[Any], Any], objectives: Any, options: dict[str, Any], landscape: RobBench
) -> None:
    oracle = landscape.oracle(objectives, budget=20, **options)
    for cell in FIRST:
        oracle(cell)
    spent, history = oracle.spent, oracle.history()
    other: Oracle = copied(oracle)
    assert (other.spent, other.asked, other.budget) == (spent, oracle.asked, 20)
    assert other.history().equals(history)
    theirs = until_exhausted(other, [*FIRST, *LATER])
    assert oracle.spent == spent
    assert oracle.history().equals(history), "what a copy spends is the copy's"
    assert until_exhausted(oracle, [*FIRST, *LATER]) == theirs
    assert oracle.history().equals(other.history())
    assert oracle.front().equals(other.front())


def until_exhausted(oracle: Oracle, cells: list[Any]) -> list[str]:
    """The answers, as text, so that NaN equals NaN."""
    answers = []
    try:
        for cell in cells:
            answers.append(str(oracle(cell)))
    except BudgetExhausted:
        answers.append("exhausted")
    assert answers[-1] == "exhausted"
    assert len(answers) > 10
    return answers


@copies
def test_results_and_benches_are_copied_with_their_answers(copied: Callable[[Any], Any], landscape: RobBench) -> None:
    result = ALGORITHMS["nsga2"](
        landscape.oracle(["clean", "pgd@1/255"], budget=60), landscape.space, np.random.default_rng(0), population=10
    )
    other: Result = copied(result)
    assert other.front == result.front
    assert other.history().equals(result.history())
    bench: RobBench = copied(landscape)
    assert (bench.path, bench.default_dataset) == (landscape.path, landscape.default_dataset)
    assert bench.query_many(CLASSES[:50], "clean").tolist() == landscape.query_many(CLASSES[:50], "clean").tolist()
    assert bench.space is landscape.space


def test_a_relative_path_means_the_same_file_elsewhere(landscape: RobBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in a process that was started in another folder, and for a bench of another default dataset."""
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    elsewhere.mkdir()
    shutil.copy(landscape.path, here / "some.h5")
    monkeypatch.chdir(here)
    bench = RobBench("some.h5")
    oracle = bench.oracle(["clean", "edgegpu_latency", height], budget=15)
    expected = [oracle(cell) for cell in FIRST]
    result = ALGORITHMS["random"](bench.oracle("clean", budget=5), bench.space, np.random.default_rng(0))
    packed = pickle.dumps((bench, oracle, result))
    os.chdir(elsewhere)
    again, other, found = pickle.loads(packed)  # noqa: S301
    assert again.path == here / "some.h5"
    assert [other(cell) for cell in FIRST] == expected
    assert found.best == result.best
    assert [copy.deepcopy(oracle)(cell) for cell in LATER[:3]] == [other(cell) for cell in LATER[:3]]
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        there, spent, queried = executor.submit(asked_there, other, again).result()
    assert there == [oracle(cell) for cell in LATER[:5]]
    assert (spent, other.spent) == (15, 13)
    assert queried == bench.query(FIRST[0], "clean")


def asked_there(oracle: Oracle, bench: RobBench) -> tuple[list[Any], float, float]:
    """What an oracle answers in another process, what it has spent then, and an answer of the bench."""
    return [oracle(cell) for cell in LATER[:5]], oracle.spent, bench.query(FIRST[0], "clean")
