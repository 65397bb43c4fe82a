"""The robustness dataset of Jung, Lukasik and Keuper (ICLR 2023): one evaluated network a class, under attacks and corruptions.

meta.json                       {"ids": {"<index>": {"nb201-string": …, "isomorph": "<index>"}}, "epsilons": {key: [k of k/255, …]}}
<dataset>/<key>_accuracy.json   {dataset: {key: {"accuracy": {"<index>": fraction, or one a level}}}}
<dataset>/<key>_confidence.json {dataset: {key: {"confidence": {"<index>": [label, argmax, prediction] or by name, or one such a level}}}}
                                label and argmax (classes, classes), prediction (2,): means, NaN where there is nothing to take the mean of
<dataset>/<key>_cm.json         {dataset: {key: {"cm": {"<index>": (classes, classes) counts, or one such a level}}}}

Accuracies are the dataset; confidences and confusion matrices are kept beside them where they can be read, and reported where they cannot.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from robbench.errors import SourceError
from robbench.measurements.metrics import CONFIDENCES, EXTRA_CORRUPTIONS, GREY_LEVELS, SEVERITIES, TABLE, canonical_name
from robbench.references import SOURCES as REFERENCES
from robbench.sources.cells import CellReading, published_index
from robbench.sources.reading import ARRAY_BYTES, check_size, checked_levels, filled, number, shown
from robbench.spaces import nb201
from robbench.spaces.nb201.identity import class_partition
from robbench.store.arrays import MISSING, Array, Header, Name
from robbench.store.blockwise import Blocks, OnDisk

DATASETS = ("cifar10", "cifar100", "ImageNet16-120")
ATTACKS = ("fgsm@Linf", "pgd@Linf", "aa_apgd-ce@Linf", "aa_square@Linf")
CORRUPTIONS = tuple(name for name, entry in TABLE.items() if entry.kind == "corruption" and name not in EXTRA_CORRUPTIONS)
ACCURACY, CONFIDENCE, CONFUSION = "accuracy", "confidence", "cm"
MEASURES = (ACCURACY, CONFIDENCE, CONFUSION)
"""As the files are named."""

Levels = dict[str, list[float | int | str]]
"""Axes and their points."""

CITATION = REFERENCES["jung2023"].line
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
                    yield from _arrays(file, reading, dataset, key, measure, levels)
                else:
                    reading.absent.append(str(file.relative_to(path)))


def _arrays(file: Path, reading: CellReading, dataset: str, key: str, measure: str, levels: Levels) -> list[Array]:
    """What a file holds: one array, or of confidences up to three."""
    if measure == ACCURACY:
        return [_array(file, reading, dataset, key, measure, levels)]
    try:
        if measure == CONFIDENCE:
            return _confidences(file, reading, dataset, key, levels)
        return [_array(file, reading, dataset, key, measure, levels)]
    except SourceError as error:
        reading.unreadable.append(str(error))
        return []


def _items(file: Path, reading: CellReading, dataset: str, key: str, measure: str) -> Iterator[tuple[str, int, Any]]:
    """What a file says of each network: its index, its class row, its numbers."""
    seen: set[int] = set()
    for keys, item in reading.members(file, 4):
        if keys[:3] == (dataset, key, measure) and len(keys) == 4:
            row = reading.evaluated(file, keys[3])
            if row in seen:
                raise SourceError(f"{file}: {keys[3]} is there twice.")
            seen.add(row)
            yield keys[3], row, item
    if not seen:
        raise SourceError(f"{file} holds nothing under {dataset}.{key}.{measure}; is it the file of another dataset or key?")


def _array(file: Path, reading: CellReading, dataset: str, key: str, measure: str, levels: Levels) -> Array:
    shape = tuple(map(len, levels.values()))
    values: np.ndarray | OnDisk | None = None
    for network, row, item in _items(file, reading, dataset, key, measure):
        found = _numbers(file, network, item, np.uint16 if measure == CONFUSION else np.float64)
        if values is None:
            if found.shape[: len(shape)] != shape or (measure == ACCURACY and found.ndim > len(shape)):
                raise SourceError(f"{file}: {network} has values of shape {found.shape}; expected {shape}, one for each of {levels}.")
            if measure == CONFUSION and (found.ndim != len(shape) + 2 or found.shape[-1] != found.shape[-2]):
                raise SourceError(f"{file}: {network} has values of shape {found.shape}; expected {shape} matrices (classes, classes).")
            values = _unmeasured(file, dataset, measure, found)
        if found.shape != values.shape[1:]:
            raise SourceError(f"{file}: {network} has values of shape {found.shape}; expected {values.shape[1:]} as the others have.")
        if measure == ACCURACY and not ((found >= 0) & (found <= 1)).all():
            raise SourceError(f"{file}: {network} has the accuracy {found.tolist()}; expected fractions in [0, 1].")
        values[row] = found
    assert values is not None, "a file without a network is refused"
    whole = values.blocks() if isinstance(values, OnDisk) else values
    if measure == ACCURACY:
        return _named(file, dataset, key, "accuracy", Header("class", levels, "fraction", {}), whole)
    return _named(file, dataset, key, "confusion", Header("class", {**levels, "label": [], "prediction": []}, "count", {}), whole)


def _confidences(file: Path, reading: CellReading, dataset: str, key: str, levels: Levels) -> list[Array]:
    """The confidences of each scheme that the file has; on disk, for of 120 classes they come to gigabytes."""
    shape, classes = tuple(map(len, levels.values())), _CLASSES[dataset]
    axes: dict[str, Levels] = {
        "label": {"label": [], "class": []},
        "argmax": {"prediction": [], "class": []},
        "prediction": {"images": ["correct", "incorrect"]},
    }
    shapes = {scheme: (*shape, *((2,) if scheme == "prediction" else (classes, classes))) for scheme in axes}
    kept: dict[str, OnDisk] = {}
    for network, row, item in _items(file, reading, dataset, key, CONFIDENCE):
        for scheme, given in _schemes(file, network, item, *shape).items():
            found = _numbers(file, f"{network}, {scheme}", given, np.float64, missing=True)
            if found.shape != shapes[scheme]:
                raise SourceError(f"{file}: {network}, {scheme}, has values of shape {found.shape}; expected {shapes[scheme]}.")
            if not (np.isnan(found) | ((found >= 0) & (found <= 1))).all():
                raise SourceError(f"{file}: {network}, {scheme}, has {shown(given)}; expected probabilities in [0, 1].")
            if scheme not in kept:
                kept[scheme] = OnDisk((len(class_partition().keys), *found.shape), np.float64, np.nan)
            kept[scheme][row] = found
    return [
        _named(file, dataset, key, CONFIDENCES[scheme], Header("class", {**levels, **axes[scheme]}, "fraction", {}), place.blocks())
        for scheme, place in kept.items()
    ]


def _schemes(file: Path, network: str, item: Any, *levels: int) -> dict[str, Any]:
    """The confidences of a network by scheme, levels first: given by name, or in the order of the paper; for each level, or for all."""
    if isinstance(item, dict):
        if unknown := [name for name in item if name not in CONFIDENCES]:
            raise SourceError(f"{file}: {network} has confidences by {unknown[0]!r:.80}; expected some of {', '.join(CONFIDENCES)}.")
        return item
    if levels and isinstance(item, list) and len(item) == levels[0]:
        each = [_schemes(file, network, one) for one in item]
        if any(one.keys() != each[0].keys() for one in each):
            raise SourceError(f"{file}: {network} has other confidences at one level than at another.")
        return {scheme: [one[scheme] for one in each] for scheme in each[0]}
    if isinstance(item, list) and not levels and len(item) == len(CONFIDENCES):
        return dict(zip(CONFIDENCES, item, strict=True))
    expected = f"a list of {levels[0]} levels" if levels else f"{len(CONFIDENCES)}, by {', '.join(CONFIDENCES)}"
    raise SourceError(f"{file}: {network} has {shown(item)} for confidences; expected {expected}.")


def _named(file: Path, dataset: str, key: str, measure: str, header: Header, values: np.ndarray | Blocks) -> Array:
    """An array with where it stands and where it is from."""
    name = canonical_name(key.removesuffix("@Linf"))
    provenance = {
        "source": "jung2023",
        "citation": CITATION,
        "file": f"{dataset}/{file.name}",
        "split": SPLIT,
        **_IMAGES.get(dataset, {}),
        **_RECIPES.get(name, {}),
    }
    return Array(Name(dataset, "standard", name, measure), header._replace(provenance=provenance), values)


def _unmeasured(file: Path, dataset: str, measure: str, one: np.ndarray) -> np.ndarray | OnDisk:
    """The array that values such as this one go into: ``(classes of networks, …)``."""
    shape = (len(class_partition().keys), *one.shape)
    if measure != CONFUSION:
        return filled(file, measure, shape)
    if one.shape[-1] != _CLASSES[dataset]:
        raise SourceError(f"{file} has matrices of {one.shape[-1]} classes; expected {_CLASSES[dataset]}, those of {dataset}.")
    check_size(file, measure, shape, np.uint16, most=2 * ARRAY_BYTES)
    return OnDisk(shape, np.uint16, MISSING)  # as published, up to 2 GB, of networks in any order


def _numbers(file: Path, network: str, item: Any, dtype: type[np.generic], *, missing: bool = False) -> np.ndarray:
    try:
        found = np.asarray(item)
    except ValueError as error:
        raise SourceError(f"{file}: {network} has lists of unequal length.") from error
    if found.dtype.kind not in "iuf" or _has_bool(item, found.ndim) or not (np.isfinite(found) | (missing & np.isnan(found))).all():
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


def _levels(meta: Path, key: str, epsilons: dict[str, Any]) -> Levels:
    if key in CORRUPTIONS:
        return {"severity": list(SEVERITIES)}
    if key not in ATTACKS:
        return {}
    if not isinstance(epsilons.get(key), list):
        raise SourceError(f"{meta} has no list of epsilons for {key}.")
    where = f"epsilons of {key}"
    return {"eps": list(checked_levels(meta, where, [number(meta, where, level) / GREY_LEVELS for level in epsilons[key]]))}


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
