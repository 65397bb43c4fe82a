"""The structures that HDF5 files are made of, as far as RobBench writes them, at the addresses of a file.

    superblock, version 0 ─▶ object header, version 1 ─▶ messages ┬ symbol table ─▶ B-tree ─▶ symbol table nodes ─▶ object headers; names in a local heap
                                                                  │ or links, where earlier versions of RobBench wrote a name that is not ASCII
                                                                  ├ data space, data type, layout, filters ─▶ the array
                                                                  └ attributes ─▶ texts in a global heap

Format: The HDF Group, HDF5 File Format Specification, version 3.0.  Addresses count from the end of the user block.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Any

import numpy as np

from robbench.store.content import Content

SIGNATURE = b"\x89HDF\r\n\x1a\n"
SPACE, LINKS, TYPE, LINK = 0x1, 0x2, 0x3, 0x6
EXTERNAL, LAYOUT, GROUP, FILTERS = 0x7, 0x8, 0xA, 0xB
ATTRIBUTE, CONTINUATION, SYMBOLS = 0xC, 0x10, 0x11
"""Types of messages, of which an object header consists."""
_IGNORED = {0x0, 0x4, 0x5, 0xE, 0x12}
"""Padding, fill values (every chunk is there) and times of change."""
UNDEFINED = (1 << 64) - 1
"""The address of what is not there."""
_FLOATS = {2: (16, 10, 5, 10, 15), 4: (32, 23, 8, 23, 127), 8: (64, 52, 11, 52, 1023)}
"""Bytes → precision, and place and size of exponent and mantissa, and bias, of IEEE floats."""
_BLOCKS = 1000
_MESSAGE = Struct("<HHB3x")

TEXT = np.dtype(object)
"""The type of texts in UTF-8 of any length."""
REFERENCE = 16
"""Bytes of what stands for a text in an array of texts."""


class Cursor:
    """Bytes taken one after another; ValueError where there are no more."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    @property
    def left(self) -> int:
        """How many there are."""
        return len(self._content) - self._at

    def take(self, length: int) -> bytes:
        """The next ones."""
        if length > self.left:
            raise ValueError(f"it is cut short: {length} bytes are expected where {self.left} are left")
        self._at += length
        return self._content[self._at - length : self._at]

    def number(self, length: int) -> int:
        """The next ones as an unsigned integer."""
        return int.from_bytes(self.take(length), "little")

    def padded(self, length: int) -> bytes:
        """The next ones, and go past what fills them up to a multiple of eight."""
        found = self.take(length)
        self.take(min(-length % 8, self.left))
        return found


