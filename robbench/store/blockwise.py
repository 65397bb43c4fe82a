"""Arrays that may be too large for memory: rows are made, read and written a block at a time."""

from __future__ import annotations

import math
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Blocks:
    """An array that is made when it is asked for, some rows at a time; an array of numpy's can stand wherever one is expected."""

    shape: tuple[int, ...]
    """``(rows, …)``."""
    dtype: np.dtype[Any]
    read: Callable[[slice], np.ndarray]
    """The rows of a slice that has no step; asked for in order, and maybe more than once."""

    def __getitem__(self, rows: slice) -> np.ndarray:
        return self.read(rows)

    @property
    def ndim(self) -> int:
        """Of the array."""
        return len(self.shape)

    def slices(self) -> Iterator[slice]:
        """All rows, some at a time: `rows_of_a_block`."""
        step = rows_of_a_block(self.shape, self.dtype)
        return (slice(start, min(start + step, self.shape[0])) for start in range(0, self.shape[0], step))

    def mapped(self, function: Callable[[np.ndarray], Any], dtype: np.dtype[Any]) -> Blocks:
        """What a function makes of each block: an array of its shape, and of this type."""
        return Blocks(self.shape, dtype, lambda rows: function(self.read(rows)))


def rows_of_a_block(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """How many rows come to about `BLOCK_BYTES`; at least one."""
    return max(1, min(shape[0], BLOCK_BYTES // (dtype.itemsize * math.prod(shape[1:]))))


def placed(values: np.ndarray | Blocks, place: np.ndarray, rows: int, missing: Any) -> Blocks:
    """An array over other rows.

    Arguments:
        values: ``(n, …)``.
        place: ``(n,)``, integers: where each of its rows goes.
        rows: how many rows there are to be.
        missing: what stands in the others; of outcomes, bytes, they are masked.
    """
    origin = np.full(rows, -1)
    origin[place] = np.arange(len(place))

    def read(block: slice) -> np.ndarray:
        wanted = origin[block]
        found: np.ndarray = np.full((len(wanted), *values.shape[1:]), missing, values.dtype)
        if values.dtype == np.uint8:
            found = np.ma.masked_array(found, True)
        at = np.flatnonzero(wanted >= 0)
        if isinstance(values, np.ndarray):
            found[at] = values[wanted[at]]
            return found
        for run in np.split(
            at, np.flatnonzero((np.diff(at) != 1) | (np.diff(wanted[at]) != 1)) + 1
        ):  # rows that stand together, here and there
            if len(run):
                found[run] = values[slice(int(wanted[run[0]]), int(wanted[run[-1]]) + 1)]
        return found

    return Blocks((rows, *values.shape[1:]), values.dtype, read)


def spread(values: np.ndarray | Blocks, axis: int, place: Sequence[int], size: int, missing: Any) -> Blocks:
    """An array with more points on one of the axes after its rows.

    Arguments:
        values: ``(rows, …)``.
        axis: which.
        place: where each of its points goes.
        size: how many points there are to be.
        missing: what stands at the others; of outcomes, bytes, they are masked.
    """
    at: tuple[Any, ...] = (*[slice(None)] * axis, list(place))

    def read(block: slice) -> np.ndarray:
        given = values[block]
        found: np.ndarray = np.full((*given.shape[:axis], size, *given.shape[axis + 1 :]), missing, values.dtype)
        if values.dtype == np.uint8:
            found = np.ma.masked_array(found, True)
        found[at] = given
        return found

    return Blocks((*values.shape[:axis], size, *values.shape[axis + 1 :]), values.dtype, read)


class OnDisk:
    """Rows that come in any order, kept in a temporary file, which has no name and is gone when this is.

    Arguments:
        shape: ``(rows, …)``.
        dtype: of the values.
        missing: what stands in the rows that never came.
    """

    def __init__(self, shape: tuple[int, ...], dtype: Any, missing: Any) -> None:
        self.shape, self.dtype, self._missing = shape, np.dtype(dtype), missing
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as this is there
        weakref.finalize(self, self._file.close)
        self._place: dict[int, int] = {}
        """Row → its number in the file."""

    def __setitem__(self, row: int, values: np.ndarray) -> None:
        place = self._place.setdefault(row, len(self._place))
        content = np.ascontiguousarray(values, self.dtype).tobytes()
        self._file.seek(place * len(content))
        self._file.write(content)

    def blocks(self) -> Blocks:
        """All of it."""
        return Blocks(self.shape, self.dtype, self._read)

    def _read(self, rows: slice) -> np.ndarray:
        numbers = range(*rows.indices(self.shape[0]))
        found = np.full((len(numbers), *self.shape[1:]), self._missing, self.dtype)
        for at, row in enumerate(numbers):
            if row in self._place:
                self._file.seek(self._place[row] * found[at].nbytes)
                found[at] = np.frombuffer(self._file.read(found[at].nbytes), self.dtype).reshape(self.shape[1:])
        return found
