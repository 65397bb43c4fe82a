"""Several metrics side by side, over the same architectures.

A metric was measured once a class, or once an exact architecture.  Where all of them were measured once a class, the table runs over classes, each as its
representative.  Where one belongs to exact architectures, it runs over these, and a metric of classes has, for each, the value of its class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from robbench.arguments import options_checked
from robbench.measurements.directions import spelled
from robbench.measurements.measurements import Measurements
from robbench.measurements.metrics import Metric, parse
from robbench.measurements.question import Question


class Joined(NamedTuple):
    """Metrics of the same architectures."""

    rows: str
    """"class" or "exact": what the values run over."""
    archs: tuple[Any, ...]
    classes: np.ndarray
    """``(n,)``, intp: the class row of each architecture."""
    values: dict[str, np.ndarray]
    """For each metric, as `spelled`: ``(n,)``, float64; NaN where not measured."""

    @property
    def measured(self) -> np.ndarray:
        """Which architectures have all of the metrics: ``(n,)``, bool."""
        return np.asarray(~np.isnan(list(self.values.values())).any(axis=0))


@options_checked
def join(
    measurements: Measurements,
    metrics: Sequence[str | Metric],
    *,
    rows: str | None = None,
    dataset: str | None = None,
    training: str | None = None,
    seed: int | None = None,
    interpolate: bool = False,
) -> Joined:
    """Metrics joined on architectures.

    An attribute of the space, such as the kernel parameters, follows from the structure: it is computed for whatever rows the other metrics run over.

    Arguments:
        measurements: of a store.
        metrics: as for a query, each with its level.
        rows: ``"class"`` for classes, each as its representative, whatever the metrics belong to; as above if left out.
        dataset, training, seed, interpolate: as for a query; training and seed don't matter to what belongs to untrained networks.

    Raises:
        UnknownMetric, InvalidArgument, NotMeasured: as for a query, of the first metric that cannot be had.
    """
    columns = {
        name: measurements.column(measurements.without_training(Question(parse(name), dataset, training, seed, interpolate)))
        for name in map(spelled, metrics)
    }
    attributes = [name for name in columns if parse(name).entry.kind == "attribute"]
    held = "exact" if any(column.rows == "exact" for name, column in columns.items() if name not in attributes) else "class"
    rows, lookup = rows or held, measurements.lookup
    archs = lookup.archs(rows)
    classes = lookup.class_of if rows == "exact" else np.arange(len(archs))
    values = {}
    for name, column in columns.items():
        if column.rows == rows:
            values[name] = column.values
        elif name in attributes:
            values[name] = np.array([measurements.space.attributes[name](arch) for arch in archs], np.float64)
        elif rows == "class":
            values[name] = np.array([column.values[lookup.row("exact", arch)] for arch in archs], np.float64)
        else:
            values[name] = column.values[classes]
    return Joined(rows, archs, classes, values)
