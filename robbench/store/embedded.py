"""Where the store that ships with RobBench is: beside the package in a wheel, in data/ in the repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from robbench.errors import NotAStore

if TYPE_CHECKING:
    from pathlib import Path

FILE = "robbench-digits.h5"


def embedded_store() -> Path:
    """The path of the embedded store; raises NotAStore where this copy of RobBench has none."""
    from pathlib import Path

    package = Path(__file__).parents[1]
    for folder in (package / "data", package.parent / "data"):
        if (folder / FILE).is_file():
            return folder / FILE
    raise NotAStore(f"this copy of RobBench has no embedded store ({FILE}); name the store to open, or make one with `robbench import`.")
