"""Metrics computed from measured ones, when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from robbench.errors import LevelNotMeasured, NotMeasured
from robbench.measurements.columns import Columns
from robbench.measurements.levels import at_or_between, interpolated, not_at_level, over_seeds, position
from robbench.measurements.metrics import PUBLISHED_EPS, WORST_CASE, Metric, level_text
from robbench.measurements.question import Question
from robbench.store.arrays import Header, Name

Parts = tuple[Name, ...]
Seeds = list[float | int | str]

_BITS_SET = np.unpackbits(np.arange(256, dtype=np.uint8)[:, np.newaxis], axis=1).sum(axis=1)
"""How many bits of each byte are set."""


class Formula(NamedTuple):
    """How a derived number is computed."""

    text: str
    weights: dict[str, float]
    """Of each metric, where it is a weighted mean of metrics; empty where it is not."""


class Derived(NamedTuple):
    """How a derived metric is computed, and whether a store holds what it takes."""

    compute: Callable[[Columns, Question], tuple[Parts, np.ndarray]]
    computable: Callable[[Columns, Question], bool]
    formula: Callable[[Columns, Question], Formula]
    lacks: Callable[[Columns, Question], str] = lambda columns, question: ""
    """What a store that cannot compute it lacks, and what to ask instead: a sentence; empty where the name says it all."""
    levels: Callable[[Columns, Question], list[float]] = lambda columns, question: []
    """Those of its curve, rising; empty where it has no level."""


def _mean_held(kind: str) -> Derived:
    """Over all threats of a kind that a store holds, and all their levels, with equal weights."""

    def terms(columns: Columns, question: Question) -> list[Metric]:
        return [
            Metric(name.metric, level, "accuracy")
            for name in columns.held(question, kind, "accuracy")
            for level in columns.store.header(name).levels
        ]

    return Derived(_mean_of(terms), lambda columns, question: bool(columns.held(question, kind, "accuracy")), _mean_formula(terms))


def _mean_published() -> Derived:
    """Over the attacks and levels of the published dataset, with equal weights, whatever else a store holds (Jung et al., 2023, section 3.2)."""
    grid = [Metric(attack, level, "accuracy") for attack, levels in PUBLISHED_EPS.items() for level in levels]

    def lacking(columns: Columns, question: Question) -> list[Metric]:
        held = {name.metric: columns.store.header(name) for name in columns.held(question, "attack", "accuracy")}
        return [metric for metric in grid if metric.name not in held or position(metric, held[metric.name]) is None]

    def lacks(columns: Columns, question: Question) -> str:
        found = lacking(columns, question)
        return (
            f"It is the mean over the {len(grid)} attacks and levels of the published dataset, of which {len(found)} were not measured: {_listed(found)}."
            " mean_adversarial_measured is the mean over those that were."
            + (" It has no level itself, and what it is the mean over is measured, never interpolated." if question.interpolate else "")
        )

    def terms(columns: Columns, question: Question) -> list[Metric]:
        return grid

    return Derived(_mean_of(terms), lambda columns, question: not lacking(columns, question), _mean_formula(terms), lacks)


Terms = Callable[[Columns, Question], list[Metric]]


def _mean_of(terms: Terms) -> Callable[[Columns, Question], tuple[Parts, np.ndarray]]:
    def compute(columns: Columns, question: Question) -> tuple[Parts, np.ndarray]:
        found = [columns.column(question._replace(metric=metric, interpolate=False)) for metric in terms(columns, question)]
        return tuple(dict.fromkeys(part for column in found for part in column.parts)), np.mean([column.values for column in found], axis=0)

    return compute


def _mean_formula(terms: Terms) -> Callable[[Columns, Question], Formula]:
    def formula(columns: Columns, question: Question) -> Formula:
        found = terms(columns, question)
        text = f"mean of {len(found)} accuracies, each with weight 1/{len(found)}: {_listed(found)}"
        return Formula(text, {str(metric): 1 / len(found) for metric in found})

    return formula


def _listed(metrics: Sequence[Metric]) -> str:
    """Threats with their levels: ``fgsm at 1/255, 2/255; pgd at 1/255``."""
    levels: dict[str, list[str]] = {}
    for metric in metrics:
        levels.setdefault(metric.name, []).append("" if metric.level is None else level_text(metric.name, metric.level))
    return "; ".join(f"{name} at {', '.join(found)}" for name, found in levels.items())


def _harmonic_mean(attack: str) -> Derived:
    """2·clean·robust / (clean + robust), the harmonic robustness score (Devaguptapu et al., 2021, equation 1); 0 where both are 0."""

    def compute(columns: Columns, question: Question) -> tuple[Parts, np.ndarray]:
        clean = columns.column(question._replace(metric=Metric("clean", None, "accuracy"), interpolate=False))
        robust = columns.column(question._replace(metric=Metric(attack, question.metric.level, "accuracy")))
        total = clean.values + robust.values
        score = np.divide(2 * clean.values * robust.values, total, out=np.zeros_like(total), where=total != 0)
        return clean.parts + robust.parts, score

    def computable(columns: Columns, question: Question) -> bool:
        return all(question.name(metric, "accuracy") in columns.store for metric in ("clean", attack))

    def formula(columns: Columns, question: Question) -> Formula:
        robust = Metric(attack, question.metric.level, "accuracy")
        return Formula(f"2·clean·robust / (clean + robust), where robust is {robust}; 0 where both are 0", {})

    def levels(columns: Columns, question: Question) -> list[float]:
        return sorted(columns.store.header(question.name(attack, "accuracy")).levels)

    return Derived(compute, computable, formula, levels=levels)


def _worst_case() -> Derived:
    """The share of images that are correct under every attack measured at this eps: exact, from the outcomes image by image.

    Between levels, where it is asked for, its curve is interpolated as those of its attacks are, and is never above any of these.
    """

    def compute(columns: Columns, question: Question) -> tuple[Parts, np.ndarray]:
        measured = _at_this_eps(columns, question)
        parts = measured or columns.held(question, "attack", "outcomes")
        seeds = _common_seeds([columns.store.header(name) for name in parts], parts)
        shares = (_exactly if measured else _between_levels)(columns, question, parts, seeds)
        accuracies = () if measured else tuple(map(_accuracy_of, parts))
        return (*parts, *accuracies), over_seeds(question, Header("class", _seed_axis(seeds), "fraction", {}), shares)

    def formula(columns: Columns, question: Question) -> Formula:
        parts = _at_this_eps(columns, question)
        attacks = ", ".join(name.metric for name in parts or columns.held(question, "attack", "outcomes"))
        exact = f"share of the images that are classified correctly under every one of {attacks}"
        if parts:
            return Formula(exact, {})
        levels = ", ".join(level_text(question.metric.name, level) for level in _levels_around(columns, question))
        return Formula(f"{exact}, interpolated from {levels}; where one of their accuracies, interpolated alike, is lower, that one", {})

    return Derived(compute, lambda columns, question: bool(columns.held(question, "attack", "outcomes")), formula, levels=_common_levels)


def _exactly(columns: Columns, question: Question, parts: Parts, seeds: Seeds) -> np.ndarray:
    """The share of images that withstand attacks, all measured at this level: ``(rows, seeds)``, or ``(rows,)`` without seeds; NaN where one was not."""
    images = _common_images([columns.store.header(name) for name in parts], parts)
    correct = [_chosen(columns, question, name, seeds) for name in parts]
    unmeasured = [np.isnan(_chosen(columns, question, _accuracy_of(name), seeds)) for name in parts]
    shares = np.asarray(_BITS_SET[np.bitwise_and.reduce(correct)].sum(axis=-1) / images)
    shares[np.logical_or.reduce(unmeasured)] = np.nan
    return shares


def _between_levels(columns: Columns, question: Question, parts: Parts, seeds: Seeds) -> np.ndarray:
    """The worst case interpolated along its own curve, and never above the accuracy under any of its attacks, interpolated alike; shapes as above."""
    levels = _levels_around(columns, question)
    shares = [_exactly(columns, question._replace(metric=question.metric._replace(level=level)), parts, seeds) for level in levels]
    curve = interpolated(question, Header("class", {"eps": [*levels], **_seed_axis(seeds)}, "fraction", {}), np.stack(shares, axis=1))
    return np.asarray(np.minimum.reduce([curve, *(_chosen(columns, question, _accuracy_of(name), seeds) for name in parts)]))


def _chosen(columns: Columns, question: Question, name: Name, seeds: Seeds) -> np.ndarray:
    """The values of an array at the question's level, of these of its seeds: ``(rows, seeds, …)``, or ``(rows, …)`` without seeds."""
    header = columns.store.header(name)
    values = at_or_between(question, header, columns.array(name))
    return values[:, [header.axes["seed"].index(seed) for seed in seeds]] if seeds else values


