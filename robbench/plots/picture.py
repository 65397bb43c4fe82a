"""A figure that shows itself in a notebook; the only module of this package that imports matplotlib when it is loaded."""

from __future__ import annotations

from io import BytesIO

from matplotlib.figure import Figure

DPI = 144
"""Of what a notebook shows: a column is then 475 pixels wide."""


class Picture(Figure):
    """A matplotlib figure that belongs to no window; as the last line of a notebook's cell it is shown, whatever backend is in use."""

    def _repr_png_(self) -> bytes:
        buffer = BytesIO()
        self.savefig(buffer, format="png", dpi=DPI)
        return buffer.getvalue()
