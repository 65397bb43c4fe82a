"""What figures have in common: sizes, colours, lines, headings, and that matplotlib may be missing."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from numbers import Real
from textwrap import fill
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from robbench.arguments import checked_choice
from robbench.errors import CannotPlot, InvalidArgument, MissingLibrary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN, PAGE, HIGHEST = 3.25, 6.75, 9.0
"""Inches: the widths of a column and of the page, and the height of the page, in the templates of two-column papers (ICML; CVPR has 3.25, 6.875 and 8.875)."""
WIDTHS = {"column": COLUMN, "page": PAGE}
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
"""Told apart by the colour-blind too (Okabe and Ito, 2008)."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES = ("-", "--", "-.", ":")
MAP, DIVERGING = "viridis", "RdBu_r"
"""Of magnitudes, and of what has a sign; the colour-blind read both."""
GREY, UNDEFINED = "#666666", "#CCCCCC"
TOGETHER = "\N{NO-BREAK SPACE}"
"""A space at which `fitted` ends no line."""
SMALL = 7
"""Points: the smallest text."""
LINE_HEIGHT = 0.15
_LETTER = 0.0082
"""Inches: a line of text, and a letter of it on average for each point of its size."""
_SETTINGS: Any = {  # a dict, whose keys matplotlib's types know by version
    "font.family": "DejaVu Sans",  # comes with matplotlib, so a figure is the same everywhere
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "figure.titlesize": 8,
    "figure.labelsize": 8,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "hatch.linewidth": 0.8,
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
    "svg.hashsalt": "robbench",  # the same figure is the same file
    "pdf.fonttype": 42,
}

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def styled(draw: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """`draw`, in our style, which is in force only while it runs, with a ``width`` in inches or by its name in `WIDTHS`.

    Raises:
        MissingLibrary: there is no matplotlib.
        InvalidArgument: a width that is none.
        CannotPlot: the figure would be higher than a page.
    """

    @wraps(draw)
    def drawn(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            from matplotlib import rc_context
        except ImportError as error:
            raise MissingLibrary(f"a figure needs matplotlib: pip install 'robbench[plots]' ({error}).") from error
        if "width" in kwargs:
            kwargs["width"] = inches(kwargs["width"])
        with rc_context(_SETTINGS):
            result = draw(*args, **kwargs)
            _finish(result)
            return result

    return drawn


def inches(width: object) -> float:
    """A width in inches, from a number or a name in `WIDTHS`; raises InvalidArgument where it is neither."""
    if isinstance(width, str):
        checked_choice(width, "width", tuple(WIDTHS))
        return WIDTHS[width]
    if not isinstance(width, Real) or not 1 <= float(width) <= 100:
        raise InvalidArgument(f"width={width!r} is not a width; expected 'column', 'page', or 1 to 100 inches.")
    return float(width)


def new_figure(width: float, height: float, heading: str = "") -> Figure:
    """An empty figure of that size in inches, which belongs to no window and shows itself in a notebook; a heading takes room of its own above."""
    from robbench.plots.picture import Picture

    figure = Picture(figsize=(width, height), layout="constrained")
    if heading:
        text = fitted(heading, width)
        figure.suptitle(text, x=0.03 / width, ha="left")
        heighten(figure, text.count("\n") + 1)
    return figure


def panels(width: float, count: int, columns: int, height: float, *, sharey: bool = False, heading: str = "") -> tuple[Figure, list[Axes]]:
    """A figure of that many panels in rows of so many columns, each so high in inches; and the panels."""
    rows = -(-count // columns)
    figure = new_figure(width, rows * height, heading)
    axes = list(figure.subplots(rows, columns, squeeze=False, sharey=sharey).flat)
    for unused in axes[count:]:
        unused.remove()
    return figure, axes[:count]


def heighten(figure: Figure, lines: int) -> None:
    """Make a figure higher by so many lines of text."""
    figure.set_figheight(figure.get_figheight() + lines * LINE_HEIGHT)


def fitted(text: str, room: float, size: float = 8) -> str:
    """A text in lines that are not longer than so many inches, in letters of so many points; a level stays with its name."""
    whole = re.sub(r"\b(eps|severity) (?=[0-9])", "\\1" + TOGETHER, text)
    return fill(whole, max(int(room / breadth(1, size)), 8), break_long_words=False, break_on_hyphens=False).replace(TOGETHER, " ")


def breadth(letters: int, size: float = SMALL) -> float:
    """Inches that so many letters of so many points take on average."""
    return letters * size * _LETTER


def legend_below(figure: Figure, ax: Axes) -> None:
    """A legend of what was drawn on `ax`, below the figure, which becomes higher: whatever it lists, it covers nothing."""
    handles, labels = ax.get_legend_handles_labels()
    each = 0.45 + breadth(max(map(len, labels)))
    columns = max(min(int(figure.get_figwidth() / each), len(labels)), 1)
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, columnspacing=1.2, borderpad=0.2, borderaxespad=0.2)
    heighten(figure, -(-len(labels) // columns))


def scale(figure: Figure, ax: Axes, drawn: Any, label: str, **options: Any) -> None:
    """A scale of colours beside `ax`, as high as it."""
    figure.colorbar(drawn, ax=ax, label=label, fraction=0.06, pad=0.02, aspect=max(20, 8 * figure.get_figheight()), **options)


def series(count: int) -> list[dict[str, Any]]:
    """Colour, marker and line of so many series: the first seven differ in colour, the first eight in marker, and all in one of the two.

    Raises:
        CannotPlot: more than can be told apart.
    """
    colours = OKABE_ITO[:-1]  # yellow lines are not seen on white
    if count > len(colours) * len(MARKERS):
        raise CannotPlot(f"{count} lines cannot be told apart in one figure; draw {len(colours) * len(MARKERS)} at most.")
    return [
        {
            "color": colours[place % len(colours)],
            "marker": MARKERS[place % len(MARKERS)],
            "linestyle": LINES[(place + place // len(LINES)) % len(LINES)],
        }
        for place in range(count)
    ]


def _finish(result: object) -> None:
    """Draw a figure once, so that ticks, which come into being only then, are made in our style; refuse one that no page holds."""
    from matplotlib.figure import Figure

    if isinstance(result, Figure):
        if result.get_figheight() > HIGHEST + 0.005:
            raise CannotPlot(
                f"the figure would be {result.get_figheight():.1f} inches high, and a page has {HIGHEST:g}; draw less in it, or make it wider:"
                f" width='page' is {PAGE:g} inches."
            )
        result.draw_without_rendering()
