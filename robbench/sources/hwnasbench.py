"""HW-NAS-Bench (Li et al., ICLR 2021): latency and energy of one image on six devices.

hw_<dataset>.csv: the column net holds NASLib tuples, the others one quantity each, in ms and mJ; -1 means not measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from robbench.errors import SourceError
from robbench.measurements.metrics import TABLE
from robbench.measurements.question import UNTRAINED
from robbench.references import SOURCES as REFERENCES
from robbench.sources.cells import CellReading, naslib_row
from robbench.sources.natsbench import COLUMNS
from robbench.sources.reading import is_value, quantity
from robbench.spaces import nb201
from robbench.store.arrays import Array, Header, Name

NOT_MEASURED = (-1.0,)

CITATION = REFERENCES["hwnasbench"].line


def read(path: Path, reading: CellReading) -> Iterator[Array]:
    """An array for each quantity."""
    dataset = path.stem.removeprefix("hw_")
    if dataset not in COLUMNS:
        raise SourceError(
            f"{path} does not say its dataset in its name; expected one of {', '.join(f'hw_{known}.csv' for known in COLUMNS)}."
        )
    values: dict[str, np.ndarray] = {}
    seen: set[int] = set()
    for record in reading.records(path, {"net"}):
        row = naslib_row(path, record["net"])
        if row in seen:
            raise SourceError(f"{path}: {record['net']} is there twice.")
        seen.add(row)
        for cost, text in record.items():
            if is_value(cost):
                value = quantity(path, f"{cost} of {record['net']}", cost, text, sentinels=NOT_MEASURED)
                reading.sentinels[cost] += np.isnan(value)
                values.setdefault(cost, np.full(nb201.SIZE, np.nan))[row] = value
            elif cost != "net":
                reading.ignore(cost)
    provenance = {"source": "hwnasbench", "citation": CITATION, "file": path.name}
    for cost, column in values.items():
        yield Array(Name(dataset, UNTRAINED, cost, "value"), Header("exact", {}, TABLE[cost].unit, provenance), column)
