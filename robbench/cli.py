"""The `robbench` command: each subcommand is a few lines over the library.

Exit status: 0 fine; 1 the data has no answer, or is not what it should be; 2 wrong usage.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from robbench import __version__
from robbench.bench import RobBench
from robbench.errors import RobBenchError
from robbench.lookup import Architecture
from robbench.sources import SOURCES, Report, import_source
from robbench.spaces import nb201
from robbench.spaces.drawing import drawing
from robbench.spaces.identity import canonical_form, class_key, class_partition, twin_key, twin_partition
from robbench.store import verify as verify_store
from robbench.surrogates import fit as fit_surrogate

if TYPE_CHECKING:
    import pandas as pd


class _Group(click.Group):
    """Turns the library's errors into one line on stderr and exit status 1; takes in the commands of packages that stand on robbench."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *(point.name for point in entry_points(group="robbench.commands"))})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        for point in entry_points(group="robbench.commands", name=name):
            return cast(click.Command, point.load())
        return super().get_command(ctx, name)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RobBenchError as error:
            raise click.ClickException(f"{type(error).__name__}: {error}") from error


@click.group(cls=_Group)
@click.version_option(__version__, prog_name="robbench")
def main() -> None:
    """The robustness of neural architectures: ask, rank, explain."""


def _store(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--store",
        envvar="ROBBENCH_STORE",
        show_envvar=True,
        type=click.Path(path_type=Path),
        help="The store to ask; else the embedded one.",
    )(function)


def _where(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--seed", type=int, help="One seed; the mean over seeds if left out."),
        click.option("--training", help="The training protocol."),
        click.option("--dataset", help="The dataset; the store's default if left out."),
    ):
        function = option(function)
    return function


