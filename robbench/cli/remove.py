"""Taking measurements out of a store."""

from __future__ import annotations

import json
from pathlib import Path

import click

from robbench.cli.options import TABLE_IMPORTED, examples, json_option


@click.command(epilog=examples(*TABLE_IMPORTED, "remove mine.h5 digits/standard/clean"))
@click.argument("store", type=click.Path(path_type=Path))
@click.argument("what", metavar="DATASET/TRAINING/METRIC")
@json_option
def remove(store: Path, what: str, as_json: bool) -> None:
    """Take measurements out of STORE.

    A whole DATASET or DATASET/TRAINING is taken, too, and so is one measure, DATASET/TRAINING/METRIC/MEASURE. Surrogates that predict it go with it. The
    store is replaced when the new one is whole.
    """
    from robbench.store.removal import remove as remove_from

    found = remove_from(store, what)
    arrays, surrogates = list(map(str, found.arrays)), ["/".join(one) for one in found.surrogates]
    if as_json:
        click.echo(json.dumps({"arrays": arrays, "surrogates": surrogates}))
        return
    click.echo(f"{store}: {len(arrays)} arrays and {len(surrogates)} surrogates taken out")
    click.echo("\n".join(f"  {one}" for one in [*arrays, *surrogates]))


COMMANDS = (remove,)
