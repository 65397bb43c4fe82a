"""`robbench build …`: plan, run, status, merge, verify; evaluate and transfer are in `robbench_builders.cli_weights`, search in `robbench_builders.cli_search`.  Each a few lines over the builders."""

from __future__ import annotations

import time
from dataclasses import asdict, fields
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robbench_builders.cli_proxies import proxies
from robbench_builders.cli_search import search
from robbench_builders.cli_weights import evaluate, transfer
from robbench_builders.options import BUILT, checked_name, data_option, device_option, folder_argument, say, space_option
from robbench import RobBench
from robbench.cli.options import examples, json_option
from robbench.commands import command

if TYPE_CHECKING:
    from robbench_builders.log import Event

__all__ = ["build", "proxies"]


@click.group(epilog=examples(*BUILT))
def build() -> None:
    """Measure it yourself: train, attack, store."""
    if find_spec("torch") is None:
        raise click.ClickException("building needs torch: pip install 'robbench[builders]'")


build.add_command(evaluate)
build.add_command(transfer)
build.add_command(search)


@build.command(epilog=examples(BUILT[0], "build status tiny"))
@folder_argument
@space_option
@click.option(
    "--dataset",
    required=True,
    help="digits, cifar10, cifar100, ImageNet16-120, npz:PATH, a name of yours with --data FILE.npz, or a TOML file.",
)
@click.option("--recipe", callback=checked_name, help="How networks are trained: nb201-12, nb201-200, …, or a TOML file.")
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    help="In place of a recipe: a folder of published or kept weights. Its architectures and seeds are those of the plan, unless said.",
)
@click.option("--training", help="What a store calls the training of --weights; published, if left out.")
@click.option("--normalise", help="Of --weights: none, dataset, or MEAN,…/STD,…; as the files say, or as published, if left out.")
@click.option(
    "--indexed-by", type=click.Path(path_type=Path), help="A store that carries the published index, for --weights that say no more."
)
@click.option(
    "--evaluation",
    required=True,
    callback=checked_name,
    help="What they are put through: published, digits, digits-light, or a TOML file.",
)
@click.option(
    "--classes", type=int, help="How many of the space's classes (of NAS-Bench-201: isomorphic cells), drawn at random; all if left out."
)
@click.option(
    "--archs", type=click.Path(path_type=Path), help="A file of the architectures to build: one a line, or a CSV file's column arch."
)
@click.option("--top", type=(int, str), metavar="N METRIC", help="Build the best architectures of --store by a metric: 10 pgd@1/255.")
@click.option("--store", type=click.Path(path_type=Path), help="The store of --top; the embedded one if left out.")
@click.option("--sample-seed", default=0, show_default=True, help="Seed of that draw.")
@click.option("--seed", "seeds", multiple=True, type=int, help="Seed of the training; may be repeated; 0, if left out.")
@click.option("--stack", type=int, help="Networks trained at once; chosen by the kind of device and the size of images if left out.")
@device_option
@data_option
@json_option
def plan(
    folder: Path,
    recipe: str | None,
    weights: Path | None,
    space: str,
    classes: int | None,
    archs: Path | None,
    top: tuple[int, str] | None,
    store: Path | None,
    seeds: tuple[int, ...],
    device: str,
    training: str | None,
    normalise: str | None,
    indexed_by: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Write down what is to be built, in FOLDER/plan.json."""
    from robbench_builders.architectures import read_archs
    from robbench_builders.devices import find_device
    from robbench_builders.plan_file import write_plan
    from robbench_builders.planning import plan_of, plan_of_weights

    if (recipe is None) == (weights is None):
        raise click.UsageError("--recipe says how networks are trained, and --weights where trained ones are: give one of them.")
    of_weights = {"training": training, "normalise": normalise, "indexed_by": indexed_by}
    if recipe is not None and (given := [name for name, value in of_weights.items() if value is not None]):
        raise click.UsageError(f"--{given[0].replace('_', '-')} is of --weights, which is left out.")
    if sum(given is not None for given in (classes, archs, top)) > 1:
        raise click.UsageError("--classes, --archs and --top each say which architectures to build: give one of them.")
    if store is not None and top is None:
        raise click.UsageError("--store is the store of --top N METRIC, which is left out.")
    chosen: tuple[str, ...] = ()
    if archs is not None:
        chosen = read_archs(archs, space)
    if top is not None:
        chosen = tuple(RobBench(store).top(top[1], top[0])["arch"])
    options |= {"space": space, "classes": classes, "archs": chosen, "device": find_device(device)}
    if weights is not None:
        said: dict[str, Any] = {name: value for name, value in of_weights.items() if value is not None}
        made = plan_of_weights(weights=weights, seeds=seeds, **said, **options)
    else:
        assert recipe is not None, "one of both is given"
        made = plan_of(recipe=recipe, seeds=seeds or (0,), **options)
    write_plan(folder, made)
    what = f"{made.classes} classes" if made.classes is not None else f"{len(made.archs)} architectures"
    units = len(made.units())
    say(
        f"{folder}: {what} × {len(made.seeds)} seeds in {units} units of {made.stack}",
        as_json,
        folder=folder,
        architectures=len(made.archs) if made.classes is None else made.classes,
        seeds=made.seeds,
        units=units,
        stack=made.stack,
    )


@build.command(epilog=examples(*BUILT[:2]))
@folder_argument
@device_option
@click.option("--workers", type=click.IntRange(1), help="Processes, one CPU thread each; 1 if left out.")
@click.option("--scheduler", metavar="ADDRESS", help="Of a Dask cluster, whose workers do the work: tcp://host:8786.")
@click.option(
    "--keep-weights",
    "--weights",
    "keep_weights",
    type=click.Path(path_type=Path),
    help="A folder that keeps trained weights, for this build and others: what it has is not trained again. Of a plan of weights, where they are now.",
)
@data_option
def run(folder: Path, device: str, workers: int | None, scheduler: str | None, keep_weights: Path | None, data: Path | None) -> None:
    """Run the units of FOLDER's plan that are not done.  Stop it whenever you like; run it again to go on."""
    from robbench_builders.run import run as run_here
    from robbench_builders.watching import building

    if workers and scheduler:
        raise click.UsageError(
            "--workers are processes of this machine, and a cluster has workers of its own: leave out --workers or --scheduler."
        )
    with building(folder) as shown:
        watched: dict[str, Any] = {"notice": shown.notice, "progress": shown.progress}
        if scheduler:
            from robbench_builders.cluster.client import run as run_on_cluster

            done = run_on_cluster(folder, scheduler, device=device, weights=keep_weights, data=data, **watched)
        else:
            done = run_here(folder, device=device, workers=workers or 1, weights=keep_weights, data=data, **watched)
        try:
            for _ in done:
                pass
        except KeyboardInterrupt:
            raise click.ClickException(f"stopped; what was done is kept. Go on with: {command('build', 'run', folder)}") from None
    click.echo(f"{folder}: all {shown.total} units are done; next: {command('build', 'merge', folder, '--into', 'STORE')}")


@build.command(epilog=examples(BUILT[0], "build status tiny", "build status tiny --json"))
@folder_argument
@json_option
def status(folder: Path, as_json: bool) -> None:
    """How much of FOLDER's plan is done, how fast, what it took, and what went wrong."""
    from robbench_builders.results.status import Status

    found = Status.of(folder)
    made = found.plan
    first = made.units()[0]
    if as_json:
        about = {"dataset": made.dataset, "recipe": first.recipe, "evaluation": first.evaluation, "stack": made.stack}
        found_here = {field.name: getattr(found, field.name) for field in fields(found) if field.name not in ("plan", "running", "failed")}
        events = {name: [asdict(event) for event in getattr(found, name)] for name in ("running", "failed")}
        say("", as_json, folder=folder, **about, **found_here, **events)
        return
    what = f"{made.dataset}, {first.recipe}, {first.evaluation}, stacks of {made.stack}"
    click.echo(f"{folder}: {found.done} of {found.total} units done ({what})")
    if found.seconds_a_unit is not None and found.done < found.total:
        rest = timedelta(seconds=round(found.seconds_a_unit * (found.total - found.done)))
        click.echo(f"rate: {3600 / found.seconds_a_unit:.3g} units an hour; {rest} left at this rate")
    for event in found.running:
        click.echo(f"last heard of {event.unit}: {event.what} {event.done}/{event.of}, {_ago(event)} ago, from {event.process}")
    if found.seconds:
        click.echo("seconds: " + ", ".join(f"{part} {seconds:.1f}" for part, seconds in found.seconds.most_common()))
    for network, why in found.diverged.items():
        click.echo(f"diverged: {network}: {why}")
    for event in found.failed:
        click.echo(f"failed: {event.unit}, {_ago(event)} ago, in {event.process}: {event.text}")
    for why in found.damaged.values():
        click.echo(f"damaged: {why}")
    for name in found.strange:
        click.echo(f"not of the plan: {name}; take it out")


def _ago(event: Event) -> timedelta:
    return timedelta(seconds=round(time.time() - event.time))


@build.command(epilog=examples(*BUILT))
@folder_argument
@click.option("--into", required=True, type=click.Path(path_type=Path), help="The store to make or extend.")
@click.option("--training", help="What the store is to call the training; the recipe's own name for it if left out.")
@click.option("--partial", is_flag=True, help="Leave out architectures that are not done with every seed; they can join later.")
@json_option
def merge(folder: Path, into: Path, training: str | None, partial: bool, as_json: bool) -> None:
    """Put all of FOLDER's shards into a store: all of them, or nothing.  Other classes, seeds and attacks of one training join."""
    from robbench_builders.results.merge import merge as merge_shards

    changes = merge_shards(folder, into, training=training, partial=partial)
    arrays = {name: list(map(str, getattr(changes, name))) for name in ("added", "filled", "unchanged")}
    text = f"{into}: {len(changes.added)} arrays added, {len(changes.filled)} filled, {len(changes.unchanged)} already there"
    say(text, as_json, folder=folder, into=into, **arrays)


@build.command(epilog=examples(*BUILT, "build verify tiny.h5"))
@click.argument("store", type=click.Path(path_type=Path))
@click.option("--sample", default=1, show_default=True, help="How many units.")
@click.option("--seed", default=0, show_default=True, help="Which units.")
@click.option("--weights", type=click.Path(path_type=Path), help="The folder of the weights, of networks that were not trained here.")
@device_option
@data_option
@json_option
def verify(store: Path, sample: int, seed: int, weights: Path | None, device: str, data: Path | None, as_json: bool) -> None:
    """Build some units of STORE again and compare every outcome with what it holds."""
    from robbench_builders.results.verify import TOLERANCE
    from robbench_builders.results.verify import verify as verify_units

    failed, units = False, []
    for found in verify_units(store, sample=sample, seed=seed, device=device, data=data, weights=weights):
        failed |= not found.succeeded
        units.append({**found._asdict(), "unit": found.unit.key, "succeeded": found.succeeded})
        if as_json:
            continue
        where = "in the same environment" if found.same_environment else f"in another environment, where means may move by {TOLERANCE}"
        more = f", and {found.differing_summaries} confidences and counts" if found.differing_summaries else ""
        click.echo(
            f"unit {found.unit.key}, {where}: {found.differing_outcomes} of {found.outcomes} outcomes and {found.differing_proxies} proxies differ{more}; accuracies move by at most"
            f" {found.largest_change:.3f}, their means over the unit by {found.mean_change:.3f}"
        )
    if as_json:
        say("", as_json, store=store, units=units)
    if failed:
        raise click.ClickException(f"{store} could not be built again as it is.")
