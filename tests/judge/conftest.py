"""A store of 400 architectures whose truth is known: clean accuracy follows parameters and skips, PGD runs against it, twins differ by a little noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from robbench import RobBench
from robbench.spaces.nb201 import NB201, Cell
from robbench.store.rows import Rows
from robbench.store.writing import extend
from tests.synthetic import array

ARCHS = [NB201.decode(code) for code in np.random.default_rng(0).integers(0, 5, (400, 6)).tolist()]
FIRST_TWIN = {NB201.twin_key(arch): arch for arch in reversed(ARCHS)}
NOISE = 0.01


def parameters(cell: Cell) -> float:
    return float(NB201.attributes["kernel_parameters"](cell))


def clean_of(cell: Cell) -> float:
    """What its operations are worth, all edges alike; of twins, those of the first."""
    cell = FIRST_TWIN.get(NB201.twin_key(cell), cell)
    return 0.3 + 0.09 * cell.ops.count("nor_conv_3x3") + 0.05 * cell.ops.count("skip_connect") - 0.04 * cell.ops.count("none")


def write_judged(path: Path) -> None:
    rows = Rows.of(NB201, list(dict.fromkeys(ARCHS)))
    rng = np.random.default_rng(1)
    classes, exact = [NB201.parse(text) for text in rows.classes], [NB201.parse(text) for text in rows.exact]
    clean = np.array([clean_of(cell) for cell in classes]) + rng.normal(scale=NOISE, size=len(classes))
    pgd = 0.9 - clean + rng.normal(scale=NOISE, size=len(classes))
    synflow = np.array([clean_of(cell) for cell in exact]) + rng.normal(scale=0.1, size=len(exact))
    extend(
        path,
        rows,
        [
            array("made standard clean accuracy", clean),
            array("made standard pgd accuracy", np.stack([pgd, pgd / 3], axis=1), {"eps": [1 / 255, 8 / 255]}),
            array("made standard training_seconds value", np.array([1 + parameters(cell) for cell in classes]), unit="s"),
            array("made untrained params value", np.array([parameters(cell) for cell in exact]), rows="exact", unit="10^6"),
            array("made untrained synflow value", synflow, rows="exact", unit="1"),
        ],
    )


@pytest.fixture(scope="session")
def judged_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("judged") / "judged.h5"
    write_judged(path)
    return path


@pytest.fixture(scope="session")
def judged(judged_store: Path) -> RobBench:
    return RobBench(judged_store)
