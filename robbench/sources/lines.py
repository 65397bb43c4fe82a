"""CSV files read line by line, in memory that does not grow with the file, and strictly."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, TextIO

from robbench.errors import SourceError

RECORD_CHARACTERS = 1 << 20
"""The longest row."""
BLANKS = 1000
"""The most blank lines in a row: a sparse file of any size is soon done with."""


class Line(NamedTuple):
    """One row of a CSV file."""

    number: int
    """Of its last line in the file, from 1."""
    fields: dict[str, str]


def lines(path: Path, file: BinaryIO, columns: set[str]) -> Iterator[Line]:
    """The rows of a CSV file in UTF-8, with a header that has at least these columns.

    Raises:
        SourceError: a column is missing, or there twice; a row has too few fields, or too many; a line is without end; or it is no CSV file.
    """
    with io.TextIOWrapper(file, "utf-8-sig", newline="") as text:  # a spreadsheet begins its files with a byte order mark
        whole = _WholeLines(path, text)
        rows = csv.reader(whole, strict=True)
        try:
            header = next(rows, [])
            _check_header(path, header, columns)
            whole.begin_record()
            for row in rows:
                whole.begin_record()
                if not row:
                    continue
                if len(row) != len(header):
                    raise SourceError(f"{path}, line {rows.line_num}, does not have one field for each column; the file is cut short.")
                yield Line(rows.line_num, dict(zip(header, row, strict=True)))
        except (UnicodeDecodeError, csv.Error) as error:
            raise SourceError(f"{path} is not a CSV file in UTF-8: {error}. Download it again.") from error


def _check_header(path: Path, header: list[str], columns: set[str]) -> None:
    if not columns <= set(header):
        raise SourceError(f"{path} has the columns {', '.join(header)[:1000] or '(none)'}; expected {', '.join(sorted(columns))}.")
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise SourceError(f"{path} has the column {twice[0]!r:.80} twice; expected each once.")


class _WholeLines:
    """The lines of a text file.  One without a final newline is refused: a truncated number would still parse."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self._path, self._file = path, file
        self._taken, self._blank = 0, 0

    def begin_record(self) -> None:
        self._taken = 0

    def __iter__(self) -> _WholeLines:
        return self

    def __next__(self) -> str:
        line = self._file.readline(RECORD_CHARACTERS)
        if not line:
            raise StopIteration
        self._taken += len(line)
        if self._taken >= RECORD_CHARACTERS:
            raise SourceError(f"{self._path} is not a CSV file of measurements: it has a row of more than {RECORD_CHARACTERS} characters.")
        if not line.endswith("\n"):
            raise SourceError(f"{self._path} does not end with a line break; the file is cut short. Download it again.")
        self._blank = self._blank + 1 if line in ("\n", "\r\n") else 0
        if self._blank > BLANKS:
            raise SourceError(f"{self._path} is not a CSV file of measurements: it has more than {BLANKS} blank lines one after another.")
        return line
