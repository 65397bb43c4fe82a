"""What a single change to an architecture does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from robbench.arguments import options_checked
from robbench.errors import NotMeasured
from robbench.measurements.lookup import Architecture
from robbench.measurements.measurements import Answer, Bench, Measurements
from robbench.measurements.metrics import Metric
from robbench.measurements.question import Question

if TYPE_CHECKING:
    import pandas as pd


@options_checked
def neighbors(
    bench: Bench,
    arch: Architecture,
    metric: str | Metric,
    *,
    eps: float | str | None = None,
    severity: int | None = None,
    measure: str | None = None,
    dataset: str | None = None,
    training: str | None = None,
    seed: int | None = None,
    interpolate: bool = False,
) -> pd.DataFrame:
    """The architectures that differ in one variable (24, in NAS-Bench-201: in the operation on one edge), and how a metric changes with it.

    Arguments:
        bench: where the measurements are.
        arch: as for a query.
        metric: as for a query; one number an architecture.
        eps, severity, measure, dataset, training, seed, interpolate: as for a query.

    Returns:
        One row a neighbour, variable by variable: the variable, under what the space calls one (in NAS-Bench-201 "edge", such as "0→1"); from and to (its
        choices); arch, value, difference (value less that of `arch`; both in the metric's unit, NaN where not measured), same_class (it counts as the same
        architecture as `arch`, so no metric measured once a class can differ).

    Raises:
        UnknownArchitecture, UnknownMetric, InvalidArgument, NotMeasured: as for a query; what was not measured of one architecture is NaN instead.
    """
    from robbench.measurements.frames import Architectures

    measurements = bench.measurements
    space, parsed = measurements.space, measurements.lookup.parse(arch)
    question = Question.of(
        metric, eps=eps, severity=severity, measure=measure, dataset=dataset, training=training, seed=seed, interpolate=interpolate
    )
    near = space.neighbors(parsed)
    answer = measurements.answer(question)
    own, *values = (_value(measurements, answer, one) for one in (parsed, *near))
    before, key = space.encode(parsed), space.key(parsed)
    changes = [_change(before, space.encode(one)) for one in near]
    return Architectures(
        {
            space.variable_kind: [space.label(space.variables[place]) for place, _, _ in changes],
            "from": [space.variables[place].choices[old] for place, old, _ in changes],
            "to": [space.variables[place].choices[new] for place, _, new in changes],
            "arch": list(map(str, near)),
            "value": values,
            "difference": np.subtract(values, own),
            "same_class": [space.key(one) == key for one in near],
        }
    )


def _change(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, int, int]:
    """The variable in which two codes differ, and its choice in each."""
    return next((place, old, new) for place, (old, new) in enumerate(zip(one, other, strict=True)) if old != new)


def _value(measurements: Measurements, answer: Answer, arch: Any) -> float:
    try:
        return measurements.number(answer, arch)
    except NotMeasured:  # the store has no row of it
        return np.nan
