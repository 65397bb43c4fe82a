"""Arguments and options that several commands have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

BUILT = (
    "build plan tiny --dataset digits --recipe digits --evaluation digits-light --classes 2 --stack 2",
    "build run tiny --device cpu",
    "build merge tiny --into tiny.h5",
)
"""Commands that make a store of two networks, in half a minute, for examples."""

folder_argument = click.argument("folder", type=click.Path(path_type=Path))
data_option = click.option("--data", type=click.Path(path_type=Path), help="Folder of the data set's published files.")
space_option = click.option("--space", default="nb201", show_default=True, help="The search space that architectures are of.")
device_option = click.option(
    "--device", default="auto", show_default=True, help="cpu, cuda, cuda:1, …; auto is the GPU where there is one."
)


def say(text: str, as_json: bool, **facts: Any) -> None:
    """Print the text, or, for programs, the facts."""
    click.echo(json.dumps(facts, default=str) if as_json else text)


def checked_name(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """The value, if there is such a recipe or evaluation, or it is a file; looked up only when a plan is made, since torch is slow to load."""
    from robbench_builders.evaluations import EVALUATIONS
    from robbench_builders.recipes import RECIPES

    known = list(RECIPES if option.name == "recipe" else EVALUATIONS)
    if value is not None and value not in known and not value.endswith(".toml"):
        raise click.BadParameter(f"{value!r} is not one of {', '.join(known)}, nor a file that ends in .toml.", context, option)
    return value
