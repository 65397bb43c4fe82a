"""NAS-Bench-Suite-Zero (Krishnakumar et al., 2022): zero-cost proxies of initialised networks, by NASLib's implementations.

JSON  {dataset: {"(4, 0, 3, 1, 4, 3)": {proxy: value or {"score": value, …}, "val_accuracy": percent}}}
CSV   zc_nasbench201_<dataset>.csv: the column net holds the same tuples, the others a proxy each

A tuple is in NASLib's order; -1e8, or -Infinity, means that the proxy failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from robbench.errors import SourceError
from robbench.measurements.metrics import TABLE
from robbench.measurements.question import UNTRAINED
from robbench.references import SOURCES as REFERENCES
from robbench.sources.cells import CellReading, naslib_row
from robbench.sources.natsbench import COLUMNS, TRAINING
from robbench.sources.reading import fraction, is_value, quantity, shown
from robbench.spaces import nb201
from robbench.store.arrays import Array, Header, Name

FAILED = (-1e8, float("-inf"))

CITATION = REFERENCES["nbsuite_zero"].line
_VALIDATION: dict[str, dict[str, str]] = {
    "cifar10": {"split": "x-valid", "trained_on": "cifar10-valid: half of the training images, of which x-valid is the other half"},
    "cifar100": {"split": "x-valid"},
    "ImageNet16-120": {"split": "x-valid"},
}
"""What the validation accuracy is of, in NATS-Bench's names: on the latter two, the half of the published test set that is not x-test."""
_NOT_PROXIES = {"idx", "arch", "id", "net", "net_str", "val_accuracy"}


def read(path: Path, reading: CellReading) -> Iterator[Array]:
    """An array for each dataset and proxy, and one of validation accuracies where the file has them."""
    if path.suffix == ".json":
        for dataset, members in groupby(_members(path, reading), key=itemgetter(0)):
            yield from _arrays(path, reading, dataset, ((cell, proxies) for _, cell, proxies in members))
        return
    dataset = path.stem.removeprefix("zc_nasbench201_")
    if path.suffix != ".csv" or dataset not in COLUMNS:
        expected = ", ".join(f"zc_nasbench201_{known}.csv" for known in COLUMNS)
        raise SourceError(f"{path} does not say its dataset in its name; expected a .json file, or one of {expected}.")
    yield from _arrays(path, reading, dataset, ((record["net"], record) for record in reading.records(path, {"net"})))


def _members(path: Path, reading: CellReading) -> Iterator[tuple[str, str, Any]]:
    """Dataset, cell, and what the JSON file holds of it."""
    for keys, item in reading.members(path, 2):
        if not keys:
            raise SourceError(f"{path} holds a {type(item).__name__}; expected an object of datasets.")
        if keys[0] not in COLUMNS:
            raise SourceError(f"{path}: {keys[0]!r} is not a dataset of this source; expected one of {', '.join(COLUMNS)}.")
        if len(keys) < 2:
            raise SourceError(f"{path}: {keys[0]!r} holds {shown(item)}; expected an object of cells.")
        yield keys[0], keys[1], item


def _arrays(path: Path, reading: CellReading, dataset: str, cells: Iterable[tuple[str, Any]]) -> Iterator[Array]:
    values: dict[str, np.ndarray] = {}
    seen: set[int] = set()
    for key, cell in cells:
        row = naslib_row(path, key)
        if row in seen or not isinstance(cell, dict):
            raise SourceError(f"{path}: {dataset} {key} is there twice, or is not an object of proxies.")
        seen.add(row)
        for proxy, item in cell.items():
            if is_value(proxy) or proxy == "val_accuracy":
                column = values.setdefault(proxy, np.full(nb201.SIZE, np.nan))
                column[row] = _value(path, reading, f"{proxy} of {key}", proxy, item)
            elif proxy not in _NOT_PROXIES:
                reading.ignore(proxy)
    for proxy, column in values.items():
        accuracy = proxy == "val_accuracy"
        name = Name(dataset, TRAINING, "clean", "validation_accuracy") if accuracy else Name(dataset, UNTRAINED, proxy, "value")
        provenance = {"source": "nbsuite_zero", "citation": CITATION, "file": path.name, **(_VALIDATION[dataset] if accuracy else {})}
        yield Array(name, Header("exact", {}, "fraction" if accuracy else TABLE[proxy].unit, provenance), column)


def _value(path: Path, reading: CellReading, where: str, proxy: str, item: Any) -> float:
    if proxy == "val_accuracy":
        return fraction(path, where, item, percent=True)
    value = quantity(path, where, proxy, item.get("score") if isinstance(item, dict) else item, sentinels=FAILED)
    reading.sentinels[proxy] += np.isnan(value)
    return value
