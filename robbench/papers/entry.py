"""What a table of a paper takes from a store, and how ours is put beside it.

numbers/<name>.csv    # the paper, its table, the unit
                      label, …, paper
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from robbench.commands import command
from robbench.errors import NotMeasured
from robbench.spaces import SearchSpace
from robbench.spaces.nb201 import NB201

if TYPE_CHECKING:
    from concurrent.futures import Executor

    import pandas as pd
    from tqdm import tqdm

    from robbench.bench import RobBench

NUMBERS = Path(__file__).parent / "numbers"


BUILD = "build"
"""In place of a source: it was not published, and is to be computed."""


class Need(NamedTuple):
    """An array that a store must hold, and the import that brings it."""

    source: str
    published: str
    """The files, as their authors name them."""
    dataset: str
    training: str
    metric: str
    measure: str = ""
    """Any, if empty."""


class Setting(NamedTuple):
    """How ours is computed."""

    runs: int
    seed: int
    progress: bool = False
    workers: int = 1
    """Processes that repeated searches are spread over; with one, they run in this one."""


class Ours(NamedTuple):
    """What a store gives."""

    table: pd.DataFrame
    """Label columns, those of the paper's numbers first; ``ours``; then what else there is to say of a row."""
    differs: tuple[str, ...] = ()
    """What differs from the paper's setting, as far as it depends on the store."""


class Entry(NamedTuple):
    """A table, or a figure, of a paper."""

    paper: str
    shows: str
    needs: tuple[Need, ...]
    ours: Callable[[RobBench, Setting], Ours]
    differs: tuple[str, ...]
    """What differs from the paper's setting, whatever the store."""
    runs: int = 1
    """How often what is random is repeated, unless it is said otherwise."""
    space: SearchSpace[Any] | None = NB201
    """Of the paper's architectures; None where it is of any."""

    def lacks(self, bench: RobBench) -> tuple[Need, ...]:
        """What the store does not hold of what this takes."""
        return lacking(bench, self.needs)

    def remedy(self, bench: RobBench) -> str:
        """What the store lacks, and the imports that bring it; empty where it lacks nothing."""
        if self.space is not None and bench.space is not self.space:
            return f"architectures of {self.space.title}: it holds those of {bench.space.title}"
        return remedy(self.lacks(bench))


def lacking(bench: RobBench, needs: Sequence[Need]) -> tuple[Need, ...]:
    """What a store does not hold of these."""
    names = bench.measurements.store.names()
    held = {(*name[:3], measure) for name in names for measure in ("", name.measure)}
    return tuple(need for need in needs if (need.dataset, need.training, need.metric, need.measure) not in held)


def remedy(needs: Sequence[Need]) -> str:
    """What is missing, and the commands that bring it; empty where nothing is."""
    metrics: dict[Need, list[str]] = {}
    for need in needs:
        metrics.setdefault(need._replace(metric="", measure=""), []).append(need.metric + (f" ({need.measure})" if need.measure else ""))
    return "; ".join(f"{', '.join(names)} of {need.dataset} ({need.training}): {_command(need, names)}" for need, names in metrics.items())


def _command(need: Need, names: Sequence[str]) -> str:
    if need.source == BUILD:
        chosen = " ".join(f"--proxy {name}" for name in names)
        return f"robbench proxies ARCH… --dataset {need.dataset} {chosen}, and a table of these by robbench import csv FILE --into STORE"
    return command("import", need.source, need.published, "--into", "STORE")


class Comparison(NamedTuple):
    """A paper's numbers beside ours."""

    name: str
    paper: str
    shows: str
    table: pd.DataFrame
    """Label columns; paper, ours, difference (ours - paper): NaN where there is no number; then what else there is to say of a row."""
    differs: tuple[str, ...]
    """What differs between the paper's setting and ours, a sentence each."""


def compared(name: str, entry: Entry, bench: RobBench, setting: Setting) -> Comparison:
    """An entry computed from a store and put beside the paper's numbers.

    Raises:
        NotMeasured: the store lacks what it takes, or is of another search space.
    """
    remedy = entry.remedy(bench)
    if remedy:
        raise NotMeasured(f"{name} cannot be computed from {bench.path.name}, which lacks {remedy}.")
    ours = entry.ours(bench, setting)
    return Comparison(name, entry.paper, entry.shows, beside(ours.table, published(name)), entry.differs + ours.differs)


def published(name: str) -> pd.DataFrame | None:
    """The paper's numbers: label columns, then ``paper``; None where we have none."""
    import pandas as pd

    path = NUMBERS / f"{name}.csv"
    return pd.read_csv(path, comment="#") if path.exists() else None


def beside(ours: pd.DataFrame, paper: pd.DataFrame | None) -> pd.DataFrame:
    """Both in one table, joined on the paper's labels, all its columns but those that begin with ``paper``: our rows in their order, then those of the paper that we have nothing for."""
    import pandas as pd

    if paper is None:
        table = ours if "paper" in ours else ours.assign(paper=float("nan"))
        labels = list(ours.columns[: ours.columns.get_loc("ours")])
    else:
        labels = [column for column in paper.columns if not column.startswith("paper")]
        only = paper.merge(ours[labels], on=labels, how="left", indicator=True)
        only = only.loc[only["_merge"] == "left_only", paper.columns]
        table = pd.concat([ours.merge(paper, on=labels, how="left"), only], ignore_index=True)
        labels += [column for column in ours.columns[: ours.columns.get_loc("ours")] if column not in labels]
    table["difference"] = table["ours"] - table["paper"]
    front = [*labels, "paper", "ours", "difference"]
    return table[[*front, *(column for column in table.columns if column not in front)]]


def held(bench: RobBench, *trainings: str) -> dict[str, set[str]]:
    """The metrics that a store holds under one of these trainings, by dataset."""
    found: dict[str, set[str]] = {}
    for name in bench.measurements.store.names():
        if name.training in trainings:
            found.setdefault(name.dataset, set()).add(name.metric)
    return found


def spread(setting: Setting) -> AbstractContextManager[Executor | None]:
    """What repeated searches are spread over; None where one worker is wanted."""
    from robbench.search.repeated import processes

    return processes(setting.workers) if setting.workers > 1 else nullcontext()


def bar(setting: Setting, what: str, total: int) -> tqdm[Any]:
    """A bar on stderr, where one is wanted and somebody can see it."""
    from tqdm import tqdm

    return tqdm(total=total, desc=what, disable=None if setting.progress else True)
