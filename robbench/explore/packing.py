"""Contents as bytes: text as JSON, numbers behind it, all of it deflated; `assets/data.js` reads it.

    uint32      how long the JSON is
    JSON        texts, and for each block of numbers its type, offset and length
    blocks      little-endian, the lowest bytes of all numbers first, then the next

A column of multiples of 1/1000, say, or of a fraction of images is kept as whole numbers, what is missing as 0; they are the differences from what the columns
before it let expect, since the same attack at the next level is hardly news.  Any other column is float32.  Either way a number comes back as the
store's to the precision of float32, that is, to seven digits.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from robbench.clock import clock
from robbench.explore.contents import Contents, Numbers
from robbench.explore.drawings import drawings

ROUND: list[int] = sorted(first * 10**power for power in range(7) for first in (1, 3, 6, 18) if first * 10**power < 2 * 10**6)
"""Of means over up to three trainings, of thousands or six thousands of images, and of what was printed with so many decimals."""
LARGEST = 2**30
"""Of whole numbers."""
FEW = 2**18
"""Whole numbers up to here are so far apart that a float32 tells which one is meant."""
TOLERANCE = 2.0**-23
"""Relative: half the last digit of float32 on either side.  Some sources' means were computed in float32."""


@dataclass(frozen=True)
class Packed:
    """A column as it is kept."""

    numbers: np.ndarray
    """uint16 or uint32, or float32."""
    denominator: int | None = None
    """Of whole numbers; None for floats."""
    after: tuple[int, ...] = ()
    """The columns that a whole number is expected from."""
    weights: tuple[float, ...] = ()
    """A constant, then one weight for each of them."""


class _Blocks:
    """Arrays one behind the other."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0

    def add(self, numbers: np.ndarray) -> list[Any]:
        """Where an array is: its type, offset and length."""
        little = np.ascontiguousarray(numbers, numbers.dtype.newbyteorder("<"))
        self._parts.append(little.view(np.uint8).reshape(len(numbers), -1).T.tobytes())
        place = [f"{numbers.dtype.kind}{numbers.dtype.itemsize}", self._length, len(numbers)]
        self._length += len(self._parts[-1])
        return place

    def bytes(self) -> bytes:
        """All of them."""
        return b"".join(self._parts)


def pack(shown: Contents, *, progress: bool = False) -> bytes:
    """The contents as the page's scripts read them; `progress` as for `contents`."""
    blocks = _Blocks()
    sources = list(dict.fromkeys(numbers.source for numbers in shown.columns))
    space, representatives = shown.space, [shown.exact[row] for row in shown.representatives]
    with clock(f"{shown.store}: drawings, numbers, and both packed", 3, shown=progress) as done:
        found = drawings(space, representatives)
        done()
        codes = np.array([space.encode(arch) for arch in shown.exact], np.uint16)
        columns = [
            {
                **numbers.described(),
                "source": sources.index(numbers.source),
                "block": blocks.add(packed.numbers),
                "denominator": packed.denominator,
                "after": packed.after,
                "weights": packed.weights,
            }
            for numbers, packed in zip(shown.columns, pack_columns(shown.columns), strict=True)
        ]
        done()
        text = {
            "store": shown.store,
            "space": space.title,
            "kind": space.variable_kind,
            "variables": [[space.label(variable), *variable.choices] for variable in space.variables],
            "exact": [str(arch) for arch in shown.exact],
            "index": None if shown.index is None else blocks.add(shown.index.astype(np.uint32)),
            "keys": shown.keys,
            "classOf": blocks.add(shown.class_of.astype(np.uint32)),
            "representatives": blocks.add(shown.representatives.astype(np.uint32)),
            "twins": blocks.add(shown.twins.astype(np.uint32)),
            "codes": [blocks.add(codes[:, place]) for place in range(codes.shape[1])],
            "columns": columns,
            "sources": sources,
            "start": shown.start,
            "drawings": None if found is None else vars(found),
        }
        head = json.dumps(text, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        whole = zlib.compress(struct.pack("<I", len(head)) + head + blocks.bytes(), 9)
        done()
        return whole


def pack_columns(columns: Sequence[Numbers]) -> list[Packed]:
    """Every column in its smallest form."""
    wholes: dict[int, np.ndarray] = {}
    packed = []
    for place, numbers in enumerate(columns):
        denominator = _denominator(numbers)
        if denominator is None:
            packed.append(Packed(numbers.values.astype(np.float32)))
            continue
        wholes[place] = np.rint(_filled(numbers.values) * denominator)
        packed.append(_expected(place, columns, wholes, denominator))
    return packed


def _filled(values: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(values), 0, values)


def _denominator(numbers: Numbers) -> int | None:
    """What every value is a multiple of one over, to the precision of float32."""
    values = _filled(numbers.values)
    single = sorted({*ROUND, *numbers.images})
    for denominator in dict.fromkeys([*single, *(numbers.terms * one for one in single)]):
        wholes = np.rint(values * denominator)
        most = np.abs(wholes).max(initial=0)
        within = TOLERANCE * np.abs(values) if most < FEW else 0.0
        if most < LARGEST and (np.abs(wholes / denominator - values) <= within).all():
            return denominator
    return None


def _expected(place: int, columns: Sequence[Numbers], wholes: dict[int, np.ndarray], denominator: int) -> Packed:
    """Whole numbers less what the columns before it, of the same trainings, let expect by least squares."""
    where = columns[place].question[1:3]
    alike = [other for other in wholes if other != place and columns[other].question[1:3] == where]
    same = [other for other in alike if columns[other].metric.name == columns[place].metric.name]
    after = tuple(dict.fromkeys([*same[-2:], *alike[:1], *alike[-1:]]))
    design = np.column_stack([np.ones(len(wholes[place])), *(wholes[other] for other in after)])
    weights = np.linalg.lstsq(design, wholes[place], rcond=None)[0] if after else np.zeros(1)
    expected = np.full(len(design), weights[0])
    for weight, other in zip(weights[1:], after, strict=True):
        expected = expected + weight * wholes[other]  # in this order, one rounding after the other, so that the page gets the same bits
    apart = wholes[place] - np.floor(expected + 0.5)
    coded = np.where(np.isnan(columns[place].values), 0, np.where(apart < 0, -2 * apart, 2 * apart + 1))
    return Packed(coded.astype(np.uint16 if coded.max(initial=0) < 2**16 else np.uint32), denominator, after, tuple(weights.tolist()))
