"""NATS-Bench, topology space (Dong, Liu, Musial and Gabrys, 2021): clean test accuracy after 200 epochs, mean over seeds.

One CSV: the row number is the published index; percent; isomorphic cells were trained apart, so rows are exact cells.

Which images, in NATS-Bench's own names of splits: ``ori-test`` is the whole test set.  On cifar10 the test accuracy is of that.  On cifar100 and
ImageNet16-120 NATS-Bench cuts it into two halves, ``x-valid`` and ``x-test``, and the test accuracy is of ``x-test`` alone: every one of the 15,625 published
percentages is a whole number of images in one, two or three times 5,000 (3,000), as many as networks were trained.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from robbench.errors import SourceError, UnknownArchitecture
from robbench.references import SOURCES as REFERENCES
from robbench.sources.cells import CellReading
from robbench.sources.reading import fraction
from robbench.spaces import nb201
from robbench.store.arrays import Array, Header, Name

TRAINING = "nb201-200"
COLUMNS = {
    "cifar10": "CIFAR10TestAccuracy200Epochs",
    "cifar100": "CIFAR100TestAccuracy200Epochs",
    "ImageNet16-120": "ImageNetTestAccuracy200Epochs",
}

SPLITS = {"cifar10": "ori-test", "cifar100": "x-test", "ImageNet16-120": "x-test"}
"""What the test accuracy of each dataset is of, in NATS-Bench's names."""

_ARCH = "ArchitectureString"
CITATION = REFERENCES["natsbench"].line


def index(path: Path, reading: CellReading) -> np.ndarray:
    """The published index of each cell: the row number of its arch string."""
    published = np.full(nb201.SIZE, nb201.SIZE)
    line = -1
    for line, record in enumerate(reading.records(path, {_ARCH})):
        try:
            row = nb201.position(nb201.Cell.parse(record[_ARCH]))
        except UnknownArchitecture as error:
            raise SourceError(f"{path}, row {line}: {error}") from error
        if published[row] < nb201.SIZE:
            raise SourceError(f"{path}, row {line}: {record[_ARCH]} is there twice.")
        published[row] = line
    if line + 1 != nb201.SIZE:
        raise SourceError(f"{path} has {line + 1} rows; expected {nb201.SIZE}, one for each cell. Download it again.")
    return published


def read(path: Path, reading: CellReading) -> Iterator[Array]:
    """Clean accuracy on three datasets."""
    values = {dataset: np.full(nb201.SIZE, np.nan) for dataset in COLUMNS}
    for line, record in enumerate(reading.records(path, {_ARCH, *COLUMNS.values()})):
        for dataset, column in COLUMNS.items():
            values[dataset][reading.cell_row(path, str(line))] = fraction(path, f"row {line}, {column}", record[column], percent=True)
    for dataset in COLUMNS:
        provenance = {
            "source": "natsbench",
            "citation": CITATION,
            "file": path.name,
            "epochs": 200,
            "seeds": "mean of those trained, one to three",
            "split": SPLITS[dataset],
        }
        yield Array(Name(dataset, TRAINING, "clean", "accuracy"), Header("exact", {}, "fraction", provenance), values[dataset])
