"""Report cards that were cut, and go on."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from robbench import RobBench
from robbench.errors import InvalidArgument
from robbench.judge import Report, judge_predictor, judge_search, searching
from robbench.judge import predictor as predicting
from robbench.judge.keeping import SETTING, kept_in
from robbench.judge.searching import Run, Setting, run_all, run_of

SEARCH: dict[str, Any] = {"objectives": ["clean"], "beside": ["random", "evolution"], "budget": 8, "runs": 3}


def searched(bench: RobBench, keep: Path | None, **options: Any) -> Report:
    return judge_search(bench, "tests.judge.test_search:blind", keep=keep, **{**SEARCH, **options})


def predicted(bench: RobBench, keep: Path | None, method: str = "tests.judge.test_predictor:Linear", **options: Any) -> Report:
    asked: dict[str, Any] = {"metrics": ["clean"], "beside": ["ridge"], "sizes": [30], "splits": 2, **options}
    return judge_predictor(bench, method, keep=keep, **asked)


def untimed(report: Report) -> list[pd.DataFrame]:
    return [section.table.drop(columns="seconds", errors="ignore") for section in report.sections]


def same(one: Report, other: Report) -> bool:
    """But for the seconds."""
    return one.summary == other.summary and all(a.equals(b) for a, b in zip(untimed(one), untimed(other), strict=True))


class Cut(Exception):
    """As if the power failed."""


def cutting(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, after: int) -> list[Any]:
    """Count the calls of a function of a module, and cut before the next one."""
    calls: list[Any] = []
    original = getattr(module, name)

    def counted(*arguments: Any) -> Any:
        if len(calls) == after:
            raise Cut
        calls.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(module, name, counted)
    return calls


def test_a_search_that_was_cut_goes_on(judged: RobBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = searched(judged, None)
    with monkeypatch.context() as cut:
        cutting(cut, searching, "run_of", after=5)
        with pytest.raises(Cut):
            searched(judged, tmp_path / "kept")
    assert len(list((tmp_path / "kept").glob("*.json"))) == 1 + 5
    calls = cutting(monkeypatch, searching, "run_of", after=99)
    assert same(searched(judged, tmp_path / "kept"), whole)
    assert len(calls) == 9 - 5
    assert same(searched(judged, tmp_path / "kept"), whole)
    assert len(calls) == 9 - 5, "nothing is done twice"
    more = searched(judged, tmp_path / "kept", runs=4, objectives=["clean", "pgd@1/255"])
    assert len(calls) == 9 - 5 + 3 + 12, "what is there is taken"
    assert same(more, searched(judged, None, runs=4, objectives=["clean", "pgd@1/255"]))


def test_a_predictor_that_was_cut_goes_on(judged: RobBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = predicted(judged, None)
    with monkeypatch.context() as cut:
        cutting(cut, predicting, "_judged", after=1)
        with pytest.raises(Cut):
            predicted(judged, tmp_path / "kept")
    calls = cutting(monkeypatch, predicting, "_judged", after=99)
    assert same(predicted(judged, tmp_path / "kept"), whole)
    assert len(calls) == 1
    assert same(predicted(judged, tmp_path / "kept", splits=3), predicted(judged, None, splits=3))


def test_what_went_wrong_is_kept_too(judged: RobBench, tmp_path: Path) -> None:
    for _ in range(2):
        report = predicted(judged, tmp_path / "fits", "tests.judge.test_predictor:Broken")
        assert [fault[:3] for fault in report.faults] == [("raised MemoryError", 2, 2)]
        report = judge_search(judged, "tests.judge.test_search:broken", keep=tmp_path / "runs", **SEARCH)
        assert [fault[:3] for fault in report.faults] == [("raised KeyError", 3, 3)]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"seed": 1}, r"seed \(was 0, is 1\)"),
        ({"budget": 9}, r"budget \(was 8, is 9\)"),
        ({"noise": "twin"}, r"noise \(was None, is twin\)"),
    ],
)
def test_another_setting_is_refused_with_what_differs(judged: RobBench, tmp_path: Path, options: dict[str, Any], what: str) -> None:
    searched(judged, tmp_path / "kept", runs=1)
    with pytest.raises(
        InvalidArgument, match=rf"kept keeps results of another setting, which differs in {what}; name another folder, or remove"
    ):
        searched(judged, tmp_path / "kept", runs=1, **options)


@pytest.fixture
def write_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], int]:
    monkeypatch.chdir(tmp_path)
    return (tmp_path / "kept_method.py").write_text


def test_a_method_whose_file_changed_is_refused_and_another_one_comes_to_it(
    judged: RobBench, tmp_path: Path, write_method: Callable[[str], int]
) -> None:
    """What was kept of the others serves every method that is judged beside them."""
    write_method("from tests.judge.test_search import blind as search\n")
    judge_search(judged, "kept_method:search", keep=tmp_path / "kept", **SEARCH)
    searched(judged, tmp_path / "kept")
    write_method("from tests.judge.test_search import knowing as search\n")
    with pytest.raises(InvalidArgument, match=r"differs in the file of kept_method:search \(was [0-9a-f]{16}, is [0-9a-f]{16}\)"):
        judge_search(judged, "kept_method:search", keep=tmp_path / "kept", **SEARCH)
    searched(judged, tmp_path / "kept")


def test_folders_and_files_that_are_of_something_else_are_refused(judged: RobBench, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("\\section{}")
    with pytest.raises(InvalidArgument, match="full holds other files; name a new folder"):
        searched(judged, tmp_path / "full")
    with pytest.raises(InvalidArgument, match=r"thesis.tex cannot keep results: "):
        searched(judged, tmp_path / "full" / "thesis.tex")
    searched(judged, tmp_path / "kept", runs=1)
    run = next(path for path in (tmp_path / "kept").iterdir() if path.name != SETTING)
    for damaged in ("{", "[]", '{"of": [], "found": 3}'):
        run.write_text(damaged)
        with pytest.raises(InvalidArgument, match=r"json is no result that was kept.*; remove it, and it is computed again"):
            searched(judged, tmp_path / "kept", runs=1)


def test_results_with_names_that_look_alike_are_not_mixed_up(tmp_path: Path) -> None:
    kept = kept_in(tmp_path / "kept", {"seed": 0}, [])
    names = ("a/b", "a-b", "a b", "../a", "x" * 300, "é")
    for name in names:
        kept.done((name, 1), lambda name=name: {"name": name})  # type: ignore[misc]
    assert [kept.done((name, 1), dict)["name"] for name in names] == list(names)
    assert {path.parent for path in tmp_path.rglob("*.json")} == {tmp_path / "kept"}
    assert json.loads((tmp_path / "kept" / SETTING).read_text()) == {"setting": {"seed": 0}, "methods": {}}


class Elsewhere:
    """An executor that sends what it runs as one of processes does, without the seconds that a process takes to begin."""

    def map(self, function: Callable[[Any], Any], given: Iterable[Any], chunksize: int) -> Iterator[Any]:
        sent = pickle.dumps((function, list(given)))
        function, arguments = pickle.loads(sent)  # noqa: S301
        return iter([pickle.loads(pickle.dumps(function(one))) for one in reversed(arguments)][::-1])  # noqa: S301


def test_runs_elsewhere_and_in_another_order_are_the_same(judged: RobBench, tmp_path: Path) -> None:
    setting = Setting(judged.path, "made", None, 8, 0, "twin", None, None)
    which = [(name, "clean", number) for name in ("random", "tests.judge.test_search:blind") for number in range(2)]
    here = [run_of(setting, one) for one in which]
    for kept in (kept_in(None, {}, []), kept_in(tmp_path / "kept", {}, [])):
        there = list(run_all(setting, which, Elsewhere(), kept))  # type: ignore[arg-type]
        assert list(map(plain, there)) == list(map(plain, here))
    assert len(list((tmp_path / "kept").iterdir())) == 1 + len(which)


def plain(run: Run) -> tuple[Any, ...]:
    return (*run[:3], run.regret.tolist(), run.costs.tolist(), run.asked, run.faults)
