"""One architecture, and which others are the same."""

from __future__ import annotations

import json
from pathlib import Path

import click

from robbench.bench import RobBench
from robbench.cli.options import ARCH, arch_argument, examples, json_option, store_option


@click.command(epilog=examples(f"show {ARCH}"))
@arch_argument
@store_option
@json_option
def show(arch: str, store: Path | None, as_json: bool) -> None:
    """An architecture drawn in text, with its keys, and which architectures of the store are the same.

    ARCH is its text, in quotes, or its published index in a store that carries it.
    """
    shown = RobBench(store).show(arch)
    click.echo(json.dumps(shown.facts) if as_json else shown)


COMMANDS = (show,)
