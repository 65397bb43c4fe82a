"""A cell of NAS-Bench-201: four nodes, six edges, one of five operations on each; 5^6 = 15,625 in all.

Nodes are 0 (the cell's input) to 3 (its output); an edge leads from a lower node to a higher one.  The arch string lists,
for nodes 1 to 3, the operation on each incoming edge and the node that it comes from:

    |nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|
     edge 0→1         0→2    1→2              0→3            1→3            2→3
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from numbers import Integral
from typing import Any

from robbench.delegates import Delegate
from robbench.errors import UnknownArchitecture

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
SIZE: int = len(OPERATIONS) ** len(EDGES)

# NASLib numbers operations and orders edges in its own way; its tuples look like ours and mean something else.
NASLIB_OPERATIONS = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
NASLIB_EDGES = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))

_TEXT = re.compile(r"\|({0})~0\|\+\|({0})~0\|({0})~1\|\+\|({0})~0\|({0})~1\|({0})~2\|".format("|".join(OPERATIONS)))
_KERNEL_PARAMETERS = {"nor_conv_1x1": 1, "nor_conv_3x3": 9}
_EXAMPLE = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|"


class Cell:
    """One cell of NAS-Bench-201: immutable, hashable, equal to another when all six operations are.

    Arguments:
        ops: six operation names, on the edges 0→1, 0→2, 1→2, 0→3, 1→3, 2→3 (the order of the arch string).

    Raises:
        UnknownArchitecture: not six names of NAS-Bench-201 operations.
    """

    __slots__ = ("_hash", "ops")
    ops: tuple[str, ...]
    _repr_html_: Delegate[str] = Delegate("robbench.spaces.nb201.drawing", "html")

    def __new__(cls, ops: Sequence[str]) -> Cell:
        """A cell, once its operations have been checked."""
        _check(ops)
        return cls.of_operations(tuple(ops))

    @classmethod
    def of_operations(cls, ops: tuple[str, ...]) -> Cell:
        """The cell of six operations that are known to be right: nothing is checked."""
        cell = object.__new__(cls)
        object.__setattr__(cell, "ops", ops)
        object.__setattr__(cell, "_hash", hash(ops))
        return cell

    @classmethod
    def parse(cls, arch: str) -> Cell:
        """The cell that an arch string names.

        Raises:
            UnknownArchitecture: the string is not exactly an arch string; says what differs and on which edge.
        """
        if not isinstance(arch, str):
            raise UnknownArchitecture(f"{arch!r} is a {type(arch).__name__}; expected an arch string such as {_EXAMPLE!r}.")
        if match := _TEXT.fullmatch(arch):
            return cls.of_operations(match.groups())
        return cls(tuple(_parse(arch)))  # which says where it goes wrong

    @classmethod
    def from_naslib(cls, indices: Sequence[int]) -> Cell:
        """The cell of a NASLib tuple: six indices into `NASLIB_OPERATIONS`, on the edges of `NASLIB_EDGES`.

        Raises:
            UnknownArchitecture: not six integers from 0 to 4.
        """
        if isinstance(indices, str) or not isinstance(indices, Sequence) or len(indices) != len(EDGES):
            raise UnknownArchitecture(f"{indices!r} is not a NASLib tuple; expected six integers from 0 to 4, such as (4, 0, 3, 1, 4, 3).")
        for edge, index in zip(NASLIB_EDGES, indices, strict=True):
            if isinstance(index, bool) or not isinstance(index, Integral) or not 0 <= index < len(OPERATIONS):
                raise UnknownArchitecture(
                    f"{index!r} on edge {_arrow(edge)} of the NASLib tuple {indices!r} is not an operation; expected an integer from 0 to 4"
                    f" ({', '.join(f'{i} = {op}' for i, op in enumerate(NASLIB_OPERATIONS))})."
                )
        operation = {edge: NASLIB_OPERATIONS[index] for edge, index in zip(NASLIB_EDGES, indices, strict=True)}
        return cls(tuple(operation[edge] for edge in EDGES))

    def to_naslib(self) -> tuple[int, ...]:
        """Six indices into `NASLIB_OPERATIONS`, on the edges of `NASLIB_EDGES`."""
        operation = dict(zip(EDGES, self.ops, strict=True))
        return tuple(NASLIB_OPERATIONS.index(operation[edge]) for edge in NASLIB_EDGES)

    @property
    def inputs(self) -> tuple[tuple[tuple[str, int], ...], ...]:
        """For nodes 1 to 3, the (operation, source node) of each incoming edge."""
        a, b, c, d, e, f = self.ops
        return ((a, 0),), ((b, 0), (c, 1)), ((d, 0), (e, 1), (f, 2))

    @property
    def depends_on_input(self) -> bool:
        """Whether any path without `none` leads from node 0 to node 3; where none does, the logits are constant."""
        reached = {0}
        for node, incoming in enumerate(self.inputs, start=1):
            if any(op != "none" and source in reached for op, source in incoming):
                reached.add(node)
        return 3 in reached

    @property
    def kernel_parameters(self) -> int:
        """Cell kernel parameters (Jung et al., 2023): 1 for each 1×1 and 9 for each 3×3 convolution; from 0 to 54."""
        return sum(_KERNEL_PARAMETERS.get(op, 0) for op in self.ops)

    def __str__(self) -> str:
        a, b, c, d, e, f = self.ops
        return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"

    def __repr__(self) -> str:
        return f"Cell.parse({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return self.ops == other.ops if isinstance(other, Cell) else NotImplemented

    def __hash__(self) -> int:
        return self._hash  # type: ignore[attr-defined,no-any-return]

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a Cell is immutable: {name} cannot be set; make a new Cell.")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a Cell is immutable: {name} cannot be deleted.")

    def __reduce__(self) -> tuple[type[Cell], tuple[tuple[str, ...]]]:
        return Cell, (self.ops,)


def cells() -> Iterator[Cell]:
    """All 15,625 cells, in lexicographic order of their operations (the order of `OPERATIONS`)."""
    return map(Cell.of_operations, itertools.product(OPERATIONS, repeat=len(EDGES)))


def position(cell: Cell) -> int:
    """Where `cells()` yields this cell: 0 to 15,624."""
    return sum(OPERATIONS.index(op) * len(OPERATIONS) ** power for power, op in enumerate(reversed(cell.ops)))


def _arrow(edge: tuple[int, int]) -> str:
    return f"{edge[0]}→{edge[1]}"


def _check(ops: Sequence[str]) -> None:
    if isinstance(ops, str):
        raise UnknownArchitecture(f"{ops!r} is a string, not six operation names; use Cell.parse for an arch string.")
    if not isinstance(ops, Sequence):
        raise UnknownArchitecture(
            f"{ops!r} is a {type(ops).__name__}; expected six operation names, one for each of the edges {', '.join(map(_arrow, EDGES))}."
        )
    if len(ops) == len(EDGES) and all(isinstance(op, Integral) and not isinstance(op, bool) for op in ops):
        raise UnknownArchitecture(
            f"{ops!r} looks like a NASLib tuple, whose operations and edges are ordered differently; use Cell.from_naslib."
        )
    if len(ops) != len(EDGES):
        raise UnknownArchitecture(
            f"{ops!r} has {len(ops)} operations; expected six, one for each of the edges {', '.join(map(_arrow, EDGES))}."
        )
    for edge, op in zip(EDGES, ops, strict=True):
        if not isinstance(op, str) or op not in OPERATIONS:
            raise UnknownArchitecture(
                f"{op!r} on edge {_arrow(edge)} is not an operation of NAS-Bench-201; expected one of {', '.join(OPERATIONS)}."
            )


def _parse(arch: str) -> Iterator[str]:
    """The six operation names of an arch string, or an error that says where it goes wrong."""
    nodes = arch.split("+")
    if len(nodes) != 3:
        raise UnknownArchitecture(
            f"{arch!r} has {len(nodes)} parts separated by '+'; expected three, one for each node, such as {_EXAMPLE!r}."
        )
    for node, text in enumerate(nodes, start=1):
        if len(text) < 2 or text[0] != "|" or text[-1] != "|":
            raise UnknownArchitecture(
                f"{text!r} for node {node} of {arch!r} does not begin and end with '|'; expected, for example, {_EXAMPLE.split('+')[node - 1]!r}."
            )
        inputs = text[1:-1].split("|")
        if len(inputs) != node:
            raise UnknownArchitecture(
                f"{text!r} for node {node} of {arch!r} has {len(inputs)} inputs; expected {node}, one from each earlier node."
            )
        for source, item in enumerate(inputs):
            op, tilde, written_source = item.partition("~")
            if not tilde or written_source != str(source):
                raise UnknownArchitecture(
                    f"{item!r} on edge {source}→{node} of {arch!r} is not 'operation~{source}': inputs are listed in the order of their source nodes."
                )
            yield op
