"""From an architecture, however it is written, to its row in a store."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from numbers import Integral
from typing import Any

import numpy as np

from robbench.errors import NotMeasured, UnknownArchitecture
from robbench.spaces import SearchSpace, parse
from robbench.store.reading import Store

Architecture = Any
"""Whatever the store's space reads, such as an arch string or a `Cell`; or the published index, 3456 or "3456", in a store that carries it."""

_DIGITS = 12
"""No index has more; a longer text of digits is no number that should be made of it."""


class Lookup:
    """The architectures of one store, and their rows by class and by exact architecture."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.known: dict[str, dict[Architecture, int]] = {"class": {}, "exact": {}}
        """For each kind of row, what was looked up, as it was written → its row: the first look-up parses, later ones are a dict's."""
        self._of_index: dict[int, Any] = {}

    @property
    def file_name(self) -> str:
        """The store's, for messages."""
        return self._store.file_name

    def parse(self, arch: Architecture) -> Any:
        """The architecture that is meant.

        Raises:
            UnknownArchitecture: it is none of the store's space; or an index where the store carries none, or beyond its range.
        """
        if isinstance(arch, Integral) and not isinstance(arch, bool | np.bool_):
            index = int(arch)
            if index not in self._of_index:
                self._of_index[index] = self._at_index(index)
            return self._of_index[index]
        if (
            isinstance(arch, str) and len(arch) <= _DIGITS and arch.isascii() and arch.isdigit()
        ):  # as a command line or a table writes an index
            return self.parse(int(arch))
        return parse(self._store.space, arch)

    def row(self, kind: str, arch: Architecture) -> int:
        """The row of an architecture, remembered.

        Raises:
            UnknownArchitecture: as `parse`.
            NotMeasured: the store has no row of this kind for it.
        """
        parsed = self.parse(arch)
        row = self._row(kind, parsed)
        self.known[kind][parsed] = row
        if not isinstance(arch, Integral):  # 1, 1.0 and True are one key to a dict, and not one architecture to us
            with suppress(TypeError):  # not hashable
                self.known[kind][arch] = row
        return row

    def published_index(self, arch: Architecture) -> int | None:
        """The index of the architecture in the published benchmark; None in a store that carries no index."""
        return int(self._index[self.row("exact", arch)]) if self._store.has_published_index else None

    def several(self, archs: Sequence[Architecture], question: str) -> Sequence[Architecture]:
        """The architectures, which may come one at a time; raises UnknownArchitecture where there is one alone, which `question` takes."""
        if isinstance(archs, list | tuple):
            return archs
        if isinstance(archs, str | bytes | Integral | self._store.space.architecture):
            raise UnknownArchitecture(f"{archs!r} is one architecture; {question}_many takes a sequence of them, and {question} takes one.")
        return list(archs)

    @property
    def space(self) -> SearchSpace[Any]:
        """What the architectures are of."""
        return self._store.space

    @cached_property
    def classes(self) -> tuple[Any, ...]:
        """The representative of each class row: the architecture that was evaluated, where the store knows."""
        return tuple(map(self._store.space.parse, self._store.rows.classes))

    @cached_property
    def exact(self) -> tuple[Any, ...]:
        """The architecture of each exact row."""
        return tuple(map(self._store.space.parse, self._store.rows.exact))

    def archs(self, kind: str) -> tuple[Any, ...]:
        """The architectures that rows of a kind stand for."""
        return self.classes if kind == "class" else self.exact

    @cached_property
    def class_of(self) -> np.ndarray:
        """For each exact row, its class row: ``(exact,)``, intp."""
        return self._store.rows.class_of.astype(np.intp)

    def _row(self, kind: str, arch: Any) -> int:
        rows, space = self._store.rows, self._store.space
        found = rows.class_row.get(space.key(arch)) if kind == "class" else rows.exact_row.get(str(arch))
        if found is None:
            what = "no architecture of its class is" if kind == "class" else "it is not"
            raise NotMeasured(f"nothing was measured of {arch}: {what} among the {len(rows.exact)} of {self._store.file_name}.")
        return found

    def _at_index(self, index: int) -> Any:
        store = self._store
        if not store.has_published_index:
            raise UnknownArchitecture(
                f"{index} cannot be looked up: {store.file_name} carries no published index. Name the architecture by its text,"
                " or import a source that brings the index (of NAS-Bench-201: jung2023, natsbench)."
            )
        found = np.flatnonzero(self._index == index)
        if len(found) == 0:
            raise UnknownArchitecture(
                f"{index} is not a published index of {store.space.title}; expected an integer from {self._index.min()} to {self._index.max()}."
            )
        return store.space.parse(store.rows.exact[int(found[0])])

    @cached_property
    def _index(self) -> np.ndarray:
        return self._store.published_index().astype(np.intp)
