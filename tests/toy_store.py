"""A store of the toy space: a dozen architectures, with made-up measurements."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from robbench.store.rows import Rows
from robbench.store.writing import extend
from tests.synthetic import array
from tests.toy_space import TOY

PGD_EPS = [1 / 255, 2 / 255]
ROWS = Rows.of(TOY, TOY.members)
CLASSES, EXACT = len(ROWS.keys), len(ROWS.exact)


def write_toy_store(path: Path) -> None:
    """Clean and PGD accuracies of all classes; a latency and a proxy of all exact architectures."""
    rng = np.random.default_rng(0)
    extend(
        path,
        ROWS,
        [
            array("toy10 standard clean accuracy", rng.integers(500, 1001, CLASSES) / 1000),
            array("toy10 standard pgd accuracy", np.sort(rng.integers(0, 501, (CLASSES, 2)) / 1000)[:, ::-1], {"eps": PGD_EPS}),
            array("toy10 untrained edgegpu_latency value", np.round(rng.random(EXACT), 3), rows="exact", unit="ms"),
            array("toy10 untrained synflow value", rng.normal(size=EXACT), rows="exact", unit="1"),
        ],
    )
