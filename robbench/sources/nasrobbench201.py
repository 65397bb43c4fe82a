"""NAS-RobBench-201 (Wu et al., ICLR 2024): one network a class after adversarial training (PGD-7, eps 8/255, step 2/255).

authors' file  {dataset: {"<index>": {"val_fgsm_3.0_acc": {"<seed>": fraction, …, "threeseed": their mean}, "autoattack": fraction, …}}}
web page's     acc={"": ["<dataset>#val_fgsm_3_acc", …], "<index>": [fraction, …] or the index of the same class}

Columns: val_acc is clean; val_fgsm_K_acc and val_pgd_K_acc are at eps K/255; autoattack is at 8/255, and a bare number, without seeds.
A mean over three seeds is compared with the seeds, and left out: the store gives it from them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from robbench.errors import SourceError
from robbench.measurements.metrics import GREY_LEVELS
from robbench.references import SOURCES as REFERENCES
from robbench.sources.cells import CellReading
from robbench.sources.natsbench import COLUMNS
from robbench.sources.reading import LEVELS, checked_levels, filled, fraction, shown
from robbench.spaces.nb201.identity import class_partition
from robbench.store.arrays import Array, Header, Name

TRAINING = "pgd-8/255"
AUTOATTACK_EPS = 8 / GREY_LEVELS
MEAN = "threeseed"
"""What the authors' file calls the mean over seeds."""
MEAN_OF = 3
MEAN_TOLERANCE = 1e-3
"""The authors round the mean or the seeds, so it differs by this much at the most."""
VALUES = 4_000_000

_DATASETS = {"imagenet": "ImageNet16-120"}
CITATION = REFERENCES["nasrobbench201"].line
_WEB_PREFIX = b"acc="

Column = tuple[str, float | None]
"""A metric and its eps."""
Seeds = dict[str, Any]
"""Seed → value.  The web page's mean over seeds, and a bare number, have the key ""; a mean that came without its seeds has `MEAN`."""


def read(path: Path, reading: CellReading) -> Iterator[Array]:
    """An array for each dataset and attack, with its levels and seeds."""
    web = reading.begins_with(path, _WEB_PREFIX)
    networks = _web(path, reading) if web else _authors(path, reading)
    count = 0
    # dataset → column → (row, seeds)
    tables: dict[str, dict[Column, dict[int, Seeds]]] = defaultdict(lambda: defaultdict(dict))
    for dataset, network, field, seeds in networks:
        column = _column(field)
        if column is None:
            reading.ignore(field)
            continue
        if dataset not in COLUMNS:
            raise SourceError(f"{path}: {dataset!r} is not a dataset of this source; expected one of {', '.join(COLUMNS)}.")
        row = reading.evaluated(path, network)
        if row in tables[dataset][column]:
            raise SourceError(f"{path}: {network} has {field} of {dataset} twice.")
        count += len(seeds)
        if count > VALUES:
            raise SourceError(f"{path} has more than {VALUES} accuracies; expected some 500,000 at the most.")
        tables[dataset][column][row] = {seed: fraction(path, f"{field} of {network}", value) for seed, value in seeds.items()}
    for dataset, columns in tables.items():
        for metric in dict.fromkeys(metric for metric, _ in columns):
            checked_levels(path, metric, [eps for name, eps in columns if name == metric and eps is not None])
        for metric in dict.fromkeys(metric for metric, _ in columns):
            yield _array(path, reading, dataset, metric, {eps: rows for (name, eps), rows in columns.items() if name == metric})


def _authors(path: Path, reading: CellReading) -> Iterator[tuple[str, str, str, Seeds]]:
    for keys, item in reading.members(path, 2):
        if len(keys) < 2 or not isinstance(item, dict):
            raise SourceError(f"{path}{': ' if keys else ''}{''.join(keys[-1:])} holds {_what(keys, item)}; expected an object.")
        dataset, network = keys
        for field, seeds in item.items():
            if _column(field) is None:
                reading.ignore(field)
            else:
                where = f"{field} of {network}"
                yield (
                    _DATASETS.get(dataset, dataset),
                    network,
                    field,
                    _seeds(path, where, seeds) if isinstance(seeds, dict) else {"": seeds},
                )


def _what(keys: tuple[str, ...], item: Any) -> str:
    return shown(item) if keys else f"a {type(item).__name__}"


