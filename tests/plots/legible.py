"""Whether a figure can be read: what the tests of every kind of figure ask of it."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

SMALLEST = 7
"""Points."""


def drawn_texts(figure: Figure) -> list[Text]:
    """The texts that are seen, tick labels beyond the ends of an axis excepted."""
    both = [(ax, minor) for ax in figure.axes for minor in (False, True)]
    ticks = {id(text) for ax, minor in both for text in (*ax.get_xticklabels(minor=minor), *ax.get_yticklabels(minor=minor))}
    seen = [text for text in figure.findobj(Text) if id(text) not in ticks]
    for ax, minor in both:
        seen += _within(ax.get_xticks(minor=minor), ax.get_xticklabels(minor=minor), ax.get_xlim())
        seen += _within(ax.get_yticks(minor=minor), ax.get_yticklabels(minor=minor), ax.get_ylim())
    return [text for text in seen if text.get_visible() and text.get_text().strip() and _has_axes(text, figure)]


def assert_legible(figure: Figure) -> None:
    """No text is smaller than 7 pt, leaves the canvas, or lies over another."""
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    boxes = {}
    for text in drawn_texts(figure):
        box = text.get_window_extent()
        assert float(text.get_fontsize()) >= SMALLEST, text
        assert box.x0 >= -1 and box.y0 >= -1, text  # noqa: PT018
        assert box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1, text  # noqa: PT018
        if text.get_rotation() % 90 == 0:
            boxes[text] = box.padded(-1)
    assert len(boxes) > 1
    overlapping = [(one, other) for (one, first), (other, second) in combinations(boxes.items(), 2) if Bbox.intersection(first, second)]
    assert overlapping == []


def assert_clear_of(figure: Figure, ax: Axes, x: Any, y: Any) -> None:
    """The legend covers none of the points."""
    figure.draw_without_rendering()
    legend = ax.get_legend()
    assert legend is not None
    inside = legend.get_window_extent().contains
    assert not any(inside(*point) for point in ax.transData.transform(list(zip(x, y, strict=True))))


def _within(ticks: Any, labels: list[Text], limits: tuple[float, float]) -> list[Text]:
    if not labels:  # another panel has them
        return []
    low, high = sorted(limits)
    return [label for tick, label in zip(ticks, labels, strict=True) if low <= tick <= high]


def _has_axes(text: Text, figure: Figure) -> bool:
    return text.axes is None or text.axes in figure.axes
