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
        CannotPlot: another ending, or the file cannot be written: the folder is not there or not ours, or the disk is full.
    """
    path = Path(path)
    check_path(path)
    _save(figure, path, dpi)


def check_path(path: Path) -> None:
    """Raise CannotPlot unless a figure can be written there, as far as that is known before it is drawn."""
    if path.suffix.lower() not in FORMATS:
        raise CannotPlot(
            f"{path.name!r} is not in a format that figures are written in; expected a name that ends in {', '.join(FORMATS)}."
        )
    if path.is_dir():
        raise _unwritable(path, "it is a folder")
    folder = path.resolve().parent
    if not folder.is_dir():
        raise _unwritable(path, f"there is no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise _unwritable(path, f"the folder {folder} is not open to writing")


@styled
def _save(figure: Figure, path: Path, dpi: int) -> None:
    suffix = path.suffix.lower()
    buffer = BytesIO()
    figure.savefig(buffer, format=suffix[1:], dpi=dpi, metadata=FORMATS[suffix])
    try:
        with replacing(path) as file:
            file.write(buffer.getvalue())
    except OSError as error:
        raise _unwritable(path, str(error)) from error


def _unwritable(path: Path, reason: str) -> CannotPlot:
    return CannotPlot(f"{path} cannot be written: {reason}.  Name a file in a folder that is there and that you may write to.")
