"""A store as a table to learn from, for scikit-learn and whatever takes the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from robbench.errors import NotMeasured, UnknownMetric
from robbench.surrogates import splits
from robbench.surrogates.fitting import gather

if TYPE_CHECKING:
    import pandas as pd

    from robbench.bench import RobBench


class XY(NamedTuple):
    """Architectures by features, and what was measured of them."""

    X: pd.DataFrame
    """``(n, features)``, float64; indexed by arch string, a named column for each feature."""
    y: pd.Series[float] | pd.DataFrame
    """``(n,)``, or ``(n, metrics)`` where there are several; in the metric's unit, the same index."""
    groups: np.ndarray
    """``(n,)``, intp: functional twins have the same number; for ``GroupKFold``."""
    train: np.ndarray
    """``(n,)``, bool: the training side of the split; all of it where none was asked for."""


def to_xy(
    bench: RobBench,
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
    """Features and measurements of every class, or of every cell where the metric belongs to these.

    Arguments:
        bench: where the measurements are.
        metric: one, or several joined by "+"; an attack or corruption without a level means its whole curve.
        features: sets joined by "+"; see `robbench.surrogates.features`.
        split: ``"twin"``, where no function is on both sides, or ``"random"``, as papers do; None: everything is for training.
        train: share on the training side.
        seed: of the split.
        missing: an architecture with a NaN among its features or metrics is refused, ``"raise"``, or left out, ``"drop"``.
        dataset: the bench's default if left out.
        training: the protocol; as for a query.

    Raises:
        UnknownMetric, NotMeasured: as for a query; an option that means nothing; or missing values.
        CannotFit: metrics of classes and of exact cells together.
    """
    import pandas as pd

    if missing not in ("raise", "drop"):
        raise UnknownMetric(f"missing={missing!r} is neither 'raise' nor 'drop'.")
    rows = gather(bench, metric, features, dataset=dataset, training=training)
    archs = bench.classes if rows.kind == "class" else bench.cells
    whole = ~np.isnan(rows.features).any(axis=1)
    if missing == "raise" and whole.sum() < len(archs):
        raise NotMeasured(
            f"{len(archs) - whole.sum()} of {len(archs)} {'classes' if rows.kind == 'class' else 'cells'} lack {metric}, or one of the features"
            f" {features}; missing='drop' leaves them out."
        )
    groups = rows.groups[whole]
    inside = np.ones(len(groups), bool) if split is None else splits.split(split, groups, train=train, seed=seed)
    index = pd.Index([str(archs[row]) for row in rows.rows[whole]], name="arch")
    names = [str(output) for output in rows.outputs]
    y = pd.DataFrame(rows.targets[whole, : len(names)], index, names)
    return XY(pd.DataFrame(rows.features[whole], index, list(rows.names)), y[names[0]] if len(names) == 1 else y, groups, inside)
