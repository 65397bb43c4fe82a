"""Checkpoints: what is in a file, without running anything that it says.

    torch's zip format     read by ``torch.load(weights_only=True)``, mapped into memory
    torch's older format   the same, read whole: the published checkpoints are of it
    npz                    weights that a build kept (`robbench_builders.weights.kept`)

A file may hold a state_dict, or containers around one or several, as published: a dict by data set or by epochs, ``all_results`` by (data set,
seed), ``net_state_dict``.  Each state_dict is an entry; what the containers say of it (architecture, index, seed) is said of the entry.
"""

from __future__ import annotations

import hashlib
import re
import stat
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from robbench_builders.errors import UNREADABLE, WeightsError
from robbench_builders.weights import kept, published
from robbench_builders.weights.kept import Kept

DEPTH, WIDTH = 8, 100_000
"""Of containers that are looked into: how far, and how many in all."""

PUBLISHED_FOR = ("cifar10", "cifar10-valid", "cifar100", "ImageNet16-120")
"""What published containers are keyed by."""

_OTHERS = {b"BZh": "a bzip2 archive", b"\x1f\x8b": "a gzip archive", b"\x89HDF": "an HDF5 file", b"robbench": "a store"}
_PUBLISHED_NAME = re.compile(r"arch-(\d{6})-seed-(\d{1,10})\.")


@dataclass(frozen=True, eq=False)
class Entry:
    """The weights of one network in a file."""

    path: Path
    sha256: str
    """Of the whole file."""
    keys: tuple[str, ...]
    """Of the containers that lead to it."""
    names: tuple[str, ...]
    """Of its tensors."""
    arch: str | None = None
    """What the file says of it, if it does."""
    index: int | None = None
    seed: int | None = None
    kept: Kept | None = None
    """Where a build kept the file, all of it but the tensors."""

    def __str__(self) -> str:
        return "/".join((str(self.path), *self.keys))

    @property
    def says_normalisation(self) -> bool:
        """Whether the normalisation of images is among the tensors, as it is in ours."""
        return not published.is_published(self.names)

    def tensors(self) -> dict[str, Tensor]:
        """The weights, read again from the file: many of them need not be in memory at once.

        Raises:
            WeightsError: as `read`; or the file is another than it was.
        """
        if _sha256(self.path) != self.sha256:
            raise WeightsError(f"{self.path} has changed since it was looked into; run again when nobody writes it.")
        if self.kept is not None:
            return kept.read(self.path).tensors
        return next(tensors for keys, tensors, _ in _state_dicts(_load(self.path), {}) if keys == self.keys)


def read(path: Path) -> list[Entry]:
    """All weights in a file.

    Raises:
        WeightsError: no such file, or one that is empty, cut short, damaged, without weights, or of more than tensors and plain containers.
    """
    head = _head(path)
    if zipfile.is_zipfile(path) and kept.is_kept(path):
        mine = kept.read(path)
        return [Entry(path, _sha256(path), (), tuple(mine.tensors), mine.about.arch, None, mine.about.seed, mine._replace(tensors={}))]
    if other := next((kind for start, kind in _OTHERS.items() if head.startswith(start)), None):
        raise WeightsError(f"{path} is {other}; expected a file that torch.save wrote, or weights that a build kept. Unpack it first.")
    named = _PUBLISHED_NAME.match(path.name)
    said = {"index": int(named[1]), "seed": int(named[2])} if named else {}
    content = _load(path)
    found, sha256, size = list(_state_dicts(content, said)), _sha256(path), path.stat().st_size
    if not found:
        held = (
            f"its keys are {', '.join(map(repr, list(content)[:5]))}" if isinstance(content, Mapping) else f"it is {type(content).__name__}"
        )
        raise WeightsError(f"{path} holds no network's weights ({held}); expected a state_dict with stem.0.weight, …, classifier.weight.")
    for _, tensors, _ in found:
        if sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()) > size:
            raise WeightsError(
                f"{path} says that its tensors are larger than the file is ({size} bytes); it is damaged, or made to mislead."
            )
    return [Entry(path, sha256, keys, tuple(tensors), **about) for keys, tensors, about in found]


