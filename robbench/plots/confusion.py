"""Confusion matrices and confidences of all networks of a store: Figures 13 to 16 of Jung et al. (2023)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from robbench.arguments import checked_choice, options_checked
from robbench.errors import CannotPlot
from robbench.measurements.metrics import CONFIDENCES, Metric, parse
from robbench.measurements.question import Question
from robbench.measurements.wording import setting, threat, words
from robbench.plots.levels import LABEL, dress, with_gap
from robbench.plots.style import COLUMN, MAP, UNDEFINED, legend_below, new_figure, scale, series, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from robbench.bench import RobBench

CONFUSION = "confusion"
_MOST_CLASSES = 10
_SQUARE = 4.5
"""Inches: what is square needs not be larger."""


@styled
@options_checked
def class_matrix(
    bench: RobBench,
    metric: str,
    *,
    measure: str = CONFUSION,
    width: float | str = COLUMN,
    dataset: str | None = None,
    training: str | None = None,
    seed: int | None = None,
) -> Figure:
    """Classes by classes: the confusion matrices of all networks summed, or the mean of their confidences.

    Arguments:
        bench: where the measurements are.
        metric: a threat with its level, such as ``"clean"``.
        measure: ``"confusion"``, ``"confidence_label"`` or ``"confidence_argmax"``.
        width: in inches, or ``"column"`` or ``"page"``.
        dataset, training, seed: as for a query.

    Raises:
        InvalidArgument: another measure.
        CannotPlot: nothing but gaps.
        UnknownMetric, NotMeasured, LevelNotMeasured: as for a query.
    """
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm

    checked_choice(measure, "measure", (CONFUSION, CONFIDENCES["label"], CONFIDENCES["argmax"]))
    asked = parse(metric, measure=measure)
    found = bench.measurements.every(Question(asked, dataset, training, seed))
    networks = found[~np.isnan(found).all(axis=(1, 2))]
    if not len(networks):
        raise CannotPlot(f"{asked} was not measured of any architecture; there is no matrix to draw.")
    heading = setting(bench.measurements, [asked], dataset=dataset, training=training, seed=seed)
    under = words(asked._replace(measure="accuracy"), brief=True).removesuffix(" accuracy")
    figure = new_figure(float(width), 0.9 * min(float(width), _SQUARE), f"{heading}, {under}, {len(networks):,} networks")
    ax = figure.subplots()
    colours = colormaps[MAP].with_extremes(bad=UNDEFINED)
    if measure == CONFUSION:
        images = np.nansum(networks, axis=0).T
        image = ax.imshow(np.ma.masked_equal(images, 0), cmap=colours, norm=LogNorm(), interpolation="nearest")
    else:
        image = ax.imshow(_means(networks), cmap=colours, interpolation="nearest")
    ax.set_xlabel("label" if measure == CONFUSION else "class")
    ax.set_ylabel("prediction" if measure != CONFIDENCES["label"] else "label")
    scale(figure, ax, image, "images of all networks (grey: none)" if measure == CONFUSION else "mean confidence")
    return figure


@styled
@options_checked
def confidence_curves(
    bench: RobBench,
    attack: str = "fgsm",
    *,
    label: int | None = None,
    width: float | str = COLUMN,
    dataset: str | None = None,
    training: str | None = None,
    seed: int | None = None,
) -> Figure:
    """Mean confidences of all networks over eps: in correct and in incorrect predictions, or in each class for the images of one label.

    Of many classes, those that the networks are surest of somewhere have a line each, and the others one together.

    Arguments:
        bench: where the measurements are.
        attack: one that the store holds, over all its levels, eps 1 apart (see `plots.levels`).
        label: of the images; if left out, predictions are told apart by whether they are correct.
        width: in inches, or ``"column"`` or ``"page"``.
        dataset, training, seed: as for a query.

    Raises:
        CannotPlot: not an attack, a label that is none, or nothing but gaps.
        UnknownMetric, NotMeasured: as for a query.
    """
    name, scheme = parse(attack).name, "prediction" if label is None else "label"
    if parse(attack).entry.kind != "attack":
        raise CannotPlot(f"confidences are drawn over the eps of an attack; {attack!r} is none.")
    question = Question(Metric(name, None, CONFIDENCES[scheme]), dataset, training, seed)
    levels = sorted(bench.measurements.levels(question))
    found = [bench.measurements.every(question._replace(metric=question.metric._replace(level=level))) for level in levels]
    if label is not None and label not in range(found[0].shape[1]):
        raise CannotPlot(f"label={label!r} is none of the {found[0].shape[1]} classes.")
    means = np.stack([_means(values if label is None else values[:, label]) for values in found])
    if np.isnan(means).all():
        raise CannotPlot(f"confidences under {name} were not measured of any architecture; there is nothing to draw.")
    lines = dict(zip(("correct predictions", "incorrect predictions"), means.T, strict=True)) if label is None else _of_classes(means)
    heading = setting(bench.measurements, [question.metric], dataset=dataset, training=training, seed=seed)
    heading += "" if label is None else f", images of class {label}"
    figure = new_figure(float(width), 0.72 * min(float(width), _SQUARE), heading)
    ax = figure.subplots()
    for (text, line), style in zip(lines.items(), series(len(lines)), strict=True):
        ax.plot(*with_gap(levels, line), label=text, **style)
    dress(ax, levels, float(width) - 0.6)
    ax.set_xlabel(LABEL)
    ax.set_ylabel(f"mean confidence under {threat(name)}")
    ax.set_ylim(0, 1)
    legend_below(figure, ax)
    return figure


def _of_classes(means: np.ndarray) -> dict[str, np.ndarray]:
    """A line for each class, ``(levels,)``, of ``(levels, classes)``; of too many, for those that reach highest, and for the rest together."""
    reached = np.nanmax(means, axis=0)
    own = np.sort(np.argsort(-reached, kind="stable")[:_MOST_CLASSES])
    lines = {f"class {place}": means[:, place] for place in own}
    others = np.delete(means, own, axis=1)
    return {**lines, f"{others.shape[1]} others together": others.sum(axis=1)} if others.shape[1] else lines


def _means(values: np.ndarray) -> np.ndarray:
    """The mean over networks ``(networks, …)`` of what each has; NaN where none has it."""
    counted = np.count_nonzero(~np.isnan(values), axis=0)
    return np.asarray(np.divide(np.nansum(values, axis=0), counted, out=np.full(counted.shape, np.nan), where=counted > 0))
