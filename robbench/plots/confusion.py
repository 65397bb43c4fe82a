"""Confusion matrices and confidences of all networks of a store: Figures 13 to 16 of Jung et al. (2023)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from robbench.arguments import checked_choice, options_checked
from robbench.errors import CannotPlot
from robbench.measurements.metrics import CONFIDENCES, GREY_LEVELS, Metric, parse
from robbench.measurements.question import Question
from robbench.plots.style import COLUMN, LINES, MAP, MARKERS, OKABE_ITO, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from robbench.bench import RobBench

CONFUSION = "confusion"
_MOST_NUMBERS = 20


@styled
@options_checked
def class_matrix(
    bench: RobBench,
    metric: str,
    *,
    measure: str = CONFUSION,
    width: float = COLUMN,
    dataset: str | None = None,
    training: str | None = None,
    seed: int | None = None,
) -> Figure:
    """Classes by classes: the confusion matrices of all networks summed, or the mean of their confidences.

    Arguments:
        bench: where the measurements are.
        metric: a threat with its level, such as ``"clean"``.
        measure: ``"confusion"``, ``"confidence_label"`` or ``"confidence_argmax"``.
        width: in inches.
        dataset, training, seed: as for a query.

    Raises:
        InvalidArgument: another measure.
        UnknownMetric, NotMeasured, LevelNotMeasured: as for a query.
    """
    checked_choice(measure, "measure", (CONFUSION, CONFIDENCES["label"], CONFIDENCES["argmax"]))
    found = bench.measurements.every(Question(parse(metric, measure=measure), dataset, training, seed))
    shown = np.nansum(found, axis=0).T if measure == CONFUSION else np.nanmean(found, axis=0)
    figure = new_figure(width, width)
    ax = figure.subplots()
    image = ax.imshow(np.log10(np.maximum(shown, 1)) if measure == CONFUSION else shown, cmap=MAP)
    ax.set_xlabel("label" if measure == CONFUSION else "class")
    ax.set_ylabel("prediction" if measure != CONFIDENCES["label"] else "label")
    ax.set_title(f"{metric}, {found.shape[0]:,} networks")
    figure.colorbar(image, ax=ax, label="images (log₁₀)" if measure == CONFUSION else "mean confidence", fraction=0.05, pad=0.02)
    return figure


@styled
@options_checked
def confidence_curves(
    bench: RobBench,
    attack: str = "fgsm",
    *,
    label: int | None = None,
    width: float = COLUMN,
    dataset: str | None = None,
    training: str | None = None,
    seed: int | None = None,
) -> Figure:
    """Mean confidences of all networks over eps: in correct and in incorrect predictions, or in each class for the images of one label.

    Arguments:
        bench: where the measurements are.
        attack: one that the store holds, over all its levels below 1.
        label: of the images; if left out, predictions are told apart by whether they are correct.
        width: in inches.
        dataset, training, seed: as for a query.

    Raises:
        CannotPlot: not an attack, or a label that is none.
        UnknownMetric, NotMeasured: as for a query.
    """
    name, scheme = parse(attack).name, "prediction" if label is None else "label"
    if parse(attack).entry.kind != "attack":
        raise CannotPlot(f"confidences are drawn over the eps of an attack; {attack!r} is none.")
    question = Question(Metric(name, None, CONFIDENCES[scheme]), dataset, training, seed)
    levels = sorted(level for level in bench.measurements.levels(question) if level < 1)
    found = [bench.measurements.every(question._replace(metric=question.metric._replace(level=level))) for level in levels]
    if label is not None and label not in range(found[0].shape[1]):
        raise CannotPlot(f"label={label!r} is none of the {found[0].shape[1]} classes.")
    lines = np.stack([np.nanmean(values if label is None else values[:, label], axis=0) for values in found])
    names = ("correct", "incorrect") if label is None else tuple(map(str, range(lines.shape[1])))
    figure = new_figure(width, 0.72 * min(width, 4.5))
    ax = figure.subplots()
    for place, (text, line) in enumerate(zip(names[:_MOST_NUMBERS], lines.T, strict=False)):
        style: dict[str, Any] = {
            "color": OKABE_ITO[place % len(OKABE_ITO)],
            "marker": MARKERS[place % len(MARKERS)],
            "linestyle": LINES[place // len(MARKERS) % 4],
        }
        ax.plot([level * GREY_LEVELS for level in levels], line, label=text, **style)
    ax.set_xlabel("eps · 255")
    ax.set_ylabel(f"mean confidence under {name}")
    ax.set_ylim(0, 1)
    ax.legend(ncols=1 if label is None else 2)
    return figure
