"""Drawing figures: one subcommand a kind, which takes the options that change it and no others."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from robbench import analysis, plots
from robbench.bench import RobBench
from robbench.cli.completion import algorithm_names, metric_names
from robbench.cli.options import (
    ARCH,
    BRING,
    arch_argument,
    dataset_options,
    direction_option,
    examples,
    interpolate_option,
    json_option,
    metric_argument,
    store_option,
    where_options,
)
from robbench.plots.figures import short_name
from robbench.plots.saving import check_path
from robbench.plots.style import WIDTHS


@click.group(
    epilog=examples(
        "plot scatter clean pgd@16/255 --out scatter.pdf", "plot boxes attacks --out boxes.svg", "plot best clean pgd@16/255 --out best.png"
    )
)
def plot() -> None:
    """Draw a figure for a paper."""


def figure(width: str, *lines: str, needs: str = "") -> Callable[[Callable[..., Any]], click.Command]:
    """A subcommand of `plot` that saves what the function draws, given a bench, the name of a ``width``, and the arguments of its own.

    Arguments:
        width: by default, one of `WIDTHS`.
        lines: examples; the first is of the figure, without the words that all have.
        needs: of the examples; see `examples`.
    """

    def subcommand(draw: Callable[..., Any]) -> click.Command:
        @plot.command(epilog=examples(*lines, needs=needs))
        @store_option
        @click.option("--out", required=True, type=click.Path(path_type=Path), help="The file to write: .pdf, .svg or .png.")
        @click.option(
            "--width",
            default=width,
            show_default=True,
            type=click.Choice(list(WIDTHS)),
            help=" or ".join(f"{inches:g}" for inches in WIDTHS.values()) + " inches, as in two-column papers.",
        )
        @click.option(
            "--dpi", default=300, show_default=True, type=click.IntRange(50, 2400), help="Pixels an inch of PNGs, and of dense scatters."
        )
        @json_option
        @wraps(draw)
        def command(store: Path | None, out: Path, width: str, dpi: int, as_json: bool, **arguments: Any) -> None:
            check_path(out)
            bench = RobBench(store)
            drawn = draw(bench, width=width, **arguments)
            plots.save(drawn, out, dpi=dpi)
            if as_json:
                size = {"bytes": out.stat().st_size, "inches": drawn.get_size_inches().tolist(), "dpi": dpi}
                click.echo(json.dumps({"figure": draw.__name__, "store": str(bench.path), "out": str(out), **size}))

        return command

    return subcommand


@figure("page", "plot boxes corruptions --out boxes.pdf")
@click.argument("threats", nargs=-1, shell_complete=metric_names)
@where_options
def boxes(bench: RobBench, threats: tuple[str, ...], **options: Any) -> Any:
    """Accuracies of all architectures over eps or severity.

    THREATS are names, or all "attacks" (if left out) or "corruptions" of the store.
    """
    return bench.plot.boxes(threats=threats or "attacks", **options)


@figure("page", "plot correlation clean pgd@16/255 fog@3 nwot --out correlation.pdf")
@metric_argument
@click.argument("others", metavar="METRIC...", nargs=-1, required=True, shell_complete=metric_names)
@dataset_options
@click.option("--method", default="kendall", show_default=True, type=click.Choice(analysis.METHODS))
def correlation(bench: RobBench, metric: str, others: tuple[str, ...], **options: Any) -> Any:
    """Heatmap of rank correlations between two METRICs or more, of the values as measured: no sign is turned where less is better."""
    return bench.plot.correlation(metrics=[metric, *others], **options)


@figure(
    "column",
    "plot scatter clean pgd@16/255 --out scatter.pdf",
    "plot scatter kernel_parameters pgd@16/255 --direction kernel_parameters=min --color clean --out s.png",
)
@click.argument("x", shell_complete=metric_names)
@click.argument("y", shell_complete=metric_names)
@where_options
@interpolate_option
@click.option(
    "--color", shell_complete=metric_names, help="A third metric, or attribute; if left out, colour tells how many architectures lie where."
)
@direction_option
def scatter(bench: RobBench, **options: Any) -> Any:
    """Every architecture by two metrics, X and Y, and the front."""
    return bench.plot.scatter(**options)


@figure("page", "plot proxies pgd@16/255 --out proxies.pdf")
@click.argument("metrics", nargs=-1, shell_complete=metric_names)
@dataset_options
def proxies(bench: RobBench, **options: Any) -> Any:
    """Heatmap of the store's proxies against METRICS: |Kendall's τ| over the evaluated architectures.

    METRICS are clean accuracy and the attacks at the levels of the published dataset if left out.
    """
    return bench.plot.proxies(**options)


@figure("column", "plot importance clean --features operations --by impurity --out importance.pdf")
@click.argument("metrics", nargs=-1, required=True, shell_complete=metric_names)
@dataset_options
@click.option("--features", default="proxies", show_default=True, help="Feature sets, joined by '+'.")
@click.option("--by", default="permutation", show_default=True, type=click.Choice(["permutation", "impurity"]), help="What importance is.")
@click.option("--split", default="twin", show_default=True, type=click.Choice(["twin", "random"]), help="random: as papers split.")
@click.option("--without", multiple=True, help="A feature that is left out; may be given more than once.")
@click.option("--repeats", default=5, show_default=True, type=click.IntRange(1), help="Permutations of each feature.")
def importance(bench: RobBench, metrics: tuple[str, ...], **options: Any) -> Any:
    """What features are worth to a forest that predicts METRIC; of several METRICS, side by side.

    A METRIC may be several joined by '+', which one forest predicts together: clean pgd@16/255 clean+pgd@16/255.
    """
    return bench.plot.importance(targets=list(metrics), progress=True, **options)


@figure("column", BRING, "plot classes clean --store jung2023.h5 --out classes.pdf", needs="published data")
@metric_argument
@where_options
@click.option(
    "--measure", default="confusion", show_default=True, type=click.Choice(["confusion", "confidence_label", "confidence_argmax"])
)
def classes(bench: RobBench, **options: Any) -> Any:
    """Classes by classes under METRIC: confusion matrices of all networks summed, or their mean confidences."""
    return bench.plot.classes(**options)


@figure("column", BRING, "plot confidences fgsm --store jung2023.h5 --out confidences.pdf", needs="published data with confidences")
@click.argument("attack", shell_complete=metric_names)
@where_options
@click.option(
    "--label", type=int, help="Confidences in each class for the images of this label; else in correct and incorrect predictions."
)
def confidences(bench: RobBench, **options: Any) -> Any:
    """Mean confidences of all networks over the eps of an ATTACK."""
    return bench.plot.confidences(**options)


@figure("column", f"plot curves pgd {ARCH} --out curves.pdf")
@click.argument("attack", shell_complete=metric_names)
@click.argument("archs", metavar="ARCH...", nargs=-1, required=True)
@where_options
def curves(bench: RobBench, archs: tuple[str, ...], **options: Any) -> Any:
    """Accuracy under an ATTACK over eps, a line for each ARCH.

    LABEL=ARCH names an architecture in the legend; else its class key or index does.
    """
    labelled = {}
    for text in archs:
        name, _, arch = text.rpartition("=")
        labelled[name or short_name(bench, arch)] = arch
    return bench.plot.curves(archs=labelled, **options)


@figure("column", "plot search pgd@16/255 random evolution --budget 50 --runs 3 --out search.pdf")
@metric_argument
@click.argument("algorithms", metavar="[ALGORITHM]...", nargs=-1, shell_complete=algorithm_names)
@dataset_options
@click.option("--budget", default=300, show_default=True, help="Queries of a run.")
@click.option("--runs", default=30, show_default=True, help="Runs of each algorithm.")
@click.option("--values", is_flag=True, help="Draw the best METRIC so far itself, not how far it is from the best in the store.")
def search(bench: RobBench, algorithms: tuple[str, ...], **options: Any) -> Any:
    """How far the best METRIC so far is from the best in the store, over the queries of repeated searches.

    ALGORITHM is as for `robbench search`; random and evolution if left out.
    """
    return bench.plot.search(**({"algorithms": algorithms} if algorithms else {}), progress=True, **options)


@figure("column", f"plot architecture {ARCH} --out architecture.svg", "plot architecture advrush --out advrush.svg")
@arch_argument
def architecture(bench: RobBench, **options: Any) -> Any:
    """An architecture as papers draw it, of any search space."""
    return bench.plot.architecture(**options)


@figure("page", "plot best clean pgd@16/255 --out best.pdf")
@click.argument("metrics", nargs=-1, required=True, shell_complete=metric_names)
@where_options
@interpolate_option
def best(bench: RobBench, **options: Any) -> Any:
    """The best architecture by each of METRICS, side by side."""
    return bench.plot.best(**options)


@figure("page", "plot top pgd@16/255 --out top.pdf", "plot top pgd@16/255 --count nor_conv_3x3 2 --count nor_conv_1x1 0 --out top.pdf")
@metric_argument
@click.option("--n", default=20, show_default=True, help="How many.")
@click.option(
    "--count",
    "counts",
    multiple=True,
    nargs=2,
    type=(str, click.IntRange(0)),
    metavar="OPERATION N",
    help="Only architectures that have the operation N times; may be given again.",
)
@where_options
def top(bench: RobBench, counts: tuple[tuple[str, int], ...], **options: Any) -> Any:
    """What the best architectures by METRIC choose, edge by edge."""
    return bench.plot.top(counts=dict(counts), **options)


COMMANDS = (plot,)
