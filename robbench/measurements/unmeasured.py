"""A search space of which nothing was measured: what an oracle of functions alone asks in place of a store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Never

from robbench.errors import NotMeasured
from robbench.spaces import SearchSpace, parse


class Unmeasured:
    """A space without a store; it has the parts of `Measurements` that an oracle needs."""

    def __init__(self, space: SearchSpace[Any]) -> None:
        self.space, self.lookup = space, NoRows(space)

    def __reduce__(self) -> tuple[Callable[[SearchSpace[Any]], Unmeasured], tuple[SearchSpace[Any]]]:
        return Unmeasured, (self.space,)

    def __deepcopy__(self, memo: dict[int, Any]) -> Unmeasured:
        return self


class NoRows:
    """The lookup of a store that holds no architecture."""

    exact: tuple[Any, ...] = ()
    classes: tuple[Any, ...] = ()

    def __init__(self, space: SearchSpace[Any]) -> None:
        self._space = space
        self.known: dict[str, dict[Any, int]] = {"class": {}, "exact": {}}
        """Always empty."""

    def parse(self, arch: Any) -> Any:
        """The architecture that is meant; raises UnknownArchitecture where it is none of the space."""
        return parse(self._space, arch)

    def row(self, kind: str, arch: Any) -> Never:
        """Raises NotMeasured."""
        raise NotMeasured(f"nothing was measured of {arch}: there is no store.")
