"""Tables as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def text_table(frame: pd.DataFrame) -> str:
    """The columns side by side, each as wide as its widest entry; numbers to six digits."""
    columns = [[str(name), *map(shown, frame[name])] for name in frame]
    padded = [[f"{text:<{max(map(len, column))}}" for text in column] for column in columns]
    return "\n".join("  ".join(line).rstrip() for line in zip(*padded, strict=True))


def shown(value: object) -> str:
    """A number to six digits, and anything else as text."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
