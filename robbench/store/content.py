"""The bytes of a store's file, and where they come from."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator

IN_MEMORY_UP_TO = 32 << 20
"""Bytes up to which a file is read whole when it is opened: what is compared with the seal is then what is parsed, whatever becomes of the file."""

BLOCK = 1 << 16
"""Small enough that the memory of one block is used for the next."""


class Content:
    """The bytes of a file, numbered from its first; opened for reading, without a lock: a store is replaced, and never written in place.

    Arguments:
        path: a regular file.

    Raises:
        OSError: it cannot be read.
    """

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._close = weakref.finalize(self, os.close, self._descriptor)
        self.size = os.fstat(self._descriptor).st_size
        self.is_in_memory = self.size <= IN_MEMORY_UP_TO
        """Whether it was read whole."""
        self._whole = b""
        if self.is_in_memory:
            self._whole = self._read(0, self.size)
            self.size = len(self._whole)
            self._close()
        self._is_closed = False

    def close(self) -> None:
        """Close the file; nothing can be read any more."""
        self._close()
        self._is_closed, self._whole = True, b""

    def take(self, start: int, length: int) -> bytes:
        """Some of the bytes.

        Raises:
            ValueError: the file does not have them, or is closed.
            OSError: the disk fails.
        """
        if self._is_closed:
            raise ValueError("the file is closed")
        if start + length > self.size:
            raise ValueError(f"it points to the bytes {start} to {start + length}, and the file has {self.size}")
        if self.is_in_memory:
            return self._whole[start : start + length]
        found = self._read(start, length)
        if len(found) != length:
            raise ValueError(f"the file has become shorter: it had {self.size} bytes when it was opened")
        return found

    def blocks(self, start: int) -> Iterator[bytes]:
        """The bytes from one on, in blocks."""
        for at in range(start, self.size, BLOCK):
            yield self.take(at, min(BLOCK, self.size - at))

    def _read(self, start: int, length: int) -> bytes:
        """Up to `length` bytes: fewer where the file ends before."""
        parts = []
        while length and (part := os.pread(self._descriptor, length, start)):
            parts.append(part)
            start, length = start + len(part), length - len(part)
        return b"".join(parts)
