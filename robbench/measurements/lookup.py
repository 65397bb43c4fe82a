"""From an architecture, however it is written, to its row in a store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from numbers import Integral
from typing import NamedTuple

import numpy as np

from robbench.measurements.columns import Column
from robbench.errors import UnknownArchitecture
from robbench.measurements.metrics import Metric
from robbench.spaces.nb201.identity import class_key
from robbench.spaces.nb201 import SIZE, Cell
from robbench.store.reading import Store

Architecture = str | Cell | Sequence[str] | int
"""An arch string, a Cell, six operation names, or, in a store that carries it, the published index."""


def several(archs: Sequence[Architecture], question: str) -> Sequence[Architecture]:
    """The architectures, which may come one at a time; raises UnknownArchitecture where there is one alone, which `question` takes."""
    if isinstance(archs, list | tuple):
        return archs
    if isinstance(archs, str | bytes | Cell | Integral):
        raise UnknownArchitecture(f"{archs!r} is one architecture; {question}_many takes a sequence of them, and {question} takes one.")
    return list(archs)


class Rows(dict[Architecture, int]):
    """Architecture → row, filled as architectures are met: the first look-up parses, later ones are a dict's."""

    def __init__(self, find: Callable[[Cell], int], cell: Callable[[Architecture], Cell]) -> None:
        super().__init__()
        self._find = find
        self._cell = cell
        self.known: dict[Architecture, int] = {}
        """The same as a plain dict, through which many are looked up twice as fast."""

    def __missing__(self, arch: Architecture) -> int:
        if isinstance(arch, Integral):  # 1, 1.0 and True are one key to a dict, and not one architecture to us
            return self[self._cell(arch)]
        self[arch] = self.known[arch] = row = self._find(self._cell(arch))
        return row


class Answers(NamedTuple):
    """A question's answers for all architectures, ready to be picked from: ``values[rows[arch]]``."""

    values: list[float]
    rows: Rows
    column: Column

    @property
    def metric(self) -> Metric:
        """What was asked."""
        return self.column.question.metric


class Lookup:
    """The rows of one store, by class and by exact cell."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.rows = {"class": Rows(self._class_row, self.cell), "cell": Rows(self._cell_row, self.cell)}
        self._published: dict[int, Cell] = {}

    def cell(self, arch: Architecture) -> Cell:
        """The cell that is meant.

        Raises:
            UnknownArchitecture: malformed, of another type, or an index where the store carries none or beyond its range.
        """
        if isinstance(arch, Cell):
            return arch
        if isinstance(arch, str):
            return Cell.parse(arch)
        if isinstance(arch, Integral) and not isinstance(arch, bool | np.bool_):
            index = int(arch)
            if index not in self._published:
                self._published[index] = self._cell_of_index(index)
            return self._published[index]
        return Cell(arch)  # type: ignore[arg-type]  # which says what is wrong with anything else

    def published_index(self, cell: Cell) -> int | None:
        """The index of the cell in NAS-Bench-201; None in a store that carries no index."""
        return int(self._index[self.rows["cell"][cell]]) if self._store.has_published_index else None

    @cached_property
    def classes(self) -> tuple[Cell, ...]:
        """The representative of each class row: the cell that was evaluated, where the store knows."""
        return tuple(map(Cell.parse, self._store.class_specs()))

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """The cell of each cell row."""
        return tuple(map(Cell.parse, self._store.cell_specs()))

    def _cell_of_index(self, index: int) -> Cell:
        if not self._store.has_published_index:
            raise UnknownArchitecture(
                f"{index} cannot be looked up: {self._store.file_name} carries no published index. Name the architecture by its arch string,"
                " or import a source that brings the index (jung2023, natsbench)."
            )
        if not 0 <= index < SIZE:
            raise UnknownArchitecture(f"{index} is not a published index of NAS-Bench-201; expected an integer from 0 to {SIZE - 1}.")
        return Cell.parse(self._specs[self._row_of_index[index]])

    def _class_row(self, cell: Cell) -> int:
        row = self._class_rows.get(class_key(cell).encode())
        if row is None:
            raise UnknownArchitecture(f"{cell} is not of any class in {self._store.file_name}.")
        return row

    def _cell_row(self, cell: Cell) -> int:
        row = self._cell_rows.get(str(cell))
        if row is None:
            raise UnknownArchitecture(f"{cell} is not among the cells of {self._store.file_name}.")
        return row

    @cached_property
    def _class_rows(self) -> dict[bytes, int]:
        return {key: row for row, key in enumerate(self._store.class_keys())}

    @cached_property
    def _specs(self) -> list[str]:
        return self._store.cell_specs()

    @cached_property
    def _cell_rows(self) -> dict[str, int]:
        return {spec: row for row, spec in enumerate(self._specs)}

    @cached_property
    def _index(self) -> np.ndarray:
        return self._store.published_index()

    @cached_property
    def _row_of_index(self) -> np.ndarray:
        return np.argsort(self._index)
