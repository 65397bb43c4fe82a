"""What `RobBench.explain` answers."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from robbench.measurements.measurements import COMPUTED, Measurements
from robbench.measurements.provenance import completed
from robbench.measurements.question import Question


class Explanation(NamedTuple):
    """Where a number comes from."""

    value: float | np.ndarray
    architecture: str
    identity: str
    """"class": measured once for all architectures of the class; "exact": of this exact architecture."""
    class_key: str
    metric: str
    dataset: str
    training: str
    seed: int | None
    epoch: int | None
    how: str
    """measured, interpolated, derived, or computed from the structure."""
    unit: str
    formula: str
    """How a derived number is computed, from what, at which levels, with which weights; empty for others."""
    weights: dict[str, float]
    """Of each metric, where the number is a weighted mean of metrics."""
    sources: dict[str, dict[str, Any]]
    """Provenance of each array that the number comes from; of Square, with its schedule."""

    def _repr_html_(self) -> str:
        return str(import_module("robbench.notebook").explanation_html(self))


def explained(measurements: Measurements, arch: Any, value: float | np.ndarray, question: Question) -> Explanation:
    """The value of one question with where it comes from."""
    question, store = measurements.resolve(question), measurements.store
    column = measurements.column(question) if measurements.is_number(question) else None
    how = measurements.origin(question, arch) if column else "measured"
    parts = () if how == COMPUTED else column.parts if column else (question.name(),)
    formula = measurements.formula(question)
    return Explanation(
        value=value,
        architecture=str(arch),
        identity=column.rows if column else store.header(question.name()).rows,
        class_key=store.space.key(arch),
        metric=str(question.metric),
        dataset=str(question.dataset),
        training=str(question.training),
        seed=question.seed,
        epoch=question.epoch,
        how=how,
        unit=store.header(parts[0]).unit if how in ("measured", "interpolated") else question.metric.entry.unit,
        formula=formula.text if how != "measured" else "",
        weights=formula.weights,
        sources={str(name): completed(name, store.header(name).provenance) for name in parts},
    )
