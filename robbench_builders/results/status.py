"""What a build's folder holds, for those who wait for it: how much is done and how fast, what it took, and what went wrong.

Shards are read one at a time.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from robbench_builders.errors import ShardError
from robbench_builders.log import FAILED, UNIT, Event, events
from robbench_builders.plan import Plan
from robbench_builders.plan_file import read_plan
from robbench_builders.results import shards
from robbench_builders.weights.planned import key_of

_RECENT = 20
"""Units, over the last of which a rate is taken."""


@dataclass
class Status:
    """What a build's folder holds."""

    plan: Plan
    total: int
    """Units of the plan."""
    done: int = 0
    damaged: dict[str, str] = field(default_factory=dict)
    """Name of a shard that cannot be read, or is of another unit → why; its unit is not done."""
    strange: list[str] = field(default_factory=list)
    """Names of shards that are not of the plan."""
    diverged: dict[str, str] = field(default_factory=dict)
    """Network → why it has no result."""
    seconds: Counter[str] = field(default_factory=Counter)
    """Of each part of the work, in all shards: training, proxies, each threat."""
    failed: list[Event] = field(default_factory=list)
    """Units that ended with an error and are not done, each by its last."""
    running: list[Event] = field(default_factory=list)
    """The last step of each unit that is neither done nor failed; its process may have ended."""
    seconds_a_unit: float | None = None
    """Between two of the last units that were done; None where fewer than two were."""

    @property
    def mean_seconds(self) -> dict[str, float]:
        """Of each part of a unit's work."""
        return {part: seconds / self.done for part, seconds in self.seconds.items()} if self.done else {}

    @classmethod
    def of(cls, folder: Path) -> Status:
        """What is in a folder; raises BuildError if it has no plan."""
        plan = read_plan(folder)
        units = plan.units()
        status = cls(plan, len(units), strange=[path.name for path in shards.outside_plan(folder, units)])
        left = set()
        for unit in units:
            path = shards.path_of(folder, unit)
            left.add(unit.key)
            if not path.exists():
                continue
            try:
                shard = shards.read(path, outcomes=False)
            except ShardError as error:
                status.damaged[path.name] = str(error)
                continue
            if shard.unit != unit:
                status.damaged[path.name] = (
                    f"{path} is of another unit ({shard.unit.key}); delete it, and `robbench build run` makes it again."
                )
                continue
            left.remove(unit.key)
            status._add(shard)
        status._tell(left, events(folder))
        return status

    def _add(self, shard: shards.Shard) -> None:
        self.done += 1
        self.seconds.update(shard.seconds)
        self.seconds["training"] += sum(training["seconds"] for training in shard.trainings)
        for arch, training in zip(shard.unit.archs, shard.trainings, strict=True):
            if training["diverged"] is not None:
                self.diverged[key_of(arch, shard.unit.seed)] = training["diverged"]

    def _tell(self, left: set[str], happened: list[Event]) -> None:
        last = {event.unit: event for event in happened if event.unit in left}
        self.failed = [event for event in last.values() if event.what == FAILED]
        self.running = [event for event in last.values() if event.what not in (FAILED, UNIT)]
        ends = sorted({event.unit: event.time for event in happened if event.what == UNIT and event.unit not in left}.values())[-_RECENT:]
        if len(ends) > 1 and ends[-1] > ends[0]:
            self.seconds_a_unit = (ends[-1] - ends[0]) / (len(ends) - 1)
