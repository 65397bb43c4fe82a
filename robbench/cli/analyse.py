"""Comparing metrics, and architectures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robbench import analysis
from robbench.bench import RobBench
from robbench.cli.completion import metric_names
from robbench.cli.options import (
    ARCH,
    arch_argument,
    assignments,
    dataset_options,
    direction_option,
    examples,
    interpolate_option,
    metric_argument,
    metrics_argument,
    store_option,
    table_options,
    where_options,
)
from robbench.cli.tables import present, records, text_table
from robbench.measurements.directions import SIGNS, directions_of, spelled

if TYPE_CHECKING:
    import pandas as pd

PAGE = 20


@click.command(epilog=examples("correlate pgd@16/255 synflow nwot --resamples 100", "correlate clean pgd@16/255 fog@3 --resamples 0"))
@click.argument("target", shell_complete=metric_names)
@metrics_argument
@store_option
@click.option("--resamples", default=1000, show_default=True, type=click.IntRange(0), help="Of the bootstrap; 0 for no intervals.")
@click.option("--seed", default=0, show_default=True, help="Of the bootstrap.")
@dataset_options
@interpolate_option
@table_options
def correlate(target: str, metrics: tuple[str, ...], store: Path | None, out: Path | None, as_json: bool, **options: Any) -> None:
    """Rank correlations of METRICS with TARGET.

    A metric of which less is better is turned round first: 1 if both always prefer the same architecture.  Intervals are 95%.
    """
    found = RobBench(store).correlate(target, metrics, progress=True, **options)
    present(found, out=out, as_json=as_json, text=lambda: _correlations(found, target, bool(options["resamples"])))


def _correlations(found: pd.DataFrame, target: str, intervals: bool) -> str:
    shown = found[["metric", "better", "rows", "n"]].copy()
    for name, title in (("kendall", "Kendall τ"), ("spearman", "Spearman ρ")):
        shown[title] = [f"{value:.3f}" for value in found[name]]
        if intervals:
            ends = zip(found[f"{name}_low"], found[f"{name}_high"], strict=True)
            shown[f"95% of {title[-1]}"] = [f"{low:.3f} to {high:.3f}" for low, high in ends]
    return f"with {target} ({found['target_better'][0]} is better):\n\n{text_table(shown)}"


@click.command(
    epilog=examples(
        "pareto clean pgd@16/255",
        "pareto clean pgd@16/255 kernel_parameters --direction kernel_parameters=min",
        "pareto clean pgd@16/255 --reference clean=0.9 --reference pgd@16/255=0",
    )
)
@metrics_argument
@store_option
@where_options
@interpolate_option
@direction_option
@click.option(
    "--reference", "reference", multiple=True, callback=assignments, help="METRIC=VALUE for every metric: print the hypervolume as well."
)
@table_options
def pareto(
    metrics: tuple[str, ...],
    store: Path | None,
    directions: dict[str, str],
    reference: dict[str, str],
    out: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """The architectures that none beats in all METRICS at once."""
    towards = directions_of(metrics, directions)
    front = RobBench(store).pareto(metrics, directions=directions, **options)
    volume = _hypervolume(front, towards, reference) if reference else None
    payload = {"directions": towards, "front": records(front), "hypervolume": volume}
    measured = "" if volume is None else f"\n\nhypervolume {volume:.6g}"
    present(front, out=out, as_json=as_json, payload=payload, text=lambda: text_table(front) + measured)


def _hypervolume(front: pd.DataFrame, towards: dict[str, str], reference: dict[str, str]) -> float:
    given = _numbers(reference, "--reference")
    if given.keys() != towards.keys():
        raise click.BadParameter(
            f"it is for {', '.join(given)}; expected one number for each of {', '.join(towards)}.", param_hint="--reference"
        )
    return analysis.hypervolume(front[list(towards)].to_numpy(), [given[name] for name in towards], list(towards.values()))


@click.command(
    epilog=examples("best pgd@16/255 --at-most kernel_parameters=20", "best pgd@16/255 --at-least clean=0.95 --at-least fog@3=0.8 -n 3")
)
@metric_argument
@store_option
@where_options
@interpolate_option
@click.option("--at-least", "least", multiple=True, callback=assignments, help="METRIC=VALUE that must be reached; may be given again.")
@click.option("--at-most", "most", multiple=True, callback=assignments, help="METRIC=VALUE that must be kept to; may be given again.")
@click.option("--direction", type=click.Choice(list(SIGNS)), help="Which way METRIC is better.")
@click.option("-n", "n", default=10, show_default=True, type=click.IntRange(1), help="How many.")
@table_options
def best(
    metric: str, store: Path | None, least: dict[str, str], most: dict[str, str], out: Path | None, as_json: bool, **options: Any
) -> None:
    """The best architectures by a METRIC under constraints."""
    lowest, highest = _numbers(least, "--at-least"), _numbers(most, "--at-most")
    constraints = {name: (lowest.get(name), highest.get(name)) for name in lowest | highest}
    found = RobBench(store).best(metric, constraints, **options)
    present(found, out=out, as_json=as_json, text=lambda: text_table(found) if len(found) else "no architecture keeps all constraints")


def _numbers(given: dict[str, str], option: str) -> dict[str, float]:
    """What an option of metrics and numbers was given, by the one spelling of each metric."""
    try:
        return {spelled(metric): float(value) for metric, value in given.items()}
    except ValueError as error:
        raise click.BadParameter(f"{error}; expected METRIC=NUMBER.", param_hint=option) from error


@click.command(epilog=examples("anomalies", "anomalies --counts", "anomalies --threshold 3 --out anomalies.csv"))
@store_option
@where_options
@click.option("--images", type=click.IntRange(1), help="That accuracies are of; what the store says of each if left out.")
@click.option("--threshold", default=analysis.THRESHOLD, show_default=True, help="From how many standard errors on an excess counts.")
@click.option("--counts", is_flag=True, help="How many architectures each comparison finds, in place of which.")
@click.option("-n", "count", default=PAGE, show_default=True, type=click.IntRange(1), help="How many to print; --out and --json give all.")
@table_options
def anomalies(store: Path | None, counts: bool, count: int, out: Path | None, as_json: bool, **options: Any) -> None:
    """Accuracies above others that they should not exceed: signs of gradient masking, or of a broken measurement."""
    found = RobBench(store).anomalies(counts=counts, **options)
    present(found, out=out, as_json=as_json, text=lambda: _page(found, len(found) if counts else count))


def _page(found: pd.DataFrame, count: int) -> str:
    """So many findings, and how to see the others."""
    if found.empty:
        return "nothing is above what it should not exceed"
    more = len(found) - count
    rest = f"\n\nand {more} more: -n {len(found)} prints all, --out FILE writes them, --counts says how many of what" if more > 0 else ""
    return text_table(found.head(count)) + rest


@click.command(epilog=examples(f"neighbors {ARCH} pgd@16/255"))
@arch_argument
@metric_argument
@store_option
@where_options
@interpolate_option
@table_options
def neighbors(arch: str, metric: str, store: Path | None, out: Path | None, as_json: bool, **options: Any) -> None:
    """What each change of a single choice does to a METRIC of an architecture."""
    found = RobBench(store).neighbors(arch, metric, **options)
    present(found, out=out, as_json=as_json, text=lambda: _neighbors(found))


def _neighbors(found: pd.DataFrame) -> str:
    shown = found.sort_values("difference", ascending=False, kind="stable")
    shown["difference"] = [f"{value:+.6g}" for value in shown["difference"]]
    shown["same_class"] = ["yes" if same else "" for same in shown["same_class"]]
    return text_table(shown[[*(column for column in shown if column != "arch"), "arch"]])  # the text of an architecture is long


@click.command(epilog=examples("importance clean --features operations --by impurity"))
@metrics_argument
@store_option
@click.option("--features", default="structure", show_default=True, help="Feature sets, joined by '+'.")
@click.option("--by", default="permutation", show_default=True, type=click.Choice(["permutation", "impurity"]), help="What importance is.")
@click.option("--split", default="twin", show_default=True, type=click.Choice(["twin", "random"]), help="random: as papers split.")
@click.option("--without", multiple=True, help="A feature that is left out; may be given again.")
@dataset_options
@table_options
def importance(metrics: tuple[str, ...], store: Path | None, by: str, out: Path | None, as_json: bool, **options: Any) -> None:
    """What features are worth to a forest that predicts METRICS, of several together.  Needs scikit-learn."""
    found = RobBench(store).importance(metrics, columns=[by], progress=True, **options).reset_index()
    present(found, out=out, as_json=as_json, text=lambda: text_table(found))


COMMANDS = (correlate, pareto, best, neighbors, anomalies, importance)
