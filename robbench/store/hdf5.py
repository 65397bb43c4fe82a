"""HDF5 files read without the HDF5 library, as far as RobBench writes them: nothing in a file can then crash it, hang it, or lead out of the file.

The library trusts what it parses: a few changed bytes make it read beyond its memory, or never end, and links, external storage and virtual data sets make
it open other files.  What it writes for RobBench are its oldest and simplest structures, all of which are read here; any other is refused by name.

    content.py     the bytes
    structures.py  headers, trees and heaps at their addresses
    objects.py     what groups and arrays have in common: attributes
    chunks.py      arrays
    this file      groups
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from struct import Struct
from typing import Any

from robbench.store.chunks import Dataset
from robbench.store.content import Content
from robbench.store.objects import Object
from robbench.store.structures import ATTRIBUTE, GROUP, LAYOUT, LINK, LINKS, SYMBOLS, UNDEFINED, Cursor, Structures

_SYMBOL = Struct("<QQI20x")
_SOFT = 2


class Group(Object):
    """Named objects; a name may be a path."""

    _known = frozenset({ATTRIBUTE, SYMBOLS, LINKS, LINK, GROUP})

    def __init__(self, structures: Structures, name: str, messages: list[tuple[int, bytes]]) -> None:
        super().__init__(structures, name, messages)
        self._opened: dict[str, Any] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __contains__(self, path: str) -> bool:
        try:
            self[path]
        except KeyError:
            return False
        return True

    def __getitem__(self, path: str) -> Any:
        """The `Group` or the `Dataset` of that path from here; raises KeyError where there is none, and ValueError where it is damaged."""
        first, _, rest = path.lstrip("/").partition("/")
        if first not in self._members:
            raise KeyError(f"{self._path(first)} is not in the file")
        if first not in self._opened:
            self._opened[first] = self._open(first)
        found = self._opened[first]
        if rest and not isinstance(found, Group):
            raise KeyError(f"{found.name} is no group")
        return found[rest] if rest else found

    def visititems(self, function: Callable[[str, Any], None]) -> None:
        """Call a function of the path from here and the object, for everything in this group."""
        for name in self:
            found = self[name]
            function(name, found)
            if isinstance(found, Group):
                found.visititems(lambda path, item, name=name: function(f"{name}/{path}", item))  # type: ignore[misc]

    def _open(self, name: str) -> Any:
        path = self._path(name)
        messages = self._structures.named(path, self._members[name])
        return (Dataset if LAYOUT in {kind for kind, _ in messages} else Group)(self._structures, path, messages)

    def _path(self, name: str) -> str:
        return f"{self.name.rstrip('/')}/{name}"

    @cached_property
    def _members(self) -> dict[str, int]:
        """Name → address of an object header."""
        found: dict[str, int] = {}
        for name, address in self._entries():
            if not name or "/" in name or name in found or name in (".", ".."):
                raise ValueError(f"{self.name} has an object of the name {name!r}, or twice")
            if address is None:
                raise ValueError(f"{self._path(name)} is a link that leads elsewhere; a store has none, so it was not written by RobBench")
            found[name] = address
        return found

    def _entries(self) -> Iterator[tuple[str, int | None]]:
        """Name and address of each member; no address where it is another link than a hard one."""
        for kind, message in self._messages:
            if kind == SYMBOLS:
                yield from self._symbols(Cursor(message))
            elif kind == LINK:
                yield _link(Cursor(message))
            elif kind == LINKS:
                _refuse_heap(Cursor(message))

    def _symbols(self, table: Cursor) -> Iterator[tuple[str, int | None]]:
        tree, heap = table.number(8), self._names(table.number(8))
        for _, address in self._structures.leaves(tree, 0, 8):
            head = Cursor(self._structures.take(address, 8))
            if head.take(6) != b"SNOD\1\0":
                raise ValueError(f"there is no symbol table at {address}")
            count = head.number(2)
            for place, header, kind in _SYMBOL.iter_unpack(self._structures.take(address + 8, 40 * count)):
                yield heap[place : heap.index(b"\0", place)].decode(), None if kind == _SOFT else header

    def _names(self, address: int) -> bytes:
        head = Cursor(self._structures.take(address, 32))
        if head.take(8) != b"HEAP\0\0\0\0":
            raise ValueError(f"there is no heap at {address}")
        length, _, start = head.number(8), head.number(8), head.number(8)
        return self._structures.take(start, length)


class File(Group):
    """The root group of an HDF5 file.

    Arguments:
        content: the file's bytes.
        base: how many of them are the user block.

    Raises:
        ValueError: it is not as RobBench writes it.
    """

    def __init__(self, content: Content, base: int) -> None:
        structures = Structures(content, base)
        super().__init__(structures, "/", structures.named("/", structures.root))
        self.length = structures.length
        """How many bytes there are to be, by the superblock."""
        self.content = content

    def close(self) -> None:
        """Close the file; nothing can be read any more."""
        self.content.close()


def _refuse_heap(links: Cursor) -> None:
    """Raise ValueError where a message about links says that they are in a heap."""
    _, flags = links.number(1), links.number(1)
    links.take(8 if flags & 1 else 0)
    if links.number(8) != UNDEFINED:
        raise ValueError("its links are in a heap, where RobBench writes none")


def _link(message: Cursor) -> tuple[str, int | None]:
    version, flags = message.number(1), message.number(1)
    kind = message.number(1) if flags & 8 else 0
    message.take((8 if flags & 4 else 0) + (1 if flags & 16 else 0))
    name = message.take(message.number(1 << (flags & 3))).decode()
    if version != 1 or flags & ~31:
        raise ValueError("a link is of a version that RobBench does not write")
    return name, None if kind else message.number(8)
