"""Getting published files."""

from __future__ import annotations

import json
from pathlib import Path

import click

from robbench.cli.options import examples, json_option
from robbench.cli.stores import imported, outcome_records, refuse_if_any
from robbench.commands import command
from robbench.sources import SOURCES
from robbench.sources.published import PUBLISHED, File, Published

LIST = "list"


@click.command(epilog=examples("fetch list"))
@click.argument("names", nargs=-1, required=True, metavar="list | all | NAME…")
@click.option(
    "--cache",
    type=click.Path(path_type=Path),
    envvar="ROBBENCH_CACHE",
    show_envvar=True,
    help="The folder to keep files in; the system's if left out.",
)
@click.option("--into", type=click.Path(path_type=Path), help="Import what is fetched into this store, too.")
@json_option
def fetch(names: tuple[str, ...], cache: Path | None, into: Path | None, as_json: bool) -> None:
    """Published files, from their authors into a cache.

    Each is compared with its known checksum, or recorded where none is known. What is there is not fetched again, and what was cut goes on. Of a file that
    does not come, you are told where to get it by hand, and where to put it. `robbench fetch list` says what there is.
    """
    from robbench.sources.fetching import Failed, cache_folder, chosen, fetch_each

    if names == (LIST,):
        click.echo(json.dumps(_listed(PUBLISHED)) if as_json else "\n\n".join(_said(name, one) for name, one in PUBLISHED.items()))
        return
    wanted, folder = chosen(names), cache_folder(cache)
    if not as_json:
        click.echo("\n\n".join(_said(name, one) for name, one in wanted.items()) + f"\n\nThey go into {folder}\n")
    found = []
    for one in fetch_each(names, cache=folder, progress=True):
        found.append(one)
        if not as_json:
            click.echo(one)
    failed = [one for one in found if isinstance(one, Failed)]
    outcomes = None
    if into is not None and len(failed) < len(found):
        outcomes = imported(folder, into, [name for name in wanted if name in SOURCES], quiet=as_json)
    if as_json:
        came = [one._asdict() for one in found if not isinstance(one, Failed)]
        said = {"cache": folder, "fetched": came, "failed": [one._asdict() for one in failed]}
        click.echo(json.dumps({**said, "import": None if outcomes is None else outcome_records(outcomes)}, default=str))
    if failed:
        raise click.ClickException(
            f"{len(failed)} of {len(found)} files did not come; get them by hand as it says above, and run this again."
        )
    refuse_if_any(folder, outcomes or ())
    if into is None and not as_json:
        click.echo(f"\nall there; next: {command('import', folder, '--into', 'everything.h5')}")


def _said(name: str, published: Published) -> str:
    """A source with its files, as text."""
    lines = [f"{name}: {published.about}{' (only by name)' if published.named_only else ''}"]
    lines += [f"  cite     {published.citation}", f"  licence  {published.licence}"]
    lines += [
        f"  file     {file.name}: {_size(file)}; {file.checksum or 'no checksum is known: recorded when it first comes'}"
        for file in published.files
    ]
    return "\n".join(lines)


def _size(file: File) -> str:
    return "size not known" if file.size is None else f"{file.size / 1e6:.1f} MB"


def _listed(published: dict[str, Published]) -> list[dict[str, object]]:
    return [
        {
            "name": name,
            "about": one.about,
            "citation": one.citation,
            "licence": one.licence,
            "files": [
                {"name": file.name, "size": file.size, "checksum": file.checksum or None, "by_hand": file.by_hand} for file in one.files
            ],
        }
        for name, one in published.items()
    ]


COMMANDS = (fetch,)
