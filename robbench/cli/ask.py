"""Asking a store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from robbench.bench import RobBench
from robbench.cli.options import (
    arch_argument,
    as_architecture,
    dataset_options,
    epoch_option,
    interpolate_option,
    json_option,
    metric_argument,
    store_option,
    text_table,
    where_options,
    write_table,
)


@click.command()
@store_option
@json_option
def info(store: Path | None, as_json: bool) -> None:
    """What the store holds."""
    bench = RobBench(store)
    table = bench.metrics()
    if as_json:
        click.echo(
            json.dumps(
                {
                    "store": str(bench.path),
                    "space": bench.space.name,
                    "default_dataset": bench.default_dataset,
                    "metrics": table.to_dict("records"),
                }
            )
        )
        return
    size = bench.path.stat().st_size / 1e6
    click.echo(f"{bench.path}: {len(table)} arrays, {size:.1f} MB, default dataset {bench.default_dataset}")
    click.echo(f"{len(bench.architectures)} architectures of {bench.space.title} in {len(bench.classes)} classes\n")
    click.echo(text_table(table))


@click.command()
@arch_argument
@metric_argument
@store_option
@where_options
@interpolate_option
@epoch_option
@json_option
def query(arch: str, metric: str, store: Path | None, as_json: bool, **options: Any) -> None:
    """One METRIC of one architecture, such as: robbench query ARCH pgd@8/255.

    ARCH is its text, in quotes, or its published index in a store that carries it.
    """
    value = RobBench(store).query(as_architecture(arch), metric, **options)
    plain = value.tolist() if hasattr(value, "tolist") else value
    click.echo(json.dumps({"arch": arch, "metric": metric, "value": plain}) if as_json else value)


@click.command()
@metric_argument
@store_option
@where_options
@interpolate_option
@epoch_option
@click.option("-n", "count", default=10, show_default=True, type=click.IntRange(1), help="How many.")
@json_option
def top(metric: str, store: Path | None, count: int, as_json: bool, **options: Any) -> None:
    """The best architectures by a METRIC."""
    found = RobBench(store).top(metric, count, **options)
    click.echo(json.dumps(found.to_dict("records")) if as_json else text_table(found))


@click.command()
@click.argument("metrics", nargs=-1)
@store_option
@where_options
@interpolate_option
@click.option("--out", type=click.Path(path_type=Path), help="Write here: .parquet (needs pyarrow), else CSV; stdout if left out.")
def table(metrics: tuple[str, ...], store: Path | None, out: Path | None, **options: Any) -> None:
    """One row for each class, one column for each of METRICS (by default all that the dataset has)."""
    found = RobBench(store).table(metrics or None, **options)
    if out is None:
        click.echo(found.to_csv(), nl=False)
        return
    write_table(found, out, index=True)


@click.command()
@arch_argument
@metric_argument
@store_option
@where_options
@interpolate_option
@epoch_option
@json_option
def explain(arch: str, metric: str, store: Path | None, as_json: bool, **options: Any) -> None:
    """Where the METRIC of an architecture comes from: measured, interpolated or derived, by whom and how."""
    found = RobBench(store).explain(as_architecture(arch), metric, **options)._asdict()
    found["value"] = found["value"].tolist() if hasattr(found["value"], "tolist") else found["value"]
    if as_json:
        click.echo(json.dumps(found))
        return
    for field, value in found.items():
        if field not in ("sources", "weights"):  # the formula says these in words
            click.echo(f"{field:<13}{value}")
    for name, provenance in found["sources"].items():
        click.echo(f"from         {name}")
        for field, value in provenance.items():
            click.echo(f"               {field}: {value}")


@click.command()
@arch_argument
@metric_argument
@store_option
@click.option("--level", default=0.9, show_default=True, help="The share of new measurements inside the interval.")
@dataset_options
@json_option
def predict(arch: str, metric: str, store: Path | None, as_json: bool, **options: Any) -> None:
    """What a surrogate expects of one METRIC of an architecture, measured or not, with an interval."""
    found = RobBench(store).predict(as_architecture(arch), metric, **options)
    far = "; far from everything that the surrogate learned from" if found.far else ""
    text = f"{found.mean:g}, {found.level:.0%} of measurements from {found.low:g} to {found.high:g} (predicted{far})"
    click.echo(json.dumps({"arch": arch, "metric": metric, **found._asdict()}) if as_json else text)


COMMANDS = (info, query, top, table, explain, predict)
