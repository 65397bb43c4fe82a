"""From a surrogate's outputs to the number asked for: one of them, or what is between two levels of a curve of them.

reading_of(["clean", "pgd@1/255", "pgd@2/255"], [[1, 2]], parse("pgd@1.5/255")).of(outputs)        (rows, outputs) → (rows,)
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, Self

import numpy as np

from robbench.measurements.levels import between
from robbench.measurements.metrics import WORST_CASE, Metric, parse, same_level

DECIMALS = 6
"""Predictions are rounded: what is beyond depends on the order in which a machine sums."""
_SELDOM = 0.01
"""Of architectures: their measurements may rise by noise."""


class Curve(NamedTuple):
    """The outputs of one metric in the order of their levels, which rise."""

    levels: tuple[float, ...]
    outputs: tuple[int, ...]

    @classmethod
    def of(cls, known: Sequence[Metric], metric: Metric) -> Self:
        """Of those outputs, by what each is, that are this metric at some level."""
        found = sorted((one.level, index) for index, one in enumerate(known) if _what(one) == _what(metric) and one.level is not None)
        return cls(tuple(level for level, _ in found), tuple(index for _, index in found))

    def at(self, level: float | None) -> int | None:
        """The output at a level; None where there is none."""
        same = (output for known, output in zip(self.levels, self.outputs, strict=True) if level is not None and same_level(known, level))
        return next(same, None)

    def around(self, level: float) -> tuple[float, float]:
        """The two levels next to one between the first and the last."""
        after = int(np.searchsorted(self.levels, level))
        return self.levels[after - 1], self.levels[after]


class Reading(NamedTuple):
    """How one number is read off the outputs."""

    metric: Metric
    output: int | None
    """The output that it is; None for a level between two of them."""
    curve: Curve = Curve((), ())
    """What it is between the levels of."""
    above: tuple[Curve, ...] = ()
    """Of outputs that it never exceeds: for a worst case, the attacks."""

    def of(self, values: np.ndarray) -> np.ndarray:
        """``(rows, outputs)`` → ``(rows,)``; between two levels, monotone in the level wherever the outputs are."""
        if self.output is not None:
            return values[:, self.output]
        found = [
            between(curve.levels, values[:, curve.outputs], self._level, self.metric.entry.unit) for curve in (self.curve, *self.above)
        ]
        return np.asarray(np.round(np.minimum.reduce(found), DECIMALS))

    def missed(self, predicted: np.ndarray, measured: np.ndarray) -> np.ndarray:
        """At a level between two outputs, what is interpolated from measurements minus what is from predictions, both ``(rows, outputs)``: ``(rows,)``.

        Where no image withstands the attack at the level above, nobody knows how far below that level the last one fell: the accuracy in between may be anything
        from 0 to what is interpolated, and the larger error is taken.
        """
        expected = self.of(predicted)
        found, after = self.of(measured) - expected, self.curve.at(self.curve.around(self._level)[1])
        none_left = np.round(measured[:, after], DECIMALS) == 0
        return np.where(none_left & (expected > np.abs(found)), -expected, found)

    @property
    def between(self) -> tuple[float, float] | None:
        """The two levels that it is between; None where it is an output."""
        return None if self.output is not None else self.curve.around(self._level)

    @property
    def _level(self) -> float:
        assert self.metric.level is not None, "only a level is between two others"
        return self.metric.level


def reading_of(outputs: Sequence[str], curves: Sequence[Sequence[int]], metric: Metric) -> Reading | None:
    """How a metric is read off outputs; None where it is neither one of them nor between two levels of its curve.

    Arguments:
        outputs: metrics.
        curves: outputs that fall along each of these lists.
        metric: what is asked for.
    """
    known = [parse(output) for output in outputs]
    own = Curve.of(known, metric)
    for index, one in enumerate(known):
        if _what(one) == _what(metric) and (one.level is metric.level is None or own.at(metric.level) == index):
            return Reading(one, index)
    if metric.level is None or not own.levels or not own.levels[0] < metric.level < own.levels[-1]:
        return None
    others = {_what(one): Curve.of(known, one) for one in known if _what(one) != _what(metric)}
    order, ends = before(len(known), curves), own.around(metric.level)
    return Reading(metric, None, own, tuple(one for one in others.values() if all(_above(order, one.at(end), own.at(end)) for end in ends)))


def _what(metric: Metric) -> tuple[str, str]:
    """A metric at whatever level."""
    return metric.name, metric.measure


def _above(order: np.ndarray, one: int | None, other: int | None) -> bool:
    return one is not None and other is not None and bool(order[one, other])


def monotone(outputs: Sequence[Metric], measured: np.ndarray) -> list[list[int]]:
    """Outputs along which the measurements, ``(rows, outputs)`` or more, all but never rise: those of one threat in the order of levels, where it has
    several; and an attack and the worst case at its level.
    """
    curves = dict.fromkeys(Curve.of(outputs, metric) for metric in outputs)
    along = [list(curve.outputs) for curve in curves if len(curve.outputs) > 1]
    attacks = [curve for curve in curves if curve.outputs and outputs[curve.outputs[0]].entry.kind == "attack"]
    for index, metric in enumerate(outputs):
        if metric.name == WORST_CASE:
            along += [[attack, index] for curve in attacks if (attack := curve.at(metric.level)) is not None]
    return [ordered for ordered in along if (np.diff(measured[:, ordered], axis=1) > 0).any(axis=1).mean() < _SELDOM]


def falling(values: np.ndarray, curves: Sequence[Sequence[int]]) -> np.ndarray:
    """Values ``(rows, outputs)`` that fall along each curve: the middle of the smallest falling values above and the largest below.

    Curves may share outputs: an attack's falls over eps, and from each of its outputs to the worst case at that eps.
    """
    values = values.copy()
    first, second = np.array([step for curve in curves for step in pairwise(curve)], np.intp).reshape(-1, 2).T
    rises = (values[:, first] < values[:, second]).any(axis=1)
    if rises.any():
        order, drawn = before(values.shape[1], curves), np.ascontiguousarray(values[rises].T)
        mended = [
            (np.minimum.reduce(drawn[above]) + np.maximum.reduce(drawn[below])) / 2 for above, below in zip(order.T, order, strict=True)
        ]
        values[rises] = np.array(mended).T
    return values


def before(outputs: int, curves: Sequence[Sequence[int]]) -> np.ndarray:
    """Whether one output is before another along curves, or is the other itself: ``(outputs, outputs)``, bool."""
    order = np.eye(outputs, dtype=bool)
    for curve in curves:
        order[curve[:-1], curve[1:]] = True
    for middle in range(outputs):
        order |= order[:, [middle]] & order[middle]
    return order
