"""Comparing metrics, and architectures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robbench import analysis
from robbench.bench import RobBench
from robbench.cli.options import (
    arch_argument,
    as_architecture,
    assignments,
    dataset_options,
    direction_option,
    interpolate_option,
    json_option,
    metric_argument,
    records,
    store_option,
    text_table,
    where_options,
)
from robbench.measurements.directions import SIGNS, directions_of, spelled

if TYPE_CHECKING:
    import pandas as pd


@click.command()
@click.argument("target")
@click.argument("metrics", nargs=-1, required=True)
@store_option
@click.option("--resamples", default=1000, show_default=True, type=click.IntRange(0), help="Of the bootstrap; 0 for no intervals.")
@click.option("--seed", default=0, show_default=True, help="Of the bootstrap.")
@dataset_options
@json_option
def correlate(target: str, metrics: tuple[str, ...], store: Path | None, as_json: bool, **options: Any) -> None:
    """Rank correlations of METRICS with TARGET, such as: robbench correlate pgd@8/255 synflow nwot params.

    A metric of which less is better is turned round first: 1 if both always prefer the same architecture.  Intervals are 95%.
    """
    found = analysis.correlations(RobBench(store), target, metrics, progress=True, **options)
    if as_json:
        click.echo(json.dumps(records(found)))
        return
    shown = found[["metric", "better", "rows", "n"]].copy()
    for name, title in (("kendall", "Kendall τ"), ("spearman", "Spearman ρ")):
        shown[title] = [f"{value:.3f}" for value in found[name]]
        if options["resamples"]:
            ends = zip(found[f"{name}_low"], found[f"{name}_high"], strict=True)
            shown[f"95% of {title[-1]}"] = [f"{low:.3f} to {high:.3f}" for low, high in ends]
    click.echo(f"with {target} ({found['target_better'][0]} is better):\n\n{text_table(shown)}")


@click.command()
@click.argument("metrics", nargs=-1, required=True)
@store_option
@where_options
@interpolate_option
@direction_option
@click.option(
    "--reference", "reference", multiple=True, callback=assignments, help="METRIC=VALUE for every metric: print the hypervolume as well."
)
@json_option
def pareto(
    metrics: tuple[str, ...], store: Path | None, directions: dict[str, str], reference: dict[str, str], as_json: bool, **options: Any
) -> None:
    """The architectures that none beats in all METRICS at once, such as: robbench pareto clean pgd@8/255 params --direction params=min."""
    towards = directions_of(metrics, directions)
    front = analysis.pareto_front(RobBench(store), metrics, directions=directions, **options)
    volume = _hypervolume(front, towards, reference) if reference else None
    if as_json:
        click.echo(json.dumps({"directions": towards, "front": records(front), "hypervolume": volume}))
        return
    click.echo(text_table(front))
    if volume is not None:
        click.echo(f"\nhypervolume {volume:.6g}")


def _hypervolume(front: pd.DataFrame, towards: dict[str, str], reference: dict[str, str]) -> float:
    given = _numbers(reference, "--reference")
    if given.keys() != towards.keys():
        raise click.BadParameter(
            f"it is for {', '.join(given)}; expected one number for each of {', '.join(towards)}.", param_hint="--reference"
        )
    return analysis.hypervolume(front[list(towards)].to_numpy(), [given[name] for name in towards], list(towards.values()))


@click.command()
@metric_argument
@store_option
@where_options
@interpolate_option
@click.option("--at-least", "least", multiple=True, callback=assignments, help="METRIC=VALUE that must be reached; may be given again.")
@click.option("--at-most", "most", multiple=True, callback=assignments, help="METRIC=VALUE that must be kept to; may be given again.")
@click.option("--direction", type=click.Choice(list(SIGNS)), help="Which way METRIC is better.")
@click.option("-n", "n", default=10, show_default=True, type=click.IntRange(1), help="How many.")
@json_option
def best(metric: str, store: Path | None, least: dict[str, str], most: dict[str, str], as_json: bool, **options: Any) -> None:
    """The best architectures by a METRIC under constraints, such as: robbench best pgd@8/255 --at-most kernel_parameters=20."""
    lowest, highest = _numbers(least, "--at-least"), _numbers(most, "--at-most")
    constraints = {name: (lowest.get(name), highest.get(name)) for name in lowest | highest}
    found = analysis.best(RobBench(store), metric, constraints, **options)
    if as_json:
        click.echo(json.dumps(records(found)))
        return
    click.echo(text_table(found) if len(found) else "no architecture keeps all constraints")


def _numbers(given: dict[str, str], option: str) -> dict[str, float]:
    """What an option of metrics and numbers was given, by the one spelling of each metric."""
    try:
        return {spelled(metric): float(value) for metric, value in given.items()}
    except ValueError as error:
        raise click.BadParameter(f"{error}; expected METRIC=NUMBER.", param_hint=option) from error


@click.command()
@store_option
@where_options
@click.option("--images", type=click.IntRange(1), help="That accuracies are of; what the store says of each if left out.")
@click.option("--threshold", default=analysis.THRESHOLD, show_default=True, help="From how many standard errors on an excess counts.")
@click.option("--counts", is_flag=True, help="How many architectures each comparison finds, in place of which.")
@json_option
def anomalies(store: Path | None, counts: bool, as_json: bool, **options: Any) -> None:
    """Accuracies above others that they should not exceed: signs of gradient masking, or of a broken measurement."""
    found = (analysis.anomaly_counts if counts else analysis.anomalies)(RobBench(store), **options)
    if as_json:
        # An excess between accuracies of exactly 0 or 1 is infinitely many errors, which JSON cannot say.
        click.echo(json.dumps(records(found.replace(float("inf"), float("nan")))))
        return
    click.echo(text_table(found) if len(found) else "nothing is above what it should not exceed")


@click.command()
@arch_argument
@metric_argument
@store_option
@where_options
@interpolate_option
@json_option
def neighbors(arch: str, metric: str, store: Path | None, as_json: bool, **options: Any) -> None:
    """What each change of a single choice does to a METRIC of an architecture, such as: robbench neighbors ARCH pgd@8/255."""
    found = analysis.neighbors(RobBench(store), as_architecture(arch), metric, **options)
    if as_json:
        click.echo(json.dumps(records(found)))
        return
    shown = found.sort_values("difference", ascending=False, kind="stable")
    shown["difference"] = [f"{value:+.6g}" for value in shown["difference"]]
    shown["same_class"] = ["yes" if same else "" for same in shown["same_class"]]
    click.echo(text_table(shown[[*(column for column in shown if column != "arch"), "arch"]]))  # the text of an architecture is long


COMMANDS = (correlate, pareto, best, neighbors, anomalies)
