"""Arrays of HDF5 files: where their bytes are, and how they are packed."""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from robbench.store.objects import Object
from robbench.store.structures import (
    ATTRIBUTE,
    FILTERS,
    LAYOUT,
    REFERENCE,
    SPACE,
    TEXT,
    TYPE,
    UNDEFINED,
    Cursor,
    Structures,
    shape_of,
    type_of,
)

GZIP, SHUFFLE, FLETCHER32 = 1, 2, 3
FILTERS_APPLIED = (SHUFFLE, GZIP, FLETCHER32)
"""In this order."""
_COMPACT, _CONTIGUOUS, _CHUNKED, _VIRTUAL = range(4)
_MOST_SHRUNK = 1100
"""By how much gzip shrinks at the most (1,032 times), and some room."""
_ALWAYS_FINE = 1 << 20
"""Bytes that an array may take, however few the file has of it."""
_KEPT = 8 << 20
"""Bytes of unpacked chunks that are kept for each array, so that rows asked for one by one are not unpacked from the same chunk again and again."""


class _Layout(NamedTuple):
    """Where an array's bytes are."""

    chunks: tuple[int, ...] | None
    address: int
    """Of the array, or of the tree of its chunks."""
    stored: int
    """How many bytes there are, of an array in one piece."""
    inside: bytes | None
    """The bytes themselves, where they are in the header."""


