"""The page and the data in one file."""

from __future__ import annotations

import base64
import hashlib
import os
from importlib.resources import files
from pathlib import Path

from robbench.errors import CannotPlot
from robbench.explore.contents import Contents
from robbench.explore.packing import pack
from robbench.store.atomic import replacing

SCRIPTS = ("data.js", "state.js", "painting.js", "scatter.js", "figures.js", "details.js", "table.js", "search.js", "main.js")
MARK = b'<meta name="generator" content="robbench explore">'
"""By which a page of ours is known, near its beginning."""
_NEAR = 1000


def page(shown: Contents, *, progress: bool = False) -> bytes:
    """The explorer of these contents: a whole HTML file, UTF-8; `progress` as for `contents`."""
    style = _asset("style.css")
    script = '"use strict";\n(() => {\n' + "\n".join(map(_asset, SCRIPTS)) + "\n})();\n"
    parts = {
        "@STYLE_HASH@": _hash(style),
        "@SCRIPT_HASH@": _hash(script),
        "@STYLE@": style,
        "@SCRIPT@": script,
        "@DATA@": _written(pack(shown, progress=progress)),  # last, as nothing of a store is looked through for marks
    }
    whole = _asset("page.html")
    for mark, text in parts.items():
        whole = whole.replace(mark, text)
    return whole.encode()


def write(shown: Contents, path: str | os.PathLike[str], *, progress: bool = False) -> int:
    """Write the explorer of these contents: the whole file, or nothing; returns its bytes; `progress` as for `contents`.

    Raises:
        CannotPlot: the folder does not exist, or the file is there and is not such a page.
        OSError: the folder cannot be written, or the disk is full.
    """
    path = Path(path)
    check_place(path)
    content = page(shown, progress=progress)
    with replacing(path) as file:
        file.write(content)
    return len(content)


def check_place(path: Path) -> None:
    """Raise CannotPlot where a page cannot go: into a folder that does not exist, or over a file that is no page of ours."""
    if path.is_dir():
        raise CannotPlot(f"{path} is a folder; expected the name of a file, such as {path / 'explore.html'}.")
    if not path.resolve().parent.is_dir():
        raise CannotPlot(f"{path} cannot be written: the folder {path.parent} does not exist; make it first.")
    if path.is_file():
        with path.open("rb") as file:
            begin = file.read(_NEAR)
        if begin and MARK not in begin:
            raise CannotPlot(f"{path} is there and was not written by `robbench explore`; name another file, or remove it first.")


def _written(packed: bytes) -> str:
    """Bytes as characters that mean nothing to HTML: four in five, as in base 85, with a comma for its one "<"; `assets/data.js` reads it."""
    return base64.b85encode(packed).translate(bytes.maketrans(b"<", b",")).decode()


def _asset(name: str) -> str:
    return (files("robbench.explore") / "assets" / name).read_text("utf-8")


def _hash(text: str) -> str:
    """As a content security policy names a script or a style."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
