"""A reader of UBJSON, the format in which xgboost saves a model; of its types those that xgboost writes, and never more than the bytes hold.

Source: https://ubjson.org, draft 12; lists are written with their length, and numbers of one type in a row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_NUMBERS = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8", b"d": ">f4", b"D": ">f8"}
_CONSTANTS = {b"Z": None, b"T": True, b"F": False}
_DEEPEST = 16


def read(data: bytes) -> Any:
    """What is written there: dicts, lists, texts and numbers, and an array ``(n,)`` for n numbers of one type.

    Raises:
        ValueError: the bytes are not such UBJSON.
    """
    reader = _Reader(data)
    found = reader.value(0)
    if reader.at != len(data):
        raise ValueError(f"the UBJSON ends at byte {reader.at} of {len(data)}")
    return found


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def value(self, depth: int) -> Any:
        """The value that begins here; containers count how deep they are."""
        if depth > _DEEPEST:
            raise ValueError(f"the UBJSON is nested deeper than {_DEEPEST}")
        kind = self._take(1)
        if kind in _NUMBERS:
            return self._numbers(kind, 1)[0].item()
        if kind in _CONSTANTS:
            return _CONSTANTS[kind]
        if kind == b"S":
            return self._text()
        if kind == b"{":
            return self._object(depth)
        if kind == b"[":
            return self._list(depth)
        raise ValueError(f"the UBJSON has {kind!r} at byte {self.at - 1}, which is no type that xgboost writes")

    def _object(self, depth: int) -> dict[str, Any]:
        found = {}
        while self._data[self.at : self.at + 1] != b"}":
            name = self._text()
            found[name] = self.value(depth + 1)
        self._take(1)
        return found

    def _list(self, depth: int) -> Any:
        mark = self._take(1)
        if mark == b"$":
            kind = self._take(1)
            if kind not in _NUMBERS or self._take(1) != b"#":
                raise ValueError(f"the UBJSON has a list of {kind!r} before byte {self.at}")
            return self._numbers(kind, self._length())
        if mark != b"#":
            raise ValueError(f"the UBJSON has a list without a length before byte {self.at}")
        return [self.value(depth + 1) for _ in range(self._length())]

    def _numbers(self, kind: bytes, count: int) -> np.ndarray:
        dtype = np.dtype(_NUMBERS[kind])
        return np.frombuffer(self._take(count * dtype.itemsize), dtype)

    def _text(self) -> str:
        return self._take(self._length()).decode("utf-8")

    def _length(self) -> int:
        kind = self._take(1)
        if kind not in _NUMBERS or kind in b"dD":
            raise ValueError(f"the UBJSON has {kind!r} for a length before byte {self.at}")
        return int(self._numbers(kind, 1)[0])

    def _take(self, count: int) -> bytes:
        if not 0 <= count <= len(self._data) - self.at:
            raise ValueError(f"the UBJSON ends before the {count} bytes after byte {self.at}")
        self.at += count
        return self._data[self.at - count : self.at]
