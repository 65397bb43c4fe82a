"""Report cards that were cut, and go on."""

from __future__ import annotations

import json
import math
import pickle
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from robbench import RobBench
from robbench.errors import InvalidArgument
from robbench.judge import Report, from_csv, judge_predictor, judge_proxy, judge_search, learning, live, proxy, scoring, searching
from robbench.judge.keeping import SETTING, kept_in
from robbench.judge.scoring import Scores
from robbench.judge.searching import Run, Setting, run_all, run_of
from tests.judge.conftest import clean_of

SEARCH: dict[str, Any] = {"objectives": ["clean"], "beside": ["random", "evolution"], "budget": 8, "runs": 3}


def searched(bench: RobBench, keep: Path | None, **options: Any) -> Report:
    return judge_search(bench, "tests.judge.test_search:blind", keep=keep, **{**SEARCH, **options})


def predicted(bench: RobBench, keep: Path | None, method: str = "tests.judge.test_predictor:Linear", **options: Any) -> Report:
    asked: dict[str, Any] = {"metrics": ["clean"], "beside": ["ridge"], "sizes": [30], "splits": 2, **options}
    return judge_predictor(bench, method, keep=keep, **asked)


def untimed(report: Report) -> list[pd.DataFrame]:
    return [section.table[[name for name in section.table if not str(name).endswith("seconds")]] for section in report.sections]


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
        cutting(cut, learning, "_judged", after=1)
        with pytest.raises(Cut):
            predicted(judged, tmp_path / "kept")
    calls = cutting(monkeypatch, learning, "_judged", after=99)
    assert same(predicted(judged, tmp_path / "kept"), whole)
    assert len(calls) == 1
    assert same(predicted(judged, tmp_path / "kept", splits=3), predicted(judged, None, splits=3))


class Scoring:
    """A proxy that counts its calls, and fails for some."""

    def __init__(self, after: int = 10**9) -> None:
        self.calls: list[Any] = []
        self.after = after

    def __call__(self, arch: Any) -> float:
        if len(self.calls) == self.after:
            raise KeyboardInterrupt
        self.calls.append(arch)
        if arch.ops[0] == "none":
            return math.nan
        return float(clean_of(arch) / (arch.ops[1] != "none"))


class Batches(Scoring):
    """The same in batches, in which the scores are of the place, too."""

    def __call__(self, archs: Any) -> Any:
        return [super(Batches, self).__call__(arch) + place for place, arch in enumerate(archs)]


class Ahead(Scoring):
    """The same, by one that scores ahead."""

    def __init__(self, after: int = 10**9) -> None:
        super().__init__(after)
        self.told: list[int] = []

    def prepare(self, archs: list[Any]) -> None:
        self.told.append(len(archs))


SCORED = "tests.judge.test_keeping:Scoring"


def scored(bench: RobBench, function: Any, keep: Path | None, **options: Any) -> Scores:
    return live(bench, function, SCORED, keep=keep, **options)


def alike(one: Scores, other: Scores) -> bool:
    """But for the seconds."""
    same = np.array_equal(one.values, other.values, equal_nan=True) and np.array_equal(one.asked, other.asked)
    return same and (one.agreement, one.faults) == (other.agreement, other.faults)


@pytest.mark.parametrize(("made", "options"), [(Scoring, {}), (Batches, {"batch": 7}), (Ahead, {})])
def test_scores_that_were_cut_go_on(judged: RobBench, tmp_path: Path, made: type[Scoring], options: dict[str, Any]) -> None:
    """With what went wrong, and by as many calls in all, but for a batch that was cut; what is asked again in another order is kept, too."""
    once = made()
    whole = scored(judged, once, None, sample=40, **options)
    assert {fault.what for fault in whole.faults} >= {"returned NaN", "raised ZeroDivisionError"}
    cut, rest, done, more = made(after=25), made(), made(), made()
    with pytest.raises(KeyboardInterrupt):
        scored(judged, cut, tmp_path / "kept", sample=40, **options)
    assert alike(scored(judged, rest, tmp_path / "kept", sample=40, **options), whole)
    assert 0 <= len(cut.calls) + len(rest.calls) - len(once.calls) < options.get("batch", 1)
    assert alike(scored(judged, done, tmp_path / "kept", sample=40, **options), whole)
    assert done.calls == []
    larger = scored(judged, more, tmp_path / "kept", sample=60, **options)
    assert alike(larger, scored(judged, made(), None, sample=60, **options))


def test_a_larger_sample_takes_what_is_there(judged: RobBench, tmp_path: Path) -> None:
    few, more = Scoring(), Ahead()
    scores = scored(judged, few, tmp_path / "kept", sample=40)
    again = len(few.calls) - 40
    assert again == min(scoring.AGAIN, int((~np.isnan(scores.values)).sum()))
    larger = scored(judged, more, tmp_path / "kept", sample=70)
    assert not set(more.calls[:30]) & set(few.calls[:40])
    assert more.told[0] < scoring.AHEAD, "nothing is scored ahead that is there already"
    assert sum(more.told[:2]) == 30
    assert larger.asked.sum() == 70


def test_a_proxy_that_hung_is_not_asked_any_more_when_it_goes_on(judged: RobBench, tmp_path: Path) -> None:
    asked: list[Any] = []

    def hanging(arch: Any) -> float:
        asked.append(arch)
        while True:
            pass

    first, then = (scored(judged, hanging, tmp_path / "kept", limit=0.01) for _ in range(2))
    assert alike(first, then)
    assert len(asked) == scoring.HANGING


