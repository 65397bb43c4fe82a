"""What figures have in common: sizes, colours, fonts, and that matplotlib may be missing."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from robbench.errors import MissingLibrary
from robbench.measurements.metrics import parse

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN, FULL = 3.3, 6.8
"""Widths in inches: of a column, and of the page, in the templates of the large conferences."""
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
"""Told apart by the colour-blind too (Okabe and Ito, 2008)."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES = ("-", "--", "-.", ":")
MAP = "viridis"
GREY = "#666666"
_SETTINGS: Any = {  # a dict, whose keys matplotlib's types know by version
    "font.family": "DejaVu Sans",  # comes with matplotlib, so a figure is the same everywhere
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
    "svg.hashsalt": "robbench",  # the same figure is the same file
    "pdf.fonttype": 42,
}

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def styled(draw: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """`draw`, in our style, which is in force only while it runs; raises MissingLibrary where there is no matplotlib."""

    @wraps(draw)
    def drawn(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            from matplotlib import rc_context
        except ImportError as error:
            raise MissingLibrary(f"a figure needs matplotlib: pip install 'robbench[plots]' ({error}).") from error
        with rc_context(_SETTINGS):
            result = draw(*args, **kwargs)
            _draw_once(result)
            return result

    return drawn


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of that size in inches, which belongs to no window and shows itself in a notebook."""
    from robbench.plots.picture import Picture

    return Picture(figsize=(width, height), layout="constrained")


def panels(width: float, count: int, columns: int, height: float, *, sharey: bool = False) -> tuple[Figure, list[Axes]]:
    """A figure of that many panels in rows of so many columns, each so high in inches; and the panels."""
    rows = -(-count // columns)
    figure = new_figure(width, rows * height)
    axes = list(figure.subplots(rows, columns, squeeze=False, sharey=sharey).flat)
    for unused in axes[count:]:
        unused.remove()
    return figure, axes[:count]


def label(metric: str) -> str:
    """What an axis says of a metric: its name as asked for, and its unit."""
    if metric == "kernel_parameters":
        return "cell kernel parameters"
    entry = parse(metric).entry
    if entry.unit == "fraction":
        return f"{metric} accuracy" if entry.kind in ("clean", "attack", "corruption") and ":" not in metric else metric
    unit = {"1": "", "10^6": " (millions)"}.get(entry.unit, f" ({entry.unit})")
    return metric + unit


def _draw_once(result: object) -> None:
    """Draw a figure once, so that ticks, which come into being only then, are made in our style."""
    from matplotlib.figure import Figure

    if isinstance(result, Figure):
        result.draw_without_rendering()