class Structures:
    """What HDF5 files are made of, at addresses of one.

    Arguments:
        content: the file's bytes.
        base: how many of them are the user block.

    Raises:
        ValueError: the superblock is not of version 0, or damaged.
    """

    def __init__(self, content: Content, base: int) -> None:
        self.content, self._base = content, base
        self._names: dict[int, str] = {}
        self._heaps: dict[int, dict[int, bytes]] = {}
        head = Cursor(content.take(base, 96))
        if head.take(8) != SIGNATURE or head.number(1) != 0:
            raise ValueError("its superblock is not of version 0, as RobBench has it written")
        head.take(4)
        if head.take(2) != b"\x08\x08":
            raise ValueError("its addresses are not of eight bytes")
        head.take(9)
        if head.number(8) != base:
            raise ValueError("its base address is not where it begins")
        head.take(8)
        self.length = head.number(8)
        """How long the file is to be, by its superblock."""
        head.take(16)
        self.root = head.number(8)
        """The address of the root group."""

    def take(self, address: int, length: int) -> bytes:
        """The bytes at an address."""
        return self.content.take(self._base + address, length)

    def named(self, name: str, address: int) -> list[tuple[int, bytes]]:
        """The messages of the object of a name; raises ValueError where another name leads to it, too."""
        if self._names.setdefault(address, name) != name:
            raise ValueError(f"{self._names[address]} has a second name, {name}")
        return self._messages(address)

    def leaves(self, address: int, kind: int, key: int) -> Iterator[tuple[bytes, int]]:
        """Every key and address at the leaves of a B-tree of version 1, in their order.

        Arguments:
            address: of its root.
            kind: 0 of a group, 1 of chunks.
            key: bytes of a key.
        """
        todo: list[tuple[int, int | None]] = [(address, None)]
        seen = set()
        while todo:
            address, level = todo.pop()
            if address in seen:
                raise ValueError("branches of a tree meet")
            seen.add(address)
            head = Cursor(self.take(address, 24))
            if head.take(4) != b"TREE" or head.number(1) != kind:
                raise ValueError(f"there is no node of a tree at {address}")
            found, entries = head.number(1), head.number(2)
            if level not in (None, found):
                raise ValueError("branches of a tree are of unequal length")
            body = Cursor(self.take(address + 24, entries * (key + 8)))
            pairs = [(body.take(key), body.number(8)) for _ in range(entries)]
            if found:
                todo += [(child, found - 1) for _, child in reversed(pairs)]
            else:
                yield from pairs

    def text(self, reference: Cursor) -> memoryview:
        """The bytes of a text that is kept in a global heap."""
        length, address, number = reference.number(4), reference.number(8), reference.number(4)
        found = self._heap(address).get(number, b"") if length else b""
        if len(found) < length:
            raise ValueError(f"a text is not in the heap at {address}")
        return memoryview(found)[:length]

    def _heap(self, address: int) -> dict[int, bytes]:
        """The objects of a global heap, by number."""
        if address not in self._heaps:
            head = Cursor(self.take(address, 16))
            if head.take(8) != b"GCOL\1\0\0\0":
                raise ValueError(f"there is no heap at {address}")
            length = head.number(8)
            body, found = Cursor(self.take(address, max(length, 16))), {}
            body.take(16)
            while body.left >= 16 and (number := body.number(2)):
                body.take(6)
                found[number] = body.padded(body.number(8))
            self._heaps[address] = found
        return self._heaps[address]

    def _messages(self, address: int) -> list[tuple[int, bytes]]:
        """Kind and content of every message in an object header."""
        head = Cursor(self.take(address, 16))
        if head.number(1) != 1:
            raise ValueError(f"there is no object header of version 1 at {address}")
        head.take(1)
        count = head.number(2)
        head.take(4)
        blocks, found = [(address + 16, head.number(4))], []
        for block in blocks:
            body = Cursor(self.take(*block))
            while body.left >= 8 and count:
                kind, length, flags = _MESSAGE.unpack(body.take(8))
                message = body.take(length)
                count -= 1
                if flags & 2:
                    raise ValueError("a part of its header is kept elsewhere")
                if kind == CONTINUATION:
                    more = Cursor(message)
                    blocks.append((more.number(8), more.number(8)))
                    if len(blocks) > _BLOCKS or len(set(blocks)) < len(blocks):
                        raise ValueError("its header is in too many parts, or has no end")
                elif kind == EXTERNAL:
                    raise ValueError("it keeps its data in another file, so it was not written by RobBench")
                elif kind not in _IGNORED:
                    found.append((kind, message))
        if count:
            raise ValueError("its header is cut short")
        return found


def shape_of(space: Cursor) -> tuple[int, ...]:
    """The shape that a data space message gives; raises ValueError."""
    version, rank, flags, kind = (space.number(1) for _ in range(4))
    if version not in (1, 2) or rank > 32 or flags & ~1 or (version == 2 and kind > 1):
        raise ValueError("its data space is of a kind that RobBench does not write")
    if version == 1:
        space.take(4)
    return tuple(space.number(8) for _ in range(rank))


def type_of(message: Cursor) -> np.dtype[Any]:
    """The type that a data type message gives: of integers, floats, bytes of a fixed length, or `TEXT`; raises ValueError."""
    kind, bits, size = message.number(1) & 15, message.number(3), message.number(4)
    order = "<>"[bits & 1]
    if kind == 0 and size in (1, 2, 4, 8) and not bits & ~9 and (message.number(2), message.number(2)) == (0, 8 * size):
        return np.dtype(f"{order}{'i' if bits & 8 else 'u'}{size}")
    if kind == 1 and size in _FLOATS and bits & ~1 == 0x20 | (8 * size - 1) << 8:
        numbers = [message.number(length) for length in (2, 2, 1, 1, 1, 1, 4)]
        precision, exponent, exponent_size, mantissa_size, bias = _FLOATS[size]
        if numbers == [0, precision, exponent, exponent_size, 0, mantissa_size, bias]:
            return np.dtype(f"{order}f{size}")
    if kind == 3 and size > 0 and not bits & ~0x1F:
        return np.dtype(f"S{size}")
    if kind == 9 and size == 16 and bits & 15 == 1:
        return TEXT
    raise ValueError("it holds another type than numbers or text; expected numbers or text")
