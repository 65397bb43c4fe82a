"""A genotype of DARTS: a normal and a reduction cell, each of four inner nodes with two incoming edges.

Nodes 0 and 1 are a cell's inputs (the outputs of the cell before the last, and of the last), 2 to 5 are inner nodes, each the sum of its two
edges, and the output is the concatenation of the inner nodes.  As text, edges are written ``operation~source``, in the order of their sources,
nodes are kept apart by ``|``, and the normal cell from the reduction cell by ``//``:

    sep3~0+sep3~1|sep3~0+sep3~1|skip~0+sep3~1|skip~0+dil3~2//max~0+max~1|max~1+skip~2|max~0+skip~2|max~1+skip~2
    node 2        node 3        node 4        node 5         node 2 …

A sum does not know the order of its terms, so genotypes that differ in it only are equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from numbers import Integral
from typing import Any, NamedTuple

from robbench.delegates import Delegate
from robbench.errors import UnknownArchitecture

OPERATIONS = ("none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5")
"""In published order; ``none`` is read, and is outside the space."""
SHORT = dict(zip(OPERATIONS, ("none", "max", "avg", "skip", "sep3", "sep5", "dil3", "dil5"), strict=True))
INNER = (2, 3, 4, 5)
"""The inner nodes of a cell."""
CELLS = ("normal", "reduce")
EXAMPLE = (
    "sep3~0+sep3~1|sep3~0+sep3~1|skip~0+sep3~1|skip~0+dil3~2//max~0+max~1|max~1+skip~2|max~0+skip~2|max~1+skip~2"  # DARTS, second order
)

Edge = tuple[int, str]
"""The node that an edge comes from, and its operation."""

_LONG = {short: op for op, short in SHORT.items()}
_EDGE = rf"(?:{'|'.join(SHORT.values())})~[0-4]"
_CELL = rf"{_EDGE}\+{_EDGE}(?:\|{_EDGE}\+{_EDGE}){{3}}(?:@[2-5](?:,[2-5]){{0,3}})?"
_TEXT = re.compile(rf"{_CELL}//{_CELL}")


class Cell(NamedTuple):
    """One of the two cells of a genotype."""

    nodes: tuple[tuple[Edge, Edge], ...]
    """For each of the nodes 2 to 5 its two edges, in the order of their sources."""
    concat: tuple[int, ...]
    """The nodes that the output concatenates, ascending; all inner ones, in the space."""

    def __str__(self) -> str:
        nodes = "|".join("+".join(f"{SHORT[op]}~{source}" for source, op in edges) for edges in self.nodes)
        return nodes if self.concat == INNER else f"{nodes}@{','.join(map(str, self.concat))}"

    @property
    def operations(self) -> tuple[str, ...]:
        """Those of the eight edges, node by node."""
        return tuple(op for edges in self.nodes for _, op in edges)


class Genotype:
    """A genotype: immutable, hashable, equal to another when both cells are, whatever the order of a node's two inputs.

    Arguments:
        normal: eight pairs (operation, source), two for each of the nodes 2 to 5: as published, ``[("sep_conv_3x3", 0), …]``.
        reduce: the same of the reduction cell.
        normal_concat: the nodes that the normal cell's output concatenates.
        reduce_concat: the same of the reduction cell.

    Raises:
        UnknownArchitecture: not two cells of four nodes with two edges each; says which node goes wrong.
    """

    __slots__ = ("_hash", "normal", "reduce")
    normal: Cell
    reduce: Cell
    _repr_html_: Delegate[str] = Delegate("robbench.spaces.darts.drawing", "html")

    def __new__(
        cls,
        normal: Iterable[tuple[str, int]],
        reduce: Iterable[tuple[str, int]],
        normal_concat: Iterable[int] = INNER,
        reduce_concat: Iterable[int] = INNER,
    ) -> Genotype:
        """A genotype, once both cells have been checked."""
        return cls.of_cells(_checked("normal", normal, normal_concat), _checked("reduce", reduce, reduce_concat))

    @classmethod
    def of_cells(cls, normal: Cell, reduce: Cell) -> Genotype:
        """The genotype of two cells that are known to be right: nothing is checked."""
        genotype = object.__new__(cls)
        object.__setattr__(genotype, "normal", normal)
        object.__setattr__(genotype, "reduce", reduce)
        object.__setattr__(genotype, "_hash", hash((normal, reduce)))
        return genotype

    @classmethod
    def parse(cls, text: str) -> Genotype:
        """The genotype that `str` wrote.

        Raises:
            UnknownArchitecture: the text is not exactly one; says where it goes wrong.
        """
        if not _TEXT.fullmatch(text):
            raise UnknownArchitecture(f"{text!r:.300} is not a genotype; expected one such as {EXAMPLE!r}{_hint(text)}.")
        normal, reduce = text.split("//")
        found = cls(_pairs(normal), _pairs(reduce), _concat(normal), _concat(reduce))
        if str(found) != text:
            raise UnknownArchitecture(f"{text!r} lists edges or nodes out of order: by ascending source, it is {str(found)!r}.")
        return found

    @property
    def cells(self) -> dict[str, Cell]:
        """The two cells by name: normal, reduce."""
        return {"normal": self.normal, "reduce": self.reduce}

    @property
    def outside(self) -> tuple[str, ...]:
        """Why the genotype is none of the space of DARTS, where it isn't: it has ``none``, two edges from one node, or another concatenation."""
        return tuple(reason for name, cell in self.cells.items() for reason in _outside(name, cell))

    def __str__(self) -> str:
        return f"{self.normal}//{self.reduce}"

    def __repr__(self) -> str:
        return f"Genotype.parse({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return (self.normal, self.reduce) == (other.normal, other.reduce) if isinstance(other, Genotype) else NotImplemented

    def __hash__(self) -> int:
        return self._hash  # type: ignore[attr-defined,no-any-return]

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a Genotype is immutable: {name} cannot be set; make a new Genotype.")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a Genotype is immutable: {name} cannot be deleted.")

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return Genotype.parse, (str(self),)


