"""What a page's scripts read, read in Python: a second witness of the format."""

from __future__ import annotations

import base64
import json
import re
import struct
import zlib
from typing import Any

import numpy as np

DATA = re.compile(rb'<script id="data" type="text/plain">([^<\n]*)</script>')


def data_of(page: bytes) -> bytes:
    """The packed contents of a page."""
    found = DATA.search(page)
    assert found
    return base64.b85decode(found[1].replace(b",", b"<"))


class Unpacked:
    """Packed contents."""

    def __init__(self, packed: bytes) -> None:
        raw = zlib.decompress(packed)
        (length,) = struct.unpack("<I", raw[:4])
        self.text: dict[str, Any] = json.loads(raw[4 : 4 + length])
        self._blocks = raw[4 + length :]

    def block(self, place: tuple[str, int, int]) -> np.ndarray:
        """The numbers of a block."""
        kind, offset, count = place
        size = int(kind[1])
        planes = np.frombuffer(self._blocks, np.uint8, count * size, offset).reshape(size, count)
        return np.ascontiguousarray(planes.T).view(f"<{kind}").ravel()

    def values(self, column: int) -> np.ndarray:
        """A column as the page has it: float64, NaN where not measured."""
        said = self.text["columns"][column]
        return self.block(said["block"]).astype(np.float64) if said["denominator"] is None else self._wholes(column) / said["denominator"]

    def _wholes(self, column: int) -> np.ndarray:
        said = self.text["columns"][column]
        coded = self.block(said["block"]).astype(np.int64)
        constant, *weights = said["weights"]
        expected = np.full(len(coded), constant)
        for weight, other in zip(weights, said["after"], strict=True):
            expected += weight * np.nan_to_num(self._wholes(other))
        apart = np.where(coded % 2, coded // 2, -(coded // 2))
        return np.where(coded == 0, np.nan, np.floor(expected + 0.5) + apart)
