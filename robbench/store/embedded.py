"""Where the store that ships with RobBench is: beside the package in a wheel, in data/ in the repository."""

from __future__ import annotations

import os
from contextlib import suppress

from robbench.errors import NotAStore

FILE = "robbench-digits.h5"


def embedded_store() -> str:
    """The absolute path of the embedded store; raises NotAStore where this copy of RobBench has none.

    pathlib is left out, as in reading.
    """
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for folder in (package, os.path.dirname(package)):
        path = os.path.join(folder, "data", FILE)
        if os.path.isfile(path):
            return path
    raise NotAStore(f"this copy of RobBench has no embedded store ({FILE}); name the store to open, or make one with `robbench import`.")


def is_embedded(path: str) -> bool:
    """Whether a path leads to the embedded store."""
    with suppress(NotAStore, OSError):
        return os.path.samefile(path, embedded_store())
    return False