def test_a_report_of_a_proxy_that_was_cut_goes_on(judged: RobBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are of exactly the scores that they were made of, whatever these are called."""
    scores = scored(judged, Scoring(), None)

    def card(keep: Path | None, of: Scores = scores, **options: Any) -> Report:
        return judge_proxy(judged, of, **{"adds": False, "resamples": 5, "keep": keep, **options})

    whole = card(None)
    with monkeypatch.context() as cut:
        cutting(cut, proxy, "_ranks", after=0)
        with pytest.raises(Cut):
            card(tmp_path / "kept")
    calls = cutting(monkeypatch, proxy, "_ranks", after=99)
    for _ in range(2):
        assert same(card(tmp_path / "kept"), whole)
    assert len(calls) == 1
    other = scores._replace(values=-scores.values)
    assert same(card(tmp_path / "kept", other), card(None, other))
    for options in ({"resamples": 6}, {"top": 0.2}, {"metrics": ["clean"]}):
        assert same(card(tmp_path / "kept", **options), card(None, **options))
    with pytest.raises(InvalidArgument, match=r"seed \(was 0, is 1\)"):
        card(tmp_path / "kept", seed=1)


def test_a_file_of_scores_that_changed_is_judged_anew(judged: RobBench, tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    found = []
    for sign in (1, -1):
        path.write_text("\n".join(["arch,score", *(f"{arch},{sign * clean_of(arch)}" for arch in judged.classes)]))
        report = judge_proxy(judged, from_csv(judged, path), metrics=["clean"], adds=False, resamples=2, keep=tmp_path / "kept")
        found.append(report.section("ranking")["spearman"][0])
    assert found[1] == pytest.approx(-found[0])
    assert found[0] > 0.9


def test_scores_are_kept_only_of_what_can_be_told_from_another(
    judged: RobBench, tmp_path: Path, write_method: Callable[[str], int]
) -> None:
    with pytest.raises(InvalidArgument, match=r"scores of 'mine' cannot be kept: .* Name it module:name"):
        live(judged, clean_of, "mine", keep=tmp_path / "kept")
    assert not (tmp_path / "kept").exists()
    write_method("def score(arch):\n    return 1.0\n")
    live(judged, clean_of, "kept_method:score", keep=tmp_path / "kept", sample=3)
    write_method("def score(arch):\n    return 2.0\n")
    with pytest.raises(InvalidArgument, match=r"differs in the file of kept_method:score \(was [0-9a-f]{16}, is [0-9a-f]{16}\)"):
        live(judged, clean_of, "kept_method:score", keep=tmp_path / "kept", sample=3)
    with pytest.raises(InvalidArgument, match=r"seed \(was 0, is 1\)"):
        scored(judged, Scoring(), tmp_path / "kept", seed=1)


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
    monkeypatch.delitem(sys.modules, "kept_method", raising=False)
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


def test_a_folder_that_cannot_be_written_to_any_more_is_refused(tmp_path: Path) -> None:
    """It is full, say, or was removed."""
    kept = kept_in(tmp_path / "kept", {"seed": 0}, [])
    lines = kept.lines(("of",))
    shutil.rmtree(tmp_path / "kept")
    for keeping in (kept, lines):
        with pytest.raises(
            InvalidArgument, match=r"kept cannot keep results: .*; what is finished stays there, and the same command goes on\."
        ):
            keeping.done(("a",), dict)


def test_a_line_that_was_cut_off_is_computed_again(tmp_path: Path) -> None:
    kept = kept_in(tmp_path / "kept", {"seed": 0}, [])
    kept.lines(("of",)).done(("a",), lambda: {"value": math.nan})
    (path,) = (tmp_path / "kept").glob("of *.jsonl")
    whole = path.read_bytes()
    for cut in range(1, len(whole)):
        path.write_bytes(whole + whole.replace(b'"a"', b'"b"')[:-cut])
        again = kept.lines(("of",))
        assert [again.has((name,)) for name in ("a", "b")] == [True, False]
        assert again.done(("b",), lambda: {"value": 1}) == {"value": 1}
        assert kept.lines(("of",)).has(("b",))
    path.write_bytes(b"{}\n" + whole)
    with pytest.raises(InvalidArgument, match=r"line 1 of .*jsonl is no result that was kept: it has no 'found'"):
        kept.lines(("of",))


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

    def submit(self, function: Callable[..., Any], *given: Any) -> Future[Any]:
        future: Future[Any] = Future()
        sent, arguments = pickle.loads(pickle.dumps((function, given)))  # noqa: S301
        future.set_result(pickle.loads(pickle.dumps(sent(*arguments))))  # noqa: S301
        return future


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


@pytest.mark.parametrize("name", ["Linear", "Silent", "Hanging"])
def test_fits_elsewhere_are_the_same(judged: RobBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Of what hangs no more than three fits count, though others were begun before that was known."""
    method = f"tests.judge.test_predictor:{name}"
    asked: dict[str, Any] = {"method": method, "sizes": [30, 60], "limit": 0.02 if name == "Hanging" else None, "intervals": True}
    here = predicted(judged, None, **asked)
    learning._fits.cache_clear()
    monkeypatch.setattr("robbench.judge.predictor.processes", lambda workers: nullcontext(Elsewhere()))
    monkeypatch.setattr(learning, "AHEAD", 3)
    for _ in range(2):
        there = predicted(judged, tmp_path / "kept", workers=2, **asked)
        assert same(there, here)
        assert there.faults == here.faults