def _checked(name: str, pairs: Any, concat: Any) -> Cell:
    """A cell, once it is sure that it is one."""
    if isinstance(pairs, str | bytes) or not isinstance(pairs, Iterable):
        raise UnknownArchitecture(f"the {name} cell is {pairs!r:.200}; expected eight pairs (operation, source node).")
    listed = list(pairs)
    if len(listed) != 2 * len(INNER):
        raise UnknownArchitecture(
            f"the {name} cell has {len(listed)} edges; expected eight, two into each of the nodes 2 to 5: other papers' cells of more nodes are"
            " outside this space."
        )
    edges = [_edge(name, INNER[place // 2], pair) for place, pair in enumerate(listed)]
    nodes = tuple(_in_order(*edges[place : place + 2]) for place in range(0, len(edges), 2))
    return Cell(nodes, _checked_concat(name, concat))


def _edge(name: str, node: int, pair: Any) -> Edge:
    if isinstance(pair, str | bytes) or not isinstance(pair, Sequence) or len(pair) != 2:
        raise UnknownArchitecture(
            f"an edge into node {node} of the {name} cell is {pair!r:.100}; expected a pair (operation, source node)."
        )
    op, source = pair
    if not isinstance(op, str) or op not in OPERATIONS:
        raise UnknownArchitecture(
            f"{op!r:.100} into node {node} of the {name} cell is not an operation of DARTS; expected one of {', '.join(OPERATIONS)}."
        )
    if isinstance(source, bool) or not isinstance(source, Integral) or not 0 <= int(source) < node:
        raise UnknownArchitecture(
            f"node {node} of the {name} cell reads node {source!r:.100}; expected an earlier one, an integer from 0 to {node - 1}."
        )
    return int(source), op


def _in_order(one: Edge, other: Edge) -> tuple[Edge, Edge]:
    return (one, other) if one <= other else (other, one)


def _checked_concat(name: str, concat: Any) -> tuple[int, ...]:
    given = list(concat) if isinstance(concat, Iterable) and not isinstance(concat, str | bytes) else None
    if not given or any(isinstance(node, bool) or not isinstance(node, Integral) or node not in INNER for node in given):
        raise UnknownArchitecture(f"the output of the {name} cell concatenates {concat!r:.100}; expected some of the nodes 2 to 5.")
    if len(set(given)) < len(given):
        raise UnknownArchitecture(f"the output of the {name} cell concatenates {concat!r:.100}; expected each node once.")
    return tuple(sorted(map(int, given)))


def _outside(name: str, cell: Cell) -> Iterator[str]:
    for node, (one, other) in zip(INNER, cell.nodes, strict=True):
        for source, op in (one, other):
            if op == "none":
                yield f"none on {source}→{node} of the {name} cell"
        if one[0] == other[0]:
            yield f"two edges from {one[0]} to {node} in the {name} cell"
    if cell.concat != INNER:
        yield f"only {', '.join(map(str, cell.concat))} concatenated in the {name} cell"


def _pairs(cell: str) -> list[tuple[str, int]]:
    edges = (edge.split("~") for node in cell.partition("@")[0].split("|") for edge in node.split("+"))
    return [(_LONG[op], int(source)) for op, source in edges]


def _concat(cell: str) -> tuple[int, ...]:
    _, at, nodes = cell.partition("@")
    return tuple(map(int, nodes.split(","))) if at else INNER


def _hint(text: str) -> str:
    """What is wrong with a text that begins like a genotype, as a sentence's end."""
    halves = text.split("//")
    if "~" not in text or len(halves) != 2:
        return ", with // between the normal and the reduction cell" if "~" in text else ""
    for name, half in zip(CELLS, halves, strict=True):
        nodes = half.partition("@")[0].split("|")
        if len(nodes) != len(INNER):
            return f": the {name} cell has {len(nodes)} nodes between |, and not four"
        for number, node in zip(INNER, nodes, strict=True):
            edges = node.split("+")
            if len(edges) != 2:
                return f": node {number} of the {name} cell has {len(edges)} edges, and not two"
            for edge in edges:
                if not re.fullmatch(_EDGE, edge):
                    known = f"an operation of {', '.join(_LONG)} and an earlier node, 0 to {number - 1}"
                    return f": {edge!r:.60} into node {number} of the {name} cell is not operation~source, with {known}"
    return ""
