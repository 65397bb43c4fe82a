"""By what methods are judged if nobody says it: every threat at one level, and means over threats."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import numpy as np

from robbench.bench import RobBench
from robbench.errors import NotMeasured
from robbench.measurements.metrics import WORST_CASE, Metric, parse
from robbench.measurements.question import Question

SUMMARIES = ("mean_adversarial_measured", "mean_corruption")
KINDS = ("clean", "attack", "corruption", "derived")


def one_level_each(bench: RobBench, dataset: str, training: str) -> list[str]:
    """Every threat of a training, at the level at which architectures differ most; the worst case over attacks too, where it can be computed."""
    measurements, most = bench.measurements, dict[str, tuple[float, Metric]]()
    question = Question(parse("clean"), dataset, training)
    for metric in (*measurements.numbers(question), *_worst_cases(bench, question)):
        if metric.measure == "accuracy" and metric.entry.kind in KINDS:
            values = measurements.column(question._replace(metric=metric)).values
            spread = float(np.nanstd(values)) if not np.isnan(values).all() else 0.0
            if metric.name not in most or spread > most[metric.name][0]:
                most[metric.name] = spread, metric
    ordered = sorted((metric for _, metric in most.values()), key=lambda metric: KINDS.index(metric.entry.kind))
    return [str(metric) for metric in ordered]


def _worst_cases(bench: RobBench, question: Question) -> list[Metric]:
    """The worst case over attacks, at every level at which the store has what it is computed from."""
    question = question._replace(metric=parse(WORST_CASE))
    try:
        metrics = [question.metric._replace(level=level) for level in bench.measurements.levels(question)]
        for metric in metrics:
            bench.measurements.column(question._replace(metric=metric))
    except NotMeasured:
        return []
    return metrics


def trainings_of(bench: RobBench, metrics: Iterable[str], dataset: str, training: str | None) -> str:
    """Of which trainings the numbers of these metrics are, if this one was asked for, or None: as a report says it."""
    measurements = bench.measurements
    asked = (measurements.without_training(Question(parse(metric), dataset, training)) for metric in metrics)
    return ", ".join(dict.fromkeys(str(measurements.resolve(question).training) for question in asked))


def clean_and_robust(bench: RobBench, training: str | None) -> list[str]:
    """Clean accuracy, every attack and the worst case over them at one level each, and the mean over corruptions, of the bench's default data set.

    Raises:
        NotMeasured: as a query of clean.
    """
    measurements = bench.measurements
    question = measurements.resolve(Question(parse("clean"), None, training))
    found = [
        name for name in one_level_each(bench, bench.default_dataset, str(question.training)) if parse(name).entry.kind != "corruption"
    ]
    with suppress(NotMeasured):
        measurements.column(question._replace(metric=parse(SUMMARIES[1])))
        found.append(SUMMARIES[1])
    return found
