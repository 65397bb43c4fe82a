"""What to cite."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from robbench.bench import RobBench
from robbench.cli.completion import metric_names
from robbench.cli.options import dataset_options, examples, interpolate_option, json_option, store_option


@click.command(epilog=examples("cite", "cite pgd@16/255 synflow"))
@click.argument("metrics", nargs=-1, shell_complete=metric_names)
@store_option
@dataset_options
@interpolate_option
@json_option
def cite(metrics: tuple[str, ...], store: Path | None, as_json: bool, **where: Any) -> None:
    """BibTeX of what was used: RobBench, the search space, and whoever measured METRICS (if left out, all that the store holds)."""
    found = RobBench(store).cite(metrics or None, **where)
    click.echo(json.dumps({"bibtex": found.rstrip().split("\n\n")}) if as_json else found, nl=as_json)


COMMANDS = (cite,)
