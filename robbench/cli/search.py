"""Searching a store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robbench.bench import RobBench
from robbench.cli.completion import algorithm_names, metric_names
from robbench.cli.options import (
    SECONDS_BEFORE_A_BAR,
    dataset_options,
    direction_option,
    examples,
    interpolate_option,
    metrics_argument,
    store_option,
    table_options,
)
from robbench.cli.tables import records, text_table, write_table
from robbench.search.repeated import Run, options_of, repeat

if TYPE_CHECKING:
    import pandas as pd


SPELLED = {"proxy": "--proxy", "warmup": "--pool", "sample": "--sample"}
"""Options of algorithms, by their names in Python."""


@click.command(
    epilog=examples(
        "search evolution pgd@16/255 --budget 100 --runs 3",
        "search warmup pgd@16/255 --proxy nwot --pool 500 --budget 100",
        "search nsga2 clean pgd@16/255 --budget 100 --out queries.csv",
    )
)
@click.argument("algorithm", shell_complete=algorithm_names)
@metrics_argument
@click.option("--budget", default=300, show_default=True, help="How many architectures each run may ask for.")
@click.option("--runs", default=1, show_default=True, help="How many runs, each from a seed of its own.")
@click.option("--seed", default=0, show_default=True, help="Of all runs: run i starts from (seed, i).")
@click.option("--on", default="store", show_default=True, type=click.Choice(["store", "surrogate"]), help="Measurements, or predictions.")
@click.option("--on-repeat", default="free", show_default=True, type=click.Choice(["free", "charge"]), help="What asking again costs.")
@click.option("--identity", type=click.Choice(["class", "exact"]), help="What is charged once; what all METRICS tell apart if left out.")
@direction_option
@click.option(
    "--noise",
    type=click.Choice(["twin", "twin-once"]),
    help="Accuracies as another training would have them: a new one each time an architecture is charged, or one for all.",
)
@click.option(
    "--proxy", shell_complete=metric_names, help="The metric that guides random-warmup, warmup and warmup-move; synflow if left out."
)
@click.option("--pool", type=int, help="How many random architectures the proxy ranks; 3000, or all of a smaller space, if left out.")
@click.option("--sample", type=int, help="How many of a population a parent is the best of, in evolution, warmup and warmup-move.")
@store_option
@dataset_options
@interpolate_option
@table_options
def search(
    algorithm: str,
    metrics: tuple[str, ...],
    store: Path | None,
    out: Path | None,
    as_json: bool,
    budget: int,
    runs: int,
    seed: int,
    proxy: str | None,
    pool: int | None,
    sample: int | None,
    **oracle: Any,
) -> None:
    """Search for the best architecture by a METRIC, or for the Pareto front of several.

    ALGORITHM is random, tuned-random, local, evolution, bananas, random-warmup, warmup, warmup-move, nsga2 or trnas.

    What is searched are the architectures of which the store holds, or with --on surrogate predicts, every METRIC.  What each run found is printed; --out
    writes every query.
    """
    from tqdm import tqdm

    options = {name: value for name, value in (("warmup", pool), ("sample", sample)) if value is not None}
    check_options(algorithm, [*options, *([] if proxy is None else ["proxy"])])
    bench, metric = RobBench(store), metrics[0] if len(metrics) == 1 else list(metrics)
    asked = bench.oracle(metric, budget=budget, **oracle)
    space = asked.subset()
    found = repeat(algorithm, bench, metric, budget=budget, runs=runs, seed=seed, space=space, proxy=proxy, options=options, **oracle)
    done = finished(tqdm(found, total=runs, unit="run", delay=SECONDS_BEFORE_A_BAR, leave=False))
    best = best_of(done, asked.objectives)
    if out is not None:
        write_table(history_of(done, asked.objectives), out)
    if as_json:
        click.echo(json.dumps({"algorithm": algorithm, "seed": seed, "budget": budget, "space": len(space), "found": records(best)}))
    else:
        wanted = ", ".join(f"{name} ({direction})" for name, direction in zip(asked.objectives, asked.directions, strict=True))
        size = f"{len(space)} of {bench.space.size:.7g} architectures"
        click.echo(f"{algorithm} for {wanted}: {len(done)} run{'s' if len(done) > 1 else ''} of {budget} queries, in {size}\n")
        click.echo(text_table(best))
        if len(done) > 1 and not asked.several:
            values = best[asked.objectives[0]]
            click.echo(f"\nmean {values.mean():.6g} ± {values.std():.2g} over the runs")
    if len(done) < runs:
        raise click.ClickException(f"interrupted: of {runs} runs, these are the {len(done)} that were finished.")


def check_options(algorithm: str, given: Iterable[str], spelled: Mapping[str, str] = SPELLED) -> None:
    """Refuse options of other algorithms, by the names that they have here.

    Arguments:
        given: the names in Python of those that were given.
        spelled: all options of algorithms that a command has, by their names in Python.
    """
    taken = options_of(algorithm)
    if refused := [spelled[name] for name in given if name not in taken]:
        known = " and ".join(spelled[name] for name in spelled if name in taken) or "none"
        raise click.UsageError(f"{algorithm} takes no {refused[0]}; of {', '.join(spelled.values())} it takes {known}.")


def finished(runs: Iterable[Run]) -> list[Run]:
    """The runs; of a search that is interrupted, those that were finished before, if there are any."""
    done: list[Run] = []
    try:
        for run in runs:
            done.append(run)
    except KeyboardInterrupt:
        if not done:
            raise
    return done


def best_of(runs: list[Run], objectives: tuple[str, ...]) -> pd.DataFrame:
    """What each run found: run, arch, objectives."""
    return _table([(number, found.arch, found.value) for number, run in enumerate(runs) for found in run.front], objectives)


def history_of(runs: list[Run], objectives: tuple[str, ...]) -> pd.DataFrame:
    """What each run asked, in order: run, arch, objectives, cost."""
    table = _table([(number, query.arch, query.value) for number, run in enumerate(runs) for query in run.queries], objectives)
    table["cost"] = [query.cost for run in runs for query in run.queries]
    return table


def _table(rows: list[tuple[int, Any, Any]], objectives: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    table = pd.DataFrame([(run, str(arch)) for run, arch, _ in rows], columns=["run", "arch"])
    values = [value if isinstance(value, tuple) else (value,) for _, _, value in rows]
    for column, name in enumerate(objectives):
        table[name] = [value[column] for value in values]
    return table


COMMANDS = (search,)
