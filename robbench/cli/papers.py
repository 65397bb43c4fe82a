"""The papers' tables beside ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from robbench.bench import RobBench
from robbench.cli.options import BRING, examples, store_option, table_options
from robbench.cli.tables import present, text_table, write_table
from robbench.papers import compare, overview
from robbench.papers import reported as what_papers_report
from robbench.papers.rendering import markdown, markdown_table, readable
from robbench.papers.reported import TABLES

if TYPE_CHECKING:
    import pandas as pd


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


@click.command(epilog=examples("reported trnas", "reported --table ha2023-table4 --out table4.csv"))
@click.argument("architecture", required=False)
@click.option("--table", type=click.Choice(tuple(TABLES)), metavar="TABLE", help=f"Of one table: {', '.join(TABLES)}.")
@table_options
def reported(architecture: str | None, table: str | None, out: Path | None, as_json: bool) -> None:
    """What papers report of architectures that robust NAS found: their numbers, with source and protocol; none is in a store.

    ARCHITECTURE is the paper's name of one, such as trnas; all if left out.
    """
    found = what_papers_report(architecture, table=table)
    present(found, out=out, as_json=as_json, text=lambda: _reported_text(found))


def _reported_text(found: pd.DataFrame) -> str:
    """The numbers, and below them what is the same for many."""
    numbers = [
        name
        for name in ("architecture", "paper", "table", "dataset", "metric", "attacker", "reported", "sd")
        if found[name].astype(bool).any()
    ]
    lines = [text_table(readable(found[numbers].dropna(axis="columns", how="all"))), "", "Protocols:"]
    lines += [f"- {paper}, {table}: {said}" for paper, table, said in found[["paper", "table", "protocol"]].drop_duplicates().to_numpy()]
    about = found[["architecture", "genotype", "remark"]].drop_duplicates().to_numpy()
    lines += [
        "",
        "Genotypes:",
        *(f"- {name}: {'; '.join(filter(None, (genotype, remark)))}" for name, genotype, remark in about if genotype or remark),
    ]
    return "\n".join(lines)


COMMANDS = (papers, reported)
