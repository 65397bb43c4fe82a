"""Search spaces: what an architecture is, how it is written, which architectures are the same, and how to get from one to another.

    space.py     Variable, SearchSpace: what every space offers
    moves.py     mutation, crossover and distance, written once over the variables
    subset.py    some of a space's architectures
    groups.py    architectures sorted into groups by a key
    nb201/       NAS-Bench-201
    darts/       DARTS
    wrn/         the WideResNets of NARes

A space is a folder; its module `__init__` makes the one instance, which `SPACES` names, and loads when it is first asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from contextlib import suppress
from typing import Any

from robbench.errors import UnknownArchitecture, UnknownSpace
from robbench.spaces.groups import Groups
from robbench.spaces.space import SearchSpace, Variable
from robbench.spaces.subset import Subset

__all__ = ["SPACES", "Groups", "SearchSpace", "Subset", "Variable", "elsewhere", "parse", "space_named"]


class Spaces(MutableMapping[str, SearchSpace[Any]]):
    """Search spaces by name, each loaded when it is first asked for: a question about one does not wait for the others.

    Arguments:
        loaders: what gives the space of each name.
    """

    def __init__(self, loaders: dict[str, Callable[[], SearchSpace[Any]]]) -> None:
        self._loaders = loaders
        self._loaded: dict[str, SearchSpace[Any]] = {}

    def __getitem__(self, name: str) -> SearchSpace[Any]:
        if name not in self._loaded:
            self._loaded[name] = self._loaders[name]()
        return self._loaded[name]

    def __setitem__(self, name: str, space: SearchSpace[Any]) -> None:
        self._loaders[name], self._loaded[name] = lambda: space, space

    def __delitem__(self, name: str) -> None:
        del self._loaders[name]
        self._loaded.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaders)

    def __len__(self) -> int:
        return len(self._loaders)

    def __contains__(self, name: object) -> bool:
        return name in self._loaders


def _nb201() -> SearchSpace[Any]:
    from robbench.spaces.nb201 import NB201

    return NB201


def _darts() -> SearchSpace[Any]:
    from robbench.spaces.darts import DARTS

    return DARTS


def _wrn() -> SearchSpace[Any]:
    from robbench.spaces.wrn import WRN

    return WRN


SPACES = Spaces({"nb201": _nb201, "darts": _darts, "wrn": _wrn})


def space_named(name: str) -> SearchSpace[Any]:
    """The space of a name, as stores write it.

    Raises:
        UnknownSpace: this RobBench has none of that name.
    """
    if name not in SPACES:
        raise UnknownSpace(f"{name!r} is not a search space that this RobBench knows; it knows {', '.join(SPACES)}.")
    return SPACES[name]


def parse(space: SearchSpace[Any], arch: Any) -> Any:
    """The architecture that a text in any spelling of the space, or what `space.parse` takes, means; the error says so where it is one of another space.

    Raises:
        UnknownArchitecture: it is none of this space.
    """
    try:
        return _read(space, arch)
    except UnknownArchitecture as error:
        if found := elsewhere(space, arch):
            raise UnknownArchitecture(f"{arch} is an architecture of {found[0].title}; expected one of {space.title}.") from error
        raise


def elsewhere(space: SearchSpace[Any], arch: Any) -> tuple[SearchSpace[Any], Any] | None:
    """The first other space that has such an architecture, and the architecture; None where none has."""
    for other in SPACES.values():
        if other is not space:
            with suppress(UnknownArchitecture):
                return other, _read(other, arch)
    return None


def _read(space: SearchSpace[Any], arch: Any) -> Any:
    return space.from_text(arch) if isinstance(arch, str) else space.parse(arch)
