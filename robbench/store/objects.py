"""What groups and arrays of an HDF5 file have in common: a path and attributes."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np

from robbench.store.structures import ATTRIBUTE, REFERENCE, TEXT, Cursor, Structures, shape_of, type_of


class Object:
    """A group or an array, with its attributes."""

    _known = frozenset({ATTRIBUTE})

    def __init__(self, structures: Structures, name: str, messages: list[tuple[int, bytes]]) -> None:
        self._structures, self._messages = structures, messages
        self.name = name
        """Its path from the root."""
        if unknown := {kind for kind, _ in messages} - self._known:
            raise ValueError(f"{name} has parts that RobBench does not write (messages of type {', '.join(map(hex, sorted(unknown)))})")

    @cached_property
    def attrs(self) -> dict[str, Any]:
        """Attributes, by name: numbers, text, or arrays of either, as h5py gives them; raises ValueError."""
        found: dict[str, Any] = {}
        for kind, message in self._messages:
            if kind == ATTRIBUTE:
                name, value = self._attribute(Cursor(message))
                if name in found:
                    raise ValueError(f"the attribute {name} is there twice")
                found[name] = value
        return found

    def _attribute(self, message: Cursor) -> tuple[str, Any]:
        version, flags = message.number(1), message.number(1)
        if version not in (1, 2, 3) or (version > 1 and flags):
            raise ValueError("an attribute is of a version that RobBench does not write")
        sizes = [message.number(2) for _ in range(3)]
        if version == 3:
            message.take(1)
        name, dtype, space = (message.padded(size) if version == 1 else message.take(size) for size in sizes)
        return name.split(b"\0")[0].decode(), self._values(shape_of(Cursor(space)), type_of(Cursor(dtype)), message)

    def _values(self, shape: tuple[int, ...], dtype: np.dtype[Any], content: Cursor) -> Any:
        """An array, or what is the only one in an array of no dimensions."""
        if dtype is not TEXT:
            values = np.frombuffer(content.take(math.prod(shape) * dtype.itemsize), dtype).reshape(shape)
            return values.copy() if shape else values[()]
        count = math.prod(shape)
        if count * REFERENCE > content.left:
            raise ValueError("texts are missing")
        found = [self._structures.text(Cursor(content.take(REFERENCE))) for _ in range(count)]
        if sum(map(len, found)) > self._structures.content.size:
            raise ValueError("its texts are longer than the file")
        texts = [bytes(text).split(b"\0")[0].decode() for text in found]
        return np.array(texts, object).reshape(shape) if shape else texts[0]

    def check(self) -> None:
        """Raise ValueError where the object is not as RobBench writes it."""
        self.attrs  # noqa: B018 - reads all of them
