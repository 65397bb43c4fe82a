"""What a file is, whatever it is called and wherever it lies: by its checksum, else by its form."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from robbench.errors import SourceError
from robbench.measurements.metrics import TABLE
from robbench.sources import natsbench
from robbench.sources.archives import is_archive
from robbench.sources.fetching import SEEN, digest_of
from robbench.sources.formats import opened
from robbench.sources.jung2023 import DATASETS, MEASURES
from robbench.sources.members import members
from robbench.sources.published import PUBLISHED

LONGEST_HASHED = 64 << 20
"""Bytes of a file that is compared with known checksums; no known one is longer."""
DATA = (".json", ".jsonl", ".csv", ".txt", "")
"""Endings of files that may be published text."""

_NARES = (b'"D1"', b'"W3"', b'"train"')
_TUPLE = re.compile(r"\([0-9](?:, [0-9]){5}\)")
_NOT_DATA = (".part", ".version", ".unexpected", ".md", ".h5")
_KNOWN = {file.checksum: (name, file.name) for name, published in PUBLISHED.items() for file in published.files if file.checksum}


class Recognised(NamedTuple):
    """A file or folder, and what it is."""

    path: Path
    source: str | None
    """One of `SOURCES`; ``"archive"`` of jung2023; None for what is not known, or cannot be read."""
    name: str
    """As the source's importer wants it called."""
    why: str = ""
    """Of what is not known: why not, in a sentence; empty where nothing is to be said."""
    origin: Path | None = None
    """Where it is from, if it was unpacked."""


def recognised(folder: Path) -> Iterator[Recognised]:
    """All that is in a folder, in the order of names; folders of jung2023 as one, and those that cannot be looked into last."""
    closed: list[OSError] = []
    for here, folders, files in os.walk(folder, onerror=closed.append):
        at = Path(here)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if "meta.json" in files and set(DATASETS) & set(folders):
            yield Recognised(at, "jung2023", at.name)
            folders[:] = [name for name in folders if name not in DATASETS]
            files.remove("meta.json")
        for name in sorted(files):
            if not name.startswith(".") and name != SEEN and not name.endswith(_NOT_DATA):
                yield what_is(at / name)
    for error in closed:
        path = Path(error.filename)
        yield Recognised(path, None, path.name, f"{path} cannot be looked into: {error.strerror}.")


def what_is(path: Path) -> Recognised:
    """What one file is."""
    if is_archive(path):
        return Recognised(path, "archive", path.name)
    try:
        with opened(path, "published text (CSV or JSON)") as file:
            head = file.read(1 << 16)
    except (SourceError, OSError) as error:
        # A folder of downloads has archives and pictures enough; what is worth a word is a release that nobody may open.
        return Recognised(path, None, path.name, str(error) if "pickle" in str(error) else "")
    if path.suffix not in DATA or b"\0" in head:
        return Recognised(path, None, path.name)
    return _by_checksum(path) or _by_form(path, head)


def _by_checksum(path: Path) -> Recognised | None:
    if path.stat().st_size > LONGEST_HASHED:
        return None
    for algorithm in ("sha256", "md5"):
        if found := _KNOWN.get(f"{algorithm}:{digest_of(path, algorithm)}"):
            return Recognised(path, *found)
    return None


def _by_form(path: Path, head: bytes) -> Recognised:
    if head.startswith(b"acc="):
        return Recognised(path, "nasrobbench201", path.name)
    if head.startswith(b"{") and all(field in head.partition(b"\n")[0] for field in _NARES):
        return Recognised(path, "nares", path.name)
    if head.lstrip()[:1] in (b"{", b"["):
        return _json(path)
    line = head.partition(b"\n")[0].decode("utf-8-sig", "replace")
    return _csv(path, next(csv.reader([line]), []))


def _csv(path: Path, columns: list[str]) -> Recognised:
    if {*natsbench.COLUMNS.values()} & {*columns}:
        return Recognised(path, "natsbench", path.name)
    kinds = [TABLE[column].kind for column in columns if column in TABLE]
    if "net" not in columns or not {"proxy", "cost"} & {*kinds}:
        return Recognised(path, None, path.name)
    source, prefix = ("hwnasbench", "hw_") if "cost" in kinds else ("nbsuite_zero", "zc_nasbench201_")
    # The longest first: cifar10 is a part of cifar100.
    dataset = next((known for known in sorted(DATASETS, key=len, reverse=True) if known in path.name), None)
    if dataset is None:
        why = f"{path} is of {source}, and its name does not say of which data set; call it {prefix}DATASET.csv, with one of {', '.join(DATASETS)}."
        return Recognised(path, None, path.name, why)
    return Recognised(path, source, f"{prefix}{dataset}.csv")


def _json(path: Path) -> Recognised:
    """By the first member: which keys lead to it, and what it is."""
    try:
        with path.open("rb") as file:
            found = list(islice(members(file, 3), 1))
    except ValueError as error:
        return Recognised(path, None, path.name, f"{path} is not whole, valid JSON: {error}. Download it again.")
    keys, item = found[0] if found else ((), None)
    if isinstance(item, list) and item and isinstance(item[0], dict) and "net" in item[0] and not keys:
        name = path.name if path.name.startswith("robust_bench_seed_") else f"robust_bench_seed_{path.stem}.json"
        return Recognised(path, "tiny_robustbench", name)
    if len(keys) > 1 and keys[0] in DATASETS and _TUPLE.fullmatch(keys[1]):
        return Recognised(path, "nbsuite_zero", path.name if path.suffix == ".json" else f"{path.name}.json")
    if (len(keys) == 3 and keys[0] in DATASETS and keys[1].isdigit()) or (len(keys) == 1 and keys[0].isdigit()):
        return Recognised(path, "nasrobbench201", path.name)
    if len(keys) == 3 and keys[2] in MEASURES:
        why = f"{path} is of jung2023, whose meta.json is not beside its folder: it says which architecture each index is. Put it there."
        return Recognised(path, None, path.name, why)
    return Recognised(path, None, path.name)
