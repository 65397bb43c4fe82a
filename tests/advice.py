"""Commands that messages advise: found, and parsed as the command line parses them, without doing anything."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import click

from robbench.cli import main

_COMMAND = re.compile(r"robbench (?:[a-z]+ )+[^`&]*[^`&. ]")


def advised(message: str) -> list[str]:
    """The commands in a message that name more than the program and a command of it, in order."""
    return [found.strip() for found in _COMMAND.findall(message)]


def parsed(line: str) -> dict[str, Any]:
    """The parameters of a command as it would get them; raises click.UsageError where it would refuse them."""
    program, *words = shlex.split(line)
    assert program == "robbench"
    command: click.Command = main
    name: str | None = program
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(click.Context(command), words)
        assert found is not None
        command = found
    return command.make_context(name, words).params


def file_of(line: str) -> Path:
    """The file or folder that a command reads."""
    parameters = parsed(line)
    return Path(next(parameters[name] for name in ("store", "path", "folder") if parameters.get(name)))
