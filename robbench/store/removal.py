"""Taking measurements out of a store."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from robbench.arguments import nearest
from robbench.errors import NotMeasured
from robbench.store.arrays import Name
from robbench.store.files import copied, write_manifest
from robbench.store.layout import path_of, path_of_surrogate
from robbench.store.reading import Store
from robbench.store.writing import refuse_read_only, replaced

Surrogate = tuple[str, str, str]
"""Dataset, training, target."""


class Removed(NamedTuple):
    """What `remove` took out."""

    arrays: list[Name]
    surrogates: list[Surrogate]
    """Those that predicted it, or had it among their features: what was wrong, they have learned."""


def remove(path: str | os.PathLike[str], what: str) -> Removed:
    """Take measurements out of a store, and the surrogates that predict them or have them among their features; its architectures stay.

    The new file, sealed, takes the old one's place when it is complete.  While another process writes the same file, this one waits.

    Arguments:
        path: the store.
        what: ``"DATASET/TRAINING/METRIC"``; a dataset, a training of it, or one measure of a metric, ``"DATASET/TRAINING/METRIC/MEASURE"``, are taken, too.

    Raises:
        NotMeasured: the store holds no such thing; says what is like it.
        StoreError: the file at `path` is not a store, is read-only, or cannot be written; it stays as it was.
    """
    path = Path(path)
    with replaced(path) as begin:
        with Store(path) as store:
            found = _found(store, what)
            kept = sorted(set(store.names()) - set(found.arrays))
            default = None if not kept else _default(store, kept)
        refuse_read_only(path)
        with begin() as new:
            manifest = copied(path, new, but=_paths(found, kept))
            del new.attrs["default_dataset"]
            if default is not None:
                new.attrs["default_dataset"] = default
            arrays = set(map(path_of, found.arrays))
            parts = tuple(f"{path_of_surrogate(*surrogate)}/" for surrogate in found.surrogates)
            write_manifest(
                new, {item: digest for item, digest in manifest.items() if item not in arrays and not item.startswith(parts)}, changed=()
            )
    return found


def _found(store: Store, what: str) -> Removed:
    """What a path names."""
    arrays = [name for name in store.names() if what in _prefixes(name)]
    if not arrays:
        known = dict.fromkeys(prefix for name in store.names() for prefix in _prefixes(name)[:3])
        raise NotMeasured(
            f"{what!r} is not in {store.file_name}.{nearest(what, known)} Expected DATASET/TRAINING/METRIC, as `robbench info` lists them."
        )
    metrics = {name[:3] for name in arrays}
    surrogates = [
        (dataset, training, target)
        for dataset, training, target in store.surrogates()
        if not metrics.isdisjoint(_learned(store, dataset, training, target))
    ]
    return Removed(arrays, surrogates)


def _learned(store: Store, dataset: str, training: str, target: str) -> set[tuple[str, str, str]]:
    """Dataset, training and name of each metric that a surrogate predicts, or has among its features: of its own training where that has it, as proxies are
    of untrained networks.
    """
    about, held = store.about_surrogate(dataset, training, target), {name[:3] for name in store.names()}
    outputs, features = ({re.split("[@:]", name)[0] for name in about[names]} for names in ("outputs", "feature_names"))
    own = {(dataset, training, name) for name in outputs | features} & held
    return own | {one for one in held if one[0] == dataset and one[2] in features and (dataset, training, one[2]) not in own}


def _prefixes(parts: Iterable[str]) -> list[str]:
    """``["a", "a/b", …]``."""
    return list(accumulate(parts, lambda one, other: f"{one}/{other}"))


def _paths(found: Removed, kept: list[Name]) -> set[str]:
    """Paths in the file of what is to be left out, and of the groups that would be empty without it."""
    staying = {prefix for name in kept for prefix in _groups(path_of(name))}
    going = {path_of(name) for name in found.arrays} | {path_of_surrogate(*surrogate) for surrogate in found.surrogates}
    return going | {prefix for name in found.arrays for prefix in _groups(path_of(name)) if prefix not in staying}


def _groups(path: str) -> list[str]:
    """The groups that a path leads through: of "/metrics/a/b" these are "/metrics" and "/metrics/a"."""
    return [f"/{prefix}" for prefix in _prefixes(path[1:].split("/"))][:-1]


def _default(store: Store, kept: list[Name]) -> str:
    """The default dataset of what is kept."""
    datasets = {name.dataset for name in kept}
    return store.default_dataset if store.default_dataset in datasets else min(datasets)
