"""Figures by kind: what `bench.plot` offers, and the command `robbench plot` under the same names.

bench.plot.scatter("clean", "pgd@16/255")
bench.plot.boxes(["pgd", "fgsm"])
bench.plot.curves("pgd", {"mine": arch, "yours": other})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MethodType
from typing import TYPE_CHECKING, Any

import numpy as np

from robbench import analysis
from robbench.arguments import options_checked
from robbench.errors import UnknownArchitecture
from robbench.measurements.lookup import Architecture
from robbench.measurements.metrics import Metric
from robbench.measurements.wording import setting, several, words
from robbench.plots.boxes import accuracy_boxes, threats_of
from robbench.plots.cells import best_cells, cell_drawing
from robbench.plots.confusion import class_matrix, confidence_curves
from robbench.plots.curves import eps_curves, search_curves
from robbench.plots.heatmap import correlation_heatmap
from robbench.plots.importance import importance_bars, importance_groups, spread
from robbench.plots.scatter import scatter
from robbench.plots.style import COLUMN, PAGE
from robbench.plots.top import top_choices
from robbench.spaces import elsewhere

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from robbench.bench import RobBench

TITLES = {"kendall": "Kendall τ", "spearman": "Spearman ρ"}
THREATS = {"attacks": "attack", "corruptions": "corruption"}
"""Names for all threats of a kind."""


@options_checked
def boxes(
    bench: RobBench,
    threats: str | Sequence[str] = "attacks",
    *,
    width: float | str = PAGE,
    dataset: str | None = None,
    training: str | None = None,
    seed: int | None = None,
) -> Figure:
    """Accuracies of all architectures over eps or severity.

    Arguments:
        bench: where the measurements are.
        threats: one or several: names of attacks or corruptions, or ``"attacks"`` or ``"corruptions"`` for all in the store.
        width: in inches, or ``"column"`` or ``"page"``.
        dataset, training, seed: as for a query.
    """
    given = [threats] if isinstance(threats, str) else threats
    names = [
        name
        for threat in given
        for name in (threats_of(bench, THREATS[threat], dataset=dataset, training=training, seed=seed) if threat in THREATS else [threat])
    ]
    return accuracy_boxes(bench, names, width=width, dataset=dataset, training=training, seed=seed)


@options_checked
def correlation(
    bench: RobBench,
    metrics: Sequence[str | Metric],
    *,
    method: str = "kendall",
    width: float | str = PAGE,
    dataset: str | None = None,
    training: str | None = None,
) -> Figure:
    """Heatmap of the rank correlations between metrics, of the values as they were measured: where less is better, no sign is turned round.

    So a latency that rises with accuracy has a positive one here, and a negative one in `robbench.analysis.correlations`, which asks whether both metrics
    prefer the same architectures, and says which way each is better.

    Arguments:
        bench: where the measurements are.
        metrics: as for a query, each with its level.
        method: ``"kendall"`` or ``"spearman"``.
        width: in inches, or ``"column"`` or ``"page"``.
        dataset, training: as for a query.
    """
    matrix = analysis.correlation_matrix(bench, metrics, method=method, oriented=False, dataset=dataset, training=training)
    heading = setting(bench.measurements, list(matrix.columns), dataset=dataset, training=training)
    return correlation_heatmap(matrix, width=width, label=TITLES[method], title=heading)


@options_checked
def proxies(
    bench: RobBench,
    metrics: str | Metric | Sequence[str | Metric] = (),
    *,
    width: float | str = PAGE,
    dataset: str | None = None,
    training: str | None = None,
) -> Figure:
    """Heatmap of the store's proxies against metrics: the size of Kendall's τ, without its sign, over the evaluated architectures.

    Arguments:
        bench: where the measurements are.
        metrics: one or several; if left out, clean accuracy and the attacks at the levels of the published dataset.
        width: in inches, or ``"column"`` or ``"page"``.
        dataset, training: as for a query.
    """
    from robbench.papers.lukasik2023 import absolute_correlations

    names = [str(metric) for metric in ([metrics] if isinstance(metrics, str | Metric) else metrics)]
    found = absolute_correlations(bench, names, dataset=dataset, training=training)
    heading = setting(bench.measurements, list(found.columns), dataset=dataset, training=training)
    return correlation_heatmap(found, width=width, label="|Kendall τ|", title=heading, lowest=0)


def importance(
    bench: RobBench,
    targets: str | Sequence[str],
    *,
    by: str = "permutation",
    features: str = "proxies",
    width: float | str = COLUMN,
    **options: Any,
) -> Figure:
    """What features are worth to a forest that predicts a target; of several targets, side by side; with error bars.

    Arguments:
        bench: where the measurements are.
        targets: one or several; each a metric, or several joined by ``+``, which one forest predicts together.
        by: ``"permutation"`` or ``"impurity"``.
        features: see `robbench.surrogates.features`.
        width: in inches, or ``"column"`` or ``"page"``.
        options: of `robbench.analysis.importance`: split, without, seed, repeats (5, unless another number is given), progress, dataset, training.
    """
    names = [targets] if isinstance(targets, str) else list(targets)
    asked = {"columns": [by, spread(by)], "features": features, "repeats": 5, **options}
    tables = {name: analysis.importance(bench, name, **asked) for name in names}
    metrics = [metric for name in names for metric in name.split("+")]
    heading = setting(bench.measurements, metrics, dataset=options.get("dataset"), training=options.get("training"))
    if len(tables) == 1:
        return importance_bars(tables[names[0]], by=by, width=width, title=f"{heading}: {several(names[0])}")
    import pandas as pd

    values, errors = (pd.DataFrame({name: table[column] for name, table in tables.items()}) for column in (by, spread(by)))
    return importance_groups(values, errors=errors, by=by, width=width, title=heading)


@options_checked
def curves(
    bench: RobBench,
    attack: str,
    archs: Mapping[str, Architecture] | Sequence[Architecture],
    *,
    width: float | str = COLUMN,
    dataset: str | None = None,
    training: str | None = None,
    seed: int | None = None,
) -> Figure:
    """Accuracy under an attack over eps, a line for each architecture.

    Arguments:
        bench: where the measurements are.
        attack: its name.
        archs: by what the legend says of each; or a sequence, of which it says the class key, or the index that was given.
        width: in inches, or ``"column"`` or ``"page"``.
        dataset, training, seed: as for a query.
    """
    if not isinstance(archs, Mapping):
        archs = {short_name(bench, arch): arch for arch in bench.measurements.lookup.several(archs, "curves")}
    return eps_curves(bench, archs, attack, width=width, dataset=dataset, training=training, seed=seed)


def short_name(bench: RobBench, arch: Architecture) -> str:
    """What a legend calls an architecture that was given no name: the index that was given, or its class key."""
    text = str(arch)
    return text if text.isdigit() else bench.space.key(bench.parse(arch))


@options_checked
def search(
    bench: RobBench,
    metric: str | Metric,
    algorithms: str | Sequence[str] = ("random", "evolution"),
    *,
    budget: int = 300,
    runs: int = 30,
    values: bool = False,
    progress: bool = False,
    width: float | str = COLUMN,
    dataset: str | None = None,
    training: str | None = None,
) -> Figure:
    """Repeated searches, each charged for whatever it asks: over their queries, how far the best value so far is from the best in the store.

    That regret is drawn on a logarithmic axis which ends in 0, as the mean over runs and a band from the 10th to the 90th percentile.

    Arguments:
        bench: where the measurements are.
        metric: one, as for a query.
        algorithms: names in `robbench.search.ALGORITHMS`.
        budget: queries of a run.
        runs: of each algorithm; run i starts from the seed (0, i).
        values: draw the best value so far itself.
        progress: show a bar on stderr, if it takes more than two seconds.
        width: in inches, or ``"column"`` or ``"page"``.
        dataset, training: as for a query.
    """
    from tqdm import tqdm

    from robbench.search.repeated import repeat

    incumbents = {}
    for algorithm in [algorithms] if isinstance(algorithms, str) else algorithms:
        repeated = repeat(algorithm, bench, metric, budget=budget, runs=runs, on_repeat="charge", dataset=dataset, training=training)
        shown = tqdm(repeated, algorithm, total=runs, unit="run", delay=2, leave=False, disable=None if progress else True)
        incumbents[algorithm] = np.stack([run.incumbents for run in shown])
    optimum = bench.top(metric, 1, dataset=dataset, training=training).iloc[:, -1].to_numpy(np.float64)[0]
    heading = f"{setting(bench.measurements, [metric], dataset=dataset, training=training)}, best: {optimum:.3g}; mean of {runs} runs, "
    heading += "10th to 90th percentile"
    return search_curves(incumbents, best=None if values else optimum, y=words(metric), width=width, title=heading)


@options_checked
def architecture(bench: RobBench, arch: Architecture, *, width: float | str = COLUMN) -> Figure:
    """An architecture as papers draw it, of the bench's space or of any other, since nothing measured is drawn; raises UnknownArchitecture, CannotPlot."""
    try:
        space, parsed = bench.space, bench.parse(arch)
    except UnknownArchitecture:
        found = elsewhere(bench.space, arch)
        if found is None:
            raise
        space, parsed = found
    return cell_drawing(space.graph(parsed), width=width)


KINDS: dict[str, Callable[..., Figure]] = {
    "architecture": architecture,
    "best": best_cells,
    "boxes": boxes,
    "classes": class_matrix,
    "confidences": confidence_curves,
    "correlation": correlation,
    "curves": curves,
    "importance": importance,
    "proxies": proxies,
    "scatter": scatter,
    "search": search,
    "top": top_choices,
}


class Figures:
    """The figures of one bench: a method for each of `KINDS`, which returns a matplotlib `Figure`; `robbench.plots.save` writes it."""

    def __init__(self, bench: RobBench) -> None:
        vars(self).update({kind: MethodType(draw, bench) for kind, draw in KINDS.items()})

    def __repr__(self) -> str:
        return f"figures: {', '.join(KINDS)}"
