"""What a bench answers as a pandas table; `RobBench` says what each holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from robbench.arguments import checked_count
from robbench.errors import InvalidArgument
from robbench.measurements.measurements import Measurements
from robbench.measurements.metrics import MEASURES, TABLE, Metric, level_text, parse
from robbench.measurements.provenance import schedule
from robbench.measurements.question import UNTRAINED, Question, Where
from robbench.store.arrays import Name

if TYPE_CHECKING:
    import pandas as pd


def curve(measurements: Measurements, arch: Any, question: Question) -> pd.Series[float]:
    """A threat over all its measured levels, or what is derived from threats over those at which all of them were measured."""
    import pandas as pd

    metric, axis = question.metric, question.metric.entry.axis
    if axis is None:
        raise InvalidArgument(f"{metric.name} has no levels to draw a curve over; ask for an attack or a corruption.")
    if metric.level is not None:
        raise InvalidArgument(f"{metric} is one point of a curve, which runs over all levels; leave the {axis} out.")
    levels = measurements.levels(question)
    values = [measurements.value(question._replace(metric=metric._replace(level=level)), arch) for level in levels]
    return pd.Series(values, index=pd.Index(levels, name=axis), name=metric.name)


def table(measurements: Measurements, metrics: str | Metric | Sequence[str | Metric] | None, **where: Unpack[Where]) -> pd.DataFrame:
    """Metrics of every class, side by side."""
    import pandas as pd

    lookup = measurements.lookup
    if metrics is None:
        asked = measurements.numbers(Question.of("clean", **where))
    else:
        asked = [parse(metric) for metric in ([metrics] if isinstance(metrics, str | Metric) else metrics)]
    exact_row = None
    columns = {}
    for metric in asked:
        column = measurements.column(measurements.without_training(Question.of(metric, **where)))
        if column.rows == "exact" and exact_row is None:
            exact_row = np.array([lookup.row("exact", arch) for arch in lookup.classes], np.intp)
        columns[str(metric)] = column.values if column.rows == "class" else column.values[exact_row]
    return pd.DataFrame(columns, index=pd.Index(map(str, lookup.classes), name="arch"))


def top(measurements: Measurements, question: Question, n: int) -> pd.DataFrame:
    """The best architectures by a metric."""
    from robbench.measurements.frames import Architectures

    checked_count(n, "n", of="architectures")
    column = measurements.column(question)
    archs = measurements.lookup.archs(column.rows)
    sign = -1 if column.question.metric.entry.higher_is_better else 1
    best = [row for row in np.argsort(sign * column.values, kind="stable")[:n] if column.values[row] == column.values[row]]
    return Architectures(
        {
            "arch": [str(archs[row]) for row in best],
            "class_key": [measurements.store.space.key(archs[row]) for row in best],
            str(column.question.metric): column.values[best],
        }
    )


def _about(name: Name) -> str:
    """What a metric is; of another measure than its own, what that is, too."""
    entry = TABLE[name.metric]
    return entry.about if name.measure == entry.measure else f"{entry.about}: {MEASURES.get(name.measure, name.measure)}"


def metrics(measurements: Measurements) -> pd.DataFrame:
    """What the store holds."""
    import pandas as pd

    records = []
    for name in measurements.store.names():
        header = measurements.store.header(name)
        known = name.metric in TABLE
        records.append(
            {
                **name._asdict(),
                "rows": header.rows,
                "unit": header.unit,
                "source": header.provenance.get("source"),
                "seeds": ", ".join(map(str, header.axes.get("seed", []))),
                "levels": ", ".join(level_text(name.metric, level) for level in header.levels) if known else "",
                "schedule": schedule(name, header.provenance),
                "better": ("higher" if TABLE[name.metric].higher_is_better else "lower") if known else "",
                "about": _about(name) if known else "",
            }
        )
    return pd.DataFrame.from_records(records)


def held_proxies(measurements: Measurements, dataset: str) -> list[str]:
    """The proxies that a store holds of a dataset, in the order of the table of metrics."""
    found = {name.metric for name in measurements.store.names() if name.dataset == dataset and name.training == UNTRAINED}
    return [name for name, entry in TABLE.items() if entry.kind == "proxy" and name in found]
