"""Every example that `--help` shows runs, against the store that it names; every command has one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from robbench.cli import main

NEEDS = {"importance": "sklearn", "plot": "matplotlib", "fit": "sklearn", "lukasik2023": "sklearn"}
"""Libraries that a command, or what it is given, needs beside the core's."""


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command of the package, by its words."""
    yield path
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


def shown(path: tuple[str, ...]) -> tuple[str, list[str]]:
    """What the examples of a command need, and the examples."""
    text = CliRunner().invoke(main, [*path, "-h"]).output
    needs = re.search(r"^  Examples(?:, which need (.*))?:$", text, re.MULTILINE)
    return (needs[1] or "") if needs else "", re.findall(r"^    \$ robbench (.+)$", text, re.MULTILINE)


EVERY = {path: shown(path) for path in commands(main)}


def on_the_embedded_store() -> Iterator[tuple[str, list[str]]]:
    """The examples that need nothing else, each line once, unless others of its command need what it writes."""
    seen: set[str] = set()
    for path, (needs, lines) in sorted(EVERY.items(), key=lambda item: -len(item[0])):
        new = [line for line in lines if line not in seen or any("--into" in other for other in lines)]
        seen |= set(lines)
        if new and not needs:
            yield " ".join(path), new


def run(lines: list[str]) -> None:
    """Run lines in order, each once in a folder."""
    for line in lines:
        words = shlex.split(line)
        for word in NEEDS.keys() & set(words):
            pytest.importorskip(NEEDS[word])
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0, f"robbench {line}\n{result.output}"
        assert result.stdout or any(word in words for word in ("--out", "import"))


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ROBBENCH_STORE", raising=False)


def test_every_command_has_examples() -> None:
    assert len(EVERY) > 30
    assert not ["robbench " + " ".join(path) for path, (_, lines) in EVERY.items() if not lines], "see robbench.cli.options.examples"


@pytest.mark.parametrize("lines", [pytest.param(lines, id=name) for name, lines in on_the_embedded_store()])
def test_examples_run_on_the_embedded_store(lines: list[str]) -> None:
    run(lines)


def test_examples_that_need_published_data_begin_with_what_brings_it_and_run(published_store: Path, tmp_path: Path) -> None:
    needing = {path: lines for path, (needs, lines) in EVERY.items() if needs}
    assert all(lines[0].startswith("import ") for lines in needing.values())
    (tmp_path / "jung2023.h5").symlink_to(published_store)
    after = [
        line for path, lines in needing.items() for line in lines if not line.startswith(("import ", "fit ")) and "confidences" not in path
    ]
    assert len(after) > 3
    run(after)
