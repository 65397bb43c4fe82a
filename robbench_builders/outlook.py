"""How far a build is and how long it will take, from what its processes report.

outlook = Outlook(total=404, done=12, seconds={"training": 3600.0, "pgd": 400.0})
outlook.tell(event); outlook.units_done; outlook.text(now)          12.3; "training 37/200, pgd, 1:23:45 left"
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from robbench_builders.log import FAILED, NOTICE, UNIT, Event

TRAINING = "training"


class Outlook:
    """What is known of a build's pace.

    Arguments:
        total: units in all.
        done: of these, so far.
        seconds: of each part of a unit's work, as units that were done before took; none where none was.
    """

    def __init__(self, total: int, done: int, seconds: Mapping[str, float] | None = None) -> None:
        self.total, self.done = total, done
        self._seconds = dict(seconds or {})
        """Of each part, as it last took, or as units before did."""
        self._known = bool(seconds)
        """Whether a whole unit was seen, so that all its parts are known."""
        self._running: dict[str, dict[str, tuple[Event, Event]]] = {}
        """Unit → part → its first event and its last."""

    def tell(self, event: Event) -> None:
        """Take an event into account."""
        if event.what in (NOTICE, FAILED):
            return
        if event.what == UNIT:
            self._known |= bool(self._running.pop(event.unit, None))
            self.done = min(self.total, self.done + 1)
            return
        parts = self._running.setdefault(event.unit, {})
        first = parts[event.what][0] if event.what in parts and event.done else event
        parts[event.what] = first, event
        if event.done == event.of and event.time > first.time:
            self._seconds[event.what] = event.time - first.time

    @property
    def units_done(self) -> float:
        """Units that are done, and the shares of those in progress."""
        return self.done + sum(map(self._share, self._running.values()))

    def left(self) -> float | None:
        """Seconds until all is done at this pace; None until a unit is done, whose attacks may take longer than its training."""
        if not self._known:
            return None
        return (self.total - self.units_done) * sum(self._seconds.values()) / max(1, len(self._running))

    def text(self) -> str:
        """What is in progress, and the time left: of all, or while that is not known, of the training in progress."""
        parts = [self._said(last) for unit in self._running.values() for _, last in list(unit.values())[-1:]]
        left = self.left()
        if left is not None:
            parts.append(f"{_clock(left)} left")
        elif known := [seconds for unit in self._running.values() if (seconds := self._left_of_training(unit)) is not None]:
            parts.append(f"{_clock(max(known))} of training left")
        return ", ".join(parts)

    def _share(self, unit: dict[str, tuple[Event, Event]]) -> float:
        if not self._known:
            return 0.0
        spent = sum(last.done / last.of * self._seconds.get(part, 0.0) for part, (_, last) in unit.items())
        return min(1.0, spent / (sum(self._seconds.values()) or 1.0))

    def _left_of_training(self, unit: dict[str, tuple[Event, Event]]) -> float | None:
        part, (first, last) = list(unit.items())[-1]
        if part != TRAINING or not last.done:
            return None
        return (last.time - first.time) / last.done * (last.of - last.done)

    def _said(self, event: Event) -> str:
        return f"{event.what} {event.done}/{event.of}" if event.what == TRAINING else event.what


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