def chosen(entries: Sequence[Entry], dataset: str, wanted: Sequence[str] = ()) -> list[Entry]:
    """The entries of a file that are meant: of the data set, where the file tells data sets apart, and one a seed.

    Arguments:
        entries: of one file.
        dataset: the name of the data set.
        wanted: keys, all of which must lead to the entry.

    Raises:
        WeightsError: none is meant, or several of one seed are.
    """
    fitting = [entry for entry in entries if set(wanted) <= set(entry.keys)]
    others = set(PUBLISHED_FOR) - {dataset, *wanted}
    mine = [entry for entry in fitting if dataset in entry.keys] or [entry for entry in fitting if not others & set(entry.keys)]
    seeds = [entry.seed for entry in mine]
    if mine and (len(mine) == 1 or (None not in seeds and len(set(seeds)) == len(seeds))):
        return mine
    said = "several networks" if mine else "none"
    listed = ", ".join("/".join(entry.keys) or "(the file itself)" for entry in entries[:8]) + (", …" if len(entries) > 8 else "")
    raise WeightsError(f"{entries[0].path} holds {said} for {dataset}; it has {listed}. Name the keys of one with --entry.")


def _head(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise WeightsError(f"{path} is not a file; expected a checkpoint.")
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error}.") from error
    if not head:
        raise WeightsError(f"{path} is empty; fetch or copy it again.")
    return head


def _load(path: Path) -> Any:
    """What torch reads of tensors and plain containers; whatever else the file names is refused before it is touched."""
    try:
        with warnings.catch_warnings():  # torch warns of what damaged files make it do
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=_is_whole_zip(path))
    except UNREADABLE as error:
        first = str(error).partition("\n")[0].rstrip(". ")
        if isinstance(error, UnpicklingError) and "weights_only" in str(error).lower():
            named = re.search(r"GLOBAL ([\w.]+)", str(error))
            what = f"names {named[1]}" if named else "is of more than tensors and plain containers"
            raise WeightsError(f"{path} was not opened: it is a pickle that {what}, and could run code. {_way_out(path)}") from error
        raise WeightsError(f"{path} is cut short, damaged, or nothing that torch.save wrote ({first:.200}). {_way_out(path)}") from error


def _is_whole_zip(path: Path) -> bool:
    """Whether the file is of torch's zip format; raises ValueError where a member is damaged, which torch does not look for, or compressed."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise ValueError("it is compressed, and what torch.save writes is not")
        if (damaged := archive.testzip()) is not None:
            raise ValueError(f"{damaged} in it is damaged")
    return True


def _way_out(path: Path) -> str:
    return (
        "If you trust where it is from, convert it where nothing can be lost: "
        f"torch.save(torch.load({path.name!r}, weights_only=False)[KEY], {path.stem + '-weights.pth'!r}), KEY leading to the state_dict."
    )


def _state_dicts(content: Any, said: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], dict[str, Tensor], dict[str, Any]]]:
    """Every state_dict inside, with the keys that lead to it and what is said of it."""
    pending: list[tuple[tuple[str, ...], Any, dict[str, Any]]] = [((), content, said)]
    met = {id(content)}
    while pending:
        keys, here, about = pending.pop()
        if not isinstance(here, Mapping):
            continue
        if (tensors := _tensors(here)) is not None:
            yield keys, tensors, about
            continue
        about = about | _said(here)
        inner = [] if len(keys) >= DEPTH else [(key, value) for key, value in here.items() if isinstance(value, Mapping)]
        for key, value in reversed(inner):
            if id(value) not in met and len(met) < WIDTH:
                met.add(id(value))
                parts = key if isinstance(key, tuple) else (key,)
                seed = next((part for part in parts if isinstance(key, tuple) and isinstance(part, int)), None)
                pending.append(((*keys, *map(str, parts)), value, about if seed is None else about | {"seed": seed}))


def _tensors(content: Mapping[Any, Any]) -> dict[str, Tensor] | None:
    """The content as a state_dict of a network, without the prefix that data-parallel training gives; None where it is none."""
    if not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()):
        return None
    prefix = "module." if content and all(name.startswith("module.") for name in content) else ""
    tensors = {name.removeprefix(prefix): value.detach() for name, value in content.items()}
    return tensors if "classifier.weight" in tensors else None


def _said(container: Mapping[Any, Any]) -> dict[str, Any]:
    """What a container says of the weights inside it."""
    config = container.get("arch_config")
    archs = [container.get("arch_str"), config.get("arch_str") if isinstance(config, Mapping) else None]
    index, seed = (container.get(key) for key in ("arch_index", "seed"))
    said: dict[str, Any] = {"arch": next((arch for arch in archs if isinstance(arch, str)), None), "index": index, "seed": seed}
    return {key: value for key, value in said.items() if isinstance(value, str if key == "arch" else int) and not isinstance(value, bool)}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
