"""Pages in a real browser, which `chromium` of conftest.py starts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def opened(chromium: Any, out: Path, address: str = "", *, first: str = "", ready: str = "body", **settings: Any) -> Iterator[Any]:
    """The page, which must log nothing, raise nothing and ask for nothing but itself; `first` is run before its own scripts, and `ready` is waited for."""
    context = chromium.new_context(viewport={"width": 1300, "height": 900}, accept_downloads=True, **settings)
    context.add_init_script(first)
    page = context.new_page()
    heard: list[str] = []
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(("file:", "blob:")) else heard.append(request.url))
    page.goto(out.as_uri() + address)
    page.locator(ready).wait_for()
    yield page
    context.close()
    assert heard == []


def width_of(page: Any, width: int) -> int:
    """How wide the page is on a screen of so many pixels: more where it scrolls sideways."""
    page.set_viewport_size({"width": width, "height": 700})
    return int(page.evaluate("document.documentElement.scrollWidth"))
