"""The documentation site: `make docs` builds it into build/docs.  Nothing is fetched, and every page works from a disk."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from robbench.version import __version__

project = "RobBench"
author = "The RobBench developers"
copyright = "The RobBench developers"  # noqa: A001  # Sphinx's name
version = release = __version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "myst_nb"]
source_suffix = {".md": "myst-nb"}
exclude_patterns = ["figures"]
highlight_language = "none"  # of blocks that name none

myst_heading_anchors = 3
myst_links_external_new_tab = False
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True

smartquotes = False  # --option is no dash
default_role = "py:obj"  # `name` in a docstring is a link where there is something to link to
autodoc_mock_imports = [
    name
    for name in ("ConfigSpace", "carps", "fastparquet", "hpoglue", "optuna", "optunahub", "pymoo", "syne_tune")
    if find_spec(name) is None
]
"""Adapters are documented without the libraries that they adapt."""
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
maximum_signature_line_length = 100
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "pydata_sphinx_theme"
html_title = "RobBench"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_context = {"default_mode": "auto"}
html_theme_options: dict[str, Any] = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "navbar_align": "left",
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"index": []}

PAGES_OF = {"data/README.md": "data"}
"""What README links to outside of docs/, and the page that includes it."""

_ALIGNED = re.compile(r"\S {3,}\S")
"""Columns: a drawing, and no prose."""


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _paragraphs(lines: list[str]) -> Iterator[list[str]]:
    """Lines up to the next empty ones, which belong to what is before them."""
    found: list[str] = []
    for line in lines:
        if line.strip() and found and not found[-1].strip():
            yield found
            found = []
        found.append(line)
    if found:
        yield found


def as_it_stands(what: str, lines: list[str]) -> list[str]:
    """A docstring whose drawings and examples are literal blocks.

    Those are what is indented after an empty line, what is aligned in columns, and of a module also what does not end as a sentence does.
    """
    shown: list[str] = []
    before, outside = 0, None
    for paragraph in _paragraphs(lines):
        text = [line for line in paragraph if line.strip()]
        depth = _depth(paragraph[0])
        if outside is not None and depth <= outside:
            outside = None
        if outside is None and shown and depth > before:
            outside = before
            shown += [" " * before + "::", ""]
        if outside is None and (
            any(_ALIGNED.search(line) for line in text) or (what == "module" and not text[-1].endswith((".", ":", "?")))
        ):
            shown += [" " * depth + "::", "", *(f"    {line}" for line in paragraph)]
        else:
            shown += paragraph
        if outside is None and text:
            before = _depth(text[-1])
    return shown


def without_types(what: str, lines: list[str]) -> list[str]:
    """Descriptions that napoleon does not take up to their first colon for a type: types are in the code."""
    described = [i + 1 for i, line in enumerate(lines[:-1]) if line.strip() in ("Returns:", "Yields:")]
    described += [0] if what in ("attribute", "data", "property") and lines else []
    return [f"{line[: _depth(line)]}: {line.lstrip()}" if i in described else line for i, line in enumerate(lines)]


def read_docstring(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Prepare a docstring for napoleon, which knows its sections."""
    if lines and lines[0].startswith("Alias for field number"):  # of a NamedTuple's field that nobody described
        lines[:] = []
    lines[:] = without_types(what, as_it_stands(what, lines))


def read_included(app: Sphinx, path: Path, docname: str, content: list[str]) -> None:
    """README links to files by their place in the repository; some of these are pages here."""
    for file, page in PAGES_OF.items():
        content[0] = content[0].replace(f"]({file})", f"](docs/{page}.md)")


def setup(app: Sphinx) -> None:
    """What is ours: how docstrings are read, and where README's links lead."""
    app.connect("autodoc-process-docstring", read_docstring, priority=1)
    app.connect("include-read", read_included)
