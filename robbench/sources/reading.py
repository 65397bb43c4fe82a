"""What all importers share: opening files, reading numbers, and naming what is wrong with them."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self, cast

import ijson
import numpy as np

from robbench.errors import SourceError

if TYPE_CHECKING:
    from tqdm import tqdm


class Reading:
    """One import: the files it reads, and what it has to say about them.

    Arguments:
        path: the source's file or folder; the bar counts its bytes.
        progress: show a bar on stderr, where that is a terminal.
    """

    def __init__(self, path: Path, *, progress: bool = False) -> None:
        self.absent: list[str] = []
        self.sentinels: dict[str, int] = defaultdict(int)
        self.ignored: set[str] = set()
        self.published_index: np.ndarray | None = None
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

    def document(self, path: Path, *, skip: int = 0) -> dict[str, Any]:
        """The object that a JSON file holds, whole; NaN and Infinity are understood.

        Arguments:
            path: the file.
            skip: bytes to leave out at the start.
        """
        with self._open(path) as file:
            try:
                found = json.loads(file.read()[skip:], object_pairs_hook=_unique)
            except (ValueError, RecursionError) as error:
                raise SourceError(f"{path} is not whole, valid JSON: {error}. Download it again.") from error
        if not isinstance(found, dict):
            raise SourceError(f"{path} holds a {type(found).__name__}; expected an object.")
        return found

    def items(self, path: Path, prefix: str) -> Iterator[tuple[str, Any]]:
        """The members of one object of a JSON file, read one by one, so that a file of any size fits in memory.

        Arguments:
            path: the file.
            prefix: where the object stands: its keys from the top, joined by dots.
        """
        with self._open(path) as file:
            try:
                yield from ijson.kvitems(file, prefix, use_float=True)
            except ijson.JSONError as error:
                raise SourceError(f"{path} is not whole, valid JSON: {' '.join(str(error).split())}. Download it again.") from error

    def begins_with(self, path: Path, prefix: bytes) -> bool:
        """Whether these are the first bytes of a file."""
        with self._open(path, shown=False) as file:
            return file.read(len(prefix)) == prefix

    def records(self, path: Path, columns: set[str]) -> Iterator[dict[str, str]]:
        """The rows of a CSV file that has at least these columns."""
        with self._open(path) as file, io.TextIOWrapper(file, "utf-8", newline="") as text:
            reader = csv.DictReader(_whole_lines(path, text))
            try:
                if not columns <= set(reader.fieldnames or ()):
                    raise SourceError(
                        f"{path} has the columns {', '.join(reader.fieldnames or ['(none)'])}; expected {', '.join(sorted(columns))}."
                    )
                for record in reader:
                    if None in record or None in record.values():
                        raise SourceError(
                            f"{path}, line {reader.line_num}, does not have one field for each column; the file is cut short."
                        )
                    yield record
            except (UnicodeDecodeError, csv.Error) as error:
                raise SourceError(f"{path} is not a CSV file in UTF-8: {error}. Download it again.") from error

    @contextmanager
    def _open(self, path: Path, *, shown: bool = True) -> Iterator[BinaryIO]:
        """The file, whose bytes the bar counts the first time that it is opened."""
        try:
            with path.open("rb") as file:
                if self._bar is None or not shown or path in self._shown:
                    yield file
                else:
                    from tqdm.utils import CallbackIOWrapper

                    self._shown.add(path)
                    yield cast(BinaryIO, CallbackIOWrapper(self._bar.update, file, "read"))
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {error}.") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, each of whose keys is there once."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{next(key for key in keys if keys.count(key) > 1)!r} is there twice")
    return found


def _whole_lines(path: Path, file: Iterable[str]) -> Iterator[str]:
    """The lines of a text file.  One without a final newline is refused: a truncated number would still parse."""
    for line in file:
        if not line.endswith("\n"):
            raise SourceError(f"{path} does not end with a line break; the file is cut short. Download it again.")
        yield line


def number(path: Path, where: str, value: object, *, sentinels: tuple[float, ...] = ()) -> float:
    """A finite number of a file, as JSON or CSV has it; NaN where it is one of the sentinels by which the source says "missing"."""
    try:
        result = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        result = math.nan
    if result in sentinels:
        return math.nan
    if not math.isfinite(result):
        raise SourceError(f"{path}: {where} is {value!r}; expected a number.")
    return result


def fraction(path: Path, where: str, value: object, *, percent: bool = False) -> float:
    """An accuracy of a file, as a fraction in [0, 1]."""
    result = number(path, where, value) / (100 if percent else 1)
    if not 0 <= result <= 1:
        raise SourceError(
            f"{path}: {where} is {value!r}; expected an accuracy, {'0 to 100 percent' if percent else 'a fraction in [0, 1]'}."
        )
    return result
