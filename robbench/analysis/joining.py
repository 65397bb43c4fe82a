"""Several metrics side by side, over the same architectures.

A metric belongs to classes or to exact cells.  Where all of them belong to classes, the table runs over classes, each as its representative.
Where one belongs to cells, it runs over the 15,625 cells, and a metric of classes has, for a cell, the value of the cell's class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from robbench.columns import Question
from robbench.errors import UnknownMetric
from robbench.metrics import Metric, parse
from robbench.spaces.nb201 import Cell

if TYPE_CHECKING:
    from robbench.bench import RobBench

KERNEL_PARAMETERS = "kernel_parameters"
"""`Cell.kernel_parameters`, which no store needs to hold; of a class, those of its representative."""


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


def spelled(metric: str | Metric) -> str:
    """The one spelling of a metric, by which tables name it; raises UnknownMetric where it is none."""
    return KERNEL_PARAMETERS if metric == KERNEL_PARAMETERS else str(parse(metric))


def higher_is_better(metric: str) -> bool:
    """Whether more of it is taken for better: by `robbench.metrics.TABLE`; of kernel parameters, as of parameters, yes."""
    return metric == KERNEL_PARAMETERS or parse(metric).entry.higher_is_better


def listed(metrics: str | Metric | Sequence[str | Metric], what: str) -> list[str]:
    """The spellings of one metric or several, each named once and at least one of them."""
    names = [spelled(metric) for metric in ([metrics] if isinstance(metrics, str | Metric) else metrics)]
    again = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if again:
        raise UnknownMetric(f"{', '.join(again)} is among the {what} more than once; name each once.")
    if not names:
        raise UnknownMetric(f"no {what} were given; expected at least one metric, such as 'pgd@1/255'.")
    return names
