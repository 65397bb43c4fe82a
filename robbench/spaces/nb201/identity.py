"""What "the same architecture" means: exact cells, isomorphism classes, functional twins.

- exact: the cell as written; `str(cell)` names it.  Parameters, FLOPs and zero-cost proxies belong to exact cells.
- class: the isomorphism of NAS-Bench-201 (Dong and Yang, 2020), 6,466 classes: each node is the sorted sum of its inputs, a
  skip edge is its source, an edge that is `none` or starts at a dead node is a zero.  One network a class was evaluated by
  Jung et al. (2023), so this is how robustness is looked up.  The rule is frozen, and with it `class_key`.
- twin: the same function for every choice of weights, beyond the published rule: zeros are dropped from sums, and sums are
  flattened through skips.  Twins of different classes were trained and attacked apart, so they are repeated measurements.
  A convolution of zeros is a zero, or, with `zero_conv=True`, a term of its own, because the batch norm behind it can learn an
  offset.  The 6,466 evaluated networks (the lowest published index of each class) make 4,930 groups, or 5,067.
"""

from __future__ import annotations

import hashlib
from functools import cache, lru_cache

from robbench.spaces.groups import Groups
from robbench.spaces.nb201.cell import SIZE, Cell, cells
from robbench.spaces.terms import MARK

Sum = tuple["Term", ...]
"""What a node holds: a sorted sum of terms."""
Term = tuple[str, Sum]
"""An operation and what it is applied to; the cell's input is ``("0", ())``."""

INPUT: Term = ("0", ())

KEY_LENGTH = 16
"""Hexadecimal digits of a key: 64 bits; a test checks that no two classes collide."""


@lru_cache(SIZE)
def canonical_form(cell: Cell) -> str:
    """The cell as the published rule writes it: '0' is the input, '#' a zero, '(x)@op' an operation, '+' a sorted sum.

    The published rule keeps '#+#' apart from '#', and so does this: tables from anywhere join on it.

    Source: Dong and Yang (2020), the unique string of an architecture with zeros considered.
    """
    nodes = ["0"]
    for incoming in cell.inputs:
        nodes.append("+".join(sorted(_class_term(op, nodes[source]) for op, source in incoming)))
    return nodes[-1]


def expression(cell: Cell, *, zero_conv: bool = False, own_weights: bool = False) -> Sum:
    """The function that the cell computes, as a flat sorted sum of terms; empty where it is zero.  Equal for functional twins.

    Arguments:
        zero_conv: keep a convolution of zeros as a term, since its batch norm can learn an offset.
        own_weights: mark each convolution by its edge, since each has weights of its own.  Then twins may differ.
    """
    nodes: list[Sum] = [(INPUT,)]
    for target, incoming in enumerate(cell.inputs, start=1):
        marks = (f"{MARK}{source}{target}" if own_weights and op.startswith("nor_conv") else "" for op, source in incoming)
        terms = (term for (op, source), mark in zip(incoming, marks, strict=True) for term in _terms(op, nodes[source], zero_conv, mark))
        nodes.append(tuple(sorted(terms)))
    return nodes[-1]


@lru_cache(2 * SIZE)
def twin_form(cell: Cell, *, zero_conv: bool = False) -> str:
    """`expression` as text; empty where the function is zero."""
    return _written(expression(cell, zero_conv=zero_conv))


def class_key(cell: Cell) -> str:
    """The key of the cell's isomorphism class: 16 hexadecimal digits, the same in every version of RobBench."""
    return _key("nb201/class/v1:", canonical_form(cell))


def twin_key(cell: Cell, *, zero_conv: bool = False) -> str:
    """The key of the cell's group of functional twins: 16 hexadecimal digits."""
    return _key("nb201/twin-zero-conv/v1:" if zero_conv else "nb201/twin/v1:", twin_form(cell, zero_conv=zero_conv))


@cache
def class_partition() -> Groups:
    """All cells by isomorphism class: 6,466 groups."""
    return Groups.of(class_key(cell) for cell in cells())


@cache
def twin_partition(*, zero_conv: bool = False) -> Groups:
    """All cells by functional twin: 4,930 groups, or 5,545 where convolutions of zeros are kept."""
    return Groups.of(twin_key(cell, zero_conv=zero_conv) for cell in cells())


@cache
def _key(rule: str, form: str) -> str:
    return hashlib.sha256((rule + form).encode()).hexdigest()[:KEY_LENGTH]


@cache
def _class_term(op: str, source: str) -> str:
    if op == "none" or source == "#":
        return "#"
    return source if op == "skip_connect" else f"({source})@{op}"


def _terms(op: str, source: Sum, zero_conv: bool, mark: str) -> Sum:
    """What an edge with this operation adds to the node that it enters; a mark tells its term apart from equal ones."""
    if op == "none":
        return ()
    if op == "skip_connect":
        return source
    if not source and not (zero_conv and op.startswith("nor_conv")):
        return ()
    return ((op + mark, source),)


@cache
def _written(total: Sum) -> str:
    return "+".join(sorted("0" if term == INPUT else f"({_written(term[1])})@{term[0]}" for term in total))
