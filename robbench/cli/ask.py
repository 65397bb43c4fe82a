"""Asking a store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from robbench.bench import RobBench
from robbench.cli.completion import metric_names
from robbench.cli.options import (
    ARCH,
    arch_argument,
    dataset_options,
    epoch_option,
    examples,
    interpolate_option,
    json_option,
    metric_argument,
    store_option,
    table_options,
    where_options,
)
from robbench.cli.tables import as_measured, present, records, text_table
from robbench.measurements.metrics import level_text, parse


@click.command(epilog=examples("info", "info --json"))
@store_option
@table_options
def info(store: Path | None, **output: Any) -> None:
    """What the store holds, and what each metric is."""
    bench = RobBench(store)
    table = bench.metrics()
    held = {"store": str(bench.path), "space": bench.space.name, "default_dataset": bench.default_dataset, "metrics": records(table)}

    def text() -> str:
        size = bench.path.stat().st_size / 1e6
        return (
            f"{bench.path}: {len(table)} arrays, {size:.1f} MB, default dataset {bench.default_dataset}\n"
            f"{len(bench.architectures)} architectures of {bench.space.title} in {len(bench.classes)} classes\n\n{text_table(table)}"
        )

    present(table, payload=held, text=text, **output)


@click.command(epilog=examples(f"query {ARCH} pgd@16/255", f"query {ARCH} fog@3", f"query {ARCH} pgd@20/255 --interpolate"))
@arch_argument
@metric_argument
@store_option
@where_options
@interpolate_option
@epoch_option
@json_option
def query(arch: str, metric: str, store: Path | None, as_json: bool, **options: Any) -> None:
    """One METRIC of one architecture, as it was measured.

    ARCH is its text, in quotes, or its published index in a store that carries it.  METRIC is a name, with its level after @: an attack's eps, a
    corruption's severity.
    """
    value = RobBench(store).query(arch, metric, **options)
    plain = value.tolist() if hasattr(value, "tolist") else value
    click.echo(json.dumps({"arch": arch, "metric": metric, "value": plain}) if as_json else _number(value))


@click.command(epilog=examples("top pgd@16/255", "top synflow -n 3", "top clean -n 100 --out best.csv"))
@metric_argument
@store_option
@where_options
@interpolate_option
@epoch_option
@click.option("-n", "count", default=10, show_default=True, type=click.IntRange(1), help="How many.")
@table_options
def top(metric: str, store: Path | None, count: int, out: Path | None, as_json: bool, **options: Any) -> None:
    """The best architectures by a METRIC."""
    found = RobBench(store).top(metric, count, **options)
    present(found, out=out, as_json=as_json, text=lambda: text_table(found))


@click.command(epilog=examples("table clean pgd@16/255 --out table.csv", "table clean kernel_parameters --json"))
@click.argument("metrics", nargs=-1, shell_complete=metric_names)
@store_option
@where_options
@interpolate_option
@table_options
def table(metrics: tuple[str, ...], store: Path | None, out: Path | None, as_json: bool, **options: Any) -> None:
    """One row for each class, one column for each of METRICS (by default all that the dataset has): CSV, unless --out or --json says otherwise."""
    found = RobBench(store).table(metrics or None, **options).reset_index()
    present(found, out=out, as_json=as_json, text=lambda: found.to_csv(index=False).rstrip("\n"))


@click.command(epilog=examples(f"explain {ARCH} worst_case@16/255", f"explain {ARCH} mean_corruption --json"))
@arch_argument
@metric_argument
@store_option
@where_options
@interpolate_option
@epoch_option
@json_option
def explain(arch: str, metric: str, store: Path | None, as_json: bool, **options: Any) -> None:
    """Where the METRIC of an architecture comes from: measured, interpolated or derived, by whom and how."""
    found = RobBench(store).explain(arch, metric, **options)._asdict()
    if as_json:
        found["value"] = found["value"].tolist() if hasattr(found["value"], "tolist") else found["value"]
        click.echo(json.dumps(found))
        return
    for field, value in found.items():
        if field not in ("sources", "weights"):  # the formula says these in words
            click.echo(f"{field:<13}{_number(value) if field == 'value' else value}")
    for name, provenance in found["sources"].items():
        click.echo(f"from         {name}")
        for field, value in provenance.items():
            click.echo(f"               {field}: {value}")


@click.command(epilog=examples(f"predict {ARCH} pgd@12/255"))
@arch_argument
@metric_argument
@store_option
@click.option("--level", default=0.9, show_default=True, help="The share of new measurements inside the interval.")
@dataset_options
@json_option
def predict(arch: str, metric: str, store: Path | None, as_json: bool, **options: Any) -> None:
    """What a surrogate expects of one METRIC of an architecture, measured or not, with an interval.

    A surrogate of a whole curve (robbench fit --target pgd) predicts any level from the smallest to the greatest that it learned.
    """
    found = RobBench(store).predict(arch, metric, **options)
    far = "; far from everything that the surrogate learned from" if found.far else ""
    learned = [level_text(parse(metric).name, level) for level in found.between or ()]
    between = f" between {' and '.join(learned)}" if learned else ""
    text = f"{found.mean:g}, {found.level:.0%} of measurements from {found.low:g} to {found.high:g} (predicted{between}{far})"
    click.echo(json.dumps({"arch": arch, "metric": metric, **found._asdict()}) if as_json else text)


def _number(value: Any) -> str:
    return as_measured(value) if isinstance(value, float) else str(value)


COMMANDS = (info, query, top, table, explain, predict)
