"""What someone brought is called: however it behaves, the judge goes on, and says it in one line."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from robbench.errors import InvalidArgument
from robbench.judge.calling import Faults, MethodFailed, called
from robbench.judge.methods import Method, checksum, file_of


def stubborn() -> None:
    while True:
        with suppress(BaseException):
            time.sleep(60)


def calling() -> None:
    stubborn()


@pytest.mark.parametrize("function", [stubborn, calling])
def test_who_catches_the_interruption_is_interrupted_all_the_same(monkeypatch: pytest.MonkeyPatch, function: Callable[[], None]) -> None:
    monkeypatch.setattr("robbench.judge.calling.AGAIN_AFTER", 0.02)
    traced = sys.gettrace()
    with pytest.raises(MethodFailed, match=r"was still at work after 0\.02 s"):
        called(0.02, function)
    assert sys.gettrace() is traced
    assert sys.exception() is None


def test_who_ends_late_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """It catches the interruption, and then returns: its value counts, and nothing of the interruption is left."""
    monkeypatch.setattr("robbench.judge.calling.AGAIN_AFTER", 60)

    def late() -> int:
        with suppress(BaseException):
            time.sleep(60)
        return 3

    assert called(0.02, late) == 3


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf"), 1e300])
def test_what_is_no_time_is_refused(limit: float) -> None:
    with pytest.raises(InvalidArgument, match=r"is not a time; expected seconds, more than 0 and at most"):
        called(limit, int)


class Ended(BaseException):
    """Of a method's own."""


def raising(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    "error", [ValueError("no"), StopIteration("no"), Ended("no"), asyncio.CancelledError("no"), GeneratorExit("no"), SystemExit("no")]
)
@pytest.mark.parametrize("limit", [None, 60])
def test_whatever_a_method_raises_is_named(error: BaseException, limit: float | None) -> None:
    with pytest.raises(MethodFailed) as caught:
        called(limit, raising, error)
    assert (caught.value.kind, caught.value.message) == (f"raised {type(error).__name__}", "no")


def test_who_hangs_in_a_group_of_tasks_hangs() -> None:
    async def hanging() -> None:
        while True:
            pass

    async def grouped() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(hanging())

    with pytest.raises(MethodFailed, match=r"^was still at work after 0\.1 s$"):
        called(0.1, asyncio.run, grouped())


def test_who_interrupts_ends_the_judge_and_not_the_method() -> None:
    with pytest.raises(KeyboardInterrupt):
        called(60, raising, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        _ = Method("tests.judge.test_calling:Interrupted").function


class Interrupted:
    def __init__(self) -> None:
        raise KeyboardInterrupt


class Unmade:
    def __init__(self) -> None:
        raise Ended("no licence")


def test_what_ends_while_it_is_made_or_imported_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidArgument, match=r"test_calling:Unmade cannot be made without arguments: Ended: no licence\."):
        _ = Method("tests.judge.test_calling:Unmade").function
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cancelled.py").write_text("import asyncio\nraise asyncio.CancelledError('no licence')\n")
    (tmp_path / "stopped.py").write_text("raise KeyboardInterrupt\n")
    with pytest.raises(InvalidArgument, match=r"its module raised CancelledError: no licence\."):
        _ = Method("cancelled:score").found
    with pytest.raises(KeyboardInterrupt):
        _ = Method("stopped:score").found


def test_what_a_method_prints_does_not_stand_in_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    called(None, print, "scoring")
    assert capsys.readouterr() == ("", "scoring\n")


def test_what_a_module_prints_does_not_stand_in_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a_loud_module.py").write_text(
        "print('imported')\nclass Score:\n    def __init__(self):\n        print('made')\n    __call__ = id\n"
    )
    assert Method("a_loud_module:Score").function(3) == id(3)
    assert capsys.readouterr() == ("", "imported\nmade\n")


def test_where_a_method_changes_to_is_left_again(tmp_path: Path) -> None:
    """Else a store, a report and what is kept would not be found any more by relative names."""
    before = Path.cwd()
    called(None, os.chdir, tmp_path)
    assert Path.cwd() == before


def test_an_example_is_one_line_that_a_terminal_can_show() -> None:
    faults = Faults()
    faults.note("raised ValueError", "schön,\n\x1b[31m  red\t☃")
    assert str(faults.of(1)[0]) == "raised ValueError (1 of 1; first: schön, \N{REPLACEMENT CHARACTER}[31m red ☃)"
    json.loads(json.dumps(faults.of(1)[0]._asdict()))


class Scoring:
    def __call__(self, arch: Any) -> float:
        return 0.0


def test_a_function_is_told_by_its_file() -> None:
    for function in (stubborn, partial(stubborn), Scoring(), Scoring().__call__, lambda arch: 0):
        assert file_of(function) == Path(__file__)
    assert file_of(len) is file_of({}.__getitem__) is None
    assert Method("tests.judge.test_calling:stubborn").source() == checksum(Path(__file__))


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("not_there:score", r"\(No module named 'not_there'\); expected not_there\.py in .*, or installed\.$"),
        ("empty.py:score", r"expected empty\.py in .*, or installed\. A module is named without its ending: empty:score\.$"),
        ("needing:score", r"\(No module named 'a_library'\): its module imports that, and it is not installed\.$"),
        ("wrong:score", r"\(invalid syntax \(wrong\.py, line 1\)\)\.$"),
        ("empty:score", r"has no 'score'\.$"),
    ],
)
def test_a_name_that_leads_nowhere_says_what_is_wrong_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {"needing": "import a_library", "wrong": "def +", "empty": "__score__ = 1"}.items():
        (tmp_path / f"{name}.py").write_text(text)
    with pytest.raises(InvalidArgument, match=says):
        _ = Method(spec).found
