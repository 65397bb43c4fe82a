"""Training noise, estimated from functional twins."""

from __future__ import annotations

import numpy as np
import pytest

from robbench import RobBench
from robbench.analysis import noise_ceiling
from robbench.errors import CannotFit
from robbench.measurements.noise import NEAR, differences, twin_groups
from robbench.spaces.nb201 import NB201, cells
from robbench.spaces.nb201.identity import class_partition

ALL = list(cells())
CLASSES = [ALL[first] for first in class_partition().representative]


def test_noise_is_what_twins_of_about_this_accuracy_differ_by(published: RobBench) -> None:
    """Nearly four times as much among the worst networks as among the best, and correlated between clean and PGD accuracy."""
    metrics = ["clean", "pgd@1/255"]
    values = np.stack([published.query_many(published.classes, metric) for metric in metrics], axis=1)
    levels, found = differences(values, twin_groups(NB201, published.classes))
    assert np.sqrt((found**2).mean(axis=0)) == pytest.approx(
        [noise_ceiling(published, metric, resamples=2).noise for metric in metrics], rel=0.1
    )
    oracle = published.oracle(metrics, noise="twin")
    worst, best = (np.argsort(values[:, 0])[rows] for rows in (slice(600), slice(-600, None)))
    for rows, clean in ((worst, levels[:, 0] < 0.87), (best, levels[:, 0] > 0.93)):
        noisy = np.array([oracle(published.classes[row]) for row in rows]) - values[rows]
        assert noisy.std(axis=0) == pytest.approx(found[clean].std(axis=0), rel=0.25)
        assert np.corrcoef(noisy.T)[0, 1] == pytest.approx(np.corrcoef(found[clean].T)[0, 1], abs=0.15)
    assert found[levels[:, 0] < 0.87, 0].std() > 2 * found[levels[:, 0] > 0.93, 0].std()


def test_differences_have_the_variance_of_one_measurement_and_stand_in_order() -> None:
    rng = np.random.default_rng(0)
    levels, found = differences(rng.normal(size=(len(CLASSES), 1)), twin_groups(NB201, CLASSES))
    assert float((found**2).mean()) == pytest.approx(1, abs=0.05)
    assert (np.diff(levels[:, 0]) >= 0).all()
    assert len(found) > NEAR
    with pytest.raises(CannotFit, match="needs twins that were measured apart"):
        differences(np.zeros((2, 1)), twin_groups(NB201, [CLASSES[0], CLASSES[-1]]))
