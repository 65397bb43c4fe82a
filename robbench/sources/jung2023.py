"""The robustness dataset of Jung, Lukasik and Keuper (ICLR 2023): one evaluated network a class, under attacks and corruptions.

meta.json                       {"ids": {"<index>": {"nb201-string": …, "isomorph": "<index>"}}, "epsilons": {key: [k of k/255, …]}}
<dataset>/<key>_accuracy.json   {dataset: {key: {"accuracy": {"<index>": fraction, or one a level}}}}
<dataset>/<key>_confidence.json {dataset: {key: {"confidence": {"<index>": …}}}}
<dataset>/<key>_cm.json         {dataset: {key: {"cm": {"<index>": (classes, classes) counts, or one such a level}}}}
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from robbench.errors import SourceError
from robbench.measurements.metrics import GREY_LEVELS, SEVERITIES, TABLE, canonical_name
from robbench.sources.cells import CellReading, published_index
from robbench.sources.reading import ARRAY_BYTES, check_size, checked_levels, filled, number, shown
from robbench.spaces import nb201
from robbench.spaces.nb201.identity import class_partition
from robbench.store.arrays import MISSING, Array, Header, Name
from robbench.store.blockwise import OnDisk

DATASETS = ("cifar10", "cifar100", "ImageNet16-120")
ATTACKS = ("fgsm@Linf", "pgd@Linf", "aa_apgd-ce@Linf", "aa_square@Linf")
CORRUPTIONS = tuple(name for name, entry in TABLE.items() if entry.kind == "corruption")
MEASURES = {"accuracy": "accuracy", "confidence": "confidence", "cm": "confusion"}

_CITATION = "Jung, Lukasik, Keuper: Neural Architecture Design and Robustness: A Dataset. ICLR 2023."
_RECIPES: dict[str, dict[str, Any]] = {
    "clean": {},
    "fgsm": {"attack": "Foolbox FGSM"},
    "pgd": {"attack": "Foolbox L∞ PGD", "steps": 40, "relative_step_size": 1 / 30, "random_start": True},
    "apgd-ce": {"attack": "AutoAttack APGD-CE", "steps": 100},
    "square": {"attack": "AutoAttack Square", "queries": 5000},
}
_IMAGES: dict[str, dict[str, Any]] = {"cifar10": {"images": 10_000}, "cifar100": {"images": 10_000}}
"""What accuracies are of: the test images."""
_CLASSES = {"cifar10": 10, "cifar100": 100, "ImageNet16-120": 120}
SPLIT = "ori-test"
"""NATS-Bench's name of the whole test set, of which its x-valid and x-test are halves on cifar100 and ImageNet16-120."""


def index(path: Path, reading: CellReading) -> np.ndarray:
    """The published index of each cell, from meta.json; the partition there must be the one that class keys are made from."""
    meta = _meta_path(path)
    position = {str(cell): row for row, cell in enumerate(nb201.cells())}
    published = np.full(nb201.SIZE, nb201.SIZE)
    evaluated = {}
    for keys, item in reading.members(meta, 2):
        if keys[:1] != ("ids",):
            continue
        if len(keys) < 2:
            raise SourceError(f"{meta} has no object of ids; expected one id for each of the {nb201.SIZE} cells.")
        row = position.get(str(item.get("nb201-string"))) if isinstance(item, dict) else None
        key = published_index(keys[1])
        if row is None or key is None or published[row] < nb201.SIZE:
            raise SourceError(f"{meta}: id {keys[1]!r} with {shown(item)} is not one of the 15,625 cells, or is there twice.")
        published[row] = key
        evaluated[row] = str(item.get("isomorph"))
    if len(evaluated) != nb201.SIZE:
        raise SourceError(f"{meta} lists {len(evaluated)} cells; expected {nb201.SIZE}. Download it again.")
    groups = {(class_partition().group[row], isomorph) for row, isomorph in evaluated.items()}
    if not len(groups) == len(class_partition().keys) == len({isomorph for _, isomorph in groups}):
        raise SourceError(f"{meta} sorts the cells into other classes than the published rule does; the file is damaged.")
    return published


def read(path: Path, reading: CellReading) -> Iterator[Array]:
    """One array for each file that is there; those that are not are listed in `reading.absent`."""
    meta = _meta_path(path)
    epsilons = {keys[1]: item for keys, item in reading.members(meta, 2) if keys[:1] == ("epsilons",) and len(keys) == 2}
    datasets = [dataset for dataset in DATASETS if (path / dataset).is_dir()]
    if not datasets:
        raise SourceError(f"{path} has none of the folders {', '.join(DATASETS)}.")
    for dataset in datasets:
        keys = ("clean", *ATTACKS, *(CORRUPTIONS if dataset != "ImageNet16-120" else ()))
        for key in keys:
            levels = _levels(meta, key, epsilons)
            for measure in MEASURES:
                file = path / dataset / f"{key}_{measure}.json"
                if file.exists():
                    yield _array(file, reading, dataset, key, measure, levels)
                else:
                    reading.absent.append(str(file.relative_to(path)))


