"""What all importers share: opening files, naming what is wrong with them, and turning their cells into rows."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self, cast

import ijson
import numpy as np

from robbench.errors import SourceError, UnknownArchitecture
from robbench.spaces import nb201
from robbench.spaces.nb201.identity import class_partition

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

    @cached_property
    def row_of_index(self) -> np.ndarray:
        """For each published index, the cell row: ``(15625,)``."""
        if self.published_index is None:
            raise SourceError(
                "this source names architectures by published index only, and the store does not carry that index;"
                " import jung2023 or natsbench into it first."
            )
        return np.argsort(self.published_index)

    def evaluated(self, path: Path, index: str) -> int:
        """The class row of an evaluated network, named by its published index (the lowest of its class)."""
        row = self.cell_row(path, index)
        group = class_partition().group[row]
        if self._lowest_index[group] != int(index):
            raise SourceError(f"{path}: {index} is not an evaluated network; its class was evaluated as {self._lowest_index[group]}.")
        return group

    def cell_row(self, path: Path, index: str) -> int:
        """The cell row of a published index written in a file."""
        if re.fullmatch("0|[1-9][0-9]{0,4}", index) is None or int(index) >= nb201.SIZE:
            raise SourceError(f"{path}: {index!r:.80} is not a published index; expected 0 to {nb201.SIZE - 1}.")
        return int(self.row_of_index[int(index)])

    @cached_property
    def _lowest_index(self) -> np.ndarray:
        lowest = np.full(len(class_partition().keys), nb201.SIZE)
        np.minimum.at(lowest, np.array(class_partition().group)[self.row_of_index], np.arange(nb201.SIZE))
        return lowest

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
    """The lines of a text file, whose last one ends too: cut inside its last number it would have another number, and all its fields."""
    for line in file:
        if not line.endswith("\n"):
            raise SourceError(f"{path} does not end with a line break; the file is cut short. Download it again.")
        yield line


def naslib_row(path: Path, text: str) -> int:
    """The cell row of a NASLib tuple written as ``"(4, 0, 3, 1, 4, 3)"``."""
    if re.fullmatch(r"\(\d(, \d){5}\)", text) is None:
        raise SourceError(f"{path}: {text!r} is not a NASLib tuple; expected one such as '(4, 0, 3, 1, 4, 3)'.")
    try:
        return nb201.position(nb201.Cell.from_naslib([int(digit) for digit in text[1:-1].split(", ")]))
    except UnknownArchitecture as error:
        raise SourceError(f"{path}: {error}") from error


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
