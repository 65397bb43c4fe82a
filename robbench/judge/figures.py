"""Figures of a report card as SVG, drawn from its tables: light or dark as the page is, legible on a phone, without a library to draw with.

Dots(("dataset", "training"), "metric", "spearman", "ceiling").drawn(table, judged)     [(caption, svg), …]: one panel a data set and training

What shapes look like is said by the classes that `STYLE` styles.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

WIDTH = 360.0
"""Of a panel, in units of which its text is 11 high."""
ROW, AXIS, RIGHT = 17.0, 22.0, 10.0
HEIGHT = 200.0
"""Of the part of a panel of lines where the lines are."""
LETTER = 6.7
"""The width of a bold letter, about."""
LONGEST = 27
"""Letters of a label; of a longer one the beginning is shown."""
MARKS = 8
"""Numbers below a panel of lines: those that there are, or round ones in their place."""
SERIES = 8
"""So many lines differ in colour and dashes; the next looks like the first again."""
STYLE = """
svg.figure { width: 100%; height: auto; display: block; font: 11px system-ui, sans-serif; }
svg.figure text { fill: var(--ink); }
svg.figure .quiet { fill: var(--quiet); }
svg.figure .axis, svg.figure .grid { stroke: var(--line); fill: none; }
svg.figure .zero { stroke: var(--quiet); }
svg.figure .mark { fill: var(--quiet); }
svg.figure .range { stroke: var(--quiet); stroke-width: 1.5; }
svg.figure .mark.judged { fill: var(--accent); }
svg.figure .range.judged { stroke: var(--accent); stroke-width: 2; }
svg.figure text.judged { fill: var(--accent); font-weight: 600; }
svg.figure .limit { stroke: var(--limit); stroke-width: 2; fill: none; }
svg.figure .series { fill: none; stroke-width: 1.5; }
svg.figure .series.judged { stroke-width: 3; }
"""


@dataclass(frozen=True)
class Dots:
    """A point for each row, with its interval where the table has one, and the limit that it could reach."""

    panels: tuple[str, ...]
    """Columns; rows that agree in them share a panel."""
    label: str
    """The column that names a row."""
    value: str
    limit: str | None = None
    """The column of the limit."""
    ends: str = "95% intervals"
    """What the intervals are."""

    def drawn(self, table: pd.DataFrame, judged: str) -> list[tuple[str, str]]:
        """Caption and SVG of each panel; the row of what is judged stands out."""
        return [(f"{said}{self._caption(part)}", self._panel(part, judged)) for said, part in _parts(table, self.panels)]

    def _caption(self, part: pd.DataFrame) -> str:
        ends = f", {self.ends}" if f"{self.value}_low" in part else ""
        limit = f"; the mark of another colour: {self.limit}" if self._limits(part) else ""
        return f"{self.value}{ends}{limit}"

    def _limits(self, part: pd.DataFrame) -> bool:
        return self.limit is not None and bool(part[self.limit].notna().any())

    def _panel(self, part: pd.DataFrame, judged: str) -> str:
        columns = [name for name in (self.value, f"{self.value}_low", f"{self.value}_high", self.limit) if name in part]
        scale = _Scale.over(part[columns].to_numpy().ravel().tolist(), _margin(part[self.label]), WIDTH - RIGHT, with_zero=True)
        bottom = ROW * len(part) + 6
        shapes = [*_grid(scale, bottom)]
        for place, row in enumerate(part.to_dict("records")):
            y, name, value = ROW * (place + 0.5) + 3, str(row[self.label]), float(row[self.value])
            known = " judged" if name == judged else ""
            shapes.append(f'<text class="label{known}" x="{scale.left - 8:.1f}" y="{y + 4:.1f}" text-anchor="end">{_short(name)}</text>')
            low, high = (float(row.get(f"{self.value}_{end}", math.nan)) for end in ("low", "high"))
            if low == low:
                shapes.append(f'<path class="range{known}" d="M{scale(low):.1f} {y:.1f}H{scale(high):.1f}"/>')
            if value == value:
                shapes.append(
                    f'<circle class="mark{known}" cx="{scale(value):.1f}" cy="{y:.1f}" r="3.5"><title>{escape(name)}: {value:.3f}</title></circle>'
                )
            limit = float(row[self.limit]) if self.limit is not None else math.nan
            if limit == limit:
                shapes.append(f'<path class="limit" d="M{scale(limit):.1f} {y - 6:.1f}v12"/>')
        return _svg(bottom + AXIS, shapes, f"{self.value} of {len(part)} rows; the numbers are in the table")


@dataclass(frozen=True)
class Lines:
    """A line for each series, over a number on a scale of ratios."""

    panels: tuple[str, ...]
    series: str
    across: str
    value: str
    limit: str | None = None

    def drawn(self, table: pd.DataFrame, judged: str) -> list[tuple[str, str]]:
        """Caption and SVG of each panel; the line of what is judged is the thickest."""
        limit = f"; the level line of another colour: {self.limit}" if self.limit is not None else ""
        return [(f"{said}{self.value} by {self.across}{limit}", self._panel(part, judged)) for said, part in _parts(table, self.panels)]

    def _panel(self, part: pd.DataFrame, judged: str) -> str:
        names = list(dict.fromkeys(map(str, part[self.series])))
        limits = [] if self.limit is None else [float(part[self.limit].mean())]
        ups = _Scale.over([*part[self.value].tolist(), *limits], HEIGHT + 6, 6, with_zero=True, parts=8)
        at = sorted({float(value) for value in part[self.across]})
        over = _Scale(math.log(at[0]), max(math.log(at[-1]), math.log(at[0]) + 1e-9), 44, WIDTH - RIGHT - 6)
        shapes = [
            f'<path class="{"zero" if tick == 0 else "grid"}" d="M{over.left:.1f} {ups(tick):.1f}H{over.right:.1f}"/>' for tick in ups.ticks
        ]
        shapes += [
            f'<text class="quiet" x="{over.left - 6:.1f}" y="{ups(tick) + 4:.1f}" text-anchor="end">{tick:.4g}</text>' for tick in ups.ticks
        ]
        shapes += [
            f'<text class="quiet" x="{over(math.log(tick)):.1f}" y="{HEIGHT + 20:.1f}" text-anchor="middle">{tick:.6g}</text>'
            for tick in _marks(at)
        ]
        shapes += [f'<path class="limit" d="M{over.left:.1f} {ups(limit):.1f}H{over.right:.1f}"/>' for limit in limits if limit == limit]
        for number, name in enumerate(names):
            rows = part[part[self.series].astype(str) == name]
            points = [(over(math.log(x)), ups(y)) for x, y in zip(rows[self.across], rows[self.value], strict=True) if y == y]
            look = f"series s{number % SERIES}{' judged' if name == judged else ''}"
            if points:
                path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
                shapes.append(f'<path class="{look}" d="M{path}"><title>{escape(name)}</title></path>')
            x, y = (over.left, WIDTH / 2 + 10)[number % 2], HEIGHT + 40 + ROW * (number // 2)
            shapes.append(f'<path class="{look}" d="M{x:.1f} {y - 4:.1f}h22"/>')
            shapes.append(f'<text class="{"judged" if name == judged else "label"}" x="{x + 27:.1f}" y="{y:.1f}">{_short(name, 18)}</text>')
        height = HEIGHT + 34 + ROW * ((len(names) + 1) // 2)
        return _svg(height, shapes, f"{self.value} of {', '.join(names)} by {self.across}; the numbers are in the table")


class _Scale:
    """From numbers to places."""

    def __init__(self, low: float, high: float, left: float, right: float, parts: int = 4) -> None:
        self.low, self.high, self.left, self.right, self.parts = low, high, left, right, parts

    @classmethod
    def over(cls, values: Sequence[float], left: float, right: float, *, with_zero: bool, parts: int = 4) -> _Scale:
        """All of these numbers that are finite, and perhaps 0; `parts`: between so many marks at most."""
        finite = [float(value) for value in values if value is not None and math.isfinite(value)] + ([0.0] if with_zero else [])
        low, high = min(finite, default=0.0), max(finite, default=1.0)
        edge = 0.04 * (high - low) or 1.0
        return cls(low - edge * (low < 0), high + edge, left, right, parts)

    def __call__(self, value: float) -> float:
        return self.left + (value - self.low) / (self.high - self.low) * (self.right - self.left)

    @property
    def ticks(self) -> list[float]:
        """Round numbers."""
        rough = (self.high - self.low) / self.parts
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
        return [round(number * step, 12) for number in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]


def _marks(at: Sequence[float]) -> list[float]:
    """Of sorted numbers on a scale of ratios: themselves, if they are few and whole; else 1, 2, 5, 10, … between them, or powers of ten where these are many."""
    low, high = at[0], at[-1]
    if len(at) <= MARKS and all(number.is_integer() for number in at):
        return list(at)
    powers = range(math.floor(math.log10(low)), math.floor(math.log10(high)) + 1)
    found = [factor * 10.0**power for power in powers for factor in (1, 2, 5) if low <= factor * 10.0**power <= high]
    return found if len(found) <= MARKS else [number for number in found if math.log10(number).is_integer()]


def _parts(table: pd.DataFrame, columns: tuple[str, ...]) -> Iterator[tuple[str, pd.DataFrame]]:
    """What each panel is of, in words, and its rows."""
    if not columns:
        yield "", table
        return
    for values, part in table.groupby(list(columns), sort=False):
        yield f"{', '.join(map(str, values))}: ", part


def _grid(scale: _Scale, bottom: float) -> Iterator[str]:
    for tick in scale.ticks:
        yield f'<path class="{"zero" if tick == 0 else "grid"}" d="M{scale(tick):.1f} 0V{bottom:.1f}"/>'
        yield f'<text class="quiet" x="{scale(tick):.1f}" y="{bottom + 14:.1f}" text-anchor="middle">{tick:.4g}</text>'


def _margin(labels: Iterable[object]) -> float:
    return 14 + LETTER * min(max((len(str(label)) for label in labels), default=0), LONGEST)


def _short(name: str, most: int = LONGEST) -> str:
    return escape(name if len(name) <= most else f"{name[: most - 1]}…")


def _svg(height: float, shapes: Sequence[str], says: str) -> str:
    return f'<svg class="figure" viewBox="0 0 {WIDTH:.0f} {height:.0f}" role="img" aria-label="{escape(says)}">{"".join(shapes)}</svg>'
