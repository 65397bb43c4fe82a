"""The examples of README and of the pages print what they say."""

import doctest
import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from robbench.cli import main
from tests.pages import DOCS, PAGES, README, commands, name_of

PUBLISHED = "jung2023.h5"
"""What pages call the store of published data."""
EXAMPLES = {page: page.read_text("utf-8") for page in PAGES if ">>> " in page.read_text("utf-8") and page.stem not in ("adapters", "wrn")}
"""Pages with examples in Python; tests/adapters/test_page.py and tests/spaces/test_wrn.py run those of the two that are left out."""
SHELL = (README, DOCS / "asking.md", DOCS / "searching.md")
"""Pages whose commands are run on the embedded store."""


@pytest.fixture
def in_tour(published_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working folder of the tour: the imported store under the name that the README gives it."""
    (tmp_path / PUBLISHED).symlink_to(published_store)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ROBBENCH_STORE", raising=False)


def run_examples(page: Path) -> int:
    """Run the Python examples of a page; returns how many there were, all of which printed what is shown."""
    test = doctest.DocTestParser().get_doctest(EXAMPLES[page], {}, page.name, str(page), 0)
    assert doctest.DocTestRunner().run(test).failed == 0
    return len(test.examples)


@pytest.mark.parametrize("page", [page for page, text in EXAMPLES.items() if PUBLISHED not in text], ids=name_of)
def test_a_page_prints_what_it_shows(page: Path) -> None:
    assert run_examples(page) >= 4


@pytest.mark.usefixtures("in_tour")
@pytest.mark.parametrize("page", [page for page, text in EXAMPLES.items() if PUBLISHED in text], ids=name_of)
def test_a_page_of_published_data_prints_what_it_shows(page: Path) -> None:
    assert run_examples(page) >= 10


def test_shell_blocks_of_the_embedded_store_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ROBBENCH_STORE", raising=False)
    told = dict.fromkeys(line for page in SHELL for line in commands(page.read_text("utf-8")))
    asked = [line for line in told if not re.match("import|fit|build|fetch|judge", line) and ".h5" not in line]
    assert len(asked) >= 12
    for line in asked:
        result = CliRunner().invoke(main, shlex.split(line))
        assert result.exit_code == 0, f"robbench {line}\n{result.output}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
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
def test_shell_blocks_print_what_is_shown() -> None:
    printing = re.findall(r"^\$ robbench ((?:query|top|show) .*)\n((?:(?![$`]).*\n)+)", (DOCS / "asking.md").read_text("utf-8"), re.M)
    assert len(printing) == 3
    for command, shown in printing:
        printed = CliRunner().invoke(main, shlex.split(command)).output
        assert printed.startswith(shown.removesuffix("…\n")), command
