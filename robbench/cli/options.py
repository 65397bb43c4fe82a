"""Options, arguments and ways of printing that commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robbench.lookup import Architecture

if TYPE_CHECKING:
    import pandas as pd


def store_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--store",
        envvar="ROBBENCH_STORE",
        show_envvar=True,
        type=click.Path(path_type=Path),
        help="The store to ask; else the embedded one.",
    )(function)


def where_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--seed", type=int, help="One seed; the mean over seeds if left out."),
        click.option("--training", help="The training protocol."),
        click.option("--dataset", help="The dataset; the store's default if left out."),
    ):
        function = option(function)
    return function


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(function)


interpolate_option = click.option("--interpolate", is_flag=True, help="Allow a level between two measured ones.")
arch_argument = click.argument("arch")
metric_argument = click.argument("metric")


def architecture(text: str) -> Architecture:
    return int(text) if text.isascii() and text.isdigit() else text


def text_table(frame: pd.DataFrame) -> str:
    columns = [[str(name), *(f"{value:.6g}" if isinstance(value, float) else str(value) for value in frame[name])] for name in frame]
    padded = [[f"{text:<{max(map(len, column))}}" for text in column] for column in columns]
    return "\n".join("  ".join(line).rstrip() for line in zip(*padded, strict=True))
