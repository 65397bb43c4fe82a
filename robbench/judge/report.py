"""A report card: what was found of a method, beside what made each of its numbers.

report.sections          tables, each with a sentence that says what its columns are
report.faults            what went wrong while the method was asked
report.made              seed, store, options, versions
report.json(), report.markdown()
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from robbench.bench import RobBench
from robbench.judge.calling import Fault
from robbench.judge.methods import checksum
from robbench.papers.rendering import markdown_table
from robbench.version import __version__

if TYPE_CHECKING:
    import pandas as pd

LIBRARIES = ("numpy", "scipy", "pandas", "scikit-learn", "xgboost", "moocore")


@dataclass(frozen=True)
class Section:
    """One table of a report."""

    title: str
    says: str
    """What its columns are."""
    table: pd.DataFrame
    short: tuple[str, ...] = ()
    """The columns that a terminal shows; all of them if empty."""
    across: tuple[str, str] | None = None
    """A column whose values a terminal shows side by side, and the column of which it then shows the values."""

    @property
    def shown(self) -> pd.DataFrame:
        """The table as a terminal shows it: an interval behind its number, in one column."""
        import pandas as pd

        if self.across is not None:
            side_by_side, values = self.across
            wide = self.table.pivot_table(index=list(self.short), columns=side_by_side, values=values, sort=False).reset_index()
            return pd.DataFrame({str(name): [_rounded(value) for value in wide[name]] for name in wide})
        columns = {}
        ends_of_intervals = [f"{name}_{end}" for name in self.table for end in ("low", "high")]
        for name in self.short or [str(name) for name in self.table if name not in ends_of_intervals]:
            column = self.table[name]
            if f"{name}_low" in self.table:
                ends = zip(column, self.table[f"{name}_low"], self.table[f"{name}_high"], strict=True)
                columns[name] = [_with_interval(*one) for one in ends]
            else:
                columns[name] = [_rounded(value) for value in column]
        return pd.DataFrame(columns)


@dataclass(frozen=True)
class Report:
    """All that was found of one method."""

    kind: str
    """proxy, search or predictor."""
    method: str
    summary: tuple[str, ...]
    """Sentences."""
    faults: tuple[Fault, ...]
    sections: tuple[Section, ...]
    made: Mapping[str, Any]
    """What made the numbers: seed, store and its checksum, options, versions."""

    def section(self, title: str) -> pd.DataFrame:
        """The table of a section; raises KeyError where there is none."""
        return {section.title: section.table for section in self.sections}[title]

    def json(self) -> str:
        """All of it: ``{"kind", "method", "summary", "faults", "made", "sections": {title: [row, …]}}``; null where there is no number."""
        sections = {section.title: json.loads(section.table.to_json(orient="records", double_precision=15)) for section in self.sections}
        said = {"kind": self.kind, "method": self.method, "summary": self.summary, "faults": [fault._asdict() for fault in self.faults]}
        return json.dumps({**said, "made": dict(self.made), "sections": sections}, ensure_ascii=False)

    def markdown(self) -> str:
        """A page."""
        lines = [f"# {self.kind.capitalize()}: {self.method}", "", *self.summary, ""]
        if self.faults:
            lines += ["What went wrong:", "", *(f"- {fault}" for fault in self.faults), ""]
        for section in self.sections:
            lines += [f"## {section.title.capitalize()}", "", section.says, "", *markdown_table(section.shown), ""]
        return "\n".join([*lines, f"Made with {made_text(self.made)}.", ""])


def made_by(bench: RobBench, seed: int, **options: Any) -> dict[str, Any]:
    """What makes the numbers of a report."""
    return {
        "store": bench.path.name,
        "store_sha256": checksum(bench.path),
        "space": bench.space.name,
        "seed": seed,
        **options,
        "robbench": __version__,
        "python": platform.python_version(),
        **{name: found for name in LIBRARIES if (found := _version(name)) is not None},
    }


def made_text(made: Mapping[str, Any]) -> str:
    """What made the numbers, in one line."""
    return ", ".join(f"{name} {value}" for name, value in made.items() if value is not None)


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def _with_interval(value: float, low: float, high: float) -> str:
    if value != value:
        return ""
    return _rounded(value) if low != low else f"{_rounded(value)} [{_rounded(low)}, {_rounded(high)}]"


def _rounded(value: object) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.3f}" if abs(value) < 1000 else f"{value:.4g}"
    return "" if value is None else str(value)
