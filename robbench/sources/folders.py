"""A folder of published files, imported whole: what each file is, in an order that works, into one store.

Sources that number architectures come first: others name them by number only.  A store is of one search space; files of another space go into a store beside
it, NAME-SPACE.h5.  Two versions of one source that contradict each other are both kept, the later one under the name of its file as training.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from robbench.arguments import options_checked
from robbench.errors import Contradiction, RobBenchError, SourceError, StoreError
from robbench.sources import SOURCES, Report, import_source
from robbench.sources.archives import dataset_of, unpack
from robbench.sources.fetching import digest_of
from robbench.sources.jung2023 import DATASETS
from robbench.sources.recognising import Recognised, recognised
from robbench.spaces import SearchSpace
from robbench.store import Store


class Outcome(NamedTuple):
    """What became of one file, or of one folder."""

    path: Path
    source: str | None
    into: Path | None
    """The store; None where nothing was imported."""
    report: Report | None
    training: str | None
    """The name under which it is kept apart, where it contradicts what the store holds."""
    why: str
    """Why nothing was imported, in sentences; empty where it was, and where the file is nothing that is known."""


@options_checked
def import_folder(
    folder: str | os.PathLike[str],
    into: str | os.PathLike[str],
    *,
    only: Collection[str] | None = None,
    training: str | None = None,
    progress: bool = False,
) -> Iterator[Outcome]:
    """Find out what the files in a folder are, and import all that are known; each of them whole, or not at all.

    Arguments:
        folder: looked into with all its folders; nothing in it is changed.
        into: the store, which is made or extended.
        only: the sources to import; all, if left out.
        training: as for `import_source`, of every file.
        progress: show bars on stderr.

    Yields:
        What became of each file, in the order of the imports; what is not known comes first.

    Raises:
        SourceError: the folder is not there, or holds nothing that is known.
        StoreError: the store cannot be read or written, or is of another search space.
    """
    folder, into = Path(folder), Path(into)
    if not folder.is_dir():
        raise SourceError(f"{folder} is not a folder; expected one with published files, such as the cache of `robbench fetch`.")
    with TemporaryDirectory(prefix="robbench-") as room:
        found = list(_looked_through(folder, progress))
        yield from (Outcome(one.path, None, None, None, None, one.why) for one in found if one.source is None)
        wanted = [name for name in SOURCES if only is None or name in only]
        known = [one for one in found if one.source in wanted]
        if "jung2023" in wanted:
            for unpacked in _unpacked(found, Path(room, "jung2023")):
                if isinstance(unpacked, Outcome):
                    yield unpacked
                else:
                    known.append(unpacked)
        if not known:
            raise SourceError(f"{folder} holds no published file of {', '.join(wanted)}; `robbench fetch list` names them.")
        stores = _Stores(into)
        for origin, one in _in_order(_once(known), Path(room)):
            yield _imported(origin, one, stores.of(SOURCES[str(one.source)].space), training, progress)


def _looked_through(folder: Path, progress: bool) -> Iterable[Recognised]:
    """All that is in a folder, with a bar that counts it."""
    from tqdm import tqdm

    return tqdm(recognised(folder), desc=f"looking through {folder.name}", unit=" files", disable=None if progress else True, leave=False)


def _imported(origin: Path, one: Recognised, into: Path, training: str | None, progress: bool) -> Outcome:
    """Import one file; what contradicts the store is kept apart, under the name of its file."""
    source, apart = str(one.source), None
    try:
        try:
            report = import_source(source, one.path, into, training=training, progress=progress)
        except Contradiction:
            if training is not None:
                raise
            apart = one.name
            report = import_source(source, one.path, into, training=apart, progress=progress)
    except StoreError:  # nothing else would get into the store either
        raise
    except RobBenchError as error:
        return Outcome(origin, source, None, None, None, str(error).replace(str(one.path), str(origin)))
    return Outcome(origin, source, into, report, apart, "")


def _unpacked(found: list[Recognised], room: Path) -> Iterator[Recognised | Outcome]:
    """The folder of what archives hold, if none is unpacked already; and what became of those that are not read."""
    archives = [one.path for one in found if one.source == "archive"]
    there = next((one.path for one in found if one.source == "jung2023"), None)
    for path in archives:
        if there is None:
            try:
                unpack(path, room)
            except SourceError as error:
                yield Outcome(path, "jung2023", None, None, None, str(error))
            except OSError as error:
                why = f"{path} cannot be unpacked in {room.parent}: {error.strerror}. Unpack it beside itself, or name a roomier TMPDIR."
                yield Outcome(path, "jung2023", None, None, None, why)
        elif dataset_of(path) != "meta" and not (there / dataset_of(path)).is_dir():
            why = f"{path} is not unpacked, and others are; unpack it into {there}, as {dataset_of(path)}."
            yield Outcome(path, "jung2023", None, None, None, why)
    if (room / "meta.json").is_file():
        yield Recognised(room, "jung2023", room.name, origin=archives[0].parent)
    elif archives and there is None and not any(dataset_of(path) == "meta" for path in archives):
        why = f"{archives[0].parent} has archives of jung2023 without meta.zip, which says which architecture each index is; put it beside them."
        yield Outcome(archives[0].parent, "jung2023", None, None, None, why)


def _once(known: Iterable[Recognised]) -> list[Recognised]:
    """Each file once, however many copies of it there are."""
    seen: dict[tuple[str | None, str], Recognised] = {}
    for one in known:
        seen.setdefault((one.source, str(one.path) if one.path.is_dir() else digest_of(one.path, "sha256")), one)
    return list(seen.values())


def _in_order(known: list[Recognised], room: Path) -> Iterator[tuple[Path, Recognised]]:
    """Where each is, and how it is read: sources as `SOURCES` has them, tables before the earlier JSON, cifar10 first, under the name that its importer reads."""
    ranks = {name: rank for rank, name in enumerate(SOURCES)}

    def rank(one: Recognised) -> tuple[int, bool, int, str]:
        dataset = next((place for place, name in enumerate(DATASETS) if f"_{name}." in one.name), len(DATASETS))
        return ranks[str(one.source)], one.name.endswith(".json"), dataset, one.name

    parts = {name for name, source in SOURCES.items() if source.is_folder}  # files of one of these are parts of one table
    for number, (together, found) in enumerate(
        groupby(sorted(known, key=rank), lambda one: one.source if one.source in parts and not one.path.is_dir() else one)
    ):
        files = list(found)
        if isinstance(together, str):
            yield files[0].path.parent, files[0]._replace(path=_linked(files, room / str(number)))
            continue
        (one,) = files
        yield one.origin or one.path, one if one.path.name == one.name else one._replace(path=_linked([one], room / str(number)) / one.name)


def _linked(files: list[Recognised], folder: Path) -> Path:
    """A folder in which files have the names that their importer reads."""
    folder.mkdir()
    for one in files:
        (folder / one.name).symlink_to(one.path.absolute())
    return folder


class _Stores:
    """The store of each search space: the one that was named, of the first that comes or that it holds; others beside it."""

    def __init__(self, into: Path) -> None:
        self._into = into
        self._home: str | None = None
        if into.exists():
            with Store(into) as store:
                self._home = store.space.name

    def of(self, space: SearchSpace[object]) -> Path:
        """Where architectures of a space go."""
        self._home = self._home or space.name
        return self._into if space.name == self._home else self._into.with_stem(f"{self._into.stem}-{space.name}")
