"""Measured metrics among the features of a surrogate: what is known of every architecture beforehand, in the one grammar of metrics.

fgsm@1/255    a number of every architecture
fgsm          its whole curve, a column for each level
synflow       one proxy alone; params: what follows from the structure
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from robbench.errors import InvalidArgument
from robbench.measurements.columns import Column
from robbench.measurements.measurements import Measurements
from robbench.measurements.metrics import TABLE, Metric, parse, same_level
from robbench.measurements.question import Question


def numbers_of(measurements: Measurements, question: Question, metrics: Iterable[str]) -> list[Metric]:
    """The numbers that metrics such as ``["clean", "pgd@1/255"]`` or ``["pgd"]`` (its whole curve, by falling accuracy) name, each once.

    Raises:
        UnknownMetric, NotMeasured: as for a query; LevelNotMeasured where a worst case has no curve, since its attacks have no level in common.
    """
    found: list[Metric] = []
    for text in metrics:
        metric = parse(text)
        curve = metric.level is None and metric.entry.axis is not None
        levels = sorted(measurements.levels(question._replace(metric=metric))) if curve else []
        found += [metric._replace(level=level) for level in levels] or [metric]
    return list(dict.fromkeys(found))


def columns_of(measurements: Measurements, metrics: Sequence[str], dataset: str, training: str | None) -> list[Column]:
    """The columns of metrics, for a dataset and training; a proxy or cost is of the untrained network where it was measured there.  Raises as for a query."""
    found = []
    for text in metrics:
        question = measurements.without_training(Question(parse(text), dataset, training))
        for metric in numbers_of(measurements, question, [text]):
            found.append(measurements.column(question._replace(metric=metric)))
    return found


def refuse_known(measurements: Measurements, outputs: Sequence[Question], known: Sequence[Column]) -> None:
    """Raise InvalidArgument where a number that is to be predicted follows from those that are known: it is one of them, or made of them."""
    for question in outputs:
        if follows(measurements, question, known):
            of = ", ".join(str(column.question.metric) for column in known)
            raise InvalidArgument(
                f"{question.metric} is the target, and follows from what is known among the features, {of}: there would be nothing to predict."
                " Leave out of the features what was not measured wherever the target was not."
            )


def follows(measurements: Measurements, question: Question, known: Sequence[Column]) -> bool:
    """Whether a number of a resolved question follows from known columns: each measurement that it is made of is known, or went into a known number."""
    measured = [
        metric for column in known if column.question.dataset == question.dataset for metric in _made_of(measurements, column.question)
    ]
    return all(any(_same(one, other) for other in measured) for one in _made_of(measurements, question))


def _made_of(measurements: Measurements, question: Question) -> list[Metric]:
    """The measured numbers that one of a resolved question is made of: itself, unless it is derived."""
    metric = question.metric
    if metric.entry.kind != "derived":
        return [metric]
    if weights := measurements.formula(question).weights:
        return [parse(text) for text in weights]
    parts = measurements.column(question).parts
    return [Metric(part.metric, None if TABLE[part.metric].axis is None else metric.level, "accuracy") for part in parts]


def _same(one: Metric, other: Metric) -> bool:
    if one.level is None or other.level is None:
        return one == other
    return one[::2] == other[::2] and same_level(one.level, other.level)
