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
from functools import cache
from typing import NamedTuple

from robbench.spaces.nb201 import Cell, cells

KEY_LENGTH = 16
"""Hexadecimal digits of a key: 64 bits; a test checks that no two classes collide."""


def canonical_form(cell: Cell) -> str:
    """The cell as the published rule writes it: '0' is the input, '#' a zero, '(x)@op' an operation, '+' a sorted sum.

    The published rule keeps '#+#' apart from '#', and so does this: tables from anywhere join on it.

    Source: Dong and Yang (2020), the unique string of an architecture with zeros considered.
    """
    nodes = ["0"]
    for incoming in cell.inputs:
        nodes.append("+".join(sorted(_class_term(op, nodes[source]) for op, source in incoming)))
    return nodes[-1]


def twin_form(cell: Cell, *, zero_conv: bool = False) -> str:
    """The function that the cell computes, as a flat sorted sum of terms; empty where it is zero.

    Arguments:
        zero_conv: keep a convolution of zeros as a term, since its batch norm can learn an offset.
    """
    nodes: list[tuple[str, ...]] = [("0",)]
    for incoming in cell.inputs:
        nodes.append(tuple(sorted(term for op, source in incoming for term in _twin_terms(op, nodes[source], zero_conv))))
    return "+".join(nodes[-1])


def class_key(cell: Cell) -> str:
    """The key of the cell's isomorphism class: 16 hexadecimal digits, the same in every version of RobBench."""
    return _key("nb201/class/v1:", canonical_form(cell))


def twin_key(cell: Cell, *, zero_conv: bool = False) -> str:
    """The key of the cell's group of functional twins: 16 hexadecimal digits."""
    return _key("nb201/twin-zero-conv/v1:" if zero_conv else "nb201/twin/v1:", twin_form(cell, zero_conv=zero_conv))


class Partition(NamedTuple):
    """The 15,625 cells, in the order of `cells()`, sorted into groups; groups are numbered as they first appear."""

    keys: tuple[str, ...]
    """The key of each group."""
    group: tuple[int, ...]
    """For each cell, the number of its group."""
    representative: tuple[int, ...]
    """For each group, the position of its first cell."""


@cache
def class_partition() -> Partition:
    """All cells by isomorphism class: 6,466 groups."""
    return _partition([class_key(cell) for cell in cells()])


@cache
def twin_partition(*, zero_conv: bool = False) -> Partition:
    """All cells by functional twin: 4,930 groups, or 5,545 where convolutions of zeros are kept."""
    return _partition([twin_key(cell, zero_conv=zero_conv) for cell in cells()])


def _partition(keys: list[str]) -> Partition:
    representative: dict[str, int] = {}
    for position, key in enumerate(keys):
        representative.setdefault(key, position)
    number = {key: group for group, key in enumerate(representative)}
    return Partition(tuple(representative), tuple(number[key] for key in keys), tuple(representative.values()))


@cache
def _key(rule: str, form: str) -> str:
    return hashlib.sha256((rule + form).encode()).hexdigest()[:KEY_LENGTH]


@cache
def _class_term(op: str, source: str) -> str:
    if op == "none" or source == "#":
        return "#"
    return source if op == "skip_connect" else f"({source})@{op}"


def _twin_terms(op: str, source: tuple[str, ...], zero_conv: bool) -> tuple[str, ...]:
    if op == "none":
        return ()
    if op == "skip_connect":
        return source
    if not source and not (zero_conv and op.startswith("nor_conv")):
        return ()
    return (f"({'+'.join(source)})@{op}",)
