"""Bars on a terminal, on stderr: how far a search by live proxies is, and how far a build."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from robbench_builders.log import Event
from robbench_builders.outlook import Outlook
from robbench.cli.options import SECONDS_BEFORE_A_BAR

_UNITS = "{l_bar}{bar}| {n:.1f}/{total} units [{elapsed}{postfix}]"


class Searching:
    """A bar over the architectures that searches score, with their rate and the time left; those that a file has do not count for the rate.

    Arguments:
        total: how many there will be, at the most; those that warmup-move looks at around its parents come on top.
        title: before the bar.
    """

    def __init__(self, total: int, title: str | None = None) -> None:
        self._bar = tqdm(total=total, desc=title, unit="arch", smoothing=0, delay=SECONDS_BEFORE_A_BAR, leave=False, file=sys.stderr)
        self._numbers: dict[str, tuple[int, int]] = {}

    def of(self, what: str) -> Callable[[int, int], None]:
        """The progress of one of several kinds of scores: see `robbench_builders.proxies.live.Progress`."""

        def tell(computed: int, read: int) -> None:
            self._numbers[what] = computed, read
            done, kept = (sum(numbers) for numbers in zip(*self._numbers.values(), strict=True))
            self._bar.total = max(self._bar.total, done + kept)
            self._bar.initial = kept
            self._bar.update(done + kept - self._bar.n)

        return tell

    @property
    def scored(self) -> int:
        """How many architectures have been scored, or read from a file."""
        return sum(map(sum, self._numbers.values()))

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()


class Building(NamedTuple):
    """What is shown of a build while it runs."""

    total: int
    """Units."""
    notice: Callable[[str], None]
    progress: Callable[[Event], None]
    """Both as `robbench_builders.run.run` takes them."""


@contextmanager
def building(folder: Path) -> Iterator[Building]:
    """A bar over the units of a folder's plan while the block runs; raises BuildError if it has no plan."""
    from robbench_builders.results.status import Status

    begun = Status.of(folder)
    outlook = Outlook(begun.total, begun.done, begun.mean_seconds)
    with tqdm(total=begun.total, initial=begun.done, unit="unit", file=sys.stderr, bar_format=_UNITS) as bar:

        def show(event: Event) -> None:
            outlook.tell(event)
            bar.n = outlook.units_done
            bar.set_postfix_str(outlook.text())

        yield Building(begun.total, bar.write, show)
        bar.n = begun.total
