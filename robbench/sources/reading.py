"""What all importers share: opening files, reading numbers, and naming what is wrong with them.

members.py   JSON, member by member
lines.py     CSV, line by line
formats.py   what a file is by its first bytes
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Self, cast

import numpy as np

from robbench.errors import SourceError
from robbench.measurements.metrics import TABLE, same_level
from robbench.sources.formats import opened
from robbench.sources.lines import Line, lines
from robbench.sources.members import DoubledKey, documents, members

if TYPE_CHECKING:
    from tqdm import tqdm

LEVELS = 1000
"""The most levels or seeds that one file may have of a metric; a store writes them into one attribute."""
ARRAY_BYTES = 1 << 30
"""The most that one array of numbers may take."""
IGNORED = 100
"""How many names of unknown fields a report keeps."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:inf|infinity|nan)", re.IGNORECASE)


class Curve(NamedTuple):
    """A field of a file that has a value for each epoch, and what it is in a store."""

    field: str
    metric: str
    measure: str
    split: str

    @property
    def is_loss(self) -> bool:
        return "loss" in self.measure


class Reading:
    """One import: the files it reads, and what it has to say about them.

    Arguments:
        path: the source's file or folder; the bar counts its bytes.
        instead: what the source's files are, for messages about files that are something else.
        progress: show a bar on stderr, where that is a terminal.
    """

    def __init__(self, path: Path, *, instead: str = "a published text file", progress: bool = False) -> None:
        self.absent: list[str] = []
        self.unreadable: list[str] = []
        """What is wrong with files that an import does without, a sentence each."""
        self.sentinels: dict[str, int] = defaultdict(int)
        self.ignored: set[str] = set()
        self.published_index: np.ndarray | None = None
        self.instead = instead
        self._bar: tqdm[Any] | None = None
        self._shown: set[Path] = set()
        if progress:
            from tqdm import tqdm

            files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
            total = sum(file.stat().st_size for file in files)
            self._bar = tqdm(total=total, unit="B", unit_scale=True, desc=path.name, disable=None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def members(self, path: Path, depth: int, *, skip: int = 0) -> Iterator[tuple[tuple[str, ...], Any]]:
        """The members of a JSON file's objects that are `depth` objects deep, each with its keys from the top; see `members.members`.

        Arguments:
            path: the file.
            depth: how many objects deep.
            skip: bytes to leave out at the start.
        """
        with self._open(path) as file:
            file.read(skip)
            found = members(file, depth)
            while True:
                try:
                    member = next(found, None)
                except DoubledKey as error:
                    raise SourceError(f"{path}: {error}.") from error
                except ValueError as error:
                    raise SourceError(f"{path} is not whole, valid JSON: {error}. Download it again, or ask whoever made it.") from error
                if member is None:
                    return
                yield member

    def documents(self, path: Path) -> Iterator[tuple[int, Any]]:
        """The values of a JSON Lines file, each with the number of its line; see `members.documents`."""
        with self._open(path) as file:
            found = documents(file)
            while True:
                try:
                    document = next(found, None)
                except ValueError as error:
                    raise SourceError(
                        f"{path} is not whole, valid JSON Lines: {error}. Download it again, or ask whoever made it."
                    ) from error
                if document is None:
                    return
                yield document

    def begins_with(self, path: Path, prefix: bytes) -> bool:
        """Whether these are the first bytes of a file."""
        with self._open(path, shown=False) as file:
            return file.read(len(prefix)) == prefix

    def lines(self, path: Path, columns: set[str]) -> Iterator[Line]:
        """The rows of a CSV file that has at least these columns, each with its line number; see `lines.lines`."""
        with self._open(path) as file:
            yield from lines(path, file, columns)

    def records(self, path: Path, columns: set[str]) -> Iterator[dict[str, str]]:
        """The rows of a CSV file that has at least these columns."""
        return (line.fields for line in self.lines(path, columns))

    def ignore(self, field: str) -> None:
        """Keep the name of a field that is no metric, for the report."""
        if len(self.ignored) < IGNORED:
            self.ignored.add(f"{field:.80}")

    @contextmanager
    def _open(self, path: Path, *, shown: bool = True) -> Iterator[BinaryIO]:
        """The file, whose bytes the bar counts the first time that it is opened."""
        try:
            with opened(path, self.instead) as file:
                if self._bar is None or not shown or path in self._shown:
                    yield file
                else:
                    from tqdm.utils import CallbackIOWrapper

                    self._shown.add(path)
                    yield cast(BinaryIO, CallbackIOWrapper(self._bar.update, file, "read"))
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {error}.") from error


def number(path: Path, where: str, value: object, *, sentinels: tuple[float, ...] = ()) -> float:
    """A finite number of a file, as JSON or CSV has it; NaN where it is one of the sentinels by which the source says "missing".

    A text is a number as CSV files have it, without what Python takes besides: ``8_5``, other alphabets' digits, spaces around it.
    """
    result = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):
            result = float(value)
    elif isinstance(value, str) and _NUMBER.fullmatch(value):
        result = float(value)
    if result in sentinels:
        return math.nan
    if not math.isfinite(result):
        raise SourceError(f"{path}: {where} is {shown(value)}; expected a number.")
    return result