def _seed_axis(seeds: Seeds) -> dict[str, Seeds]:
    return {"seed": seeds} if seeds else {}


def _accuracy_of(outcomes: Name) -> Name:
    return outcomes._replace(measure="accuracy")


def _common_levels(columns: Columns, question: Question) -> list[float]:
    """The levels at which every attack was measured: a worst case over fewer attacks is not of the same curve."""
    held = columns.held(question, "attack", "outcomes")
    headers = [columns.store.header(name) for name in held]
    metrics = [question.metric._replace(level=level) for level in sorted(headers[0].levels)]
    common = [metric for metric in metrics if all(position(metric, header) is not None for header in headers)]
    if not common:
        attacks = ", ".join(name.metric for name in held)
        raise LevelNotMeasured(
            f"{question.metric.name} on {question.dataset} has no curve: {attacks} have no level in common, and its attacks are the same at every level."
            f" Name levels, such as {metrics[0]}."
        )
    return [float(metric.level) for metric in common if metric.level is not None]


def _levels_around(columns: Columns, question: Question) -> list[float]:
    """The levels of the curve that a level, at which no attack was measured, is to be interpolated from."""
    levels, level = _common_levels(columns, question), question.metric.level
    if level is None or not levels[0] < level < levels[-1]:
        attacks = ", ".join(name.metric for name in columns.held(question, "attack", "outcomes"))
        every = ", ".join(level_text(question.metric.name, one) for one in levels)
        raise LevelNotMeasured(
            f"{not_at_level(question, _measured_levels(columns, question))} Only levels between those at which all of {attacks} were measured are"
            f" interpolated: {every}."
        )
    return levels


