"""Options, arguments, and ways of printing, that commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import click

from robbench.measurements.lookup import Architecture

if TYPE_CHECKING:
    import pandas as pd

Function = Callable[..., Any]
SECONDS_BEFORE_A_BAR = 2
"""Nobody minds waiting so long without a progress bar."""
PACKED: dict[str, Literal["gzip", "bz2", "zip", "xz", "zstd"]] = {".gz": "gzip", ".bz2": "bz2", ".zip": "zip", ".xz": "xz", ".zst": "zstd"}
"""How a CSV file is packed, by the ending of its name."""


def store_option(function: Function) -> Function:
    """--store, or the environment's ROBBENCH_STORE."""
    return click.option(
        "--store",
        envvar="ROBBENCH_STORE",
        show_envvar=True,
        type=click.Path(path_type=Path),
        help="The store to ask; else the embedded one.",
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


interpolate_option = click.option("--interpolate", is_flag=True, help="Allow a level between two measured ones.")
epoch_option = click.option("--epoch", type=int, help="A point of the learning curve, instead of the published result.")
arch_argument = click.argument("arch")
metric_argument = click.argument("metric")


def as_architecture(text: str) -> Architecture:
    """What an argument ARCH means: digits alone are a published index, anything else is an architecture's text."""
    return int(text) if text.isascii() and text.isdigit() else text


def assignments(ctx: click.Context, option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """What an option such as ``--direction params=min`` means when it may be given again: metric → text."""
    malformed = [text for text in given if not all(text.rpartition("=")[::2])]
    if malformed:
        raise click.BadParameter(f"{malformed[0]!r} is not METRIC=…, as in params=min.", ctx, option)
    return {text.rpartition("=")[0]: text.rpartition("=")[2] for text in given}


direction_option = click.option(
    "--direction", "directions", multiple=True, callback=assignments, help="METRIC=max or METRIC=min; may be given again."
)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows, as JSON can say them: null where not measured."""
    return [{str(name): value for name, value in row.items()} for row in frame.astype(object).where(frame.notna(), None).to_dict("records")]


def text_table(frame: pd.DataFrame) -> str:
    """The columns side by side, each as wide as its widest entry; numbers to six digits."""
    columns = [[str(name), *(f"{value:.6g}" if isinstance(value, float) else str(value) for value in frame[name])] for name in frame]
    padded = [[f"{text:<{max(map(len, column))}}" for text in column] for column in columns]
    return "\n".join("  ".join(line).rstrip() for line in zip(*padded, strict=True))


def write_table(frame: pd.DataFrame, path: Path, *, index: bool = False) -> None:
    """Write Parquet where the name ends in .parquet, else CSV, the whole file or nothing; what cannot be written is click's error."""
    from robbench.store.atomic import replacing

    try:
        with replacing(path) as file:
            if path.suffix == ".parquet":
                _write_parquet(frame, file, index)
            else:
                frame.to_csv(file, index=index, compression=PACKED.get(path.suffix))
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error}") from error


def _write_parquet(frame: pd.DataFrame, file: BinaryIO, index: bool) -> None:
    try:
        frame.to_parquet(file, index=index)
    except ImportError as error:
        raise click.UsageError(
            "writing Parquet needs pyarrow: pip install 'robbench[parquet]', or give a name that ends in .csv."
        ) from error
