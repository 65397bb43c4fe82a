"""Calling what someone brought: however it fails, a judge goes on, and says how it failed.

with limited(10): …             TimedOut after ten seconds
called(10, function, arch)      what it returns, or MethodFailed
faults.note("returned NaN", example)
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from robbench.errors import InvalidArgument, RobBenchError
from robbench.judge.methods import aside, checksum

LOST_WORKER = "workers=1 shows in which run, if it was in one; a script that asks for workers does so under if __name__ == '__main__'."
AGAIN_AFTER = 1.0
"""Seconds after which a method that went on nevertheless is interrupted again."""


class Fault(NamedTuple):
    """One way in which a method failed."""

    what: str
    """As a sentence goes on after the method's name: ``raised ValueError``."""
    times: int
    of: int
    """How often it was asked."""
    example: str
    """The first time: of which architecture, with what message."""

    def __str__(self) -> str:
        example = f"; first: {self.example}" if self.example else ""
        return f"{self.what} ({self.times} of {self.of}{example})"


class Faults:
    """What went wrong, counted by kind."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[int, str]] = {}

    def note(self, what: str, example: str = "", count: int = 1) -> None:
        """One more of a kind; of each kind the first example is kept, in one line, without what would change how a terminal writes."""
        before, first = self._counts.get(what, (0, _one_line(example)))
        self._counts[what] = before + count, first

    def of(self, asked: int) -> tuple[Fault, ...]:
        """All of them, in the order in which their kinds were met."""
        return tuple(Fault(what, times, asked, example) for what, (times, example) in self._counts.items())


@contextmanager
def guarding(path: Path, faults: Faults) -> Iterator[None]:
    """Note it if a method writes to a store in the block; what it wrote stays, and numbers are of the store as it was opened."""
    before = checksum(path)
    yield
    if not path.is_file() or checksum(path) != before:
        faults.note("changed the store", path.name)


@contextmanager
def ending_in_workers(methods: Sequence[str]) -> Iterator[None]:
    """Say so if a worker's process ends in the block; raises MethodFailed."""
    try:
        yield
    except BrokenExecutor as error:
        raise MethodFailed("ended the process that it ran in", f"{LOST_WORKER} Methods: {', '.join(methods)}.") from error


def _one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in " ".join(text.split()))


class MethodFailed(RobBenchError):
    """What someone brought raised an error, or was still at work when its time was over."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}" if message else kind)
        self.kind, self.message = kind, message
        """``raised ValueError``, and what the error said."""

    def about(self, what: str) -> str:
        """As an example: what the error said, and of what."""
        return ", ".join(filter(None, (self.message, what)))


class TimedOut(BaseException):
    """The time is over.  Not an `Exception`, so that what a method catches is not this."""


def called(limit: float | None, function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns.

    Raises:
        MethodFailed: it raised an error of any kind but KeyboardInterrupt, which is the user's, or was still at work after so many seconds.
        InvalidArgument: as `limited`.
    """
    try:
        with aside(), limited(limit):
            return next(_apart(function, arguments))
    except TimedOut as error:
        if limit is None:  # it is the time of a call around this one
            raise
        raise MethodFailed(f"was still at work after {limit:g} s", "") from error


def _apart(function: Callable[..., Any], arguments: Sequence[Any]) -> Iterator[Any]:
    """What a function returns, once.  A generator has a state of its own for errors that are being handled, and what is interrupted between two lines leaves one there."""
    try:
        found = function(*arguments)
    except (MethodFailed, TimedOut, KeyboardInterrupt):
        raise
    except BaseException as error:  # what asyncio cancels is no Exception, nor is what ends a process
        if isinstance(error, BaseExceptionGroup) and error.subgroup(TimedOut) is not None:
            raise TimedOut from error
        raise MethodFailed(f"raised {type(error).__name__}", str(error)[:200]) from error
    yield found


class Clock:
    """How long something takes: on the clock, and of the processor, all threads together, in which there is nothing of what a busy machine adds."""

    def __init__(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        """Seconds since it was made."""
        wall, core = self._began
        return {"seconds": time.perf_counter() - wall, "core_seconds": time.process_time() - core}


@contextmanager
def limited(seconds: float | None) -> Iterator[None]:
    """Let the block run for so many seconds, and raise TimedOut in it when they are over; None: for ever.

    The interruption is a signal: it reaches Python code and waits, and a call into C when that returns.  Who catches even this is interrupted again, and then in
    the next line, too, which is where it has caught it: no longer inside of what catches.

    Raises:
        InvalidArgument: here no block can be interrupted: another thread than the main one, or a system without such signals; or not a time.
    """
    if seconds is None:
        yield
        return
    if not 0 < seconds <= threading.TIMEOUT_MAX:
        raise InvalidArgument(
            f"limit={seconds!r} is not a time; expected seconds, more than 0 and at most {threading.TIMEOUT_MAX:g}, or None for no limit."
        )
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        raise InvalidArgument("a time limit needs the main thread, on a system with POSIX signals; limit=None judges without one.")
    again = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal again
        if again:
            _interrupt_next_line(frame)
        again = True
        raise TimedOut

    before, traced = signal.signal(signal.SIGALRM, interrupt), sys.gettrace()
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN_AFTER)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        sys.settrace(traced)


def _interrupt_next_line(frame: FrameType | None) -> None:
    """Raise TimedOut in the next line of this frame, or of those that called it, up to `called`; not in what they call."""

    def raising(frame: FrameType, event: str, argument: object) -> Callable[..., Any]:
        if event == "line":
            raise TimedOut
        return raising

    while frame is not None and frame.f_code is not called.__code__:
        frame.f_trace, frame = raising, frame.f_back
    sys.settrace(lambda frame, event, argument: None)
