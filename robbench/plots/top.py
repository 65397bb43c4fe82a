"""What the best architectures choose: one column an architecture, one row an edge, coloured by operation."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import TYPE_CHECKING, Any

from robbench.analysis import best
from robbench.arguments import checked_count, options_checked
from robbench.errors import CannotPlot, InvalidArgument
from robbench.measurements.directions import direction_as_cost
from robbench.measurements.metrics import Metric
from robbench.measurements.question import Where
from robbench.plots.cells import styles_of
from robbench.plots.style import FULL, label, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from robbench.bench import RobBench

HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "++++", "oooo", "----")
"""Of operations in the order of the space: what colour tells apart, they tell apart too."""
_A_ROW, _AROUND = 0.16, 0.75
"""Heights in inches: of a row, and of what stands above and below them."""
_ALL = 10**9


@styled
@options_checked
def top_choices(
    bench: RobBench,
    metric: str | Metric,
    n: int = 20,
    *,
    counts: Mapping[str, int] | None = None,
    width: float = FULL,
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
        width: in inches.
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
    figure = new_figure(width, _AROUND + _A_ROW * len(space.variables))
    ax = figure.subplots()
    for place, code in enumerate(rows):
        for row, choice in enumerate(code):
            ax.bar(place, 0.9, 0.9, row - 0.45, **styles[choices[choice]])
    ax.set_xlim(-0.6, len(rows) - 0.4)
    ax.set_ylim(len(space.variables) - 0.4, -0.6)
    ax.set_xticks(range(len(rows)), [str(place + 1) for place in range(len(rows))])
    ax.set_yticks(range(len(space.variables)), [space.label(variable) for variable in space.variables])
    ax.set_xlabel(f"rank by {label(str(metric))}")
    ax.set_ylabel(space.variable_kind)
    handles = [Patch(label=choice, **styles[choice]) for choice in choices]
    figure.legend(handles=handles, loc="outside upper center", ncols=max(1, int(width // 1.3)))
    return figure


def _best_codes(bench: RobBench, metric: str, n: int, counts: Mapping[str, int], where: Where) -> list[Any]:
    """Of the n best classes that have these operations so often."""
    space, choices = bench.space, bench.space.variables[0].choices
    found: list[Any] = []
    for arch in best(bench, metric, {}, _ALL, direction=direction_as_cost(metric), **where)["arch"]:
        code = space.encode(bench.parse(arch))
        if all(code.count(choices.index(operation)) == count for operation, count in counts.items()):
            found.append(code)
        if len(found) == n:
            break
    if not found:
        said = ", ".join(f"{operation} {count} times" for operation, count in counts.items())
        raise CannotPlot(f"{metric} was not measured of any architecture{f' with {said}' if said else ''}; there is none to draw.")
    return found
