"""Architectures sorted into groups that share a key: isomorphism classes, functional twins."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Groups(NamedTuple):
    """A sequence of architectures, sorted; groups are numbered as they first appear."""

    keys: tuple[str, ...]
    """The key of each group."""
    group: tuple[int, ...]
    """For each architecture, the number of its group."""
    representative: tuple[int, ...]
    """For each group, the position of its first architecture."""

    @classmethod
    def of(cls, keys: Iterable[str]) -> Groups:
        """The groups of architectures that have these keys."""
        keys = list(keys)
        representative: dict[str, int] = {}
        for position, key in enumerate(keys):
            representative.setdefault(key, position)
        number = {key: group for group, key in enumerate(representative)}
        return cls(tuple(representative), tuple(number[key] for key in keys), tuple(representative.values()))
