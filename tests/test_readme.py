"""The README's tour prints what it says."""

import doctest
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from robbench.cli import main

README = Path(__file__).parents[1] / "README.md"


@pytest.fixture
def in_tour(published_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working folder of the tour: the imported store under the name that the README gives it."""
    (tmp_path / "jung2023.h5").symlink_to(published_store)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROBBENCH_STORE", "jung2023.h5")


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


@pytest.mark.usefixtures("in_tour")
def test_shell_blocks_print_what_the_readme_shows() -> None:
    commands = re.findall(r"^\$ robbench ((?:query|top|show) .*)\n((?:(?![$`]).*\n)+)", README.read_text("utf-8"), re.MULTILINE)
    assert len(commands) == 3
    for command, shown in commands:
        printed = CliRunner().invoke(main, shlex.split(command)).output
        assert printed.startswith(shown.removesuffix("…\n")), command


def test_the_page_on_darts_prints_what_it_shows() -> None:
    assert run_examples((README.parent / "docs" / "darts.md").read_text("utf-8")) >= 4
