"""Comparisons to be read: as text, or as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from robbench.papers.entry import Comparison

_DIGITS = 4


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table in words: numbers with four decimals at the most, differences with their sign, nothing for NaN."""
    import pandas as pd

    return pd.DataFrame({name: [_text(value, "+" if name == "difference" else "") for value in table[name]] for name in table})


def markdown(found: Comparison) -> str:
    """A section: its heading, the table, and what differs."""
    lines = [f"## {found.name}", "", f"{found.paper}. {found.shows}.", "", *markdown_table(found.table), ""]
    return "\n".join([*lines, *(f"- {sentence}" for sentence in found.differs), ""])


def markdown_table(table: pd.DataFrame) -> list[str]:
    """The lines of a table; bars inside arch strings are escaped."""
    rows = [list(table.columns), ["---"] * len(table.columns), *readable(table).to_numpy().tolist()]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]


def _text(value: object, sign: str) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{round(value, _DIGITS):{sign}.10g}"
    return str(value)
