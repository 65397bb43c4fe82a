"""What to say where no surrogate of a store predicts what is wanted: what there is, and the command that fits another.

robbench fit mine.h5 --target fog@3
robbench copy digits.h5 && robbench fit digits.h5 --target fog@3        where the store is the embedded one, which stays as it is
"""

from __future__ import annotations

from collections.abc import Mapping

from robbench.commands import command
from robbench.errors import InvalidArgument, LevelNotMeasured, NotMeasured
from robbench.measurements.measurements import Measurements
from robbench.measurements.metrics import Metric, level_text, parse, same_level
from robbench.measurements.question import STANDARD, UNTRAINED, Question
from robbench.store.embedded import is_embedded
from robbench.surrogates.curves import Curve
from robbench.surrogates.known import columns_of
from robbench.surrogates.surrogate import About

COPY = "digits.h5"
"""What a copy of the embedded store is called, in advice."""
Key = tuple[str, str, str]
"""Dataset, training and target: where a surrogate stands in a store."""


def none_fits(measurements: Measurements, question: Question, wanted: str, abouts: Mapping[Key, About], *, at_a_level: bool) -> NotMeasured:
    """What to raise: no surrogate was fitted of what is wanted, or to other levels.

    Arguments:
        measurements: of the store.
        question: the first metric that is wanted, with dataset and training.
        wanted: all that is wanted, joined by "+".
        abouts: what is said of the store's surrogates.
        at_a_level: whether a metric that has levels must name one.
    """
    store, metric = measurements.store, question.metric
    said = f"no surrogate of {wanted} of {question.dataset} ({question.training}) is in {store.file_name}"
    here = [about for key, about in abouts.items() if key[:2] == (question.dataset, question.training)]
    curves = {about.target: Curve.of(list(map(parse, about.outputs)), metric) for about in here}
    target, curve = max(curves.items(), key=lambda one: len(one[1].levels), default=("", Curve((), ())))
    if not curve.levels or wanted != str(metric):
        others = ", ".join(sorted({f"{key[2]} of {key[0]} ({key[1]})" for key in store.surrogates()})) or "none at all"
        return NotMeasured(f"{said}; it holds {others}. {_advice(measurements, question, wanted)}")
    first, last = (level_text(metric.name, level) for level in (curve.levels[0], curve.levels[-1]))
    reach = f"at {first} alone" if len(curve.levels) == 1 else f"from {first} to {last}, at any level in between"
    needs = f" {metric.name} needs a level: {metric.entry.axis}=…." if at_a_level and metric.level is None else ""
    more = f"For other levels, fit the whole curve of all that were measured: {_fit(measurements, question, [metric._replace(level=None)])}"
    beyond = f"{metric.name} was measured at no level beyond." if is_whole(measurements, curve, question) else more
    return LevelNotMeasured(f"{said}.{needs} The one of {target} predicts {metric.name} {reach}. {beyond}")


def is_whole(measurements: Measurements, curve: Curve, question: Question) -> bool:
    """Whether a curve has every level at which its metric was measured."""
    try:
        return all(curve.at(level) is not None for level in measurements.levels(question))
    except NotMeasured:  # a worst case of attacks that have no level in common
        return False


def _advice(measurements: Measurements, question: Question, wanted: str) -> str:
    """How to fit what is wanted; or why it cannot be."""
    try:
        targets = [_target(measurements, question._replace(metric=parse(text))) for text in wanted.split("+")]
        columns_of(measurements, list(map(str, targets)), str(question.dataset), question.training)
    except (NotMeasured, InvalidArgument) as error:
        return f"None can be fitted: {error}"
    return f"`robbench fit` adds one: {_fit(measurements, question, targets)}"


def _target(measurements: Measurements, question: Question) -> Metric:
    """What predicts the metric of a question: itself, or its whole curve where the level is between two that were measured."""
    metric = question.metric
    if metric.level is None or metric.entry.axis is None:
        return metric
    levels = measurements.levels(question)
    between = min(levels) < metric.level < max(levels) and not any(same_level(level, metric.level) for level in levels)
    return metric._replace(level=None) if between else metric


def _fit(measurements: Measurements, question: Question, targets: list[Metric]) -> str:
    """The command that fits a surrogate of these; of the embedded store, in a copy."""
    store = measurements.store
    path, before = (COPY, f"{command('copy', COPY)} && ") if is_embedded(store.path) else (store.given, "")
    dataset = [] if question.dataset == store.default_dataset else ["--dataset", question.dataset]
    training = [] if question.training in (STANDARD, UNTRAINED) else ["--training", question.training]
    return before + command("fit", path, *dataset, *training, "--target", "+".join(map(str, targets)))
