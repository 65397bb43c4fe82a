"""A store as a table to learn from, for scikit-learn and whatever takes the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from robbench.arguments import checked_choice
from robbench.errors import NotMeasured
from robbench.measurements.measurements import Measurements
from robbench.surrogates import splits
from robbench.surrogates.fitting import gather

if TYPE_CHECKING:
    import pandas as pd


class XY(NamedTuple):
    """Architectures by features, and what was measured of them."""

    X: pd.DataFrame
    """``(n, features)``, float64; indexed by the architecture's text, a named column for each feature."""
    y: pd.Series[float] | pd.DataFrame
    """``(n,)``, or ``(n, metrics)`` where there are several; in the metric's unit, the same index."""
    groups: np.ndarray
    """``(n,)``, intp: functional twins have the same number; for ``GroupKFold``."""
    train: np.ndarray
    """``(n,)``, bool: the training side of the split; all of it where none was asked for."""


def to_xy(
    measurements: Measurements,
    metric: str,
    *,
    features: str = "structure",
    split: str | None = None,
    train: float = 0.8,
    seed: int = 0,
    missing: str = "raise",
    dataset: str | None = None,
    training: str | None = None,
) -> XY:
    """Features and measurements of every class, or of every exact architecture where the metric belongs to these.

    Arguments:
        measurements: of a bench.
        metric: one, or several joined by "+"; an attack or corruption without a level means its whole curve.
        features: sets joined by "+"; see `robbench.surrogates.features`.
        split: ``"twin"``, where no function is on both sides, or ``"random"``, as papers do; None: everything is for training.
        train: share on the training side.
        seed: of the split.
        missing: an architecture with a NaN among its features or metrics is refused, ``"raise"``, or left out, ``"drop"``.
        dataset: the bench's default if left out.
        training: the protocol; as for a query.

    Raises:
        UnknownMetric: as for a query.
        InvalidArgument: no such features, split, share or seed.
        NotMeasured: as for a query; or values are missing.
        CannotFit: metrics of classes and of exact architectures together.
    """
    import pandas as pd

    checked_choice(missing, "missing", ("raise", "drop"))
    data = gather(measurements, metric, features, dataset=dataset, training=training)
    archs = measurements.lookup.archs(data.kind)
    whole = ~np.isnan(data.features).any(axis=1)
    if missing == "raise" and whole.sum() < len(archs):
        raise NotMeasured(
            f"{len(archs) - whole.sum()} of {len(archs)} {'classes' if data.kind == 'class' else 'architectures'} lack {metric}, or one of the"
            f" features {features}; missing='drop' leaves them out."
        )
    twins = data.twins.of_rows(whole)
    inside = np.ones(len(twins.group), bool) if split is None else splits.split(split, twins, train=train, seed=seed)
    index = pd.Index([str(archs[row]) for row in data.rows[whole]], name="arch")
    names = [str(output) for output in data.outputs]
    y = pd.DataFrame(data.targets[whole, : len(names)], index, names)
    return XY(pd.DataFrame(data.features[whole], index, list(data.names)), y[names[0]] if len(names) == 1 else y, twins.group, inside)
