"""The stores that searches are judged on: what is run on each, and what each is called where there are several.

named([RobBench("mine/all.h5"), RobBench("theirs/all.h5"), RobBench("darts.h5")])     as mine/all.h5, theirs/all.h5 and darts.h5
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robbench.bench import RobBench
from robbench.errors import InvalidArgument
from robbench.judge.asking import trainings_of
from robbench.judge.methods import checksum
from robbench.judge.report import Section
from robbench.judge.searching import Setting

if TYPE_CHECKING:
    import pandas as pd

OF_A_STORE = ("store", "store_sha256", "space", "dataset", "training", "proxy")
"""What makes a report's numbers, and may be another for each store."""


@dataclass(frozen=True)
class Part:
    """The part of a report that is on one store."""

    store: str
    """Its name in the report; empty where it is the only one."""
    bench: RobBench
    setting: Setting
    objectives: tuple[str, ...]
    algorithms: tuple[str, ...]
    """The one that is judged first."""
    made: Mapping[str, Any]
    """What its numbers depend on, as it was asked for."""

    def which(self, runs: int) -> Iterator[tuple[str, str, int]]:
        """Its runs: algorithm, objective, number."""
        return ((algorithm, objective, number) for objective in self.objectives for algorithm in self.algorithms for number in range(runs))

    @property
    def made_with(self) -> dict[str, Any]:
        """What made its numbers: with the training that they are of, though nobody named it."""
        metrics = (metric for objective in self.objectives for metric in objective.split("+"))
        return {**self.made, "training": trainings_of(self.bench, metrics, self.setting.dataset, self.setting.training)}


def named(benches: Sequence[RobBench]) -> dict[str, RobBench]:
    """Stores by what they are called: one by nothing; several by the name of the file, with as many folders before it as tell it from the others.

    Raises:
        InvalidArgument: there is none, what is no `RobBench`, or the same store twice, under whatever name.
    """
    if not benches or not all(isinstance(bench, RobBench) for bench in benches):
        raise InvalidArgument(f"{benches!r} are no stores to judge a search on; expected a RobBench, or several.")
    if len(benches) == 1:
        return {"": benches[0]}
    first: dict[str, RobBench] = {}
    for bench in benches:
        content = checksum(bench.path)
        if content in first:
            raise InvalidArgument(f"{_given(first[content])} and {_given(bench)} are the same store, with the same content; give it once.")
        first[content] = bench
    return {_name(bench.path, [other.path for other in benches if other is not bench]): bench for bench in benches}


def _name(path: Path, others: Sequence[Path]) -> str:
    ends = (Path(*path.parts[-length:]) for length in range(1, len(path.parts) + 1))
    return next(end for end in ends if not any(other.parts[-len(end.parts) :] == end.parts for other in others)).as_posix()


def _given(bench: RobBench) -> str:
    return bench.measurements.store.given


def made_of_all(parts: Sequence[Part]) -> dict[str, Any]:
    """What made the numbers; of several stores, what they have in common, since the section of `stores` says the rest."""
    made = parts[0].made_with
    return made if len(parts) == 1 else {name: value for name, value in made.items() if name not in OF_A_STORE}


def stores(parts: Sequence[Part]) -> tuple[Section, ...]:
    """A section that says which store is which; none where there is only one."""
    return (
        (Section("stores", STORES_SAYS, _table(parts), ("store", "sha256", "space", "dataset", "training", "proxy")),)
        if len(parts) > 1
        else ()
    )


def _table(parts: Sequence[Part]) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for part in parts:
        made = part.made_with
        rows.append(
            {
                "store": part.store,
                "path": _given(part.bench),
                "sha256": made["store_sha256"],
                **{name: made[name] for name in OF_A_STORE[2:]},
            }
        )
    return pd.DataFrame.from_records(rows)


STORES_SAYS = (
    "What searches were judged on: 16 digits of each file's SHA-256, and what was asked of it. JSON has its path, too, as it was given."
)