def _array(file: Path, reading: CellReading, dataset: str, key: str, measure: str, levels: dict[str, list[float]]) -> Array:
    shape = tuple(map(len, levels.values()))
    values: np.ndarray | OnDisk | None = None
    seen: set[int] = set()
    for keys, item in reading.members(file, 4):
        if keys[:3] != (dataset, key, measure) or len(keys) < 4:
            continue
        network = keys[3]
        row = reading.evaluated(file, network)
        if row in seen:
            raise SourceError(f"{file}: {network} is there twice.")
        seen.add(row)
        item = _statistics(item) if measure == "confidence" else item
        found = _numbers(file, network, item, np.uint16 if measure == "cm" else np.float64)
        if values is None:
            if found.shape[: len(shape)] != shape or (measure == "accuracy" and found.ndim > len(shape)):
                raise SourceError(f"{file}: {network} has values of shape {found.shape}; expected {shape}, one for each of {levels}.")
            if measure == "cm" and (found.ndim != len(shape) + 2 or found.shape[-1] != found.shape[-2]):
                raise SourceError(f"{file}: {network} has values of shape {found.shape}; expected {shape} matrices (classes, classes).")
            values = _unmeasured(file, dataset, measure, found)
        if found.shape != values.shape[1:]:
            raise SourceError(f"{file}: {network} has values of shape {found.shape}; expected {values.shape[1:]} as the others have.")
        if measure == "accuracy" and not ((found >= 0) & (found <= 1)).all():
            raise SourceError(f"{file}: {network} has the accuracy {found.tolist()}; expected fractions in [0, 1].")
        values[row] = found
    if values is None:
        raise SourceError(f"{file} holds nothing under {dataset}.{key}.{measure}; is it the file of another dataset or key?")
    name = canonical_name(key.removesuffix("@Linf"))
    extra = {"confidence": ("statistic", "class"), "cm": ("label", "prediction")}.get(measure, ())
    axes: dict[str, list[Any]] = {**levels, **{axis: [] for axis, _ in zip(extra, values.shape[1 + len(shape) :], strict=False)}}
    provenance = {
        "source": "jung2023",
        "citation": _CITATION,
        "file": f"{dataset}/{file.name}",
        "split": SPLIT,
        **_IMAGES.get(dataset, {}),
        **_RECIPES.get(name, {}),
    }
    unit = "count" if measure == "cm" else "fraction"
    whole = values.blocks() if isinstance(values, OnDisk) else values
    return Array(Name(dataset, "standard", name, MEASURES[measure]), Header("class", axes, unit, provenance), whole)


def _unmeasured(file: Path, dataset: str, measure: str, one: np.ndarray) -> np.ndarray | OnDisk:
    """The array that values such as this one go into: ``(classes of networks, …)``."""
    shape = (len(class_partition().keys), *one.shape)
    if measure != "cm":
        return filled(file, measure, shape)
    if one.shape[-1] != _CLASSES[dataset]:
        raise SourceError(f"{file} has matrices of {one.shape[-1]} classes; expected {_CLASSES[dataset]}, those of {dataset}.")
    check_size(file, measure, shape, np.uint16, most=2 * ARRAY_BYTES)
    return OnDisk(shape, np.uint16, MISSING)  # as published, up to 2 GB, of networks in any order


def _statistics(item: Any) -> Any:
    """Confidences given by name, in the order of their names."""
    return [item[name] for name in sorted(item)] if isinstance(item, dict) else item


def _numbers(file: Path, network: str, item: Any, dtype: type[np.generic]) -> np.ndarray:
    try:
        found = np.asarray(item)
    except ValueError as error:
        raise SourceError(f"{file}: {network} has lists of unequal length.") from error
    if found.dtype.kind not in "iuf" or _has_bool(item, found.ndim) or not np.isfinite(found).all():
        raise SourceError(f"{file}: {network} has {shown(item)}; expected numbers.")
    if dtype is np.uint16 and (found.dtype.kind == "f" or found.min(initial=0) < 0 or found.max(initial=0) >= MISSING):
        raise SourceError(f"{file}: {network} has {shown(item)}; expected counts of images.")
    return found.astype(dtype)


def _has_bool(item: Any, deep: int) -> bool:
    """Whether lists, nested as deep, hold true or false, which numpy takes for a number where there are numbers too."""
    items: Iterable[Any] = [item]
    for _ in range(deep):
        items = chain.from_iterable(items)
    return bool in set(map(type, items))


def _levels(meta: Path, key: str, epsilons: dict[str, Any]) -> dict[str, list[float]]:
    if key in CORRUPTIONS:
        return {"severity": list(SEVERITIES)}
    if key not in ATTACKS:
        return {}
    if not isinstance(epsilons.get(key), list):
        raise SourceError(f"{meta} has no list of epsilons for {key}.")
    where = f"epsilons of {key}"
    return {"eps": checked_levels(meta, where, [number(meta, where, level) / GREY_LEVELS for level in epsilons[key]])}


def _meta_path(path: Path) -> Path:
    if path.is_file():
        raise SourceError(
            f"{path} is a file; expected a folder with meta.json and a folder for each dataset, as unpacked from the published archives."
        )
    if not (path / "meta.json").is_file():
        raise SourceError(
            f"{path} has no meta.json, which says which architecture each index is; it is published beside the dataset folders."
        )
    return path / "meta.json"
