"""From one architecture to others: written once, over the variables, for whole spaces and for their subsets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from robbench.arguments import checked_count
from robbench.errors import InvalidArgument

A = TypeVar("A")
Code = tuple[int, ...]
"""For each variable, the position of a choice."""


class Moves(ABC, Generic[A]):
    """Architectures to draw from, and to go from one to the next."""

    @property
    @abstractmethod
    def space(self) -> Any:
        """The whole space: a `SearchSpace`, which this module is below of."""

    @property
    @abstractmethod
    def members(self) -> tuple[A, ...] | None:
        """All of the architectures; None where there are too many to list."""

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> A:
        """An architecture, uniformly at random."""

    @abstractmethod
    def neighbors(self, arch: A) -> tuple[A, ...]:
        """The architectures next to this one, in a fixed order."""

    @abstractmethod
    def _admitted(self, code: Sequence[int]) -> A | None:
        """The architecture of a code, if it is one of these."""

    def mutate(self, arch: A, rng: np.random.Generator) -> A:
        """A neighbour, uniformly at random; the architecture itself where it has none."""
        near = self.neighbors(arch)
        return near[int(rng.random() * len(near))] if near else arch

    def mutate_each(self, arch: A, rng: np.random.Generator, rate: float) -> A:
        """Each variable takes another of its choices with probability `rate`, drawn again until the result is one of these architectures.

        Possibly nothing changes.

        Raises:
            InvalidArgument: the rate is not between 0 and 1: at 0 nothing changes, at 1 a small set may hold nothing to change to.
        """
        checked_rate(rate)
        code, choices = self.space.encode(arch), [len(variable.choices) for variable in self.space.variables]
        while True:
            changes = rng.random(len(code)) < rate
            mutant = self._admitted(
                [_another(choice, count, rng) if change else choice for choice, count, change in zip(code, choices, changes, strict=True)]
            )
            if mutant is not None:
                return mutant

    def sample_each(self, shares: Sequence[np.ndarray], rng: np.random.Generator) -> A:
        """Each variable takes a choice by its share, drawn again until the result is one of these architectures.

        Arguments:
            shares: for each variable, ``(choices,)``, all above 0, with the sum 1.
            rng: of the draws.
        """
        while True:
            arch = self._drawn(shares, rng)
            if arch is not None:
                return arch

    def _drawn(self, shares: Sequence[np.ndarray], rng: np.random.Generator) -> A | None:
        """One draw, if it is one of these architectures."""
        at = rng.random(len(shares)).tolist()
        return self._admitted(
            [int(np.searchsorted(np.cumsum(share)[:-1], place, side="right")) for share, place in zip(shares, at, strict=True)]
        )

    def crossover(self, one: A, other: A, rng: np.random.Generator) -> A:
        """Each variable from one of two parents, at random, drawn again until the child is one of these architectures (a parent, at least)."""
        mine, theirs = self.space.encode(one), self.space.encode(other)
        while True:
            taken = rng.random(len(mine)) < 0.5
            child = self._admitted([a if take else b for take, a, b in zip(taken, mine, theirs, strict=True)])
            if child is not None:
                return child

    def crossover_at(self, one: A, other: A, rng: np.random.Generator, points: int) -> A:
        """The variables of one parent up to the first of so many points, then of the other up to the second, and so on: multi-point crossover.

        Points are drawn uniformly, the ends among them, until the child is one of these architectures (a parent, at least).

        Raises:
            InvalidArgument: there is not even one point.
        """
        checked_count(points, "points")
        parents = self.space.encode(one), self.space.encode(other)
        places = np.arange(len(parents[0]))
        while True:
            cuts = np.sort(rng.integers(0, len(places) + 1, points))
            child = self._admitted([parents[turn % 2][i] for i, turn in enumerate(np.searchsorted(cuts, places, side="right"))])
            if child is not None:
                return child

    def distance(self, one: A, other: A) -> int:
        """In how many variables two architectures differ."""
        return sum(a != b for a, b in zip(self.space.encode(one), self.space.encode(other), strict=True))


def checked_rate(rate: float) -> float:
    """The rate, if it is how often a variable changes; raises InvalidArgument."""
    if not 0 < rate < 1:
        raise InvalidArgument(f"rate={rate!r} is not how often a variable changes; expected a number between 0 and 1, such as 0.25.")
    return rate


def _another(choice: int, count: int, rng: np.random.Generator) -> int:
    """One of the other choices of a variable that has `count`, uniformly at random."""
    drawn = int(rng.random() * (count - 1))
    return drawn + (drawn >= choice)
