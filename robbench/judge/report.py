"""A report card: what was found of a method, beside what made each of its numbers.

report.sections          tables, each with a sentence that says what its columns are
report.faults            what went wrong while the method was asked
report.made              seed, store, options, versions
report.text(), report.json(), report.markdown(), report.html()
"""

from __future__ import annotations

import json
import platform
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robbench.bench import RobBench
from robbench.errors import InvalidArgument
from robbench.judge.calling import Fault
from robbench.judge.figures import Dots, Lines
from robbench.judge.methods import checksum
from robbench.judge.page import figures_html, made_html, page, table_html
from robbench.papers.rendering import markdown_table
from robbench.store.atomic import replacing
from robbench.text import text_table
from robbench.version import __version__

if TYPE_CHECKING:
    import pandas as pd

LIBRARIES = ("numpy", "scipy", "pandas", "scikit-learn", "xgboost", "moocore")


@dataclass(frozen=True)
class Section:
    """One table of a report."""

    title: str
    says: str
    """What its columns are; paragraphs are set apart by an empty line."""
    table: pd.DataFrame
    short: tuple[str, ...] = ()
    """The columns that a terminal shows; all of them if empty."""
    across: tuple[str, str] | None = None
    """A column whose values a terminal shows side by side, and the column of which it then shows the values."""
    intervals: bool = False
    """Whether these have their intervals behind them."""
    figure: Dots | Lines | None = None
    """What a page draws of it."""

    @property
    def shown(self) -> pd.DataFrame:
        """The table as a terminal shows it: an interval behind its number, in one column."""
        import pandas as pd

        if self.across is not None:
            side_by_side, value = self.across
            texts = self.table[[*self.short, side_by_side]].assign(text=self._texts(value, self.intervals))
            wide = texts.pivot_table(index=list(self.short), columns=side_by_side, values="text", aggfunc="first", sort=False).reset_index()
            return pd.DataFrame({str(name): [_rounded(value) for value in wide[name]] for name in wide})
        ends_of_intervals = [f"{name}_{end}" for name in self.table for end in ("low", "high")]
        names = self.short or [str(name) for name in self.table if name not in ends_of_intervals]
        return pd.DataFrame({name: self._texts(name, intervals=True) for name in names})

    def _texts(self, name: str, intervals: bool) -> list[str]:
        """A column, with intervals where it has some."""
        if not intervals or f"{name}_low" not in self.table:
            return [_rounded(value) for value in self.table[name]]
        ends = zip(self.table[name], self.table[f"{name}_low"], self.table[f"{name}_high"], strict=True)
        return [_with_interval(*one) for one in ends]


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

    def text(self, width: int = 120) -> str:
        """For a terminal; what is to be read is so wide, tables are as wide as they are."""
        lines = [f"{self.kind} {self.method}", *(textwrap.fill(sentence, width) for sentence in self.summary)]
        lines += ["", "What went wrong:", *(f"- {fault}" for fault in self.faults)] if self.faults else []
        for section in self.sections:
            lines += [
                "",
                section.title.upper(),
                *(textwrap.fill(part, width) for part in section.says.split("\n\n")),
                "",
                text_table(section.shown),
            ]
        return "\n".join([*lines, "", textwrap.fill(f"Made with {self._made}.", width)])

    def json(self) -> str:
        """All of it: ``{"kind", "method", "summary", "faults", "made", "sections": {title: [row, …]}}``; null where there is no number."""
        sections = {section.title: json.loads(section.table.to_json(orient="records", double_precision=15)) for section in self.sections}
        said = {"kind": self.kind, "method": self.method, "summary": self.summary, "faults": [fault._asdict() for fault in self.faults]}
        return json.dumps({**said, "made": dict(self.made), "sections": sections}, ensure_ascii=False)

    def markdown(self) -> str:
        """A page."""
        lines = [f"# {self.title}", "", *(line for sentence in self.summary for line in (sentence, ""))]
        if self.faults:
            lines += ["What went wrong:", "", *(f"- {fault}" for fault in self.faults), ""]
        for section in self.sections:
            lines += [f"## {_capital(section.title)}", "", section.says, "", *markdown_table(section.shown), ""]
        return "\n".join([*lines, f"Made with {self._made}.", ""])

    def html(self) -> str:
        """A whole page of HTML, with figures; see `robbench.judge.page`."""
        return page(self.title, self._parts())

    def _repr_html_(self) -> str:
        """The page, in a frame of its own, so that its style and a notebook's leave each other alone."""
        return f'<iframe srcdoc="{escape(self.html())}" title="{escape(self.title)}" width="100%" height="640"></iframe>'

    @property
    def title(self) -> str:
        """What it is of."""
        return f"{_capital(self.kind)}: {self.method}"

    @property
    def _made(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.made.items() if value is not None)

    def _parts(self) -> list[str]:
        parts = [f"<h1>{escape(self.title)}</h1>", *(f"<p>{escape(sentence)}</p>" for sentence in self.summary)]
        if self.faults:
            faults = "".join(f"<li>{escape(str(fault))}</li>" for fault in self.faults)
            parts.append(f'<div class="wrong"><p>What went wrong:</p><ul>{faults}</ul></div>')
        for section in self.sections:
            parts += [f"<h2>{escape(_capital(section.title))}</h2>"]
            parts += [f'<p class="says">{escape(part)}</p>' for part in section.says.split("\n\n")]
            parts += [figures_html(section.figure.drawn(section.table, self.method))] if section.figure is not None else []
            parts.append(table_html(section.shown, self.method))
        made = {name: value for name, value in self.made.items() if value is not None}
        return [*parts, "<h2>Made with</h2>", made_html(made)]


def write(reports: Sequence[Report], path: Path) -> None:
    """Write reports in the form that the name ends in, one of `FORMS`: the whole file, or nothing.

    Raises:
        InvalidArgument: there is no such form, or the file cannot be written.
    """
    content = FORMS[checked_form(path)](reports)
    try:
        with replacing(path) as file:
            file.write(content.encode())
    except OSError as error:
        raise InvalidArgument(f"{path} cannot be written: {error}.") from error


def checked_form(path: Path) -> str:
    """The ending of a name, if reports are written in it; raises InvalidArgument."""
    if path.suffix.lower() not in FORMS:
        raise InvalidArgument(f"{path} does not end in one of {', '.join(FORMS)}, which say what a report is written as.")
    return path.suffix.lower()


def _together(reports: Sequence[Report]) -> str:
    """All of them on one page."""
    return page(", ".join(report.title for report in reports), [part for report in reports for part in report._parts()])


FORMS: dict[str, Callable[[Sequence[Report]], str]] = {
    ".html": _together,
    ".md": lambda reports: "\n".join(report.markdown() for report in reports),
    ".json": lambda reports: "".join(f"{report.json()}\n" for report in reports),
    ".txt": lambda reports: "\n\n".join(report.text() for report in reports) + "\n",
}
"""By the ending of a file's name; of several reports, JSON has one a line."""


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


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


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
