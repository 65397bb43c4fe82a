"""The papers' tables beside ours."""

from __future__ import annotations

import json
from pathlib import Path

import click

from robbench.bench import RobBench
from robbench.cli.options import BRING, examples, store_option, table_options
from robbench.cli.tables import text_table, write_table
from robbench.papers import compare, overview
from robbench.papers.rendering import markdown, markdown_table, readable


@click.command(epilog=examples(BRING, "papers --store jung2023.h5", "papers jung2023-best --store jung2023.h5", needs="published data"))
@click.argument("name", required=False)
@store_option
@click.option("--runs", type=int, help="How often what is random is repeated; as often as in the paper if left out.")
@click.option("--seed", default=0, show_default=True, help="Of the first run.")
@click.option("--workers", default=1, show_default=True, help="Processes that repeated searches are spread over.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown.")
@table_options
def papers(
    name: str | None, store: Path | None, runs: int | None, seed: int, workers: int, as_markdown: bool, out: Path | None, as_json: bool
) -> None:
    """What a paper reports beside what the store gives.  Without NAME: which there are."""
    if as_markdown and as_json:
        raise click.UsageError("--markdown and --json are two ways of printing; give one of them.")
    bench = RobBench(store)
    if name is None:
        table = overview(bench)
        if out is not None:
            write_table(table, out)
        if as_json:
            click.echo(table.to_json(orient="records", force_ascii=False))
        elif as_markdown:
            click.echo("\n".join(markdown_table(table)))
        elif out is None:
            answered = ["no" if lacks else "yes" for lacks in table["lacks"]]
            click.echo(text_table(table[["name", "paper", "shows"]].assign(answered=answered)) + "\n")
            for entry, lacks in zip(table["name"], table["lacks"], strict=True):
                if lacks:
                    click.echo(f"{entry} lacks {lacks}")
        return
    found = compare(name, bench, runs=runs, seed=seed, workers=workers, progress=True)
    if out is not None:
        write_table(found.table, out)
    if as_json:
        records = json.loads(found.table.to_json(orient="records"))
        click.echo(json.dumps({**found._asdict(), "table": records}, ensure_ascii=False))
    elif as_markdown:
        click.echo(markdown(found), nl=False)
    elif out is None:
        click.echo(f"{found.paper}\n{found.shows}\n\n{text_table(readable(found.table))}\n\nWhat differs:")
        click.echo("\n".join(f"- {sentence}" for sentence in found.differs))


COMMANDS = (papers,)
