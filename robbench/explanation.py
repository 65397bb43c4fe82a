"""What `RobBench.explain` answers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Explanation(NamedTuple):
    """Where a number comes from."""

    value: float | np.ndarray
    architecture: str
    identity: str
    """"class": measured once for all isomorphic cells; "cell": of this exact cell."""
    class_key: str
    metric: str
    dataset: str
    training: str
    seed: int | None
    how: str
    """measured, interpolated or derived."""
    unit: str
    sources: dict[str, dict[str, Any]]
    """Provenance of each array that the number comes from."""
