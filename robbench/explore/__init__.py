"""The explorer: one HTML file that shows a store, without a server, a network or WebGL.

    contents.py   what of a store it shows: architectures, columns of numbers, sources
    noise.py      training noise of each column
    drawings.py   architectures as `robbench.plots` draws them, each part once
    packing.py    all of it as compact bytes
    page.py       the page and the data in one file
    assets/       the page: HTML, CSS and scripts

The scripts are our own.  Bokeh, the best fit among libraries that ship their JavaScript, brings 1.95 MB for plots, widgets and tables, and a store of
everything takes 2.9 MB at 6,466 architectures by 327 metrics, so both do not fit into 3 MB.  Its scatter is a canvas that a keyboard and a screen reader
cannot enter, and drawn cells, neighbours, twins, comparison and the link that restores a view would be our own code anyway.  What is left is a canvas of
points, two small charts, a table and a form.

What comes from a store reaches the page as data only: it is packed into characters that mean nothing to HTML, and the scripts write it as text.  The page's
content security policy allows its own scripts, by their hash, and no request at all.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from robbench.arguments import options_checked
from robbench.explore.contents import Contents, contents
from robbench.explore.page import check_place, page, write

if TYPE_CHECKING:
    from robbench.bench import RobBench

__all__ = ["Contents", "Explored", "contents", "explore", "page", "write"]


class Explored(NamedTuple):
    """An explorer that was written."""

    out: Path
    bytes: int
    architectures: int
    """Classes: points of its plot."""
    metrics: int


@options_checked
def explore(
    bench: RobBench, out: str | os.PathLike[str] = "explore.html", *, datasets: Sequence[str] | None = None, progress: bool = False
) -> Explored:
    """Write an explorer of the store: one HTML file for any browser, whole, or not at all.

    Arguments:
        bench: on the store.
        out: the file; only a page like this one is replaced.
        datasets: those whose numbers are shown; all of them if left out.
        progress: show on stderr, where that is a terminal, what is done and for how long.

    Raises:
        CannotPlot: nothing in the store is one number an architecture, or the file cannot go there.
        NotMeasured: the store holds no such dataset.
        DamagedStore: a part of the store cannot be read.
        OSError: the folder cannot be written, or the disk is full.
    """
    out = Path(out)
    check_place(out)
    shown = contents(bench, datasets=datasets, progress=progress)
    return Explored(out, write(shown, out, progress=progress), len(shown.keys), len(shown.columns))
