"""What `RobBench.explain` answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from robbench.measurements.columns import Question
from robbench.measurements.lookup import Architecture
from robbench.measurements.metrics import Metric
from robbench.spaces.nb201.identity import class_key

if TYPE_CHECKING:
    from robbench.bench import RobBench


class Explanation(NamedTuple):
    """Where a number comes from."""

    value: float | np.ndarray
    architecture: str
    identity: str
    """"class": measured once for all isomorphic cells; "cell": of this exact cell."""
    class_key: str
    metric: str
    dataset: str
    training: str
    seed: int | None
    how: str
    """measured, interpolated or derived."""
    unit: str
    sources: dict[str, dict[str, Any]]
    """Provenance of each array that the number comes from."""


def explained(bench: RobBench, arch: Architecture, metric: str | Metric, **options: Any) -> Explanation:
    """The value of one question with where it comes from."""
    columns = bench.columns
    question = columns.resolve(Question.of(metric, **options))
    value = bench.query(arch, metric, **options)
    cell = bench.cell(arch)
    column = columns.column(question) if columns.is_number(question) else None
    parts = column.parts if column else (question.name(),)
    header = columns.store.header(parts[0])
    return Explanation(
        value=value,
        architecture=str(cell),
        identity=column.rows if column else header.rows,
        class_key=class_key(cell),
        metric=str(question.metric),
        dataset=str(question.dataset),
        training=str(question.training),
        seed=question.seed,
        how=column.how if column else "measured",
        unit=header.unit,
        sources={str(name): columns.store.header(name).provenance for name in parts},
    )
