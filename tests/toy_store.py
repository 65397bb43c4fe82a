"""A store of the toy space: a dozen architectures, or some of them, with made-up measurements."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from robbench.store.arrays import Array
from robbench.store.rows import Rows
from robbench.store.writing import extend
from tests.synthetic import array
from tests.toy_space import TOY, Chain

PGD_EPS = [1 / 255, 2 / 255]
ROWS = Rows.of(TOY, TOY.members)
CLASSES, EXACT = len(ROWS.keys), len(ROWS.exact)

_RNG = np.random.default_rng(0)
CLEAN = _RNG.integers(500, 1001, CLASSES) / 1000
PGD = np.sort(_RNG.integers(0, 501, (CLASSES, 2)) / 1000)[:, ::-1]
LATENCY = np.round(_RNG.random(EXACT), 3)
SYNFLOW = _RNG.normal(size=EXACT)


def arrays(rows: Rows) -> list[Array]:
    """Clean and PGD accuracies of their classes; a latency and a proxy of the exact architectures."""
    classes = [ROWS.class_row[key] for key in rows.keys]
    exact = [ROWS.exact_row[spec] for spec in rows.exact]
    return [
        array("toy10 standard clean accuracy", CLEAN[classes]),
        array("toy10 standard pgd accuracy", PGD[classes], {"eps": PGD_EPS}),
        array("toy10 untrained edgegpu_latency value", LATENCY[exact], rows="exact", unit="ms"),
        array("toy10 untrained synflow value", SYNFLOW[exact], rows="exact", unit="1"),
    ]


def write_toy_store(path: Path, archs: Sequence[Chain] = TOY.members) -> None:
    """A store of these architectures, with the measurements of `arrays`."""
    rows = Rows.of(TOY, archs)
    extend(path, rows, arrays(rows))
