"""`robbench build search`: a few lines over live proxies (`robbench_builders.proxies.live`) and the algorithms of `robbench.search`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from robbench_builders.cli_proxies import network_options, skeleton_of
from robbench_builders.options import data_option, device_option, space_option
from robbench_builders.watching import Searching
from robbench import RobBench
from robbench.arguments import checked_count, checked_seed
from robbench.cli.completion import algorithm_names
from robbench.cli.options import direction_option, examples, table_options
from robbench.cli.search import best_of, check_options, finished, history_of
from robbench.cli.tables import records, text_table, write_table

if TYPE_CHECKING:
    from robbench_builders.datasets import Dataset
    from robbench_builders.proxies import LiveProxy
    from robbench.search.objectives import Function
    from robbench.search.oracle import Oracle

OPTIONS = {
    "proxy": "--proxy",
    "warmup": "--pool",
    "sample": "--sample",
    "population": "--population",
    "generations": "--generations",
    "combine": "--combine",
}
"""Of algorithms, by their names in Python."""
PARTS = ("r_score_psi", "r_score_phi")
"""The first objectives of a search whose populations have an R-Score."""


@click.command(
    epilog=examples(
        "build search evolution synflow --space darts --dataset digits --channels 2 --layers 3 --budget 40 --keep scores.jsonl",
        "build search nsga2 synflow nwot --space darts --dataset digits --channels 2 --layers 3 --population 6 --budget 18",
    )
)
@click.argument("algorithm", shell_complete=algorithm_names)
@click.argument("objectives", nargs=-1, required=True, metavar="OBJECTIVE…")
@space_option
@click.option("--dataset", required=True, help="digits, cifar10, cifar100, ImageNet16-120, or npz:PATH: images for proxies.")
@click.option("--budget", default=300, show_default=True, help="How many architectures each run may ask for.")
@click.option("--runs", default=1, show_default=True, help="How many runs, each from a seed of its own.")
@click.option("--seed", default=0, show_default=True, help="Of all runs: run i starts from (seed, i).")
@click.option("--network-seed", default=0, show_default=True, help="Draws weights, images, and what proxies draw.")
@direction_option
@click.option("--proxy", help="The proxy that guides random-warmup, warmup and warmup-move; synflow if left out.")
@click.option("--pool", type=int, help="How many random architectures that proxy ranks; 3000 if left out.")
@click.option("--sample", type=int, help="How many of a population a parent is the best of, in evolution, warmup and warmup-move.")
@click.option("--population", type=int, help="How many live at once, in those that have a population.")
@click.option("--generations", type=int, help="After how many trnas ends, if its budget is not spent before; 20 if left out.")
@click.option(
    "--combine",
    type=click.Choice(["r_score"]),
    help="Of trnas: select by the R-Score of each population, as released; its first objectives are then r_score_psi and r_score_phi.",
)
@click.option(
    "--store",
    type=click.Path(path_type=Path),
    help="A store with surrogates, which predict OBJECTIVEs that are metrics, such as pgd@8/255.",
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path),
    help="A file that scores are kept in: the same command, stopped and given again, goes on. Other searches may share it.",
)
@click.option("--stack", type=click.IntRange(1), help="Networks scored at once; 1 on a CPU and 8 on a GPU if left out.")
@network_options
@device_option
@data_option
@table_options
def search(
    algorithm: str,
    objectives: tuple[str, ...],
    space: str,
    dataset: str,
    data: Path | None,
    budget: int,
    runs: int,
    seed: int,
    network_seed: int,
    directions: dict[str, str],
    proxy: str | None,
    pool: int | None,
    sample: int | None,
    population: int | None,
    generations: int | None,
    combine: str | None,
    store: Path | None,
    keep: Path | None,
    device: str,
    channels: int,
    cells: int | None,
    layers: int | None,
    stem_channels: int | None,
    no_stem: bool,
    out: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Search a whole space for the best architecture by an OBJECTIVE, or for the Pareto front of several.

    OBJECTIVEs are proxies of untrained networks, or module:name, computed when ALGORITHM asks for them; attributes of the space's structure; or, with --store,
    metrics that its surrogates predict.  ALGORITHM is random, local, evolution, bananas, random-warmup, warmup, warmup-move, nsga2 or trnas.
    """
    from robbench_builders.datasets import load
    from robbench_builders.devices import find_device
    from robbench.search import ALGORITHMS, oracle_of
    from robbench.search.proxy import DEFAULT, POOL
    from robbench.search.repeated import Run, options_of
    from robbench.search.trnas import r_score
    from robbench.spaces import space_named

    own: dict[str, Any] = {"warmup": pool, "sample": sample, "population": population, "generations": generations}
    own = {name: value for name, value in own.items() if value is not None}
    check_options(algorithm, [*own, *(name for name, value in (("proxy", proxy), ("combine", combine)) if value is not None)], OPTIONS)
    if combine and objectives[:2] != PARTS:
        raise click.UsageError(f"--combine {combine} is made of the objectives {' and '.join(PARTS)}; name these first.")
    checked_seed(seed)
    checked_count(runs, "runs")
    guide = (proxy or DEFAULT) if "proxy" in options_of(algorithm) else None
    images, bar = load(dataset, data), Searching(runs * (budget + (0 if guide is None else pool or POOL)))
    sizes = {"channels": channels, "cells": cells, "layers": layers, "stem_channels": stem_channels, "stem": False if no_stem else None}
    skeleton = skeleton_of(space, images, sizes)
    options |= {"seed": network_seed, "device": find_device(device), "keep": keep}
    live = _live_objectives(objectives, guide, images, skeleton, bar, options)
    if guide is not None:
        own["proxy"] = live[guide]
    if combine:
        own["combine"] = r_score
    asked: list[str | Function] = [live.get(name, name) for name in objectives]
    whole = space_named(space)

    def oracle() -> Oracle:
        common: dict[str, Any] = {"budget": budget, "directions": directions or None, "missing": "nan"}
        one_or_more = asked[0] if len(asked) == 1 else asked
        return oracle_of(whole, one_or_more, **common) if store is None else RobBench(store).oracle(one_or_more, on="surrogate", **common)

    try:
        first, run = oracle(), ALGORITHMS[algorithm]
        seeds = ((seed, index) for index in range(runs))
        done = finished(Run.of(run(oracle(), first.space, np.random.default_rng(one), **own), one) for one in seeds)
    except KeyboardInterrupt:
        raise click.ClickException(_stopped(0, runs, bar.scored, keep)) from None
    finally:
        bar.close()
    best = best_of(done, first.objectives)
    if out is not None:
        write_table(history_of(done, first.objectives), out)
    failures = {name: live[name].failures for name in live if live[name].failures}
    if as_json:
        click.echo(
            json.dumps(
                {
                    "algorithm": algorithm,
                    "seed": seed,
                    "budget": budget,
                    "space": space,
                    "scored": bar.scored,
                    "found": records(best),
                    "failures": failures,
                }
            )
        )
    else:
        wanted = ", ".join(f"{name} ({direction})" for name, direction in zip(first.objectives, first.directions, strict=True))
        click.echo(f"{algorithm} for {wanted}: {len(done)} run{'s' if len(done) > 1 else ''} of {budget} queries, {bar.scored} scored\n")
        click.echo(text_table(best))
    for name, reasons in failures.items():
        for why, count in reasons.items():
            click.echo(f"{name} is missing for {count} of {len(live[name].scores.kept)}: {why}", err=True)
    if len(done) < runs:
        raise click.ClickException(_stopped(len(done), runs, bar.scored, keep))


def _live_objectives(
    objectives: Sequence[str], guide: str | None, images: Dataset, skeleton: Any, bar: Searching, options: dict[str, Any]
) -> dict[str, LiveProxy]:
    """Those of the objectives that are proxies, in one pass, and what guides the search: in the same if it is among them, else by itself."""
    from robbench_builders.own import own_proxy
    from robbench_builders.proxies import KNOWN
    from robbench_builders.proxies import objectives as made
    from robbench_builders.proxies.live import COMPOSED

    names = [name for name in objectives if name in KNOWN or name in COMPOSED or ":" in name]
    found: dict[str, LiveProxy] = {}
    for what, some in (("objectives", names), ("proxy", [] if guide is None or guide in names else [guide])):
        own = {name: own_proxy(name) for name in some if ":" in name}
        found |= {one.name: one for one in made(some, images, skeleton, proxies=own, progress=bar.of(what), **options)} if some else {}
    return found


def _stopped(done: int, runs: int, scored: int, keep: Path | None) -> str:
    kept = (
        "with --keep FILE, it could go on" if keep is None else f"scores of {scored} architectures are in {keep}: the same command goes on"
    )
    return f"interrupted after {done} of {runs} runs; {kept}."
