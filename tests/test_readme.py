"""The README's tour prints what it says."""

import doctest
import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from robbench.cli import main

README = Path(__file__).parents[1] / "README.md"


@pytest.fixture
def in_tour(published_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working folder of the tour: the imported store under the name that the README gives it."""
    (tmp_path / "jung2023.h5").symlink_to(published_store)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ROBBENCH_STORE", raising=False)


def run_examples(text: str) -> int:
    """Run the Python examples of a text; returns how many there were, all of which printed what is shown."""
    test = doctest.DocTestParser().get_doctest(text, {}, "README.md", str(README), 0)
    assert doctest.DocTestRunner().run(test).failed == 0
    return len(test.examples)


def test_the_embedded_stores_tour_prints_what_the_readme_shows() -> None:
    tour, rest = README.read_text("utf-8").split("The field's own numbers come from published data.")
    assert run_examples(tour) >= 8
    assert ">>>" in rest


@pytest.mark.usefixtures("in_tour")
def test_the_whole_tour_prints_what_the_readme_shows() -> None:
    assert run_examples(README.read_text("utf-8")) >= 18


def commands(text: str) -> list[str]:
    """The commands of its shell blocks, without what they print and without comments."""
    return [re.sub(r"\s{2,}#.*", "", line) for line in re.findall(r"^\$ robbench (.*)$", text.replace("\\\n", " "), re.MULTILINE)]


def test_shell_blocks_of_the_embedded_store_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ROBBENCH_STORE", raising=False)
    asked = [
        line
        for line in commands(README.read_text("utf-8"))
        if not re.match("import|fit|build|fetch|judge", line) and "jung2023.h5" not in line
    ]
    assert len(asked) >= 10
    for line in asked:
        result = CliRunner().invoke(main, shlex.split(line))
        assert result.exit_code == 0, f"robbench {line}\n{result.output}"


@pytest.mark.parametrize("page", [README, *sorted((README.parent / "docs").glob("*.md"))], ids=lambda page: page.stem)
def test_every_command_that_a_page_shows_can_be_given(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that train, or need files of the reader's, are parsed, and not run."""
    monkeypatch.setattr(click.Command, "invoke", lambda command, ctx: None)
    monkeypatch.setattr(click.Path, "convert", lambda kind, value, parameter, ctx: value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FOLDER").mkdir()  # as pages call the reader's
    without_torch = ("build ", "proxies ") if find_spec("torch") is None else ()
    for line in commands(page.read_text("utf-8")):
        if line.startswith(without_torch):
            continue
        result = CliRunner().invoke(main, shlex.split(line))
        assert result.exit_code == 0, f"robbench {line}\n{result.output}"


@pytest.mark.usefixtures("in_tour")
def test_shell_blocks_print_what_the_readme_shows() -> None:
    printing = re.findall(r"^\$ robbench ((?:query|top|show) .*)\n((?:(?![$`]).*\n)+)", README.read_text("utf-8"), re.MULTILINE)
    assert len(printing) == 3
    for command, shown in printing:
        printed = CliRunner().invoke(main, shlex.split(command)).output
        assert printed.startswith(shown.removesuffix("…\n")), command


@pytest.mark.parametrize(("page", "examples"), [("darts", 4), ("commands", 7)])
def test_a_page_prints_what_it_shows(page: str, examples: int) -> None:
    assert run_examples((README.parent / "docs" / f"{page}.md").read_text("utf-8")) >= examples
