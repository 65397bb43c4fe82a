"""How sources of NAS-Bench-201 name cells: by published index, or by NASLib's tuple."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

import numpy as np

from robbench.errors import SourceError, UnknownArchitecture
from robbench.sources.reading import Reading, shown
from robbench.spaces.nb201.cell import SIZE, Cell, position
from robbench.spaces.nb201.identity import class_partition


class CellReading(Reading):
    """One import of a source whose files name cells by their published index."""

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
        published = published_index(index)
        if published is None:
            raise SourceError(f"{path}: {shown(index)} is not a published index; expected 0 to {SIZE - 1}.")
        return int(self.row_of_index[published])

    @cached_property
    def _lowest_index(self) -> np.ndarray:
        lowest = np.full(len(class_partition().keys), SIZE)
        np.minimum.at(lowest, np.array(class_partition().group)[self.row_of_index], np.arange(SIZE))
        return lowest


def published_index(text: str) -> int | None:
    """The published index that a text is, in its one spelling; None where it is none."""
    return int(text) if re.fullmatch("0|[1-9][0-9]{0,4}", text) and int(text) < SIZE else None


def naslib_row(path: Path, text: str) -> int:
    """The cell row of a NASLib tuple written as ``"(4, 0, 3, 1, 4, 3)"``."""
    if re.fullmatch(r"\([0-9](, [0-9]){5}\)", text) is None:
        raise SourceError(f"{path}: {shown(text)} is not a NASLib tuple; expected one such as '(4, 0, 3, 1, 4, 3)'.")
    try:
        return position(Cell.from_naslib([int(digit) for digit in text[1:-1].split(", ")]))
    except UnknownArchitecture as error:
        raise SourceError(f"{path}: {error}") from error
