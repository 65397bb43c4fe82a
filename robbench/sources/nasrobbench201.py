"""NAS-RobBench-201 (Wu et al., ICLR 2024): one network a class after adversarial training (PGD-7, eps 8/255, step 2/255).

authors' file  {dataset: {"<index>": {"val_fgsm_3.0_acc": {"<seed>": fraction}, …}}}
web page's     acc={"": ["<dataset>#val_fgsm_3_acc", …], "<index>": [fraction, …] or the index of the same class}

Columns: val_acc is clean; val_fgsm_K_acc and val_pgd_K_acc are at eps K/255; autoattack is at 8/255.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from robbench.errors import SourceError
from robbench.measurements.metrics import GREY_LEVELS
from robbench.sources.cells import CellReading
from robbench.sources.natsbench import COLUMNS
from robbench.sources.reading import fraction
from robbench.spaces.nb201.identity import class_partition
from robbench.store.arrays import Array, Header, Name

TRAINING = "pgd-8/255"
AUTOATTACK_EPS = 8 / GREY_LEVELS

_DATASETS = {"imagenet": "ImageNet16-120"}
_CITATION = "Wu, Liu, Cheng, Cevher: Robust NAS under adversarial training: benchmark, theory, and beyond. ICLR 2024."
_WEB_PREFIX = b"acc="

Column = tuple[str, float | None]
"""A metric and its eps."""
Seeds = dict[str, Any]
"""Seed → value; the web page's mean over seeds has the key ""."""


def read(path: Path, reading: CellReading) -> Iterator[Array]:
    """An array for each dataset and attack, with its levels and seeds."""
    web = reading.begins_with(path, _WEB_PREFIX)
    networks = _web(path, reading) if web else _authors(path, reading)
    # dataset → column → (row, seeds)
    tables: dict[str, dict[Column, dict[int, Seeds]]] = defaultdict(lambda: defaultdict(dict))
    for dataset, network, field, seeds in networks:
        column = _column(field)
        if column is None:
            reading.ignored.add(field)
            continue
        if dataset not in COLUMNS:
            raise SourceError(f"{path}: {dataset!r} is not a dataset of this source; expected one of {', '.join(COLUMNS)}.")
        row = reading.evaluated(path, network)
        if row in tables[dataset][column]:
            raise SourceError(f"{path}: {network} has {field} of {dataset} twice.")
        if not web and not (seeds and all(re.fullmatch("[0-9]{1,18}", seed) for seed in seeds)):
            raise SourceError(f"{path}: {network} has {field} of {list(seeds)}; expected one value for each seed, named by an integer.")
        tables[dataset][column][row] = {seed: fraction(path, f"{field} of {network}", value) for seed, value in seeds.items()}
    for dataset, columns in tables.items():
        for metric in dict.fromkeys(metric for metric, _ in columns):
            yield _array(path, dataset, metric, {eps: rows for (name, eps), rows in columns.items() if name == metric})


def _authors(path: Path, reading: CellReading) -> Iterator[tuple[str, str, str, Seeds]]:
    for dataset, networks in reading.document(path).items():
        for network, fields in _object(path, dataset, networks).items():
            for field, seeds in _object(path, network, fields).items():
                if isinstance(seeds, dict):
                    yield _DATASETS.get(dataset, dataset), network, field, seeds
                else:
                    reading.ignored.add(field)


def _web(path: Path, reading: CellReading) -> Iterator[tuple[str, str, str, Seeds]]:
    networks = reading.document(path, skip=len(_WEB_PREFIX))
    fields = networks.pop("", None)
    if not isinstance(fields, list):
        raise SourceError(f'{path} has no list of columns under the key ""; expected the file of the NAS-RobBench-201 web page.')
    for network, values in networks.items():
        if isinstance(values, str):
            _check_same_class(path, reading, network, values)
        elif not isinstance(values, list) or len(values) != len(fields):
            raise SourceError(f"{path}: {network} has {values!r:.80}; expected {len(fields)} numbers.")
        else:
            for field, value in zip(fields, values, strict=True):
                dataset, _, name = field.partition("#")
                yield _DATASETS.get(dataset, dataset), network, name, {"": value}


def _check_same_class(path: Path, reading: CellReading, network: str, other: str) -> None:
    group = class_partition().group
    if group[reading.cell_row(path, network)] != group[reading.cell_row(path, other)]:
        raise SourceError(f"{path} says that {network} is isomorphic to {other}; by the published rule it is not.")


def _object(path: Path, where: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SourceError(f"{path}: {where} holds {value!r:.80}; expected an object.")
    return value


def _column(field: str) -> Column | None:
    if field == "val_acc":
        return "clean", None
    if field == "autoattack":
        return "autoattack", AUTOATTACK_EPS
    match = re.fullmatch(r"val_(fgsm|pgd)_([0-9]+(?:\.[0-9]+)?)_acc", field)
    return (match[1], float(match[2]) / GREY_LEVELS) if match else None


def _array(path: Path, dataset: str, metric: str, levels: dict[float | None, dict[int, Seeds]]) -> Array:
    seeds = sorted({seed for rows in levels.values() for values in rows.values() for seed in values}, key=lambda seed: int(seed or -1))
    values = np.full((len(class_partition().keys), len(levels), len(seeds)), np.nan)
    for at, rows in enumerate(levels.values()):
        for row, by_seed in rows.items():
            for seed, value in by_seed.items():
                values[row, at, seeds.index(seed)] = value
    axes: dict[str, list[float | int | str]] = {}
    if metric != "clean":
        axes["eps"] = [eps for eps in levels if eps is not None]
    else:
        values = values[:, 0]
    if seeds == [""]:
        values = values[..., 0]
    else:
        axes["seed"] = [int(seed) for seed in seeds]
    provenance = {
        "source": "nasrobbench201",
        "citation": _CITATION,
        "file": path.name,
        "adversarial_training": "PGD-7, eps 8/255, step 2/255",
    }
    return Array(Name(dataset, TRAINING, metric, "accuracy"), Header("class", axes, "fraction", provenance), values)
