"""The library's errors in the words of the command line: options and the grammar of metrics, where Python has keyword arguments."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

SPELLINGS: tuple[tuple[str, str], ...] = (
    (r"directions=\{'([^']+)': '(min|max)'\}", r"--direction \1=\2"),
    (r"\bdirections names\b", "--direction names"),
    (r"\bneeds a level: (?:eps|severity)=…", "needs a level, after an @"),
    (r"; it has a severity from 1 to 5: severity=…", "; it has a severity from 1 to 5, after an @"),
    (r"; it has an eps in \[0, 1\]: eps=1/255, for example", "; it has an eps in [0, 1], after an @: @1/255, for example"),
    (r"\btraining='standard' \(--training standard\)", "--training standard"),
    (r"\bfeatures='structure'", "--features structure"),
    (r"\bask for one architecture with query\(\)", "ask for one architecture with robbench query"),
    (r"`metrics\(\)` lists", "`robbench info` lists"),
    (r"search oracle\.subset\(\), the measured ones, or make the oracle with missing='nan', which ranks the others last\.", "name others."),
    (r", or None for no limit\.", "."),
    (r"\blimit=None judges without one\.", "from Python one can judge without."),
)
"""What a message says to who writes Python, and what it says here."""


def worded(message: str, command: click.Command | None) -> str:
    """A message of the library, to who typed the command.

    ``training='x'`` becomes ``--training x`` where the command has that option; a level belongs to its metric.
    """
    for spelling, ours in SPELLINGS:
        message = re.sub(spelling, ours, message)
    for name, option in dict(_options(command)).items():
        message = re.sub(rf"(?<![\w-]){name}=(?:'([^']*)'|(?=\S))", rf"{option} \1", message)
    return message


def _options(command: click.Command | None) -> Iterator[tuple[str, str]]:
    """The options of a command, or of all commands in a group, by their names in Python."""
    if isinstance(command, click.Group):
        yield from (option for member in command.commands.values() for option in _options(member))
    for parameter in command.params if command else ():
        if isinstance(parameter, click.Option) and not parameter.is_flag and parameter.name:
            yield parameter.name, max(parameter.opts, key=len)
