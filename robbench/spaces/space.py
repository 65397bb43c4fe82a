"""The architectures that a search may visit, and how it goes from one to the next.

Space()                     all of NAS-Bench-201
Space.answered_by(oracle)   those that an oracle has a value for, such as the measured part of a store that is not yet full
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property, partial
from typing import TYPE_CHECKING, Self

import numpy as np

from robbench.errors import CannotSearch
from robbench.spaces.nb201 import EDGES, OPERATIONS, SIZE, Cell, cells

if TYPE_CHECKING:
    from robbench.oracle import Oracle


class Space:
    """Exact cells of NAS-Bench-201, all of them by default.

    Arguments:
        archs: the cells; all 15,625 if left out.
        radius: in how many edges neighbours may differ.  If left out, as few as it takes to get from every cell to every other: 1 in all
            of NAS-Bench-201, but more where so many cells are left out that single changes lead nowhere.

    Raises:
        CannotSearch: there are no cells, or the radius is none.
    """

    def __init__(self, archs: Iterable[Cell] | None = None, *, radius: int | None = None) -> None:
        self.cells = tuple(cells() if archs is None else dict.fromkeys(archs))
        if not self.cells:
            raise CannotSearch("there are no architectures in the space; expected at least one.")
        if radius is not None and radius not in range(1, len(EDGES) + 1):
            raise CannotSearch(f"radius={radius!r} is not a number of edges; expected an integer from 1 to {len(EDGES)}.")
        self._radius = radius
        self._position = {cell: position for position, cell in enumerate(self.cells)}
        self._neighbors: dict[Cell, tuple[Cell, ...]] = {}

    @classmethod
    def answered_by(cls, oracle: Oracle) -> Self:
        """The cells that an oracle has a value of every objective for.

        Raises:
            CannotSearch: it has none.
        """
        return cls(cell for cell in cells() if oracle.answers(cell))

    def __reduce__(self) -> tuple[Callable[..., Space], tuple[tuple[Cell, ...] | None]]:
        return partial(Space, radius=self._radius), (None if len(self) == SIZE else self.cells,)

    def __len__(self) -> int:
        return len(self.cells)

    def __contains__(self, cell: Cell) -> bool:
        return cell in self._position

    def sample(self, rng: np.random.Generator) -> Cell:
        """A cell, uniformly at random."""
        return self.cells[int(rng.random() * len(self.cells))]  # `integers` takes eight times as long for a single one

    def neighbors(self, cell: Cell) -> tuple[Cell, ...]:
        """The cells that differ in one edge, 24 in all of NAS-Bench-201; or in at most `radius` edges."""
        try:
            return self._neighbors[cell]
        except KeyError:
            found = self._neighbors[cell] = self._near(cell)
            return found

    def mutate(self, cell: Cell, rng: np.random.Generator) -> Cell:
        """A neighbour, uniformly at random; the cell itself where it is alone."""
        near = self.neighbors(cell)
        return near[int(rng.random() * len(near))] if near else cell

    def mutate_each(self, cell: Cell, rng: np.random.Generator, rate: float) -> Cell:
        """A cell of the space with each operation changed to another one with this probability; possibly the cell itself.

        Raises:
            CannotSearch: the rate is not a probability between 0 and 1: at 0 nothing changes, at 1 a small space may hold nothing to change to.
        """
        if not 0 < rate < 1:
            raise CannotSearch(f"rate={rate!r} is not how often an operation changes; expected a number between 0 and 1, such as 0.25.")
        while True:
            changed = rng.random(len(EDGES)) < rate
            others = ([other for other in OPERATIONS if other != op] for op in cell.ops)
            ops = (
                near[int(rng.random() * len(near))] if change else op for change, op, near in zip(changed, cell.ops, others, strict=True)
            )
            mutant = Cell._of(tuple(ops))
            if mutant in self._position:
                return mutant

    def crossover(self, one: Cell, other: Cell, rng: np.random.Generator) -> Cell:
        """A cell of the space with each edge from one of the two parents, uniformly at random among these (a parent, at least)."""
        while True:
            taken = rng.random(len(EDGES)) < 0.5
            child = Cell._of(tuple(mine if take else theirs for take, mine, theirs in zip(taken, one.ops, other.ops, strict=True)))
            if child in self._position:
                return child

    @cached_property
    def radius(self) -> int:
        """In how many edges neighbours may differ."""
        if self._radius is not None or len(self) == SIZE:
            return self._radius or 1
        return next(radius for radius in range(1, len(EDGES) + 1) if self._is_connected(radius))

    def _near(self, cell: Cell) -> tuple[Cell, ...]:
        if self.radius == 1:
            return tuple(near for near in cell.neighbors() if near in self._position)
        changed = (self._operations != _numbers(cell)).sum(axis=1)
        return tuple(self.cells[position] for position in np.flatnonzero((changed > 0) & (changed <= self.radius)))

    def _is_connected(self, radius: int) -> bool:
        """Whether every cell can be reached from the first by steps of at most so many changes."""
        left, reached = self._operations[1:], [self._operations[0]]
        while reached and len(left):
            near = (left != reached.pop()).sum(axis=1) <= radius
            reached.extend(left[near])
            left = left[~near]
        return not len(left)

    @cached_property
    def _operations(self) -> np.ndarray:
        """The cells as numbers: ``(cells, 6)``, uint8."""
        return np.array([_numbers(cell) for cell in self.cells], np.uint8)


def _numbers(cell: Cell) -> list[int]:
    return [OPERATIONS.index(op) for op in cell.ops]
