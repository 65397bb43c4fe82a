"""What a bench answers as a pandas table; `RobBench` says what each holds."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from robbench.measurements.columns import Question
from robbench.errors import UnknownMetric
from robbench.measurements.lookup import Architecture
from robbench.measurements.metrics import TABLE, Metric, level_text, parse
from robbench.spaces.nb201.identity import class_key

if TYPE_CHECKING:
    import pandas as pd

    from robbench.bench import RobBench


def curve(bench: RobBench, arch: Architecture, metric: str | Metric, **options: Any) -> pd.Series[float]:
    """A threat over all its measured levels."""
    import pandas as pd

    question = Question.of(metric, **options)
    name, axis = question.metric.name, question.metric.entry.axis
    if axis is None or question.metric.entry.kind == "derived":
        raise UnknownMetric(f"{name} has no levels of its own to draw a curve over; ask for an attack or a corruption.")
    if question.metric.level is not None:
        raise UnknownMetric(f"{question.metric} is one point of a curve, which runs over all levels; leave the {axis} out.")
    question = bench.columns.resolve(question)
    where: dict[str, Any] = {"dataset": question.dataset, "training": question.training, "seed": question.seed}
    levels = [float(level) for level in bench.columns.store.header(question.name()).axes[axis]]
    values = [bench.query(arch, Metric(name, level, question.metric.measure), **where) for level in levels]
    return pd.Series(values, index=pd.Index(levels, name=axis), name=name)


def table(bench: RobBench, metrics: Sequence[str | Metric] | None, **options: Any) -> pd.DataFrame:
    """Metrics of every class, side by side."""
    import pandas as pd

    asked = [parse(metric) for metric in metrics] if metrics is not None else bench.columns.numbers(Question(parse("clean"), **options))
    placed = [bench.columns.placed(Question.of(metric, **options)) for metric in asked]
    columns = {str(question.metric): bench.query_many(bench.classes, missing="nan", **question._asdict()) for question in placed}
    return pd.DataFrame(columns, index=pd.Index(map(str, bench.classes), name="arch"))


def top(bench: RobBench, metric: str | Metric, n: int, **options: Any) -> pd.DataFrame:
    """The best architectures by a metric."""
    import pandas as pd

    if not isinstance(n, Integral) or isinstance(n, bool) or n < 1:
        raise UnknownMetric(f"n={n!r} is not a number of architectures; expected an integer of at least 1.")
    column = bench.columns.column(Question.of(metric, **options))
    cells = bench.classes if column.rows == "class" else bench.cells
    sign = -1 if column.question.metric.entry.higher_is_better else 1
    best = [row for row in np.argsort(sign * column.values, kind="stable")[:n] if column.values[row] == column.values[row]]
    return pd.DataFrame(
        {
            "arch": [str(cells[row]) for row in best],
            "class_key": [class_key(cells[row]) for row in best],
            str(column.question.metric): column.values[best],
        }
    )


def metrics(bench: RobBench) -> pd.DataFrame:
    """What the store holds."""
    import pandas as pd

    records = []
    for name in bench.columns.store.names():
        header = bench.columns.store.header(name)
        entry = TABLE.get(name.metric)
        levels = [level_text(name.metric, float(level)) for level in header.axes.get(entry.axis, [])] if entry and entry.axis else []
        records.append(
            {
                **name._asdict(),
                "rows": header.rows,
                "unit": header.unit,
                "source": header.provenance.get("source"),
                "seeds": ", ".join(map(str, header.axes.get("seed", []))),
                "levels": ", ".join(levels),
            }
        )
    return pd.DataFrame.from_records(records)