def _json(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(function)


_arch = click.argument("arch")
_metric = click.argument("metric")


@main.command("import")
@click.argument("source", type=click.Choice(list(SOURCES)))
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--into", required=True, type=click.Path(path_type=Path), help="The store to make or extend.")
@click.option("--training", help="Put the data under this training protocol's name.")
def import_(source: str, path: Path, into: Path, training: str | None) -> None:
    """Read the published files of SOURCE at PATH into a store: all of them, or nothing."""
    report = import_source(source, path, into, training=training, progress=True)
    click.echo(_summary(report, into))


@main.command()
@_store
@_json
def info(store: Path | None, as_json: bool) -> None:
    """What the store holds."""
    bench = RobBench(store)
    table = bench.metrics()
    if as_json:
        click.echo(json.dumps({"store": str(bench.path), "default_dataset": bench.default_dataset, "metrics": table.to_dict("records")}))
        return
    click.echo(f"{bench.path}: {len(table)} arrays, {bench.path.stat().st_size / 1e6:.1f} MB, default dataset {bench.default_dataset}\n")
    click.echo(_text(table))


@main.command()
@_arch
@_metric
@_store
@_where
@click.option("--interpolate", is_flag=True, help="Allow a level between two measured ones.")
@_json
def query(arch: str, metric: str, store: Path | None, as_json: bool, **options: Any) -> None:
    """One METRIC of one architecture, such as: robbench query 3456 pgd@1/255."""
    value = RobBench(store).query(_architecture(arch), metric, **options)
    plain = value.tolist() if hasattr(value, "tolist") else value
    click.echo(json.dumps({"arch": arch, "metric": metric, "value": plain}) if as_json else value)


@main.command()
@_metric
@_store
@_where
@click.option("-n", "count", default=10, show_default=True, type=click.IntRange(1), help="How many.")
@_json
def top(metric: str, store: Path | None, count: int, as_json: bool, **options: Any) -> None:
    """The best architectures by a METRIC."""
    found = RobBench(store).top(metric, count, **options)
    click.echo(json.dumps(found.to_dict("records")) if as_json else _text(found))


@main.command()
@click.argument("metrics", nargs=-1)
@_store
@_where
@click.option("--out", type=click.Path(path_type=Path), help="Write here: .parquet (needs pyarrow), else CSV; stdout if left out.")
def table(metrics: tuple[str, ...], store: Path | None, out: Path | None, **options: Any) -> None:
    """One row for each class, one column for each of METRICS (by default all that the dataset has)."""
    found = RobBench(store).table(metrics=metrics or None, **options)
    if out is None:
        click.echo(found.to_csv(), nl=False)
        return
    try:
        if out.suffix == ".parquet":
            _write_parquet(found, out)
        else:
            found.to_csv(out)
    except OSError as error:
        raise click.ClickException(f"{out} cannot be written: {error}") from error


@main.command()
@_arch
@_metric
@_store
@_where
@click.option("--interpolate", is_flag=True, help="Allow a level between two measured ones.")
@_json
def explain(arch: str, metric: str, store: Path | None, as_json: bool, **options: Any) -> None:
    """Where the METRIC of an architecture comes from: measured, interpolated or derived, by whom and how."""
    found = RobBench(store).explain(_architecture(arch), metric, **options)._asdict()
    found["value"] = found["value"].tolist() if hasattr(found["value"], "tolist") else found["value"]
    if as_json:
        click.echo(json.dumps(found))
        return
    for field, value in found.items():
        if field != "sources":
            click.echo(f"{field:<13}{value}")
    for name, provenance in found["sources"].items():
        click.echo(f"from         {name}")
        for field, value in provenance.items():
            click.echo(f"               {field}: {value}")


@main.command()
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


@main.command()
@_arch
@_metric
@_store
@click.option("--level", default=0.9, show_default=True, help="The share of new measurements inside the interval.")
@click.option("--dataset", help="The dataset; the store's default if left out.")
@click.option("--training", help="The training protocol.")
@_json
def predict(arch: str, metric: str, store: Path | None, as_json: bool, **options: Any) -> None:
    """What a surrogate expects of one METRIC of an architecture, measured or not, with an interval."""
    found = RobBench(store).predict(_architecture(arch), metric, **options)
    text = f"{found.mean:g}, {found.level:.0%} of measurements from {found.low:g} to {found.high:g} (predicted)"
    click.echo(json.dumps({"arch": arch, "metric": metric, **found._asdict()}) if as_json else text)


@main.command()
@click.argument("store", type=click.Path(path_type=Path))
def verify(store: Path) -> None:
    """Read every byte of STORE and compare it with its manifest."""
    click.echo(f"{store}: {verify_store(store)} datasets, all as they were written")


@main.command()
@_arch
@_store
@_json
def cell(arch: str, store: Path | None, as_json: bool) -> None:
    """An architecture drawn in text, with its keys, its representative, and its functional twins."""
    bench = RobBench(store)
    found = bench.cell(_architecture(arch))
    position = nb201.position(found)
    classes, twins = class_partition(), twin_partition()
    group = classes.group[position]
    twin_classes = {classes.group[other] for other, twin in enumerate(twins.group) if twin == twins.group[position]} - {group}
    facts = {
        "arch": str(found),
        "published index": bench.published_index(found),
        "class key": class_key(found),
        "twin key": twin_key(found),
        "form": canonical_form(found),
        "cells of the class": classes.group.count(group),
        "representative": str(bench.classes[group]),
        "twins": [str(bench.classes[other]) for other in sorted(twin_classes)],
        "kernel parameters": found.kernel_parameters,
        "depends on input": found.depends_on_input,
        "naslib": str(found.to_naslib()),
    }
    if as_json:
        click.echo(json.dumps(facts))
        return
    click.echo(drawing(found) + "\n")
    for field, value in facts.items():
        shown = value if not isinstance(value, list) else "\n".join(value).replace("\n", "\n" + " " * 20) or "none"
        click.echo(f"{field:<20}{'unknown without a store that carries it' if value is None else shown}")


def _architecture(text: str) -> Architecture:
    return int(text) if text.isascii() and text.isdigit() else text


def _text(frame: pd.DataFrame) -> str:
    columns = [[str(name), *(f"{value:.6g}" if isinstance(value, float) else str(value) for value in frame[name])] for name in frame]
    padded = [[f"{text:<{max(map(len, column))}}" for text in column] for column in columns]
    return "\n".join("  ".join(line).rstrip() for line in zip(*padded, strict=True))


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    try:
        frame.to_parquet(path)
    except ImportError as error:
        raise click.UsageError(
            "writing Parquet needs pyarrow: pip install 'robbench[parquet]', or give a name that ends in .csv."
        ) from error


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
