"""Published measurements: one module a source, raw files in, arrays for a store out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np

from robbench.errors import SourceError
from robbench.measurements.metrics import nearest
from robbench.sources import hwnasbench, jung2023, nasrobbench201, natsbench, nbsuite_zero
from robbench.sources.reading import Reading
from robbench.store import Store
from robbench.store.arrays import Array
from robbench.store.writing import Changes, extend


class Source(NamedTuple):
    """Who measured, and how their files are read."""

    about: str
    read: Callable[[Path, Reading], Iterator[Array]]
    published_index: Callable[[Path, Reading], np.ndarray] | None = None
    """Reads the published index of every cell, where the source brings it."""


SOURCES: dict[str, Source] = {
    "jung2023": Source("folder: accuracy, confidence, confusion under attacks and corruptions", jung2023.read, jung2023.index),
    "natsbench": Source("CSV: clean accuracy of all 15,625 cells on three datasets", natsbench.read, natsbench.index),
    "nbsuite_zero": Source("JSON or CSV: zero-cost proxies", nbsuite_zero.read),
    "nasrobbench201": Source("JSON, the authors' or the web page's: accuracies after adversarial training", nasrobbench201.read),
    "hwnasbench": Source("CSV: latency and energy on six devices", hwnasbench.read),
}


class Report(NamedTuple):
    """What an import did."""

    changes: Changes
    absent: list[str]
    """Files that the source publishes and that were not there."""
    sentinels: dict[str, int]
    """For each metric, how many published sentinels were read as "not measured"."""
    ignored: list[str]
    """Fields of the files that are not metrics we know."""


def import_source(
    name: str, path: str | PathLike[str], into: str | PathLike[str], *, training: str | None = None, progress: bool = False
) -> Report:
    """Read published files into a store, which is made or extended; all of it, or nothing.

    Arguments:
        name: one of `SOURCES`.
        path: the file or folder, as published.
        into: the store.
        training: the training protocol's name to put the data under, in place of the source's own.
        progress: show a bar on stderr.

    Raises:
        SourceError: the files are absent, malformed, or contradict themselves.
        Contradiction: they disagree with what the store holds.
    """
    if name not in SOURCES:
        raise SourceError(f"{name!r} is not a source.{nearest(name, SOURCES)} Known: {', '.join(SOURCES)}.")
    source, path, into = SOURCES[name], Path(path), Path(into)
    if not path.exists():
        raise SourceError(f"{path} does not exist; expected the published files of {name} ({source.about}).")
    with Reading(path, progress=progress) as reading:
        if source.published_index is not None:
            reading.published_index = source.published_index(path, reading)
        elif into.exists():
            with Store(into) as store:
                reading.published_index = store.published_index() if store.has_published_index else None
        arrays = _some(source.read(path, reading), f"{path} holds no measurements of {name} ({source.about}).")
        if training is not None:
            arrays = (array._replace(name=array.name._replace(training=training)) for array in arrays)
        changes = extend(into, arrays, reading.published_index if source.published_index is not None else None)
        return Report(
            changes, reading.absent, {metric: int(count) for metric, count in reading.sentinels.items() if count}, sorted(reading.ignored)
        )


def _some(arrays: Iterator[Array], otherwise: str) -> Iterator[Array]:
    """The arrays, of which there is at least one."""
    first = next(arrays, None)
    if first is None:
        raise SourceError(otherwise)
    yield first
    yield from arrays
