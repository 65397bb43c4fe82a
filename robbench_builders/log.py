"""FOLDER/log.jsonl: what happened in a build, one line an event.  Every process that works on the folder appends to it, and none rewrites it.

    {"time": 1764121827.1, "process": "host/4711", "unit": "344ce2896e72c1ac", "what": "training", "done": 37, "of": 200, "text": ""}

what    a part of a unit's work: training (done: epochs), proxies, a threat; or unit (it is done), notice, failed: with a text

It is also how a run hears of its workers: a pipe that a killed worker held open or locked would stop the others.
"""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from robbench_builders.errors import BuildError

LOG_FILE = "log.jsonl"
UNIT, NOTICE, FAILED = "unit", "notice", "failed"

_SECONDS_BETWEEN_STEPS = 1.0
"""Between two steps of one part that are written down; its first and its last are in any case."""


@dataclass(frozen=True)
class Event:
    """A line of the log."""

    time: float
    """Seconds since 1970."""
    process: str
    """Its host and number."""
    unit: str
    """The unit's key; "" where it is about none."""
    what: str
    done: int = 1
    of: int = 1
    text: str = ""


class Log:
    """The log of a folder, from now on.

    Arguments:
        folder: of a build.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOG_FILE
        self._read = self.path.stat().st_size if self.path.exists() else 0
        self._last = 0.0

    def step(self, unit: str, what: str, done: int, of: int) -> None:
        """Write down that a part of a unit's work has got so far; not every step of many in a second."""
        now = time.time()
        if done in (0, of) or now >= self._last + _SECONDS_BETWEEN_STEPS:
            self._last = now
            self.write(unit, what, done, of)

    def write(self, unit: str, what: str, done: int = 1, of: int = 1, text: str = "") -> None:
        """Append an event of this process.

        Raises:
            BuildError: the folder cannot be written, or the disk is full.
        """
        self.append(Event(round(time.time(), 3), f"{socket.gethostname()}/{os.getpid()}", unit, what, done, of, text))

    def append(self, event: Event) -> None:
        """Append an event; raises as `write`."""
        line = (json.dumps(asdict(event)) + "\n").encode()
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                written = os.write(descriptor, line)  # at once, so that lines of several processes do not mix
            finally:
                os.close(descriptor)
        except OSError as error:
            raise self._unwritten(str(error)) from error
        if written < len(line):
            raise self._unwritten("the disk is full")

    def news(self) -> list[Event]:
        """What all processes have written since this was asked last, or since the log was opened."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._read)
                content = file.read()
        except FileNotFoundError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        self._read += len(whole)
        return _events(whole)

    def _unwritten(self, why: str) -> BuildError:
        return BuildError(f"{self.path} could not be written: {why}. What was done is kept; make room and run again.")


def events(folder: Path) -> list[Event]:
    """All events of a folder's log, in the order in which they were written; none where there is no log."""
    path = folder / LOG_FILE
    return _events(path.read_bytes()) if path.exists() else []


def _events(content: bytes) -> list[Event]:
    """The lines that are events; what a full disk or a killed process has left of others is not one."""
    found = []
    for line in content.splitlines():
        try:
            found.append(Event(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return found
