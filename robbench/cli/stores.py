"""Making, extending and checking a store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from robbench.bench import RobBench
from robbench.sources import SOURCES, Report, import_source
from robbench.store import verify as verify_store
from robbench.surrogates import fit as fit_surrogate


@click.command("import")
@click.argument("source", type=click.Choice(list(SOURCES)))
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--into", required=True, type=click.Path(path_type=Path), help="The store to make or extend.")
@click.option("--training", help="Put the data under this training protocol's name.")
def import_(source: str, path: Path, into: Path, training: str | None) -> None:
    """Read the published files of SOURCE at PATH into a store: all of them, or nothing."""
    report = import_source(source, path, into, training=training, progress=True)
    click.echo(_summary(report, into))


@click.command()
@click.argument("store", type=click.Path(path_type=Path))
@click.option("--target", "targets", multiple=True, required=True, help="A metric, or several joined by '+'; may be given again.")
@click.option("--model", default="blend", show_default=True, help="forest, boosting, networks, or blend.")
@click.option("--features", default="structure", show_default=True, help="Feature sets, joined by '+'.")
@click.option("--dataset", help="The dataset; the store's default if left out.")
@click.option("--training", help="The training protocol.")
@click.option("--seed", default=0, show_default=True, help="Of the split and of the model.")
def fit(store: Path, targets: tuple[str, ...], **options: Any) -> None:
    """Fit a surrogate to each target, and put it into STORE."""
    for target in targets:
        surrogate = fit_surrogate(RobBench(store), target, **options)
        surrogate.save(store)
        for output, found in surrogate.about.scores.items():
            click.echo(f"{output}: R² {found['r2']:.3f}, Kendall τ {found['kendall']:.3f} on {found['n']} architectures it has not seen")


@click.command()
@click.argument("store", type=click.Path(path_type=Path))
def verify(store: Path) -> None:
    """Read every byte of STORE and compare it with its manifest."""
    click.echo(f"{store}: {verify_store(store)} datasets, all as they were written")


def _summary(report: Report, into: Path) -> str:
    changes = report.changes
    lines = [f"{into}: {len(changes.added)} arrays added, {len(changes.filled)} filled, {len(changes.unchanged)} already there"]
    if report.sentinels:
        counts = ", ".join(f"{count} of {metric}" for metric, count in sorted(report.sentinels.items()))
        lines.append(f"published as failed or not measured, kept as missing: {counts}")
    if report.ignored:
        lines.append(f"fields that are not metrics, left out: {', '.join(report.ignored)}")
    if report.absent:
        lines.append(
            f"{len(report.absent)} published files were not there: {', '.join(report.absent[:3])}{', …' if len(report.absent) > 3 else ''}"
        )
    return "\n".join(lines)


COMMANDS = (import_, fit, verify)
