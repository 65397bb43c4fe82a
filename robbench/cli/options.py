"""Options, arguments and examples that commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from robbench.cli.completion import metric_names
from robbench.cli.tables import checked_out

Function = Callable[..., Any]
SECONDS_BEFORE_A_BAR = 2
"""Nobody minds waiting so long without a progress bar."""
ARCH = "'|nor_conv_3x3~0|+|skip_connect~0|nor_conv_3x3~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_3x3~2|'"
"""An architecture for examples."""
BRING = "import jung2023 path/to/jung2023 --into jung2023.h5"
"""The command that brings published data, for examples that need it."""
TABLE_IMPORTED = (
    "table clean --out clean.csv",
    "import csv clean.csv --into mine.h5 --dataset digits --training standard --citation 'Doe and Roe, 2026' --fraction --rows class",
)
"""Commands that make a store of one's own, for examples that need one."""


def examples(*commands: str, needs: str = "") -> str:
    """An epilog of examples, which the tests run one after the other in a folder of their own.

    Arguments:
        commands: without the name of the program.
        needs: what they need besides the embedded store, such as ``"published data"``.
    """
    return "\n".join([f"\b\nExamples{f', which need {needs}' if needs else ''}:", *(f"  $ robbench {command}" for command in commands)])


def store_option(function: Function) -> Function:
    """--store, or the environment's ROBBENCH_STORE."""
    return click.option(
        "--store",
        envvar="ROBBENCH_STORE",
        show_envvar=True,
        type=click.Path(path_type=Path),
        help="The store to ask; else the embedded one.",
    )(function)


class _OneStore(click.Path):
    """A store's file; the environment names one, whatever letters are in its path."""

    def split_envvar_value(self, rv: str) -> list[str]:
        return [rv]


def stores_option(function: Function) -> Function:
    """--store, as often as there are stores, or the environment's ROBBENCH_STORE."""
    return click.option(
        "--store",
        "stores",
        multiple=True,
        envvar="ROBBENCH_STORE",
        show_envvar=True,
        type=_OneStore(path_type=Path),
        help="The store to ask; else the embedded one.  May be given again, for several stores.",
    )(function)


def dataset_options(function: Function) -> Function:
    """--dataset and --training."""
    for option in (
        click.option("--training", help="The training protocol."),
        click.option("--dataset", help="The dataset; the store's default if left out."),
    ):
        function = option(function)
    return function


def where_options(function: Function) -> Function:
    """--dataset, --training and --seed."""
    return dataset_options(click.option("--seed", type=int, help="One seed; the mean over seeds if left out.")(function))


def json_option(function: Function) -> Function:
    """--json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(function)


def table_options(function: Function) -> Function:
    """--out and --json, of a command that answers with a table."""
    out = click.option(
        "--out",
        type=click.Path(path_type=Path),
        callback=checked_out,
        help="Write the table here: .csv (or .csv.gz), .parquet, .xlsx or .tex, all rows and digits.",
    )
    return out(json_option(function))


interpolate_option = click.option("--interpolate", is_flag=True, help="Allow a level between two measured ones.")
epoch_option = click.option("--epoch", type=int, help="A point of the learning curve, instead of the published result.")
arch_argument = click.argument("arch")
metric_argument = click.argument("metric", shell_complete=metric_names)
metrics_argument = click.argument("metrics", nargs=-1, required=True, shell_complete=metric_names)


def assignments(ctx: click.Context, option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """What an option such as ``--direction params=min`` means when it may be given again: metric → text."""
    malformed = [text for text in given if not all(text.rpartition("=")[::2])]
    if malformed:
        raise click.BadParameter(f"{malformed[0]!r} is not METRIC=…, as in params=min.", ctx, option)
    return {text.rpartition("=")[0]: text.rpartition("=")[2] for text in given}


direction_option = click.option(
    "--direction", "directions", multiple=True, callback=assignments, help="METRIC=max or METRIC=min; may be given again."
)