def _seeds(path: Path, where: str, values: Seeds) -> Seeds:
    """The values by seed; where the mean of three is there, too, it is compared and left out."""
    by_seed = {seed: value for seed, value in values.items() if seed != MEAN}
    if values.keys() == {MEAN}:
        return values
    if not (by_seed and all(re.fullmatch("0|[1-9][0-9]{0,17}", seed) for seed in by_seed)):
        raise SourceError(f"{path}: {where} is of the seeds {list(values)!r:.80}; expected one value for each seed, named by an integer.")
    if MEAN in values and len(by_seed) == MEAN_OF:
        given = fraction(path, f"{where}, {MEAN}", values[MEAN])
        mean = sum(fraction(path, f"{where}, seed {seed}", value) for seed, value in by_seed.items()) / len(by_seed)
        if abs(given - mean) > MEAN_TOLERANCE:
            raise SourceError(f"{path}: {where} is {given:g} as {MEAN}; expected {mean:g}, the mean of {', '.join(by_seed)}.")
    return by_seed


def _web(path: Path, reading: CellReading) -> Iterator[tuple[str, str, str, Seeds]]:
    fields = _columns(path, reading)
    for (network,), values in reading.members(path, 1, skip=len(_WEB_PREFIX)):
        if network == "":
            continue
        if isinstance(values, str):
            _check_same_class(path, reading, network, values)
        elif not isinstance(values, list) or len(values) != len(fields):
            raise SourceError(f"{path}: {network} has {shown(values)}; expected {len(fields)} numbers.")
        else:
            for field, value in zip(fields, values, strict=True):
                dataset, _, name = field.partition("#")
                yield _DATASETS.get(dataset, dataset), network, name, {"": value}


def _columns(path: Path, reading: CellReading) -> list[str]:
    """The columns of the web page, which stand under the key "", wherever that is in the file."""
    fields = None
    for keys, values in reading.members(path, 1, skip=len(_WEB_PREFIX)):
        if not keys:
            raise SourceError(f"{path} holds a {type(values).__name__}; expected an object.")
        fields = values if keys == ("",) else fields
    if not isinstance(fields, list) or not all(isinstance(field, str) for field in fields):
        raise SourceError(f'{path} has no list of columns under the key ""; expected the file of the NAS-RobBench-201 web page.')
    return fields


def _check_same_class(path: Path, reading: CellReading, network: str, other: str) -> None:
    group = class_partition().group
    if group[reading.cell_row(path, network)] != group[reading.cell_row(path, other)]:
        raise SourceError(f"{path} says that {network} is isomorphic to {other}; by the published rule it is not.")


def _column(field: str) -> Column | None:
    if field == "val_acc":
        return "clean", None
    if field == "autoattack":
        return "autoattack", AUTOATTACK_EPS
    match = re.fullmatch(r"val_(fgsm|pgd)_([0-9]{1,9}(?:\.[0-9]{1,9})?)_acc", field)
    return (match[1], float(match[2]) / GREY_LEVELS) if match else None


def _array(path: Path, reading: CellReading, dataset: str, metric: str, levels: dict[float | None, dict[int, Seeds]]) -> Array:
    found = {seed for rows in levels.values() for values in rows.values() for seed in values}
    if MEAN in found and len(found) > 1:  # with seeds of other networks, it would pass for one of them
        reading.ignore(f"{MEAN} of {metric} of {dataset}, where it stands without its seeds")
    seeds = sorted(found - {MEAN}, key=lambda seed: int(seed or -1)) or [MEAN]
    if len(seeds) > LEVELS or (len(seeds) > 1 and seeds[0] == ""):
        raise SourceError(
            f"{path}: {metric} of {dataset} has {f'{len(seeds)} seeds' if seeds[0] else 'seeds of some networks and none of others'};"
            f" expected a value for each of up to {LEVELS} seeds of every network, or one value without seeds of every network."
        )
    values = filled(path, f"{metric} of {dataset}", (len(class_partition().keys), len(levels), len(seeds)))
    column = {seed: position for position, seed in enumerate(seeds)}
    for at, rows in enumerate(levels.values()):
        for row, by_seed in rows.items():
            for seed, value in by_seed.items():
                if seed in column:
                    values[row, at, column[seed]] = value
    axes: dict[str, list[float | int | str]] = {}
    if metric != "clean":
        axes["eps"] = [eps for eps in levels if eps is not None]
    else:
        values = values[:, 0]
    if seeds in ([""], [MEAN]):
        values = values[..., 0]
    else:
        axes["seed"] = [int(seed) for seed in seeds]
    provenance = {
        "source": "nasrobbench201",
        "citation": CITATION,
        "file": path.name,
        "adversarial_training": "PGD-7, eps 8/255, step 2/255",
        **({"seeds": f"mean of {MEAN_OF}"} if seeds == [MEAN] else {}),
    }
    return Array(Name(dataset, TRAINING, metric, "accuracy"), Header("class", axes, "fraction", provenance), values)
