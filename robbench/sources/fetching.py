"""Published files, fetched into a cache: each checked before it has its name, and kept.

for found in fetch_each(["natsbench", "hwnasbench"]):
    print(found)

The cache has a folder a source, and in each

    NAME                 a file that was checked
    NAME.part            what has come so far of one that has not come whole
    NAME.unexpected      one that is not what was expected: kept for whoever wants to look, and never imported
    seen.json            for each file its size and SHA-256, when it first came; later ones are compared with it where no checksum is published
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from robbench.arguments import nearest, options_checked
from robbench.errors import CannotFetch, InvalidArgument, MissingLibrary, SourceError
from robbench.sources.archives import UNPACKED
from robbench.sources.downloading import DownloadError, download, page_title, session, version_path
from robbench.sources.published import PUBLISHED, File, Published
from robbench.store.atomic import replacing
from robbench.store.locking import only_writer

if TYPE_CHECKING:
    from requests import Session

ALL = "all"
SEEN = "seen.json"
_BEGINNINGS = {
    ".json": (b"{", b"[", b"acc="),
    ".zip": (b"PK\x03\x04",),
    ".gz": (b"\x1f\x8b",),
    ".txz": (b"\xfd7zXZ\x00",),
}
"""By the ending of a name, how such files begin."""
_ENDINGS = {".json": (b"}", b"]", b"};", b"}\n"), ".csv": (b"\n",)}
_BLOCK = 1 << 20


class Fetched(NamedTuple):
    """A file that is in the cache, and is what it should be."""

    name: str
    """``"hwnasbench/hw_cifar10.csv"``."""
    path: Path
    came: bool
    """Now; otherwise it was there."""
    sha256: str
    known: bool
    """Whether its checksum was known before; otherwise it was recorded, or is the one recorded when it first came."""

    def __str__(self) -> str:
        told = "its checksum is the known one" if self.known else f"sha256 {self.sha256}, recorded"
        return f"{self.name}: {'fetched' if self.came else 'was there'}; {told}"


class Failed(NamedTuple):
    """A file that is not in the cache, and why."""

    name: str
    why: str
    """In sentences, with what to do by hand."""

    def __str__(self) -> str:
        return self.why


def cache_folder(given: str | os.PathLike[str] | None = None) -> Path:
    """Where fetched files are kept: the folder given, or ROBBENCH_CACHE, or what pooch says is the place for caches on this system.

    Raises:
        MissingLibrary: neither is given, and pooch is not installed.
    """
    if given is not None or os.environ.get("ROBBENCH_CACHE"):
        return Path(given if given is not None else os.environ["ROBBENCH_CACHE"]).absolute()
    try:
        import pooch
    except ImportError as error:
        raise MissingLibrary("fetching needs pooch: pip install 'robbench[fetch]'.") from error
    return Path(pooch.os_cache("robbench"))


def chosen(names: Iterable[str]) -> dict[str, Published]:
    """The sources that names mean; ``"all"`` is every one that need not be named.

    Raises:
        InvalidArgument: there is no such source.
    """
    found: dict[str, Published] = {}
    for name in names:
        if name == ALL:
            found |= {one: published for one, published in PUBLISHED.items() if not published.named_only}
        elif name in PUBLISHED:
            found[name] = PUBLISHED[name]
        else:
            raise InvalidArgument(
                f"{name!r} is nothing to fetch.{nearest(name, PUBLISHED)} Expected {ALL}, or some of {', '.join(PUBLISHED)}."
            )
    return found


@options_checked
def fetch(names: Iterable[str], *, cache: str | os.PathLike[str] | None = None, progress: bool = False) -> list[Fetched]:
    """Published files in the cache: fetched, if they are not there yet.

    Arguments:
        names: sources of `PUBLISHED`, or ``"all"``.
        cache: the folder; see `cache_folder`.
        progress: show a bar on stderr, where that is a terminal.

    Raises:
        CannotFetch: some did not come, after all others did; the message says of each where to go by hand, and where to put it.
        InvalidArgument: there is no such source.
        MissingLibrary: pooch is not installed.
    """
    found = list(fetch_each(names, cache=cache, progress=progress))
    if failed := [one.why for one in found if isinstance(one, Failed)]:
        raise CannotFetch("\n".join(failed))
    return [one for one in found if isinstance(one, Fetched)]


def fetch_each(names: Iterable[str], *, cache: str | os.PathLike[str] | None = None, progress: bool = False) -> Iterator[Fetched | Failed]:
    """As `fetch`, one file after another, with a `Failed` in place of one that did not come."""
    folder = cache_folder(cache)
    asking = session()
    with asking:
        for published in chosen(names).values():
            for file in published.files:
                name = f"{published.folder}/{file.name}"
                try:
                    yield _fetched(asking, file, folder / published.folder, name, progress)
                except (CannotFetch, SourceError) as error:
                    yield Failed(name, str(error))


def _fetched(asking: Session, file: File, folder: Path, name: str, progress: bool) -> Fetched:
    path = folder / file.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = _present(file, path, name)  # without a lock, so that a full cache may be read-only
        if found is None:
            with only_writer(path):
                found = _present(file, path, name) or _come(asking, file, path, name, progress)
        if path.suffix in UNPACKED:
            UNPACKED[path.suffix](path, folder)
    except OSError as error:
        raise CannotFetch(
            f"{name} cannot be kept in {folder}: {error.strerror or error}. Make room there, or name another folder: --cache FOLDER, or ROBBENCH_CACHE."
        ) from error
    return found


def _present(file: File, path: Path, name: str) -> Fetched | None:
    """The file, if it is there and is what it should be; one that is not is set aside, and comes again."""
    if not path.is_file():
        return None
    try:
        return _checked(file, path, path, name, came=False)
    except CannotFetch:
        if file.address is None:
            raise
        return None


def _come(asking: Session, file: File, path: Path, name: str, progress: bool) -> Fetched:
    """Fetch a file, and give it its name once it is what it should be."""
    if file.address is None:
        raise CannotFetch(f"{name} is not at an address that a program can ask. {_by_hand(file, path)}")
    part = path.with_name(f"{path.name}.part")
    try:
        with _Bar(name, progress) as told:
            download(asking, file.address, part, told, go_on=bool(file.checksum))
    except DownloadError as error:
        raise CannotFetch(f"{name} did not come: {error}. {_by_hand(file, path)}") from error
    version_path(part).unlink(missing_ok=True)
    return _checked(file, part, path, name, came=True)


def _checked(file: File, at: Path, path: Path, name: str, *, came: bool) -> Fetched:
    """What is at a path, under its own name, if it is what the file should be.

    Raises:
        CannotFetch: it is not, and was set aside.
    """
    expected = file.checksum or f"sha256:{_seen(path).get(path.name, {}).get('sha256', '')}"
    algorithm, _, digest = expected.partition(":")
    found = {kind: digest_of(at, kind) for kind in dict.fromkeys(["sha256", algorithm])}
    why = _wrong_form(file, at)
    if why is None and digest and found[algorithm] != digest:
        told = (
            "known"
            if file.checksum
            else f"recorded when it first came (take it out of {path.with_name(SEEN)} if the authors have a newer one)"
        )
        why = f"its {algorithm} is {found[algorithm]}; expected {digest}, the one {told}"
    if why is not None:
        aside = path.with_name(f"{path.name}.unexpected")
        at.replace(aside)
        raise CannotFetch(f"{name} is not what was expected: {why}. It is kept as {aside}, and is not imported. {_by_hand(file, path)}")
    if at != path:
        at.replace(path)
    if not digest or (came and file.checksum):
        _note(path, {"sha256": found["sha256"], "size": path.stat().st_size})
    return Fetched(name, path, came, found["sha256"], bool(file.checksum))


def _wrong_form(file: File, path: Path) -> str | None:
    """What a file is that cannot be the published one, by size, beginning and end; None where it may be."""
    size = path.stat().st_size
    with path.open("rb") as opened:
        head = opened.read(1 << 14)
        opened.seek(max(0, size - 64))
        tail = opened.read()
    kind = Path(file.name).suffix
    if (title := page_title(head)) is not None:
        return f"it is a web page ({title!r})"
    if file.size is not None and size != file.size:
        return f"it has {size:,} bytes; expected {file.size:,}"
    if kind in _BEGINNINGS and not head.lstrip().startswith(_BEGINNINGS[kind]):
        return f"it begins with {head[:16]!r}, as no {kind[1:]} file does"
    if kind in _ENDINGS and not (tail if kind == ".csv" else tail.rstrip()).endswith(_ENDINGS[kind]):
        return f"it ends with {tail[-16:]!r}, so it is cut short"
    return None


def _by_hand(file: File, path: Path) -> str:
    called = f"{file.called}, and put it there as" if file.called else f"{file.name}, and put it at"
    return f"By hand: open {file.by_hand}, download {called} {path}; then run the same command again."


def digest_of(path: Path, algorithm: str) -> str:
    """The checksum of a file, in hexadecimal digits."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _seen(path: Path) -> dict[str, Any]:
    """What seen.json beside a file says; raises CannotFetch where it is damaged."""
    seen = path.with_name(SEEN)
    try:
        found = json.loads(seen.read_text("utf-8"))
        if not all(isinstance(one["sha256"], str) for one in found.values()):
            raise ValueError("a checksum is no text")
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CannotFetch(f"{seen} is damaged ({error}); remove it, and what is there is recorded anew.") from error
    return dict(found)


def _note(path: Path, what: dict[str, Any]) -> None:
    seen = path.with_name(SEEN)
    with only_writer(seen):
        noted = {**_seen(path), path.name: what}
        with replacing(seen) as file:
            file.write(json.dumps(noted, indent=1, sort_keys=True).encode())


class _Bar:
    """A bar on stderr of one file's bytes, where that is a terminal."""

    def __init__(self, name: str, shown: bool) -> None:
        self._name, self._shown = name, shown

    def __enter__(self) -> _Bar:
        from tqdm import tqdm

        self._bar = tqdm(unit="B", unit_scale=True, desc=self._name, disable=None if self._shown else True)
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def __call__(self, done: int, total: int | None) -> None:
        """So many bytes of so many are there."""
        self._bar.total = total
        self._bar.update(done - self._bar.n)
