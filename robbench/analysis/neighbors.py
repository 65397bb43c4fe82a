"""What a single change to an architecture does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from robbench.measurements.lookup import Architecture
from robbench.spaces.nb201 import EDGES
from robbench.spaces.nb201.identity import class_key

if TYPE_CHECKING:
    import pandas as pd

    from robbench.bench import RobBench


def neighbors(bench: RobBench, arch: Architecture, metric: str, **options: Any) -> pd.DataFrame:
    """The 24 architectures that differ in the operation on one edge, and how a metric changes with it.

    Arguments:
        bench: where the measurements are.
        arch: as for a query.
        metric: as for a query.
        options: eps, severity, dataset, training, seed and interpolate, as for a query.

    Returns:
        One row a neighbour, edge by edge: edge ("0→1"), from and to (operations), arch, value, difference (value less that of `arch`; both
        in the metric's unit, NaN where not measured), same_class (isomorphic to `arch`, so that no metric of classes can differ).

    Raises:
        UnknownArchitecture, UnknownMetric, NotMeasured: as for a query; what was not measured of one architecture is NaN instead.
    """
    import pandas as pd

    cell = bench.cell(arch)
    others = cell.neighbors()
    own, *values = bench.query_many([cell, *others], metric, missing="nan", **options)
    edges = [next(edge for edge in range(len(EDGES)) if cell.ops[edge] != other.ops[edge]) for other in others]
    return pd.DataFrame(
        {
            "edge": ["{}→{}".format(*EDGES[edge]) for edge in edges],
            "from": [cell.ops[edge] for edge in edges],
            "to": [other.ops[edge] for edge, other in zip(edges, others, strict=True)],
            "arch": list(map(str, others)),
            "value": values,
            "difference": np.subtract(values, own),
            "same_class": [class_key(other) == class_key(cell) for other in others],
        }
    )
