"""Stores, compared."""

from pathlib import Path

import numpy as np

from robbench.store import Store


def assert_same_arrays(one: Path, other: Path) -> None:
    """Every array is the same, bit for bit; what a clock said is not."""
    with Store(one) as first, Store(other) as second:
        names = [name for name in first.names() if name.metric != "training_seconds"]
        assert len(names) > 5
        assert first.names() == second.names()
        for name in names:
            assert np.array_equal(first.read(name), second.read(name), equal_nan=True), name
