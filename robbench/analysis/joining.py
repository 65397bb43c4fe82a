"""Several metrics side by side, over the same architectures.

A metric belongs to classes or to exact cells.  Where all of them belong to classes, the table runs over classes, each as its representative.
Where one belongs to cells, it runs over the 15,625 cells, and a metric of classes has, for a cell, the value of the cell's class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from robbench.measurements.columns import Question
from robbench.measurements.directions import KERNEL_PARAMETERS, spelled
from robbench.measurements.metrics import Metric, parse
from robbench.spaces.nb201 import Cell

if TYPE_CHECKING:
    from robbench.bench import RobBench


class Joined(NamedTuple):
    """Metrics of the same architectures."""

    rows: str
    """"class" or "cell": what the values run over."""
    archs: tuple[Cell, ...]
    classes: np.ndarray
    """``(n,)``: the class row of each architecture."""
    values: dict[str, np.ndarray]
    """For each metric, as `spelled`: ``(n,)``, float64; NaN where not measured."""

    @property
    def measured(self) -> np.ndarray:
        """Which architectures have all of the metrics: ``(n,)``, bool."""
        return np.asarray(~np.isnan(list(self.values.values())).any(axis=0))


def join(bench: RobBench, metrics: Sequence[str | Metric], **options: Any) -> Joined:
    """Metrics joined on architectures.

    Arguments:
        bench: where the measurements are.
        metrics: as for a query, or ``"kernel_parameters"``.
        options: dataset, training, seed and interpolate, as for a query; training and seed don't matter to what belongs to untrained networks.

    Raises:
        UnknownMetric, NotMeasured: as for a query, of the first metric that cannot be had.
    """
    columns = {
        name: bench.columns.column(bench.columns.placed(Question(parse(name), **options)))
        for name in map(spelled, metrics)
        if name != KERNEL_PARAMETERS
    }
    rows = "cell" if any(column.rows == "cell" for column in columns.values()) else "class"
    archs = bench.cells if rows == "cell" else bench.classes
    classes = bench.columns.store.cell_classes().astype(np.intp) if rows == "cell" else np.arange(len(archs))
    values = {}
    for name in map(spelled, metrics):
        if name == KERNEL_PARAMETERS:
            values[name] = np.array([arch.kernel_parameters for arch in archs], np.float64)
        else:
            values[name] = columns[name].values if columns[name].rows == rows else columns[name].values[classes]
    return Joined(rows, archs, classes, values)
