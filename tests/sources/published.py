"""Published files in miniature: made up, in the form of each source."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robbench.errors import RobBenchError, SourceError
from robbench.sources import SOURCES, import_source
from robbench.sources.cells import CellReading
from robbench.spaces import nb201
from robbench.spaces.nb201.identity import canonical_form
from tests import synthetic

INDEX = synthetic.published_index()
"""The published index of each cell: the one that `small_store` carries too."""
CELLS = tuple(nb201.cells())
CELL = {int(index): cell for index, cell in zip(INDEX, CELLS, strict=True)}
EPSILONS: dict[str, Any] = {
    "fgsm@Linf": [0.5, 1.0],
    "pgd@Linf": [0.1, 1.0, 8.0],
    "aa_apgd-ce@Linf": [1.0],
    "aa_square@Linf": [1.0, 2.0],
}
NATS_HEADER = [
    "CIFAR10TestAccuracy200Epochs",
    "CIFAR100TestAccuracy200Epochs",
    "ImageNetTestAccuracy200Epochs",
    "ArchitectureString",
    "UniqueString",
]


@cache
def members() -> dict[str, list[int]]:
    """The published indices of each isomorphism class, by its canonical form, lowest first."""
    classes: dict[str, list[int]] = {}
    for index in sorted(CELL):
        classes.setdefault(canonical_form(CELL[index]), []).append(index)
    return classes


@cache
def evaluated() -> tuple[int, ...]:
    """The index of each evaluated network: the lowest of its class; those of the largest classes first."""
    return tuple(indices[0] for indices in sorted(members().values(), key=len, reverse=True))


def isomorphic(index: int) -> list[int]:
    """The indices of all spellings of a network."""
    return members()[canonical_form(CELL[index])]


@cache
def ids_json() -> str:
    """The "ids" of a meta.json."""
    return json.dumps(
        {str(index): {"nb201-string": str(cell), "isomorph": str(isomorphic(index)[0])} for index, cell in sorted(CELL.items())}
    )


def jung(folder: Path, files: Mapping[str, Mapping[Any, Any]], epsilons: Any = EPSILONS, *, ids: bool = True) -> Path:
    """A folder of jung2023: `files` maps names such as ``"cifar10/clean_accuracy"`` to network → value.

    Without its ids, meta.json is enough for `unreadable`, and quicker.
    """
    folder.mkdir(exist_ok=True)
    (folder / "meta.json").write_text(f'{{"ids": {ids_json() if ids else "{}"}, "epsilons": {json.dumps(epsilons)}}}')
    for name, values in files.items():
        dataset, file = name.split("/")
        key, _, measure = file.rpartition("_")
        (folder / dataset).mkdir(exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps({dataset: {key: {measure: values}}}))
    return folder


def write_csv(path: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> Path:
    """A CSV file, with lines that end as the published ones do."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    return path


def of_source(source: str, folder: Path) -> Path:
    """Small published files of a source."""
    first = evaluated()[0]
    net = str(CELL[first].to_naslib())
    if source == "jung2023":
        return jung(folder / "jung", {"cifar10/clean_accuracy": {first: 0.5}, "cifar10/pgd@Linf_accuracy": {first: [0.25, 0.5, 0.125]}})
    if source == "natsbench":
        return write_csv(folder / "nats_bench.csv", NATS_HEADER, nats_rows())
    if source == "nbsuite_zero":
        return write_csv(folder / "zc_nasbench201_cifar10.csv", ["net", "zen", "grasp"], [[net, 0.5, -1e8]])
    if source == "nasrobbench201":
        path = folder / "robbench.json"
        path.write_text(json.dumps({"cifar10": {str(first): {"val_acc": {"777": 0.5, "888": 0.25}}}}))
        return path
    return write_csv(folder / "hw_cifar10.csv", ["net", "fpga_energy"], [[net, 0.5]])


def nats_rows() -> list[list[object]]:
    """The rows of a natsbench CSV, in the order of the index: percent with many digits."""
    percents = np.random.default_rng(8).uniform(0, 100, (nb201.SIZE, 3))
    return [[*map(float, percents[index]), str(CELL[index]), "-"] for index in range(nb201.SIZE)]


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """All that a folder holds: name → inode, time of change, bytes."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}


def unreadable(source: str, path: Path, message: str) -> None:
    """Assert that the source's reader fails with this message.  (`refused` asserts also what becomes of the store.)"""
    reading = CellReading(path)
    reading.published_index = INDEX
    with pytest.raises(SourceError, match=message):
        list(SOURCES[source].read(path, reading))


def reported(path: Path, *messages: str) -> None:
    """Assert that jung2023's reader goes without files for these reasons, one a file, and takes nothing of them."""
    reading = CellReading(path)
    reading.published_index = INDEX
    assert {array.name.measure for array in SOURCES["jung2023"].read(path, reading)} <= {"accuracy"}
    assert len(reading.unreadable) == len(messages)
    for said, message in zip(reading.unreadable, messages, strict=True):
        assert re.search(message, said), said


def refused(source: str, path: Path, store: Path, message: str, error: type[RobBenchError] = SourceError) -> None:
    """Assert that an import fails with this message, and leaves the store and its folder as they were, byte for byte."""
    before = snapshot(store.parent)
    with pytest.raises(error, match=message) as caught:
        import_source(source, path, store)
    assert caught.type is error
    assert snapshot(store.parent) == before
