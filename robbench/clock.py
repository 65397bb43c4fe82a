"""A line on a terminal that shows that something is still being computed, where nobody can say how much of it is done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVERY = 1.0
"""Seconds from one time to the next."""


@contextmanager
def clock(what: str, total: int, *, shown: bool) -> Iterator[Callable[[], object]]:
    """Show what is computed, how many of its parts are done, and for how long, on stderr, while the block runs.

    Arguments:
        what: in a few words.
        total: the parts.
        shown: if False, or where stderr is no terminal, nothing is shown.

    Yields:
        What is called when a part is done.
    """
    from tqdm import tqdm

    over = threading.Event()
    with tqdm(total=total, desc=what, bar_format="{desc}: {n_fmt} of {total_fmt} done, {elapsed}", disable=None if shown else True) as bar:

        def tick() -> None:
            while not over.wait(EVERY):
                bar.refresh()

        ticking = threading.Thread(target=tick, daemon=True)
        if not bar.disable:
            ticking.start()
        try:
            yield bar.update
        finally:
            over.set()
            if ticking.ident is not None:
                ticking.join()
