"""The explorer, as a file."""

from __future__ import annotations

import json
from pathlib import Path

import click

from robbench.bench import RobBench
from robbench.cli.options import examples, json_option
from robbench.explore.page import check_place

MEGABYTE = 10**6


@click.command(epilog=examples("explore --out explore.html"))
@click.argument("store", required=False, envvar="ROBBENCH_STORE", type=click.Path(path_type=Path))
@click.option("--out", default="explore.html", show_default=True, type=click.Path(path_type=Path), help="The file to write.")
@click.option("--dataset", "datasets", multiple=True, help="A dataset to show; may be given again.  All of the store's if left out.")
@json_option
def explore(store: Path | None, out: Path, datasets: tuple[str, ...], as_json: bool) -> None:
    """Write an explorer of a STORE: one HTML file, to be opened in any browser, without a server or a network.

    STORE is ROBBENCH_STORE if left out, or else the embedded one.
    """
    check_place(out)
    bench = RobBench(store)
    try:
        written = bench.explore(out, datasets=datasets or None, progress=True)
    except OSError as error:
        raise click.ClickException(f"{out} cannot be written: {error}") from error
    if as_json:
        click.echo(json.dumps({"store": str(bench.path), **written._asdict(), "out": str(out)}))
        return
    size = f"{written.bytes / MEGABYTE:.1f} MB"
    click.echo(f"{out}: {written.architectures} architectures, {written.metrics} metrics, {size}.  Open it in a browser.")


COMMANDS = (explore,)