class Dataset(Object):
    """An array, of which nothing is read but its header until it is asked for.

    Raises:
        ValueError: it is in other files, assembled from other arrays, packed by other filters than gzip, shuffle and fletcher32, not of numbers or text,
            or larger than its bytes in the file can be.
    """

    _known = frozenset({ATTRIBUTE, SPACE, TYPE, LAYOUT, FILTERS})

    def __init__(self, structures: Structures, name: str, messages: list[tuple[int, bytes]]) -> None:
        super().__init__(structures, name, messages)
        self._kept: dict[tuple[int, ...], np.ndarray] = {}

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Its dimensions; none of one value."""
        return shape_of(self._only(SPACE))

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """Of its values."""
        return type_of(self._only(TYPE))

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """The shape of a chunk; None where it is in one piece."""
        return self._layout.chunks

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError(f"{self.name} is one value, and no array of them")
        return self.shape[0]

    @property
    def ndim(self) -> int:
        """How many dimensions it has."""
        return len(self.shape)

    def __getitem__(self, rows: tuple[()] | int | slice) -> Any:
        """All of it, a row, or some rows that stand together.

        Raises:
            ValueError: a chunk is missing, or does not match its checksum; or the array claims more bytes than the file explains.
        """
        self.check_size()
        if self.chunks is None:
            whole = self._in_one_piece()
            return whole if rows == () else whole[rows]
        if isinstance(rows, int | np.integer):
            if not 0 <= rows < len(self):
                raise IndexError(f"row {rows} of {len(self)}")
            return self._rows(int(rows), int(rows) + 1)[0]
        start, stop, _ = rows.indices(len(self)) if isinstance(rows, slice) else (0, len(self), 1)
        return self._rows(start, max(start, stop))

    def check(self) -> None:
        """Raise ValueError where the array's header is not as RobBench writes it, or the array is larger than its bytes in the file can be."""
        super().check()
        self.check_size()

    def check_size(self) -> None:
        """Raise ValueError where the array is larger than its bytes in the file can be."""
        size, stored, _ = self._size, self._in_file, self.filters
        most = stored if self.chunks is None else max(_ALWAYS_FINE, _MOST_SHRUNK * stored)
        if size > most or stored > self._structures.content.size:
            raise ValueError(f"it claims {size:,} bytes, of which {stored:,} are in the file")

    @cached_property
    def _size(self) -> int:
        """Bytes of the values."""
        return math.prod(self.shape) * (REFERENCE if self.dtype == TEXT else self.dtype.itemsize)

    @cached_property
    def _in_file(self) -> int:
        """Bytes of what the file has of them."""
        if self.chunks is None:
            return self._layout.stored if self._layout.inside is None else len(self._layout.inside)
        return sum(length for _, length, _ in self._index.values())

    def packed_chunks(self) -> Iterator[tuple[tuple[int, ...], int, bytes]]:
        """Where each chunk begins, which filters it skips (as bits), and its bytes as they are in the file."""
        for offset, (address, length, skipped) in self._index.items():
            yield offset, skipped, self._structures.take(address, length)

    @cached_property
    def _layout(self) -> _Layout:
        layout = self._only(LAYOUT)
        version, kind = layout.number(1), layout.number(1)
        if kind == _VIRTUAL:
            raise ValueError("it is assembled from other data sets, so it was not written by RobBench")
        if version != 3 or kind > _VIRTUAL:
            raise ValueError("its layout is of a version that RobBench does not write")
        if kind == _COMPACT:
            return _Layout(None, 0, 0, layout.take(layout.number(2)))
        if kind == _CONTIGUOUS:
            return _Layout(None, layout.number(8), layout.number(8), None)
        rank, address = layout.number(1), layout.number(8)
        *chunks, item = (layout.number(4) for _ in range(rank))
        if len(chunks) != len(self.shape) or not all(chunks) or item != self.dtype.itemsize or not chunks or self.dtype == TEXT:
            raise ValueError(f"its chunks are of the shape {tuple(chunks)}, and it is of the shape {self.shape}")
        return _Layout(tuple(chunks), address, 0, None)

    def _only(self, kind: int) -> Cursor:
        found = [message for each, message in self._messages if each == kind]
        if len(found) != 1:
            raise ValueError(f"{self.name} has {len(found)} messages of type {kind:#x} in its header; expected one")
        return Cursor(found[0])

    @cached_property
    def filters(self) -> tuple[int, ...]:
        """Of every chunk, in the order in which they were applied."""
        found = []
        for message in (Cursor(message) for kind, message in self._messages if kind == FILTERS):
            version, count = message.number(1), message.number(1)
            if version not in (1, 2):
                raise ValueError("its filters are of a version that RobBench does not write")
            message.take(6 if version == 1 else 0)
            for _ in range(count):
                number = message.number(2)
                if number not in FILTERS_APPLIED:
                    raise ValueError("it is packed by a filter other than gzip, shuffle, fletcher32, so it was not written by RobBench")
                name = message.number(2) if version == 1 else 0
                message.take(2)
                values = message.number(2)
                message.take(name + 4 * values + (4 * (values % 2) if version == 1 else 0))
                found.append(number)
        if found != [number for number in FILTERS_APPLIED if number in found]:
            raise ValueError(f"its filters are in another order than {FILTERS_APPLIED}, so it was not written by RobBench")
        return tuple(found)

    def _in_one_piece(self) -> Any:
        _, address, stored, content = self._layout
        if content is None:
            content = self._structures.take(address, stored) if stored else b""
        return self._values(self.shape, self.dtype, Cursor(content))

    def _rows(self, start: int, stop: int) -> np.ndarray:
        assert self.chunks is not None
        found = np.empty((stop - start, *self.shape[1:]), self.dtype)
        first = self.chunks[0]
        grid = [
            range(start // first * first, stop, first),
            *(range(0, size, step) for size, step in zip(self.shape[1:], self.chunks[1:], strict=True)),
        ]
        for offset in itertools.product(*grid):
            chunk = self._chunk(offset)
            low, high = max(start, offset[0]), min(stop, offset[0] + first)
            there = tuple(
                slice(at, at + step) for at, step in zip(offset[1:], self.chunks[1:], strict=True)
            )  # numpy cuts what is beyond the end
            part = found[(slice(low - start, high - start), *there)]
            part[...] = chunk[(slice(low - offset[0], high - offset[0]), *(slice(0, size) for size in part.shape[1:]))]
        return found

    def _chunk(self, offset: tuple[int, ...]) -> np.ndarray:
        if offset in self._kept:
            return self._kept[offset]
        assert self.chunks is not None
        if offset not in self._index:
            raise ValueError(f"the chunk at {offset} is missing")
        address, length, skipped = self._index[offset]
        size = math.prod(self.chunks) * self.dtype.itemsize
        content = unpacked(self._structures.take(address, length), size, self.dtype.itemsize, self.filters, skipped)
        chunk = np.frombuffer(content, self.dtype).reshape(self.chunks)
        others = list(self._kept.items())[-(_KEPT // size) :] if _KEPT // size else []
        self._kept = {**dict(others), offset: chunk}  # another dict, for threads that look at this one
        return chunk

    @cached_property
    def _index(self) -> dict[tuple[int, ...], tuple[int, int, int]]:
        """Where a chunk begins → its address, its length, and which filters it skips."""
        assert self.chunks is not None
        rank = len(self.shape)
        most = math.prod(-(-size // step) for size, step in zip(self.shape, self.chunks, strict=True))
        found: dict[tuple[int, ...], tuple[int, int, int]] = {}
        if self._layout.address == UNDEFINED:
            return found
        for key, address in self._structures.leaves(self._layout.address, 1, 8 + 8 * (rank + 1)):
            fields = Cursor(key)
            length, skipped = fields.number(4), fields.number(4)
            offset = tuple(fields.number(8) for _ in range(rank))
            if offset in found or len(found) == most or any(at % step for at, step in zip(offset, self.chunks, strict=True)):
                raise ValueError("it has more chunks than its shape, or a chunk that is not where one can be")
            found[offset] = (address, length, skipped)
        return found


def unpacked(content: bytes, size: int, itemsize: int, filters: tuple[int, ...], skipped: int) -> bytes:
    """A chunk's values, of `size` bytes, once its filters are undone.

    Arguments:
        content: as it is in the file.
        size: bytes of the values.
        itemsize: bytes of one.
        filters: in the order in which they were applied.
        skipped: bit i: the i-th was not.

    Raises:
        ValueError: a checksum differs, or the values are of another size.
    """
    applied = [number for place, number in enumerate(filters) if not skipped >> place & 1]
    for number in reversed(applied):
        if number == FLETCHER32:
            content, stored = content[:-4], content[-4:]
            if fletcher32(content).to_bytes(4, "little") != stored:
                raise ValueError("a chunk does not match its checksum")
        elif number == GZIP:
            inflating = zlib.decompressobj()
            try:
                content = inflating.decompress(content, size)
            except zlib.error as error:
                raise ValueError(f"a chunk cannot be unpacked: {error}") from error
            if not inflating.eof:
                raise ValueError("a chunk is not whole, or larger than its shape")
        elif len(content) % itemsize == 0:
            content = np.frombuffer(content, np.uint8).reshape(itemsize, -1).T.tobytes()
    if len(content) != size:
        raise ValueError(f"a chunk has {len(content)} bytes; expected {size}")
    return content


def fletcher32(content: bytes) -> int:
    """HDF5's Fletcher checksum of 32 bits: sums modulo 65,535 of 16-bit words, the more significant byte first."""
    words = np.frombuffer(content + b"\0" * (len(content) % 2), ">u2").astype(np.uint64)
    sums = int(words.sum()), int(words @ np.arange(len(words), 0, -1, dtype=np.uint64))
    low, high = ((value - 1) % 65535 + 1 if value else 0 for value in sums)  # a sum that is not zero is never folded to it
    return high << 16 | low
