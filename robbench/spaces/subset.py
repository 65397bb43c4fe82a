"""Some of a space's architectures, such as those that a store has measurements of, with the moves of the whole space."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, partial
from typing import TypeVar

import numpy as np

from robbench.errors import InvalidArgument
from robbench.spaces.moves import Moves, checked_rate
from robbench.spaces.space import SearchSpace

A = TypeVar("A")
DRAWS = 30
"""From the whole space, until what is one of a subset is drawn otherwise, which takes as long as many of these."""


class Subset(Moves[A]):
    """Some of the architectures of a space, in the order given, each once.

    Arguments:
        space: what they are of.
        archs: the architectures; all that the space has if left out.
        radius: in how many variables neighbours may differ.  If left out, as few as it takes to get from every architecture to every other: 1 in a whole
            space, but more where so many are left out that single changes lead nowhere.

    Raises:
        InvalidArgument: there are none, or too many to list, or the radius is none.
    """

    def __init__(self, space: SearchSpace[A], archs: Iterable[A] | None = None, *, radius: int | None = None) -> None:
        found = space.members if archs is None else tuple(dict.fromkeys(archs))
        if found is None:
            raise InvalidArgument(f"{space.title} has too many architectures to list; say which of them: Subset(space, archs).")
        if not found:
            raise InvalidArgument("there are no architectures in the subset; expected at least one.")
        if radius is not None and radius not in range(1, len(space.variables) + 1):
            raise InvalidArgument(
                f"radius={radius!r} is not a number of variables; expected an integer from 1 to {len(space.variables)}, or None."
            )
        self._space, self._archs, self._radius = space, found, radius
        self._positions = {arch: position for position, arch in enumerate(found)}
        self._neighbors: dict[A, tuple[A, ...]] = {}

    def __reduce__(self) -> tuple[Callable[..., Subset[A]], tuple[SearchSpace[A], tuple[A, ...] | None]]:
        return partial(Subset, radius=self._radius), (self._space, None if self._is_whole else self._archs)

    def __len__(self) -> int:
        return len(self._archs)

    def __contains__(self, arch: A) -> bool:
        return arch in self._positions

    @property
    def space(self) -> SearchSpace[A]:
        """What the architectures are of."""
        return self._space

    @property
    def members(self) -> tuple[A, ...]:
        """The architectures, in the order given."""
        return self._archs

    def sample(self, rng: np.random.Generator) -> A:
        """An architecture, uniformly at random."""
        return self._archs[int(rng.random() * len(self._archs))]  # `integers` takes eight times as long for a single one

    def neighbors(self, arch: A) -> tuple[A, ...]:
        """The architectures that differ from this one in one variable, or in at most `radius`, in a fixed order."""
        try:
            return self._neighbors[arch]
        except KeyError:
            found = self._neighbors[arch] = self._near(arch)
            return found

    def mutate_each(self, arch: A, rng: np.random.Generator, rate: float) -> A:
        """As of the whole space, given that the result is one of these; of a space too large to list it is drawn among these at once.

        There, whatever is drawn from the whole space is hardly ever one of a few.
        """
        if self._space.members is not None:
            return super().mutate_each(arch, rng, rate)
        others = np.array([len(variable.choices) - 1 for variable in self._space.variables])
        changed = np.log(checked_rate(rate) / np.maximum(others, 1))
        logs = np.where(self._codes == np.array(self._space.encode(arch)), np.log1p(-rate), changed).sum(axis=1)
        upto = np.cumsum(np.exp(logs - logs.max()))
        return self._archs[int(np.searchsorted(upto, rng.random() * upto[-1], side="right"))]

    def sample_each(self, shares: Sequence[np.ndarray], rng: np.random.Generator) -> A:
        """As of the whole space, given that the result is one of these: drawn among these at once where it hardly ever is."""
        for _ in range(DRAWS):
            arch = self._drawn(shares, rng)
            if arch is not None:
                return arch
        logs = np.sum([np.log(share)[column] for share, column in zip(shares, self._codes.T, strict=True)], axis=0)
        upto = np.cumsum(np.exp(logs - logs.max()))
        return self._archs[int(np.searchsorted(upto, rng.random() * upto[-1], side="right"))]

    def crossover(self, one: A, other: A, rng: np.random.Generator) -> A:
        """As of the whole space, given that the child is one of these; of a space too large to list it is drawn among these at once."""
        if self._space.members is not None:
            return super().crossover(one, other, rng)
        mine, theirs = np.array(self._space.encode(one)), np.array(self._space.encode(other))
        children = np.flatnonzero(((self._codes == mine) | (self._codes == theirs)).all(axis=1))
        if not len(children):
            raise InvalidArgument(f"neither {one} nor {other} is in the subset, nor is any child of theirs; expected parents that are.")
        return self._archs[int(children[int(rng.random() * len(children))])]

    @cached_property
    def radius(self) -> int:
        """In how many variables neighbours may differ."""
        if self._radius is not None or self._is_whole:
            return self._radius or 1
        return next(radius for radius in range(1, len(self._space.variables) + 1) if self._is_connected(radius))

    @property
    def _is_whole(self) -> bool:
        return self._space.members is not None and self._archs == self._space.members

    def _admitted(self, code: Sequence[int]) -> A | None:
        arch = self._space._admitted(code)
        return arch if arch in self._positions else None

    def _near(self, arch: A) -> tuple[A, ...]:
        if self.radius == 1:
            return tuple(near for near in self._space.neighbors(arch) if near in self._positions)
        differing = (self._codes != np.array(self._space.encode(arch))).sum(axis=1)
        return tuple(self._archs[position] for position in np.flatnonzero((differing > 0) & (differing <= self.radius)))

    def _is_connected(self, radius: int) -> bool:
        """Whether every architecture can be reached from the first by steps of at most so many changes."""
        left, reached = self._codes[1:], [self._codes[0]]
        while reached and len(left):
            near = (left != reached.pop()).sum(axis=1) <= radius
            reached.extend(left[near])
            left = left[~near]
        return not len(left)

    @cached_property
    def _codes(self) -> np.ndarray:
        """``(architectures, variables)``, uint16."""
        return np.array([self._space.encode(arch) for arch in self._archs], np.uint16)
