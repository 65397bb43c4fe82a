"""What the best architectures choose: one column an architecture, one row an edge, coloured by operation."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import TYPE_CHECKING, Any

from robbench.analysis import best
from robbench.arguments import checked_count, options_checked
from robbench.errors import CannotPlot, InvalidArgument
from robbench.measurements.directions import direction_as_cost, spelled
from robbench.measurements.metrics import Metric
from robbench.measurements.question import Where
from robbench.measurements.wording import setting, words
from robbench.plots.cells import styles_of
from robbench.plots.style import PAGE, fitted, heighten, new_figure, styled
from robbench.spaces import SearchSpace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from robbench.bench import RobBench

HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "++++", "oooo", "----")
"""Of operations in the order of the space: what colour tells apart, they tell apart too."""
_A_ROW, _AROUND, _A_RANK = 0.16, 0.5, 0.22
"""Inches: the height of a row, and of what stands below them; the width of a rank that is written."""
_ALL = 10**9


@styled
@options_checked
def top_choices(
    bench: RobBench,
    metric: str | Metric,
    n: int = 20,
    *,
    counts: Mapping[str, int] | None = None,
    width: float | str = PAGE,
    dataset: str | None = None,
    training: str | None = None,
    seed: int | None = None,
) -> Figure:
    """The operations of the n best classes by a metric, the best on the left; by Jung et al. (2023), Figures 7 and 29.

    Arguments:
        bench: where the measurements are.
        metric: as for a query; of parameters and FLOPs, less is best.
        n: how many; all, if there are fewer.
        counts: only architectures that have an operation so often, as ``{"nor_conv_3x3": 2, "nor_conv_1x1": 0}``; of a class, as its first
            architecture has them.
        width: in inches, or ``"column"`` or ``"page"``.
        dataset, training, seed: as for a query.

    Raises:
        CannotPlot: nothing was measured of such architectures; or the search space's variables are not all a choice of the same operations.
        InvalidArgument: an operation that the space does not have, or a number that is none.
        UnknownMetric, NotMeasured: as for a query.
    """
    from matplotlib.patches import Patch

    space, where = bench.space, Where(dataset=dataset, training=training, seed=seed)
    choices = space.variables[0].choices
    if any(variable.choices != choices for variable in space.variables):
        raise CannotPlot(f"the architectures of {space.title} choose more than operations; `bench.plot.architecture` draws each of them.")
    for operation, count in (counts or {}).items():
        if operation not in choices:
            raise InvalidArgument(f"counts has {operation!r}; expected operations of {space.title}: {', '.join(choices)}.")
        checked_count(count, "counts", least=0, of=f"times {operation}")
    rows = _best_codes(bench, str(metric), checked_count(n, "n"), counts or {}, where)
    colours = styles_of([])
    styles = {
        choice: {"facecolor": colours[choice]["color"], "hatch": hatch, "edgecolor": "white", "linewidth": 0}
        for choice, hatch in zip(choices, cycle(HATCHES), strict=False)
    }
    figure = new_figure(float(width), _AROUND + _A_ROW * len(space.variables), setting(bench.measurements, [metric], **where))
    ax = figure.subplots()
    for place, (_, code) in enumerate(rows):
        for row, choice in enumerate(code):
            ax.bar(place, 0.9, 0.9, row - 0.45, **styles[choices[choice]])
    ax.set_xlim(-0.6, len(rows) - 0.4)
    ax.set_ylim(len(space.variables) - 0.4, -0.6)
    ranks = _ranks(len(rows), float(width))
    ax.set_xticks([rank - 1 for rank in ranks], list(map(str, ranks)))
    ax.set_yticks(range(len(space.variables)), [space.label(variable) for variable in space.variables])
    ax.set_xlabel(fitted(f"rank by {words(metric)} ({rows[0][0]:.3g} to {rows[-1][0]:.3g})", float(width) - 0.5))
    ax.set_ylabel(space.variable_kind)
    handles = [Patch(label=text, **styles[choice]) for choice, text in zip(choices, _spoken(space), strict=True)]
    columns = min(max(1, int(float(width) // 1.05)), len(handles))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, borderpad=0.2, borderaxespad=0.2)
    heighten(figure, -(-len(handles) // columns))
    return figure


def _spoken(space: SearchSpace[Any]) -> tuple[str, ...]:
    """The operations as drawings of architectures label them, or by name where the space has no such drawings."""
    choices = space.variables[0].choices
    try:
        graphs = [space.graph(space.decode((place,) * len(space.variables))) for place in range(len(choices))]
    except CannotPlot:
        return choices
    labels = {arrow.operation: arrow.label for graph in graphs for arrow in graph.arrows}
    return tuple(labels.get(choice, choice) for choice in choices)


def _ranks(count: int, width: float) -> list[int]:
    """The ranks that are written below so many columns: the first, and every 1, 5, 10, 50, …, as they have room."""
    most = max(int(width / _A_RANK), 1)
    step = next(step for power in range(12) for step in (10**power, 5 * 10**power) if count / step <= most)
    return [1, *range(max(step, 2), count + 1, step)]


def _best_codes(bench: RobBench, metric: str, n: int, counts: Mapping[str, int], where: Where) -> list[tuple[float, Any]]:
    """The value and the code of the n best classes that have these operations so often."""
    space, choices = bench.space, bench.space.variables[0].choices
    found: list[tuple[float, Any]] = []
    ranked = best(bench, metric, {}, _ALL, direction=direction_as_cost(metric), **where)
    for arch, value in zip(ranked["arch"], ranked[spelled(metric)], strict=True):
        code = space.encode(bench.parse(arch))
        if all(code.count(choices.index(operation)) == count for operation, count in counts.items()):
            found.append((float(value), code))
        if len(found) == n:
            break
    if not found:
        said = ", ".join(f"{operation} {count} times" for operation, count in counts.items())
        raise CannotPlot(f"{metric} was not measured of any architecture{f' with {said}' if said else ''}; there is none to draw.")
    return found
