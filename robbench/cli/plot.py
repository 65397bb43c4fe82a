"""Drawing figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import numpy as np
from click.core import ParameterSource
from tqdm import tqdm

from robbench import analysis, plots
from robbench.bench import RobBench
from robbench.cli.options import SECONDS_BEFORE_A_BAR, architecture, direction_option, store_option, where_options
from robbench.measurements.metrics import nearest
from robbench.plots.saving import check_format
from robbench.plots.style import label
from robbench.spaces.nb201.identity import class_key

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTHS = {"column": plots.COLUMN, "full": plots.FULL}


class Kind(NamedTuple):
    """A kind of figure, and what it is drawn from."""

    arguments: str
    fewest: int
    most: int | None
    about: str
    width: str
    """By default."""
    draw: Callable[[RobBench, tuple[str, ...], _Settings], Figure]
    options: tuple[str, ...] = ("dataset", "training", "seed")
    """What it takes besides --out, --width, --store and --dpi."""


class _Settings(NamedTuple):
    """What options say."""

    width: float
    where: dict[str, Any]
    directions: dict[str, str]
    features: str
    method: str
    budget: int
    runs: int

    @property
    def over_seeds(self) -> dict[str, Any]:
        """Where to look, for what is drawn from means over seeds."""
        return {name: value for name, value in self.where.items() if name != "seed"}


def _boxes(bench: RobBench, threats: tuple[str, ...], settings: _Settings) -> Figure:
    kinds = {"attacks": "attack", "corruptions": "corruption"}
    names = [
        name for threat in threats for name in (plots.threats_of(bench, kinds[threat], **settings.where) if threat in kinds else [threat])
    ]
    return plots.accuracy_boxes(bench, names, width=settings.width, **settings.where)


def _correlation(bench: RobBench, metrics: tuple[str, ...], settings: _Settings) -> Figure:
    matrix = analysis.correlation_matrix(bench, metrics, method=settings.method, **settings.over_seeds)
    return plots.correlation_heatmap(
        matrix, width=settings.width, title={"kendall": "Kendall τ", "spearman": "Spearman ρ"}[settings.method]
    )


def _scatter(bench: RobBench, metrics: tuple[str, ...], settings: _Settings) -> Figure:
    return plots.scatter(bench, *metrics, directions=settings.directions, width=settings.width, **settings.where)


def _importance(bench: RobBench, metrics: tuple[str, ...], settings: _Settings) -> Figure:
    table = analysis.importance(bench, metrics[0], features=settings.features, progress=True, **settings.over_seeds)
    return plots.importance_bars(table, width=settings.width, title=metrics[0])


def _curves(bench: RobBench, arguments: tuple[str, ...], settings: _Settings) -> Figure:
    attack, *given = arguments
    archs = {}
    for text in given:
        name, _, arch = text.rpartition("=")
        archs[name or (arch if arch.isdigit() else class_key(bench.cell(arch)))] = architecture(arch)
    return plots.eps_curves(bench, archs, attack, width=settings.width, **settings.where)


def _search(bench: RobBench, arguments: tuple[str, ...], settings: _Settings) -> Figure:
    from robbench.search.repeated import repeat

    metric, *named = arguments
    curves = {}
    for algorithm in named or ("random", "evolution"):
        runs = repeat(algorithm, bench, metric, budget=settings.budget, runs=settings.runs, on_repeat="charge", **settings.over_seeds)
        shown = tqdm(runs, algorithm, total=settings.runs, unit="run", delay=SECONDS_BEFORE_A_BAR, leave=False)
        curves[algorithm] = np.stack([run.incumbents for run in shown])
    optimum = bench.top(metric, 1, **settings.over_seeds).iloc[:, -1].to_numpy(np.float64)[0]
    return plots.search_curves(curves, best=optimum, y=label(metric), width=settings.width)


def _cell(bench: RobBench, archs: tuple[str, ...], settings: _Settings) -> Figure:
    return plots.cell_drawing(bench.cell(architecture(archs[0])), width=settings.width)


def _best(bench: RobBench, metrics: tuple[str, ...], settings: _Settings) -> Figure:
    return plots.best_cells(bench, metrics, width=settings.width, **settings.where)


KINDS: dict[str, Kind] = {
    "boxes": Kind("[THREAT]...", 0, None, "accuracies over eps or severity; 'attacks' (default), 'corruptions', or names", "full", _boxes),
    "correlation": Kind(
        "METRIC METRIC...", 2, None, "heatmap of rank correlations", "full", _correlation, ("dataset", "training", "method")
    ),
    "scatter": Kind(
        "X Y",
        2,
        2,
        "two metrics of every architecture, and their Pareto front",
        "column",
        _scatter,
        ("dataset", "training", "seed", "directions"),
    ),
    "importance": Kind(
        "METRIC", 1, 1, "what features are worth to a forest that predicts it", "column", _importance, ("dataset", "training", "features")
    ),
    "curves": Kind("ATTACK ARCH...", 2, None, "accuracy over eps; LABEL=ARCH names an architecture in the legend", "column", _curves),
    "search": Kind(
        "METRIC [ALGORITHM]...",
        1,
        None,
        "the best value so far of searches, repeated: random, evolution, …",
        "column",
        _search,
        ("dataset", "training", "budget", "runs"),
    ),
    "cell": Kind("ARCH", 1, 1, "a cell", "column", _cell, ()),
    "best": Kind("METRIC...", 1, None, "the best cell by each, side by side", "full", _best),
}
OPTIONS = {name: f"--{name}" for name in ("dataset", "training", "seed", "features", "method", "budget", "runs")} | {
    "directions": "--direction"
}
_LISTED = "\n".join(f"{name:<12} {kind.arguments:<22} {kind.about}" for name, kind in KINDS.items())


@click.command(epilog=f"\b\n{_LISTED}")
@click.argument("kind")
@click.argument("arguments", nargs=-1)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The file to write: .pdf, .svg or .png.")
@click.option("--width", type=click.Choice(list(WIDTHS)), help="3.3 or 6.8 inches; by default what suits the kind.")
@store_option
@where_options
@direction_option
@click.option("--features", default="proxies", show_default=True, help="For importance: feature sets, joined by '+'.")
@click.option("--method", default="kendall", show_default=True, type=click.Choice(analysis.METHODS), help="For correlation.")
@click.option("--budget", default=300, show_default=True, help="For search: queries of a run.")
@click.option("--runs", default=30, show_default=True, help="For search: runs of each algorithm.")
@click.option("--dpi", default=300, show_default=True, type=click.IntRange(50), help="Pixels an inch of PNGs, and of dense scatters.")
def plot(kind: str, arguments: tuple[str, ...], out: Path, width: str | None, store: Path | None, dpi: int, **options: Any) -> None:
    """Draw a figure of a KIND, such as: robbench plot scatter clean pgd@1/255 --out scatter.pdf."""
    if kind not in KINDS:
        raise click.UsageError(f"{kind!r} is not a kind of figure.{nearest(kind, KINDS)} Known: {', '.join(KINDS)}.")
    chosen = KINDS[kind]
    if len(arguments) < chosen.fewest or (chosen.most is not None and len(arguments) > chosen.most):
        raise click.UsageError(f"{kind} takes {chosen.arguments}; {len(arguments)} arguments were given.")
    _refuse_unused(kind, chosen)
    check_format(out)
    where = {name: options.pop(name) for name in ("dataset", "training", "seed")}
    figure = chosen.draw(RobBench(store), arguments, _Settings(WIDTHS[width or chosen.width], where, **options))
    try:
        plots.save(figure, out, dpi=dpi)
    except OSError as error:
        raise click.ClickException(f"{out} cannot be written: {error}") from error


def _refuse_unused(name: str, kind: Kind) -> None:
    """An option that would change nothing is a mistake."""
    ctx = click.get_current_context()
    for parameter in ctx.command.params:
        option = str(parameter.name)
        given = ctx.get_parameter_source(option) is ParameterSource.COMMANDLINE
        if given and option in OPTIONS and option not in kind.options:
            taken = ", ".join(flag for option, flag in OPTIONS.items() if option in kind.options) or "none"
            raise click.UsageError(f"{OPTIONS[option]} is not for {name}, whose options are: {taken}.")


COMMANDS = (plot,)
