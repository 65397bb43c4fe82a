"""The pages of the documentation, and what stands in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = (README, *sorted(DOCS.rglob("*.md")))
INCLUDED = (ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", ROOT / "data" / "README.md")
"""Pages include these."""

_FENCE = re.compile(r"^( *)(`{3,})([^`\n]*)\n(.*?)^\1\2 *$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block."""

    kind: str
    """What stands behind the fence, such as ``python`` or ``{toctree}``."""
    text: str


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).with_suffix("").as_posix()


def blocks(page: Path) -> list[Block]:
    return [Block(found[3].split(" ")[0], found[4]) for found in _FENCE.finditer(page.read_text("utf-8"))]


def prose(page: Path) -> str:
    """The page without its fenced blocks and without code."""
    return re.sub(r"`[^`\n]*`", "", _FENCE.sub("", page.read_text("utf-8")))


def cells(page: Path) -> list[str]:
    """The code of a notebook, cell by cell."""
    return [re.sub(r"\A:tags:.*\n\n", "", block.text) for block in blocks(page) if block.kind == "{code-cell}"]


def commands(text: str) -> list[str]:
    """What is asked of `robbench` in blocks of a shell, without what it prints and without comments."""
    found = re.findall(r"^(?:\$ |    )robbench (.*)$", text.replace("\\\n", " "), re.MULTILINE)
    return [re.sub(r"\s{2,}#.*", "", line) for line in found]


def headings(page: Path) -> Iterator[str]:
    """The anchors of a page's headings, as GitHub and MyST make them."""
    for title in re.findall(r"^#+ (.*)$", _FENCE.sub("", page.read_text("utf-8")), re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