def fraction(path: Path, where: str, value: object, *, percent: bool = False) -> float:
    """An accuracy of a file, as a fraction in [0, 1]."""
    result = number(path, where, value) / (100 if percent else 1)
    if not 0 <= result <= 1:
        raise SourceError(
            f"{path}: {where} is {shown(value)}; expected an accuracy, {'0 to 100 percent' if percent else 'a fraction in [0, 1]'}."
        )
    return result


def is_value(name: str) -> bool:
    """Whether a field's name is that of a proxy or a cost, so a number of a network that need not have been trained."""
    return name in TABLE and TABLE[name].kind in ("proxy", "cost")


def quantity(path: Path, where: str, metric: str, value: object, *, sentinels: tuple[float, ...] = ()) -> float:
    """A proxy or a cost of a file, or NaN where it is a sentinel; what has a unit, as a latency, cannot be negative."""
    result = number(path, where, value, sentinels=sentinels)
    unit = TABLE[metric].unit
    if unit == "fraction" and not math.isnan(result):
        return fraction(path, where, value)
    if unit != "1" and result < 0:
        missing = f", or {' or '.join(f'{one:g}' for one in sentinels)} for what is missing" if sentinels else ""
        raise SourceError(f"{path}: {where} is {shown(value)}; expected at least 0 (its unit is {unit}){missing}.")
    return result


def checked_levels(path: Path, where: str, levels: Sequence[float]) -> list[float]:
    """The eps of an attack, in units of images in [0, 1], once it is sure that they are a grid: not too many, each in [0, 1], no two the same.

    Raises:
        SourceError: they are not.
    """
    if len(levels) > LEVELS:
        raise SourceError(f"{path}: {where} has {len(levels)} levels; expected {LEVELS} at the most.")
    for level in levels:
        if not 0 <= level <= 1:
            raise SourceError(f"{path}: {where} has the eps {level * 255:g}/255; expected 0 to 255/255, since images are in [0, 1].")
    for one, other in pairwise(sorted(levels)):
        if same_level(one, other):
            raise SourceError(f"{path}: {where} has the eps {one * 255:.9g}/255 twice; expected every level once.")
    return list(levels)


def filled(path: Path, where: str, shape: Sequence[int], most: int = ARRAY_BYTES) -> np.ndarray:
    """An array of floats in which nothing was measured yet; raises SourceError as `check_size` does."""
    check_size(path, where, shape, np.float64, most)
    return np.full(tuple(shape), np.nan)


def check_size(path: Path, where: str, shape: Sequence[int], dtype: Any, most: int) -> None:
    """Raise SourceError where an array would be larger than any published one."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size > most:
        raise SourceError(
            f"{path}: {where} would take {size / 2**20:.0f} MiB, as values of shape {tuple(shape)}; expected {most >> 20} at the most."
        )


def shown(value: object) -> str:
    """A value in a message: its beginning, where it is long."""
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:120]}…"
