from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from robbench import RobBench
from robbench.measurements.levels import EPOCHS_FROM_0
from robbench.store.arrays import Array
from robbench.store.writing import extend
from tests.synthetic import array
from tests.toy_store import CLASSES, PGD_EPS, ROWS

EPOCHS = [0, 1, 2, 3]
PGD_EPOCHS = EPOCHS[1:]
"""The attack was not run after the first."""


def from_0(path: str, values: np.ndarray, axes: dict[str, list[float]]) -> Array:
    """A learning curve whose epochs are counted from 0."""
    curve = array(path, values, axes)
    return curve._replace(header=curve.header._replace(provenance={**curve.header.provenance, "epochs": EPOCHS_FROM_0}))


@pytest.fixture
def curved(toy_store: Path) -> RobBench:
    """The toy store with learning curves, the seconds that training took, and other data sets and trainings."""
    rng = np.random.default_rng(4)

    def thousandths(*shape: int) -> np.ndarray:
        return rng.permutation(10_000)[: CLASSES * int(np.prod(shape))].reshape(CLASSES, *shape) / 10_000

    arrays = []
    for dataset in ("toy10", "toy20"):
        arrays += [
            from_0(f"{dataset} standard clean learning_curve", thousandths(4), {"epoch": [*EPOCHS]}),
            from_0(f"{dataset} standard pgd learning_curve", thousandths(2, 3), {"eps": PGD_EPS, "epoch": [*PGD_EPOCHS]}),
            array(f"{dataset} standard training_seconds value", 100 * thousandths(), unit="s"),
        ]
    seeded = thousandths(2)
    seeded[3, 1] = np.nan
    arrays.append(array("toy20 standard clean accuracy", thousandths()))
    arrays.append(array("toy10 pgd-8/255 clean accuracy", seeded, {"seed": [7, 8]}))
    arrays.append(array("toy10 pgd-8/255 clean learning_curve", thousandths(2), {"epoch": [1, 2]}))
    arrays.append(array("toy10 pgd-8/255 pgd learning_curve", thousandths(1, 1), {"eps": PGD_EPS[:1], "epoch": [3]}))
    arrays.append(array("toy30 standard clean learning_curve", thousandths(2), {"epoch": [1, 2]}))
    extend(toy_store, ROWS, arrays)
    return RobBench(toy_store)
