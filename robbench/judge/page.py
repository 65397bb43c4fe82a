"""A page of HTML that needs nothing but itself: its style is in it, there is no script, and nothing is loaded from anywhere.

page("Search: mine:climb", [f"<h1>…</h1>", table_html(table, judged), figures_html(drawn)])
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from robbench.judge.figures import STYLE as FIGURES

if TYPE_CHECKING:
    import pandas as pd

LIGHT = "--page: #fff; --panel: #f6f7f9; --ink: #1b1f24; --quiet: #5b6470; --line: #dfe3e8; --accent: #0060c0; --limit: #c2410c; --wrong: #fdf0e8;"
DARK = "--page: #14171b; --panel: #1d2126; --ink: #e8ebef; --quiet: #a3adb8; --line: #363d45; --accent: #7cb8ff; --limit: #ff8a4c; --wrong: #33231a;"
SERIES = (  # stroke in the light, in the dark, dashes
    ("#0072b2", "#56b4e9", ""),
    ("#d55e00", "#ff8a4c", "6 3"),
    ("#007a5a", "#2fcf9f", ""),
    ("#b0468f", "#e79ac9", "2 2"),
    ("#8a6d00", "#e6c229", "10 3 2 3"),
    ("#444b54", "#c9d1d9", ""),
    ("#7048c8", "#b79cff", "1 4"),
    ("#b3261e", "#ff7b72", "10 5"),
)
STYLE = (
    f":root {{ color-scheme: light dark; {LIGHT} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {DARK} }} }}\n"
    + "".join(
        f"svg .s{number} {{ stroke: {light}; stroke-dasharray: {dashes or 'none'}; }}\n"
        f"@media (prefers-color-scheme: dark) {{ svg .s{number} {{ stroke: {dark}; }} }}\n"
        for number, (light, dark, dashes) in enumerate(SERIES)
    )
    + """
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem 1rem 3rem; max-width: 78rem; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 1.5rem 0 0.6rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2rem 0 0.3rem; }
p, li { max-width: 52rem; margin: 0.35rem 0; overflow-wrap: anywhere; }
.says, figcaption, .same { color: var(--quiet); font-size: 0.9rem; }
.wrong { background: var(--wrong); border-left: 4px solid var(--limit); padding: 0.5rem 1rem; margin: 1rem 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); gap: 1rem 2rem; margin: 0.8rem 0; }
figure { margin: 0; max-width: 34rem; }
.table { overflow-x: auto; margin: 0.8rem 0; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; font-size: 0.875rem; font-variant-numeric: tabular-nums; min-width: 100%; }
th, td { padding: 0.3rem 0.7rem; text-align: left; white-space: nowrap; border-bottom: 1px solid var(--line); }
thead th { background: var(--panel); }
tbody tr:last-child td { border-bottom: 0; }
td.number, th.number { text-align: right; }
tr.judged td { color: var(--accent); font-weight: 600; }
dl.made { display: grid; grid-template-columns: max-content 1fr; gap: 0.1rem 1rem; margin: 0.5rem 0; font-size: 0.875rem; color: var(--quiet); }
dt, dd { margin: 0; overflow-wrap: anywhere; }
:focus-visible { outline: 2px solid var(--accent); }
"""
    + FIGURES
)


def page(title: str, parts: Sequence[str]) -> str:
    """The whole of it; the parts are HTML already."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    head = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'\">",
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        "</head>",
        "<body>",
    ]
    return "\n".join([*head, *parts, "</body>", "</html>", ""])


def table_html(table: pd.DataFrame, judged: str) -> str:
    """A table that scrolls by itself where it is wider than the page; what is the same in all rows is said once, above, unless it is a number."""
    numeric = {name for name in table if all(_is_number(str(value)) for value in table[name])}
    same = {
        name: str(table[name].iloc[0])
        for name in table.columns[:-1]
        if len(table) > 1 and table[name].nunique() == 1 and (name not in numeric or not str(table[name].iloc[0]))
    }
    shown = table[[name for name in table if name not in same]]
    css = [' class="number"' if name in numeric else "" for name in shown]
    lines = (
        [f'<p class="same">{escape(", ".join(f"{name} {value}" for name, value in same.items() if value))}</p>']
        if any(same.values())
        else []
    )
    lines += ['<div class="table" tabindex="0" role="region" aria-label="Table">', "<table>", "<thead><tr>"]
    lines += [f'<th scope="col"{one}>{escape(str(name))}</th>' for name, one in zip(shown, css, strict=True)]
    lines += ["</tr></thead>", "<tbody>"]
    for row in shown.itertuples(index=False):
        cells = "".join(f"<td{one}>{escape(str(value))}</td>" for value, one in zip(row, css, strict=True))
        known = ' class="judged"' if judged in map(str, row) else ""
        lines.append(f"<tr{known}>{cells}</tr>")
    return "\n".join([*lines, "</tbody>", "</table>", "</div>"])


def figures_html(drawn: Sequence[tuple[str, str]]) -> str:
    """Figures side by side, or below each other where there is no room; each with its caption."""
    figures = (f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>" for caption, svg in drawn)
    return "\n".join(['<div class="figures">', *figures, "</div>"])


def made_html(made: Mapping[str, Any]) -> str:
    """What made the numbers."""
    return f'<dl class="made">{"".join(f"<dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd>" for name, value in made.items())}</dl>'


def _is_number(text: str) -> bool:
    return not text or text.lstrip("+-")[:1].isdigit()
