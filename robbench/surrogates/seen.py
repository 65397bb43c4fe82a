"""Which architectures a surrogate has seen: what another predictor may learn from, and be judged on, beside it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from robbench.measurements.measurements import Measurements
from robbench.surrogates.fitting import gather
from robbench.surrogates.splits import FOLDS, Twins, split
from robbench.surrogates.surrogate import Surrogate


class Split(NamedTuple):
    """The architectures of a store as a surrogate has met them, in row order: one for each class where its target was measured once a class."""

    training: tuple[Any, ...]
    """It learned from these."""
    calibration: tuple[Any, ...] | None
    """The other side of its split: they gave its scores and the widths of its intervals, and no mean depends on them.  None where it cannot be told any more,
    since more has been measured after the fit, or where it learned from all, by folds."""
    held_out: tuple[Any, ...]
    """Its whole target was measured of these, and it learned from none of them, nor from a functional twin: those that calibrate it are among them."""


def split_of(measurements: Measurements, surrogate: Surrogate) -> Split:
    """The split of a surrogate of this store.

    Raises:
        DamagedStore: it names rows that the store has not.
    """
    about, lookup = surrogate.about, measurements.lookup
    archs, learned = lookup.archs(about.rows), surrogate.learned_rows(measurements)
    data = gather(measurements, about.target, about.features, dataset=about.dataset, training=about.training)
    group = Twins.of(measurements.space, archs).group
    unseen = data.rows[~np.isin(group[data.rows], group[learned])]
    if about.split["kind"] == FOLDS:  # all are learned from, so none calibrates that no mean depends on
        return Split(tuple(archs[row] for row in learned.tolist()), None, tuple(archs[row] for row in unseen.tolist()))
    inside = split(about.split["kind"], data.twins, train=about.split["train"], seed=about.split["seed"])
    calibrating = data.rows[~inside]
    repeated = np.array_equal(data.rows[inside], learned) and len(calibrating) == len(surrogate.calibration)

    def of(rows: np.ndarray) -> tuple[Any, ...]:
        return tuple(archs[row] for row in rows.tolist())

    return Split(of(learned), of(calibrating) if repeated else None, of(unseen))
