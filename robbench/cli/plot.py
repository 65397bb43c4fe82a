"""Drawing figures: one subcommand a kind, which takes the options that change it and no others."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from tqdm import tqdm

from robbench import analysis, plots
from robbench.bench import RobBench
from robbench.cli.options import (
    SECONDS_BEFORE_A_BAR,
    arch_argument,
    as_architecture,
    dataset_options,
    direction_option,
    metric_argument,
    store_option,
    where_options,
)
from robbench.plots.saving import check_format
from robbench.plots.style import label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTHS = {"column": plots.COLUMN, "full": plots.FULL}
TITLES = {"kendall": "Kendall τ", "spearman": "Spearman ρ"}


@click.group()
def plot() -> None:
    """Draw a figure, such as: robbench plot scatter clean pgd@8/255 --out scatter.pdf."""


def figure(width: str) -> Callable[[Callable[..., Figure]], click.Command]:
    """A subcommand of `plot` that saves what the function draws, given a bench, ``width`` in inches, and the arguments of its own.

    Arguments:
        width: by default, one of `WIDTHS`.
    """

    def subcommand(draw: Callable[..., Figure]) -> click.Command:
        @plot.command()
        @store_option
        @click.option("--out", required=True, type=click.Path(path_type=Path), help="The file to write: .pdf, .svg or .png.")
        @click.option("--width", default=width, show_default=True, type=click.Choice(list(WIDTHS)), help="3.3 or 6.8 inches.")
        @click.option(
            "--dpi", default=300, show_default=True, type=click.IntRange(50), help="Pixels an inch of PNGs, and of dense scatters."
        )
        @wraps(draw)
        def command(store: Path | None, out: Path, width: str, dpi: int, **arguments: Any) -> None:
            check_format(out)
            drawn = draw(RobBench(store), width=WIDTHS[width], **arguments)
            try:
                plots.save(drawn, out, dpi=dpi)
            except OSError as error:
                raise click.ClickException(f"{out} cannot be written: {error}") from error

        return command

    return subcommand


@figure("full")
@click.argument("threats", nargs=-1)
@where_options
def boxes(bench: RobBench, threats: tuple[str, ...], width: float, **where: Any) -> Figure:
    """Accuracies of all architectures over eps or severity.

    THREATS are names, or all "attacks" (if left out) or "corruptions" of the store.
    """
    kinds = {"attacks": "attack", "corruptions": "corruption"}
    names = [name for threat in threats for name in (plots.threats_of(bench, kinds[threat], **where) if threat in kinds else [threat])]
    return plots.accuracy_boxes(bench, names, width=width, **where)


@figure("full")
@metric_argument
@click.argument("others", metavar="METRIC...", nargs=-1, required=True)
@dataset_options
@click.option("--method", default="kendall", show_default=True, type=click.Choice(analysis.METHODS))
def correlation(bench: RobBench, metric: str, others: tuple[str, ...], width: float, method: str, **where: Any) -> Figure:
    """Heatmap of rank correlations between two METRICs or more."""
    matrix = analysis.correlation_matrix(bench, [metric, *others], method=method, **where)
    return plots.correlation_heatmap(matrix, width=width, title=TITLES[method])


@figure("column")
@click.argument("x")
@click.argument("y")
@where_options
@direction_option
def scatter(bench: RobBench, x: str, y: str, width: float, **options: Any) -> Figure:
    """Every architecture by two metrics, X and Y, and the front."""
    return plots.scatter(bench, x, y, width=width, **options)


@figure("full")
@click.argument("metrics", nargs=-1)
@dataset_options
def proxies(bench: RobBench, metrics: tuple[str, ...], width: float, **where: Any) -> Figure:
    """Heatmap of the store's proxies against METRICS: |Kendall's τ| over the evaluated architectures.

    METRICS are clean accuracy and the attacks at the levels of the published dataset if left out.
    """
    from robbench.papers.lukasik2023 import absolute_correlations

    return plots.correlation_heatmap(absolute_correlations(bench, metrics, **where), width=width, title="|Kendall τ|", lowest=0)


@figure("column")
@click.argument("metrics", nargs=-1, required=True)
@dataset_options
@click.option("--features", default="proxies", show_default=True, help="Feature sets, joined by '+'.")
@click.option("--by", default="permutation", show_default=True, type=click.Choice(["permutation", "impurity"]), help="What importance is.")
@click.option("--split", default="twin", show_default=True, type=click.Choice(["twin", "random"]), help="random: as papers split.")
@click.option("--without", multiple=True, help="A feature that is left out; may be given more than once.")
def importance(bench: RobBench, metrics: tuple[str, ...], width: float, by: str, **options: Any) -> Figure:
    """What features are worth to a forest that predicts METRIC; of several METRICS, side by side.

    A METRIC may be several joined by '+', which one forest predicts together: clean pgd@1/255 clean+pgd@1/255.
    """
    tables = {metric: analysis.importance(bench, metric, columns=[by], progress=True, **options) for metric in metrics}
    if len(tables) == 1:
        return plots.importance_bars(tables[metrics[0]], by=by, width=width, title=metrics[0])
    import pandas as pd

    return plots.importance_groups(pd.DataFrame({metric: table[by] for metric, table in tables.items()}), by=by, width=width)


@figure("column")
@metric_argument
@where_options
@click.option(
    "--measure", default="confusion", show_default=True, type=click.Choice(["confusion", "confidence_label", "confidence_argmax"])
)
def classes(bench: RobBench, metric: str, width: float, **options: Any) -> Figure:
    """Classes by classes under METRIC: confusion matrices of all networks summed, or their mean confidences."""
    return plots.class_matrix(bench, metric, width=width, **options)


@figure("column")
@click.argument("attack")
@where_options
@click.option(
    "--label", type=int, help="Confidences in each class for the images of this label; else in correct and incorrect predictions."
)
def confidences(bench: RobBench, attack: str, width: float, **options: Any) -> Figure:
    """Mean confidences of all networks over the eps of an ATTACK."""
    return plots.confidence_curves(bench, attack, width=width, **options)


@figure("column")
@click.argument("attack")
@click.argument("archs", metavar="ARCH...", nargs=-1, required=True)
@where_options
def curves(bench: RobBench, attack: str, archs: tuple[str, ...], width: float, **where: Any) -> Figure:
    """Accuracy under an ATTACK over eps, a line for each ARCH.

    LABEL=ARCH names an architecture in the legend; else its class key or index does.
    """
    labelled = {}
    for text in archs:
        name, _, arch = text.rpartition("=")
        labelled[name or (arch if arch.isdigit() else bench.space.key(bench.parse(arch)))] = as_architecture(arch)
    return plots.eps_curves(bench, labelled, attack, width=width, **where)


@figure("column")
@metric_argument
@click.argument("algorithms", metavar="[ALGORITHM]...", nargs=-1)
@dataset_options
@click.option("--budget", default=300, show_default=True, help="Queries of a run.")
@click.option("--runs", default=30, show_default=True, help="Runs of each algorithm.")
def search(bench: RobBench, metric: str, algorithms: tuple[str, ...], width: float, budget: int, runs: int, **where: Any) -> Figure:
    """The best METRIC so far, over the queries of repeated searches.

    ALGORITHM is as for `robbench search`; random and evolution if left out.
    """
    from robbench.search.repeated import repeat

    incumbents = {}
    for algorithm in algorithms or ("random", "evolution"):
        repeated = repeat(algorithm, bench, metric, budget=budget, runs=runs, on_repeat="charge", **where)
        shown = tqdm(repeated, algorithm, total=runs, unit="run", delay=SECONDS_BEFORE_A_BAR, leave=False)
        incumbents[algorithm] = np.stack([run.incumbents for run in shown])
    optimum = bench.top(metric, 1, **where).iloc[:, -1].to_numpy(np.float64)[0]
    return plots.search_curves(incumbents, best=optimum, y=label(metric), width=width)


@figure("column")
@arch_argument
def architecture(bench: RobBench, arch: str, width: float) -> Figure:
    """An architecture as papers draw it."""
    return plots.cell_drawing(bench.space.graph(bench.parse(as_architecture(arch))), width=width)


@figure("full")
@click.argument("metrics", nargs=-1, required=True)
@where_options
def best(bench: RobBench, metrics: tuple[str, ...], width: float, **where: Any) -> Figure:
    """The best architecture by each of METRICS, side by side."""
    return plots.best_cells(bench, metrics, width=width, **where)


COMMANDS = (plot,)
