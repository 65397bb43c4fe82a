"""Which genotypes are the same architecture.

Inner nodes may be relabelled: the output concatenates them, and whatever reads it begins with a convolution of all its channels, whose weights absorb
their order.  The two inputs of a node commute.  So the canonical form is the smallest text of a cell over all relabellings that are an order of its graph
(at most 4! = 24); an edge that is ``none`` adds nothing and is left out.  The normal and the reduction cell stand at different places of the network and are
never exchanged.

No two inner nodes are merged, equal as they may look: each has weights of its own.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

from robbench.spaces.darts.genotype import INNER, OPERATIONS, Cell, Edge, Genotype

_LETTER = dict(zip(OPERATIONS, "#mak35de", strict=True))
_OPERATION = {letter: op for op, letter in _LETTER.items()}
_NOTHING: Edge = (0, OPERATIONS[0])
_KEY_LENGTH = 16
_CACHED = 65_536

Row = tuple[str, ...]
"""What is known of a node once it has its place: its edges, each a source's new number and a letter, sorted; and "-" where it is not concatenated."""


@lru_cache(_CACHED)
def canonical_form(genotype: Genotype) -> str:
    """The genotype in the relabelling whose text is smallest: ``"03 13|…//0m 1m|…"``, a source and a letter for each edge."""
    return f"{_smallest(genotype.normal)}//{_smallest(genotype.reduce)}"


@lru_cache(_CACHED)
def canonical(genotype: Genotype) -> Genotype:
    """The genotype that the canonical form is of, with ``none`` from node 0 where it leaves out an edge."""
    normal, reduce = map(_cell, canonical_form(genotype).split("//"))
    return Genotype.of_cells(normal, reduce)


def _cell(text: str) -> Cell:
    rows = [row.split() for row in text.split("|")]
    edges = [[(int(part[0]), _OPERATION[part[1]]) for part in row if part != "-"] for row in rows]
    nodes = [sorted([*some, *[_NOTHING] * (2 - len(some))]) for some in edges]
    concat = tuple(node for node, row in zip(INNER, rows, strict=True) if "-" not in row)
    return Cell(tuple((one, other) for one, other in nodes), concat)


@lru_cache(_CACHED)
def key(genotype: Genotype) -> str:
    """16 hexadecimal digits, the same in every version of RobBench."""
    return hashlib.sha256(f"darts/class/v1:{canonical_form(genotype)}".encode()).hexdigest()[:_KEY_LENGTH]


@lru_cache(_CACHED)
def _smallest(cell: Cell) -> str:
    edges = {node: [(source, _LETTER[op]) for source, op in pair if op != "none"] for node, pair in zip(INNER, cell.nodes, strict=True)}
    absent: dict[int, tuple[str, ...]] = {node: () if node in cell.concat else ("-",) for node in INNER}
    return "|".join(map(" ".join, _from((), {0: "0", 1: "1"}, edges, absent)))


def _from(
    placed: tuple[Row, ...], number: dict[int, str], edges: dict[int, list[tuple[int, str]]], absent: dict[int, tuple[str, ...]]
) -> tuple[Row, ...]:
    """The smallest rows that begin with those placed.

    A row depends on nodes before it only, so the smallest sequence takes the smallest row at every step; where several nodes have it, each is tried.
    """
    ready = {
        node: (*sorted(number[source] + letter for source, letter in into), *absent[node])
        for node, into in edges.items()
        if node not in number and all(source in number for source, _ in into)
    }
    if not ready:
        return placed
    least, label = min(ready.values()), str(len(number))
    return min(_from((*placed, least), {**number, node: label}, edges, absent) for node, row in ready.items() if row == least)
