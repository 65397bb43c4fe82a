"""How large an explorer is, how long it takes to write, and how soon a browser shows it.

Of each store given, the embedded one if none is.  The browser is Chromium, driven by Playwright, on a page opened from a file: seconds from its opening until
the plot is drawn, the median of n.  A store of everything takes about ten seconds on one core.

    python benchmarks/explorer.py [STORE...]
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from robbench import RobBench
from robbench.explore import contents, write

N = 7


def first_picture(browser: Any, out: Path) -> float:
    """Seconds until a fresh window has drawn the plot."""
    window = browser.new_context()
    page = window.new_page()
    page.goto(out.as_uri())
    page.locator("#page:not(:empty)").wait_for()  # the last that is written
    milliseconds: float = page.evaluate("performance.getEntriesByName('drawn')[0].startTime")
    window.close()
    return milliseconds / 1000


def line(browser: Any, store: Path | None, folder: Path) -> str:
    """A line of the table."""
    bench, out = RobBench(store), folder / "explore.html"
    begin = time.perf_counter()
    shown = contents(bench)
    size = write(shown, out)
    written = time.perf_counter() - begin
    picture = statistics.median(first_picture(browser, out) for _ in range(N))
    return f"| {shown.store} | {len(shown.keys):,} | {len(shown.columns)} | {size / 1e6:.2f} | {written:.1f} | {picture:.2f} |"


def main() -> None:
    """Print the table."""
    print(f"| store | architectures | metrics | MB | s to write | s to the first picture (n={N}) |\n|---|---|---|---|---|---|")
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as folder:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for store in map(Path, sys.argv[1:]) if sys.argv[1:] else [None]:
            print(line(browser, store, Path(folder)))
        browser.close()


if __name__ == "__main__":
    main()
