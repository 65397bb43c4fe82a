"""Errors in the words of the command line, completion, and pipes that close."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from robbench.cli import main
from robbench.cli.wording import worded
from robbench.errors import InvalidArgument
from robbench.judge.calling import called
from robbench.search import ALGORITHMS
from tests.cli.running import ARCH, Run, answer, refusal


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pareto", "clean", "kernel_parameters"], "say which: --direction kernel_parameters=min, for example"),
        (["pareto", "clean", "--direction", "fog@3=min"], "--direction names fog@3, which is not an objective"),
        (["query", ARCH, "pgd"], "pgd on toy10 needs a level, after an @. Measured"),
        (["query", ARCH, "fog"], "fog on toy10 needs a level, after an @."),
        (["query", ARCH, "clean", "--seed", "5"], "clean is stored without seeds; leave --seed 5 out"),
        (["top", "clean:confusion"], "ask for one architecture with robbench query"),
        (["top", "autoattack@1/255"], "`robbench info` lists what is"),
        (["search", "random", "clean", "--budget", "0"], "--budget 0 is not a budget"),
        (["anomalies", "--threshold", "-1"], "--threshold -1.0 is not a number of standard errors"),
    ],
)
def test_errors_speak_of_options(arguments: list[str], said: str, run: Run, few_store: Path) -> None:
    error = refusal(run(*arguments, "--store", few_store))
    assert said in error
    assert not re.search(r"\b(directions|training|seed|budget|threshold|missing|level|images)=|eps=…|query\(\)|metrics\(\)", error), error


def test_no_error_of_a_limit_speaks_of_none() -> None:
    with ThreadPoolExecutor(1) as other, pytest.raises(InvalidArgument, match="limit=None judges without one") as caught:
        other.submit(called, 60, int).result()
    assert worded(str(caught.value), main.get_command(click.Context(main), "judge")) == (
        "a time limit needs the main thread, on a system with POSIX signals; from Python one can judge without."
    )


def completed(*words: str) -> list[str]:
    *before, incomplete = words
    return [item.value for item in ShellComplete(main, {}, "robbench", "_ROBBENCH_COMPLETE").get_completions(list(before), incomplete)]


def test_tab_completes_commands_metrics_algorithms_and_figures(few_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROBBENCH_STORE", raising=False)
    assert completed("ne") == ["neighbors"]
    assert completed("plot", "sc") == ["scatter"]
    assert completed("search", "") == list(ALGORITHMS)
    assert completed("top", "pgd@16") == ["pgd@16/255"]
    assert completed("top", "--store", str(few_store), "pgd@1") == ["pgd@1/255"]
    assert completed("pareto", "clean", "kernel") == ["kernel_parameters"]
    assert "pgd" in completed("top", "--store", str(tmp_path / "absent.h5"), "pg"), "all names, where there is no store to ask"
    monkeypatch.setenv("ROBBENCH_STORE", str(few_store))
    assert completed("top", "pgd@16") == []


@pytest.mark.skipif(sys.platform == "win32", reason="there is no shell to pipe with")
def test_a_reader_who_has_read_enough_is_no_error() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ROBBENCH_STORE"}
    with subprocess.Popen(
        [sys.executable, "-m", "robbench", "table", "clean"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as table:
        assert table.stdout is not None
        assert table.stderr is not None
        table.stdout.read(10)
        table.stdout.close()
        assert (table.stderr.read(), table.wait()) == (b"", 0)


def test_commands_are_grouped_and_none_is_left_out(run: Run) -> None:
    overview = answer(run("-h"))
    titles = re.findall(r"^(\S.*):$", overview, re.MULTILINE)
    assert titles[:3] == ["Options", "Ask a store", "Compare"]
    for name in main.list_commands(click.Context(main)):
        assert len(re.findall(rf"^  {name}  ", overview, re.MULTILINE)) == 1
