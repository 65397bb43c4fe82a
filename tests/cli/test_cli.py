"""The group of commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from robbench import RobBench, __version__
from robbench.cli import main
from tests.cli.running import ARCH, Run, answer, refusal

COMMANDS = [
    "fetch",
    "import",
    "remove",
    "copy",
    "info",
    "query",
    "top",
    "table",
    "explain",
    "fit",
    "predict",
    "verify",
    "show",
    "correlate",
    "pareto",
    "best",
    "neighbors",
    "anomalies",
    "importance",
    "cite",
    "judge",
    "search",
    "papers",
    "reported",
    "plot",
    "explore",
]


def test_the_version_is_the_packages(run: Run) -> None:
    assert answer(run("--version")) == f"robbench, version {__version__}\n"


def test_every_command_explains_itself(run: Run) -> None:
    overview = answer(run("--help"))
    assert sorted(main.commands) == sorted(COMMANDS)
    for command in COMMANDS:
        assert f"\n  {command} " in overview
        assert answer(run(command, "--help")) == answer(run(command, "-h"))
        assert answer(run(command, "-h")).startswith("Usage: ")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["query", ARCH],
        ["query", ARCH, "clean", "--store", "x.h5", "--seed", "first"],
        ["query", ARCH, "clean", "--store", "x.h5", "--eps", "1"],
        ["top", "clean", "--store", "x.h5", "-n", "0"],
        ["import", "jung2023", "folder"],
        ["import", "jung", "folder", "--into", "x.h5"],
        ["verify"],
        ["show"],
    ],
)
def test_wrong_usage_exits_with_2_and_says_how(arguments: list[str], run: Run) -> None:
    assert "Usage: " in refusal(run(*arguments), 2)


def test_a_missing_store_is_named(run: Run, tmp_path: Path) -> None:
    for command in (["info"], ["query", ARCH, "clean"], ["top", "clean"], ["table"], ["explain", ARCH, "clean"], ["show", ARCH]):
        error = refusal(run(*command, "--store", tmp_path / "absent.h5"))
        assert error.startswith(f"Error: NotAStore: {tmp_path / 'absent.h5'} does not exist")
    assert refusal(run("verify", tmp_path / "absent.h5")).startswith("Error: NotAStore: ")


def test_the_environment_names_a_default_store(run: Run, small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = answer(run("query", ARCH, "clean", "--store", small_store))
    monkeypatch.setenv("ROBBENCH_STORE", str(small_store))
    assert answer(run("query", ARCH, "clean")) == expected
    for command in (["info"], ["top", "clean"], ["table", "clean"], ["explain", ARCH, "clean"], ["show", "3456"]):
        answer(run(*command))
    assert "absent.h5 does not exist" in refusal(run("query", ARCH, "clean", "--store", tmp_path / "absent.h5"))


def test_the_installed_command_answers_on_stdout_and_errs_on_stderr(small_store: Path, bench: RobBench) -> None:
    installed = shutil.which("robbench", path=str(Path(sys.executable).parent))
    if installed is None:
        pytest.skip("the command robbench is not installed beside this Python")
    environment = {**os.environ, "ROBBENCH_STORE": str(small_store)}
    good = subprocess.run([installed, "query", ARCH, "pgd@1/255"], env=environment, capture_output=True, text=True, check=False)
    assert (good.returncode, good.stdout, good.stderr) == (0, f"{bench.query(ARCH, 'pgd', eps=1 / 255)}\n", "")
    bad = subprocess.run([installed, "query", ARCH, "pgd@8"], env=environment, capture_output=True, text=True, check=False)
    assert (bad.returncode, bad.stdout, bad.stderr.count("\n")) == (1, "", 1)
    assert bad.stderr.startswith("Error: InvalidArgument: eps=8 is outside [0, 1]")


def test_json_never_holds_what_json_cannot(run: Run, small_store: Path) -> None:
    """NaN and Infinity are not JSON, whatever Python's own reader takes."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    for command in (["info"], ["top", "synflow", "-n", "3"], ["query", ARCH, "clean"], ["explain", ARCH, "pgd@1/255"]):
        json.loads(answer(run(*command, "--store", small_store, "--json")), parse_constant=refuse)
    assert np.isfinite(json.loads(answer(run("query", ARCH, "clean", "--store", small_store, "--json")))["value"])
