"""eps on an axis: by its square root, so that 0.1 and 8 grey levels can both be read, from 0, which is clean; and eps 1 apart, behind a break.

At eps 1 an attack may put any image in the place of the given one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from robbench.measurements.metrics import GREY_LEVELS, same_level
from robbench.plots.style import GREY, SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABEL, GREY_CLEAN, FROM_CLEAN = "eps (1/255)", "eps (1/255; grey: clean)", "eps (1/255; 0: clean)"
_BEYOND = 0.24
"""How far behind the largest other eps the place of eps 1 is, as a share of the axis up to there."""
_DIGIT, _SPACE = 0.058, 0.05
"""Inches: of a digit of a tick's label, and between two labels."""


def is_apart(eps: float) -> bool:
    """Whether an eps is all of [0, 1]."""
    return same_level(eps, 1.0)


def places(levels: Iterable[float]) -> np.ndarray:
    """Where each eps in [0, 1] stands on an axis that has all of these, and 0: ``(levels,)``, float64, rising with eps."""
    eps = np.asarray(list(levels), np.float64)
    found, apart = np.sqrt(eps * GREY_LEVELS), np.array([is_apart(level) for level in eps], bool)
    found[apart] = (1 + _BEYOND) * max(found[~apart], default=0.0) or 1.0
    return found


def with_gap(levels: Sequence[float], values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The places of rising eps and the values there, as a line that does not lead to eps 1, which is a point by itself."""
    at = places(levels)
    if len(at) > 1 and is_apart(levels[-1]):
        return np.insert(at, -1, at[-2]), np.insert(values, -1, np.nan)
    return at, values


def dress(ax: Axes, levels: Iterable[float], width: float, *, zero: bool = True) -> None:
    """Ticks at these eps, and a label, in 1/255, at as many as have room in so many inches; at 0 as well unless `zero` is false; a break before eps 1."""
    eps = sorted({0.0, *levels})
    at = places(eps)
    end = float(at[-1]) or 1.0
    ax.set_xlim(-0.05 * end, 1.05 * end)
    texts = {place: f"{level * GREY_LEVELS:.3g}" for place, level in zip(at.tolist(), eps, strict=True) if level or zero}
    shown = _with_room(texts, 1.1 * end / width)
    ax.set_xticks(list(texts), [text if place in shown else "" for place, text in texts.items()])
    if len(eps) > 2 and is_apart(eps[-1]):
        middle = float(at[-2] + at[-1]) / 2
        blank = {"facecolor": "white", "edgecolor": "none", "pad": 0}
        ax.text(middle, 0, "//", ha="center", va="center", fontsize=SMALL, transform=ax.get_xaxis_transform(), zorder=5, bbox=blank)
        ax.vlines(middle, 0, 1, colors=GREY, linewidths=0.5, linestyles=":", transform=ax.get_xaxis_transform())


def _with_room(texts: Mapping[float, str], an_inch: float) -> set[float]:
    """Which labels are written, of those at rising places, of which an inch has so much: both ends, then whole numbers before others, as they have room."""
    rising = list(texts)
    order = sorted(rising, key=lambda place: (place not in (rising[0], rising[-1]), place not in rising[-2:], "." in texts[place], place))
    shown: set[float] = set()
    for place in order:
        if all(abs(place - other) >= (_DIGIT * (len(texts[place]) + len(texts[other])) / 2 + _SPACE) * an_inch for other in shown):
            shown.add(place)
    return shown
