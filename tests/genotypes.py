"""Genotypes of DARTS as tests make them: relabelled, and in other spellings."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from robbench.spaces.darts import DARTS, INNER, Cell, Genotype

Order = Sequence[int]
"""For each inner node, in order, its new number."""


def orders(cell: Cell) -> Iterator[Order]:
    """All relabellings of a cell's inner nodes in which every node still reads earlier ones only."""
    for order in itertools.permutations(INNER):
        number = dict(zip((0, 1, *INNER), (0, 1, *order), strict=True))
        if all(number[source] < number[node] for node, edges in zip(INNER, cell.nodes, strict=True) for source, _ in edges):
            yield order


def pairs(cell: Cell, order: Order = INNER) -> list[tuple[str, int]]:
    """A cell as published, relabelled."""
    number = dict(zip((0, 1, *INNER), (0, 1, *order), strict=True))
    into = {number[node]: [(op, number[source]) for source, op in edges] for node, edges in zip(INNER, cell.nodes, strict=True)}
    return [pair for node in INNER for pair in into[node]]


def relabelled(genotype: Genotype) -> Iterator[Genotype]:
    """The genotype in every relabelling of one cell, then of the other."""
    normal, reduce = genotype.normal, genotype.reduce
    for order in orders(normal):
        yield Genotype(pairs(normal, order), pairs(reduce))
    for order in orders(reduce):
        yield Genotype(pairs(normal), pairs(reduce, order))


def drawn(count: int, seed: int = 0) -> list[Genotype]:
    """So many genotypes, at random."""
    rng = np.random.default_rng(seed)
    return [DARTS.sample(rng) for _ in range(count)]
