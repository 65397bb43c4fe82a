"""A made-up landscape: smooth, with one best cell, two objectives that are at odds, and a proxy that is mostly right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robbench import RobBench
from robbench.spaces.moves import Moves
from robbench.spaces.nb201 import NB201, SIZE, Cell, cells
from robbench.spaces.nb201.identity import class_partition
from robbench.store.writing import extend
from tests import synthetic

ALL = list(cells())
PARTITION = class_partition()
CLASSES = [ALL[first] for first in PARTITION.representative]
WORTH = {"none": 0.0, "skip_connect": 0.5, "nor_conv_1x1": 0.7, "nor_conv_3x3": 1.0, "avg_pool_3x3": 0.3}
EDGES = np.array([0.10, 0.16, 0.13, 0.19, 0.17, 0.25])


def height(cell: Cell) -> float:
    """What each edge is worth, summed: from 0 to 1."""
    return float(EDGES @ [WORTH[op] for op in cell.ops])


@pytest.fixture(scope="session")
def landscape(tmp_path_factory: pytest.TempPathFactory) -> RobBench:
    """Half of the classes lack fog; synflow lacks every tenth cell."""
    clean = np.round([height(cell) for cell in CLASSES], 3)
    robust = np.round([1 - sum(op == "nor_conv_3x3" for op in cell.ops) / 6 - 0.1 * cell.ops.count("none") / 6 for cell in CLASSES], 3)
    fog = np.where(np.arange(len(CLASSES)) % 2, np.nan, clean)
    noise = np.random.default_rng(0).normal(scale=0.05, size=SIZE)
    proxy = np.array([height(cell) for cell in ALL]) + noise
    proxy[::10] = np.nan
    path: Path = tmp_path_factory.mktemp("landscape") / "landscape.h5"
    extend(
        path,
        synthetic.ROWS,
        [
            synthetic.array("smooth standard clean accuracy", clean),
            synthetic.array("smooth standard pgd accuracy", robust[:, np.newaxis], {"eps": [1 / 255]}),
            synthetic.array("smooth standard fog accuracy", np.repeat(fog[:, np.newaxis], 5, axis=1), {"severity": [1, 2, 3, 4, 5]}),
            synthetic.array("smooth untrained synflow value", proxy, rows="exact", unit="1"),
            synthetic.array("smooth untrained edgegpu_latency value", np.round(1 + np.abs(noise), 3), rows="exact", unit="ms"),
        ],
        published_index=synthetic.published_index(),
    )
    return RobBench(path)


@pytest.fixture(scope="session")
def space() -> Moves[Any]:
    """All of NAS-Bench-201; shared, since it remembers neighbours."""
    return NB201