def _at_this_eps(columns: Columns, question: Question) -> Parts:
    """The outcomes of the attacks that were measured at the question's eps; none where it is to be interpolated."""
    held = columns.held(question, "attack", "outcomes")
    parts = tuple(name for name in held if position(question.metric, columns.store.header(name)) is not None)
    if not parts and not question.interpolate:
        raise LevelNotMeasured(not_at_level(question, _measured_levels(columns, question)))
    return parts


def _measured_levels(columns: Columns, question: Question) -> list[float]:
    """Those at which any of the attacks was measured."""
    held = columns.held(question, "attack", "outcomes")
    return sorted({level for name in held for level in columns.store.header(name).levels})


def _common_images(headers: list[Header], parts: Parts) -> int:
    counts = {int(header.provenance["images"]) for header in headers}
    if len(counts) > 1:
        raise NotMeasured(f"worst_case needs the same images under every attack; {', '.join(map(str, parts))} have {counts} images.")
    return counts.pop()


def _common_seeds(headers: list[Header], parts: Parts) -> Seeds:
    """The seeds with which networks went through every attack; none where arrays have no seeds."""
    axes = [header.axes.get("seed", []) for header in headers]
    common = [seed for seed in axes[0] if all(seed in others for others in axes)]
    if any(axes) and not common:
        raise NotMeasured(f"worst_case needs the same networks under every attack; {', '.join(map(str, parts))} have no seed in common.")
    return common


DERIVED: dict[str, Derived] = {
    "mean_adversarial": _mean_published(),
    "mean_adversarial_measured": _mean_held("attack"),
    "mean_corruption": _mean_held("corruption"),
    WORST_CASE: _worst_case(),
    "hrs-fgsm": _harmonic_mean("fgsm"),
    "hrs-pgd": _harmonic_mean("pgd"),
    "hrs-apgd-ce": _harmonic_mean("apgd-ce"),
    "hrs-square": _harmonic_mean("square"),
    "hrs-square-rescaled": _harmonic_mean("square-rescaled"),
    "hrs-autoattack": _harmonic_mean("autoattack"),
}
