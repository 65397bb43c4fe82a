"""Which architectures are built: classes of a search space, or those that someone names, in a list or a file."""

from __future__ import annotations

import base64
import csv
import zlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from robbench_builders.errors import BuildError
from robbench.errors import UnknownArchitecture
from robbench.spaces import Groups, SearchSpace, parse, space_named

LARGEST = 1 << 26
"""Bytes of a file of architectures."""
COLUMN = "arch"


def class_count(space: str) -> int:
    """How many classes a search space has: of NAS-Bench-201, 6,466.

    Raises:
        UnknownSpace: there is no such space.
        BuildError: its architectures are too many to list.
    """
    return len(classes_of(space_named(space)).keys)


@cache
def classes_of(space: SearchSpace[Any]) -> Groups:
    """A space's architectures, sorted into classes; raises BuildError where they are too many to list."""
    return Groups.of(space.key(arch) for arch in members_of(space))


def members_of(space: SearchSpace[Any]) -> tuple[Any, ...]:
    """All architectures of a space; raises BuildError where they are too many to list."""
    if space.members is None:
        raise BuildError(
            f"{space.title} has too many architectures to draw classes from; expected a search space whose architectures can be listed,"
            " or the architectures to build."
        )
    return space.members


def checked_archs(space: SearchSpace[Any], given: Iterable[Any]) -> tuple[str, ...]:
    """The specs of architectures, each of another class: a store has one row for all of a class.

    Raises:
        BuildError: there are none, or two of one class.
        UnknownArchitecture: one is none of the space's.
    """
    parsed = [parse(space, arch) for arch in given]
    if not parsed:
        raise BuildError("there are no architectures; expected at least one, or a number of classes.")
    first: dict[str, Any] = {}
    for arch in parsed:
        if (before := first.setdefault(space.key(arch), arch)) is not arch:
            same = "twice" if before == arch else f"and so is {before}, which is the same architecture: stores have one row for both"
            raise BuildError(f"{arch} is to be built {same}; leave one out.")
    return tuple(map(str, parsed))


def packed(archs: Iterable[str]) -> str:
    """Specs as one short text, for a store, which says its plan in every array: some five bytes an architecture."""
    return base64.b64encode(zlib.compress("\n".join(archs).encode(), 9)).decode()


def unpacked(text: str) -> tuple[str, ...]:
    """The specs of a `packed` text.

    Raises:
        BuildError: it is none.
    """
    try:
        inflating = zlib.decompressobj()
        specs = inflating.decompress(base64.b64decode(text, validate=True), LARGEST).decode()
    except (ValueError, zlib.error) as error:
        raise BuildError(f"{text[:20]!r} is no list of architectures: {error}.") from error
    if not inflating.eof:
        raise BuildError(f"{text[:20]!r} is no list of architectures: it is cut short, or too long.")
    return tuple(specs.split("\n"))


def read_archs(path: Path, space: str) -> tuple[str, ...]:
    """The architectures in a file: one a line, or in the column ``arch`` of a CSV file, such as those that `robbench table` and `search` write.

    Raises:
        BuildError: there is no such file, it has no such column, no architectures, or one twice.
        UnknownArchitecture: a line is none of the space's; says which.
    """
    found: dict[str, int] = {}
    for line, text in _lines(path):
        try:
            arch = str(parse(space_named(space), text))
        except UnknownArchitecture as error:
            raise UnknownArchitecture(f"{path}, line {line}: {error}") from error
        if arch in found:
            raise BuildError(f"{path} has {arch} twice, in lines {found[arch]} and {line}; leave one out.")
        found[arch] = line
    if not found:
        raise BuildError(f"{path} has no architectures; expected one a line.")
    return tuple(found)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of each architecture."""
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            raise BuildError(f"{path} is not a file of at most {LARGEST} bytes; expected architectures, one a line, or CSV.")
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix != ".csv":
                yield from ((line, text.strip()) for line, text in enumerate(file, 1) if text.strip() and not text.startswith("#"))
                return
            reader = csv.DictReader(file)
            if COLUMN not in (reader.fieldnames or ()):
                raise BuildError(f"{path} has no column {COLUMN!r}; it has {', '.join(reader.fieldnames or ('none',))}.")
            yield from ((reader.line_num, row[COLUMN] or "") for row in reader)
    except (OSError, ValueError, csv.Error) as error:
        raise BuildError(f"{path} cannot be read as text: {error}.") from error
