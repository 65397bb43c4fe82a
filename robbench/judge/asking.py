"""By what methods are judged if nobody says it: every threat at one level, and means over threats."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from robbench.bench import RobBench
from robbench.errors import NotMeasured
from robbench.measurements.metrics import Metric, parse
from robbench.measurements.question import Question

SUMMARIES = ("mean_adversarial_measured", "mean_corruption")


def one_level_each(bench: RobBench, dataset: str, training: str) -> list[str]:
    """Every threat of a training, at the level at which architectures differ most."""
    measurements, most = bench.measurements, dict[str, tuple[float, Metric]]()
    question = Question(parse("clean"), dataset, training)
    for metric in measurements.numbers(question):
        if metric.measure == "accuracy" and metric.entry.kind in ("clean", "attack", "corruption"):
            values = measurements.column(question._replace(metric=metric)).values
            spread = float(np.nanstd(values)) if not np.isnan(values).all() else 0.0
            if metric.name not in most or spread > most[metric.name][0]:
                most[metric.name] = spread, metric
    ordered = sorted((metric for _, metric in most.values()), key=lambda metric: ("clean", "attack", "corruption").index(metric.entry.kind))
    return [str(metric) for metric in ordered]


def clean_and_robust(bench: RobBench, training: str | None) -> list[str]:
    """Clean accuracy, every attack at one level, and the mean over corruptions, of the bench's default data set; raises NotMeasured as a query of clean."""
    measurements = bench.measurements
    question = measurements.resolve(Question(parse("clean"), None, training))
    found = [
        name for name in one_level_each(bench, bench.default_dataset, str(question.training)) if parse(name).entry.kind != "corruption"
    ]
    with suppress(NotMeasured):
        measurements.column(question._replace(metric=parse(SUMMARIES[1])))
        found.append(SUMMARIES[1])
    return found
