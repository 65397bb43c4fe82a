"""Metrics computed from measured ones, when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from robbench.store.arrays import Name
from robbench.measurements.columns import at_level, not_at_level, over_seeds, position
from robbench.errors import LevelNotMeasured, NotMeasured
from robbench.measurements.metrics import TABLE, Metric

if TYPE_CHECKING:
    from robbench.measurements.columns import Columns, Question

Parts = tuple[Name, ...]


class Derived(NamedTuple):
    """How a derived metric is computed, and whether a store holds what it takes."""

    compute: Callable[[Columns, Question], tuple[Parts, np.ndarray]]
    computable: Callable[[Columns, Question], bool]


def _mean(kind: str) -> Derived:
    """Over all threats of a kind and all their levels, with equal weights (Jung et al., 2023, section 3)."""

    def compute(columns: Columns, question: Question) -> tuple[Parts, np.ndarray]:
        parts = _held(columns, question, kind, "accuracy")
        values = [
            columns.column(question._replace(metric=Metric(name.metric, float(level), "accuracy"))).values
            for name in parts
            for level in columns.store.header(name).axes[str(TABLE[name.metric].axis)]
        ]
        return parts, np.mean(values, axis=0)

    return Derived(compute, lambda columns, question: bool(_held(columns, question, kind, "accuracy")))


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

    return Derived(compute, computable)


def _worst_case() -> Derived:
    """The share of images that withstand every attack measured at this eps: exact, from the outcomes image by image."""

    def compute(columns: Columns, question: Question) -> tuple[Parts, np.ndarray]:
        headers = {name: columns.store.header(name) for name in _held(columns, question, "attack", "outcomes")}
        parts = tuple(name for name, header in headers.items() if position(question.metric, header) is not None)
        if not parts:
            levels = sorted({float(level) for header in headers.values() for level in header.axes["eps"]})
            raise LevelNotMeasured(not_at_level(question, levels))
        images = {headers[name].provenance["images"] for name in parts}
        if len(images) > 1:
            raise NotMeasured(f"worst_case needs the same images under every attack; {', '.join(map(str, parts))} have {images} images.")
        survivors = np.bitwise_and.reduce([at_level(question, headers[name], columns.array(name)) for name in parts])
        header = headers[parts[0]]
        shares = np.bitwise_count(survivors).sum(axis=-1) / header.provenance["images"]
        accuracies = [
            columns.column(question._replace(metric=Metric(name.metric, question.metric.level, "accuracy"))).values for name in parts
        ]
        without_images = header._replace(axes={axis: values for axis, values in header.axes.items() if axis != "image"})
        return parts, np.where(np.isnan(accuracies).any(axis=0), np.nan, over_seeds(question, without_images, shares))

    return Derived(compute, lambda columns, question: bool(_held(columns, question, "attack", "outcomes")))


def _held(columns: Columns, question: Question, kind: str, measure: str) -> Parts:
    names = (question.name(metric, measure) for metric, entry in TABLE.items() if entry.kind == kind)
    return tuple(name for name in names if name in columns.store)


DERIVED: dict[str, Derived] = {
    "mean_adversarial": _mean("attack"),
    "mean_corruption": _mean("corruption"),
    "worst_case": _worst_case(),
    "hrs-fgsm": _harmonic_mean("fgsm"),
    "hrs-pgd": _harmonic_mean("pgd"),
    "hrs-apgd-ce": _harmonic_mean("apgd-ce"),
    "hrs-square": _harmonic_mean("square"),
    "hrs-autoattack": _harmonic_mean("autoattack"),
}
