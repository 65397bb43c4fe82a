"""From an array over levels and seeds to one number, or one array, a row: selected, averaged over seeds, or interpolated between levels."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import pairwise

import numpy as np

from robbench.errors import LevelNotMeasured, NotMeasured
from robbench.measurements.metrics import Metric, level_text, same_level
from robbench.measurements.question import Question
from robbench.store.arrays import Header

EPOCHS_FROM_0 = "counted from 0"
"""What provenance says under ``epochs`` where 0 is after the first epoch of training, not before it."""
_LEAST = 0.0005
"""What the log-odds of a fraction of 0 are those of: half an image of a thousand."""


def position(metric: Metric, header: Header) -> int | None:
    """Where the level of a metric stands on an array's level axis; None if it was not measured, or none was asked for."""
    if metric.level is None:
        return None
    return next((place for place, level in enumerate(header.levels) if same_level(level, metric.level)), None)


def at_level(question: Question, header: Header, values: np.ndarray) -> np.ndarray:
    """The values ``(rows, levels, …)`` at the level asked for: ``(rows, …)``; those of an array without levels as they are.

    Raises:
        LevelNotMeasured: the level was not measured, or none was asked for.
    """
    axis = header.level_axis
    if axis is None:
        return values
    found = position(question.metric, header)
    if found is None:
        numbers = " Numbers are interpolated, and no arrays." if question.interpolate else ""
        raise LevelNotMeasured(not_at_level(question, header.levels) + numbers)
    return np.asarray(np.take(values, found, axis=1 + list(header.axes).index(axis)))


def at_epoch(question: Question, header: Header, values: np.ndarray) -> tuple[Header, np.ndarray]:
    """The values ``(rows, …)`` at the epoch asked for, and their header; those of an array without epochs, or where none is asked for, as they are.

    Raises:
        NotMeasured: nothing was measured after that epoch.
    """
    if question.epoch is None or "epoch" not in header.axes:
        return header, values
    epochs = header.axes["epoch"]
    if question.epoch not in epochs:
        raise NotMeasured(
            f"{question.metric} of {question.dataset} was not measured at epoch {question.epoch}; it was at {_ranges([int(epoch) for epoch in epochs])}."
        )
    return header.without("epoch"), np.asarray(np.take(values, epochs.index(question.epoch), axis=1 + list(header.axes).index("epoch")))


def over_seeds(question: Question, header: Header, values: np.ndarray) -> np.ndarray:
    """The values ``(rows, seeds, …)``, level already chosen, of the seed asked for, or their mean: ``(rows, …)``.

    Raises:
        NotMeasured: there is no such seed; or the mean is asked of what is an array for each seed.
    """
    if "seed" not in header.axes:
        if question.seed is not None:
            raise NotMeasured(f"{question.metric} is stored without seeds; leave seed={question.seed} out.")
        return values
    seeds = [int(seed) for seed in header.axes["seed"]]
    if question.seed is not None:
        if not isinstance(question.seed, Hashable) or question.seed not in seeds:
            raise NotMeasured(f"{question.metric} was not measured with seed {question.seed!r}; measured: {', '.join(map(str, seeds))}.")
        return np.asarray(np.take(values, seeds.index(question.seed), axis=1))
    if len(seeds) == 1:
        return values[:, 0]
    if not header.is_number:
        raise NotMeasured(
            f"{question.metric} is an array for each seed, and these are not averaged; name one: seed={seeds[0]}, for example."
        )
    measured = ~np.isnan(values)
    total = np.where(measured, values, 0).sum(axis=1)
    return np.asarray(np.divide(total, measured.sum(axis=1), out=np.full_like(total, np.nan), where=measured.any(axis=1)))


def is_between(question: Question, header: Header) -> bool:
    """Whether a question's level was not measured, and is to be interpolated."""
    return question.interpolate and header.level_axis is not None and position(question.metric, header) is None


def at_or_between(question: Question, header: Header, values: np.ndarray) -> np.ndarray:
    """The values at the level asked for, as `at_level`, or as `interpolated` where the question allows it and the level was not measured."""
    return (interpolated if is_between(question, header) else at_level)(question, header, values)


def interpolated(question: Question, header: Header, values: np.ndarray) -> np.ndarray:
    """The values ``(rows, levels, …)`` at a level between two measured ones: ``(rows, …)``.

    Raises:
        LevelNotMeasured: the level is not between two measured ones.
    """
    levels, level = header.levels, question.metric.level
    if level is None or not levels or not min(levels) < level < max(levels):
        raise LevelNotMeasured(not_at_level(question, levels) + " Only levels between these are interpolated.")
    order, along = np.argsort(levels), 1 + list(header.axes).index(str(header.level_axis))
    return between(np.take(levels, order), np.moveaxis(np.take(values, order, axis=along), along, -1), level, header.unit)


def between(levels: Sequence[float] | np.ndarray, values: np.ndarray, level: float, unit: str) -> np.ndarray:
    """Values ``(…, levels)`` at rising levels, at a level between the first and the last of them: ``(…)``; NaN where one of them is.

    Piecewise cubic Hermite interpolation, which is monotone wherever the values are (Fritsch and Carlson, 1980), over the root of the level; of the log-odds,
    where the values are fractions: so drawn, an accuracy under attack is nearly a straight line (benchmarks/levels.py).
    """
    from scipy.interpolate import PchipInterpolator

    drawn, back = (_log_odds, _fractions) if unit == "fraction" else (np.asarray, np.asarray)
    known, after = ~np.isnan(values).any(axis=-1), int(np.searchsorted(levels, level))
    found, given = np.full(known.shape, np.nan), values[known]
    if known.any():
        around = given[..., after - 1 : after + 1]
        at = PchipInterpolator(np.sqrt(levels), drawn(given), axis=-1)(np.sqrt(level))
        found[known] = back(at).clip(around.min(axis=-1), around.max(axis=-1))  # what is rounded stays between its neighbours
    return found


def _log_odds(fractions: np.ndarray) -> np.ndarray:
    """Finite at 0 and 1, too."""
    odds = _LEAST + (1 - 2 * _LEAST) * fractions.clip(0, 1)
    return np.asarray(np.log(odds / (1 - odds)))


def _fractions(log_odds: np.ndarray) -> np.ndarray:
    return np.asarray((1 / (1 + np.exp(-log_odds)) - _LEAST) / (1 - 2 * _LEAST))


def not_at_level(question: Question, levels: list[float]) -> str:
    """What to say when a level is missing, or was not measured."""
    metric = question.metric
    measured = f"Measured: {', '.join(level_text(metric.name, level) for level in sorted(levels))}."
    if metric.level is None:
        return f"{metric.name} on {question.dataset} needs a level: {metric.entry.axis}=…. {measured}"
    if metric.entry.axis == "severity":
        return f"{metric.name} on {question.dataset} was not measured at severity {metric.level:g}. {measured}"
    return (
        f"{metric.name} on {question.dataset} was not measured at eps {metric.level:.6g} (= {level_text(metric.name, metric.level)})."
        f" Images are in [0, 1], so one grey level is eps=1/255. {measured}"
    )


def _ranges(numbers: list[int]) -> str:
    """Ascending numbers, runs of them by their ends: ``0 to 98, 104``."""
    starts = [place for place, number in enumerate(numbers) if place == 0 or number != numbers[place - 1] + 1]
    runs = [numbers[start:end] for start, end in pairwise([*starts, len(numbers)])]
    return ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)
