from __future__ import annotations

import re

import click
import pytest

from robbench.cli import main
from robbench.papers import PAPERS
from robbench.papers.contents import CONTENTS

HAS = {
    "Lukasik, Moeller, Keuper (2023)": {"Table": 3, "Figure": 7},
    "Ha, Kim, Hwang (NeurIPS 2023)": {"Table": 13, "Figure": 7, "Algorithm": 1},
    "Jung, Lukasik, Keuper (ICLR 2023)": {"Table": 4, "Figure": 30, "Algorithm": 1},
    "Yang et al. (2025)": {"Table": 8, "Figure": 8, "Algorithm": 1},
}
EVERY = [how for items in CONTENTS.values() for how in items.values()]


@pytest.mark.parametrize("paper", HAS)
def test_every_table_figure_and_algorithm_has_its_line(paper: str) -> None:
    assert list(CONTENTS[paper]) == [f"{kind} {number}" for kind, count in HAS[paper].items() for number in range(1, count + 1)]


def test_every_line_says_what_makes_it_or_what_is_missing() -> None:
    assert all(re.search(r"robbench |python |missing|nothing is measured|^as (Table|Figure) ", how) for how in EVERY)


@pytest.mark.parametrize("line", [part for how in EVERY for part in how.split("; ") if part.startswith("robbench ")])
def test_a_command_is_there_with_its_options(line: str) -> None:
    _, *words = line.partition(": ")[0].replace(",", "").split()
    command = main.get_command(click.Context(main), words[0])
    if isinstance(command, click.Group):
        command = command.get_command(click.Context(command), words[1])
    assert command is not None
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_entries_that_are_named_are_there_and_all_entries_of_these_papers_are_named() -> None:
    named = set(re.findall(r"robbench papers ([a-z0-9-]+)", " ".join(EVERY)))
    assert named == set(PAPERS) - {"wu2024", "zheng2025-searches"}
