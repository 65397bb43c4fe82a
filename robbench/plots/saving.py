"""Figures as files."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robbench.errors import CannotPlot
from robbench.plots.style import styled
from robbench.store.atomic import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Without the date, the same figure is the same file.
FORMATS: dict[str, dict[str, Any]] = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}, ".png": {}}


def save(figure: Figure, path: str | os.PathLike[str], *, dpi: int = 300) -> None:
    """Write a figure in the format that the path ends in: the whole file, or nothing.

    Arguments:
        figure: any matplotlib figure.
        path: ends in .pdf, .svg or .png.
        dpi: pixels an inch of a PNG, and of what is rasterised in the others (dense scatters).

    Raises:
        CannotPlot: another ending.
        OSError: the folder cannot be written, or the disk is full.
    """
    path = Path(path)
    check_format(path)
    _save(figure, path, dpi)


def check_format(path: Path) -> None:
    """Raise CannotPlot unless a figure can be written in this file's format."""
    if path.suffix.lower() not in FORMATS:
        raise CannotPlot(
            f"{path.name!r} is not in a format that figures are written in; expected a name that ends in {', '.join(FORMATS)}."
        )


@styled
def _save(figure: Figure, path: Path, dpi: int) -> None:
    suffix = path.suffix.lower()
    buffer = BytesIO()
    figure.savefig(buffer, format=suffix[1:], dpi=dpi, metadata=FORMATS[suffix])
    with replacing(path) as file:
        file.write(buffer.getvalue())
