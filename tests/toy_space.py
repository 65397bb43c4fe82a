"""A search space of a dozen architectures, small enough to be seen at once: what holds for NAS-Bench-201 must hold for it, too.

A chain has three nodes and three edges; its output, node 2, is the sum of a short way and of a way through node 1:

    0 ──(none │ skip │ 1×1)──▶ 1 ──(skip │ 1×1)──▶ 2
    0 ──────────(none │ 1×1)────────────────────▶ 2

    spec    the operations on 0→1, 0→2, 1→2:  "nor_conv_1x1/none/skip_connect"
    key     skips are contracted and what starts at a dead node is a zero, in each of the two terms: 8 classes, four of them pairs
    twin    zeros are dropped and the terms sorted: 7 groups, since "a 1×1 and nothing" is "nothing and a 1×1"
    dead    two chains pass nothing on
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pytest

from robbench_builders.networks import CELLS
from robbench_builders.networks.graph import CellGraph
from robbench.errors import UnknownArchitecture
from robbench.spaces import SPACES
from robbench.spaces.space import Features, SearchSpace, Variable

EDGES = ((0, 1), (0, 2), (1, 2))
CHOICES = (("none", "skip_connect", "nor_conv_1x1"), ("none", "nor_conv_1x1"), ("skip_connect", "nor_conv_1x1"))
ZERO, INPUT = "#", "0"


@dataclass(frozen=True)
class Chain:
    """An architecture of the toy space; raises UnknownArchitecture where an operation is not one of its edge's."""

    ops: tuple[str, str, str]

    def __post_init__(self) -> None:
        if len(self.ops) != len(EDGES):
            raise UnknownArchitecture(f"{'/'.join(self.ops)!r} has {len(self.ops)} operations; expected three, such as {EXAMPLE!r}.")
        for (source, target), op, choices in zip(EDGES, self.ops, CHOICES, strict=True):
            if op not in choices:
                raise UnknownArchitecture(
                    f"{op!r} on edge {source}→{target} is not an operation of the toy space; expected one of {', '.join(choices)}."
                )

    def __str__(self) -> str:
        return "/".join(self.ops)

    @property
    def terms(self) -> tuple[str, str]:
        """What the output sums: the short way, and the way through node 1."""
        first, short, second = self.ops
        return _applied(short, INPUT), _applied(second, _applied(first, INPUT))


EXAMPLE = "nor_conv_1x1/none/skip_connect"


class ToySpace(SearchSpace[Chain]):
    """Three variables, one an edge; `TOY` is the one instance."""

    name = "toy"
    title = "the toy space"
    architecture = Chain
    variables = tuple(Variable(f"edge_{source}_{target}", choices) for (source, target), choices in zip(EDGES, CHOICES, strict=True))

    def parse(self, arch: Any) -> Chain:
        """The chain that three operations between slashes mean; raises UnknownArchitecture."""
        if isinstance(arch, Chain):
            return arch
        if not isinstance(arch, str):
            raise UnknownArchitecture(f"{arch!r} is a {type(arch).__name__}; expected a chain such as {EXAMPLE!r}.")
        return Chain(tuple(arch.split("/")))  # type: ignore[arg-type]

    def encode(self, arch: Chain) -> tuple[int, ...]:
        """For each edge, the position of its operation among the edge's choices."""
        return tuple(choices.index(op) for op, choices in zip(arch.ops, CHOICES, strict=True))

    def decode(self, code: Sequence[int]) -> Chain:
        """The chain with these operations on its edges."""
        first, short, second = (choices[choice] for choices, choice in zip(CHOICES, code, strict=True))
        return Chain((first, short, second))

    def canonical_form(self, arch: Chain) -> str:
        """The two terms of the output, in their order."""
        return "+".join(arch.terms)

    def key(self, arch: Chain) -> str:
        """The key of the chain's class."""
        return _digits("toy/class/v1:" + self.canonical_form(arch))

    def twin_key(self, arch: Chain) -> str:
        """The key of the chain's group of functional twins."""
        return _digits("toy/twin/v1:" + "+".join(_live(arch)))

    def is_constant(self, arch: Chain) -> bool:
        """Whether both ways are dead."""
        return not _live(arch)

    @cached_property
    def members(self) -> tuple[Chain, ...]:
        """All twelve, in lexicographic order of their codes."""
        return tuple(Chain(ops) for ops in itertools.product(*CHOICES))

    @property
    def features(self) -> Mapping[str, tuple[Callable[[Sequence[Chain]], Features], ...]]:
        """See `structure`."""
        return {"structure": (structure,)}

    @property
    def attributes(self) -> Mapping[str, Callable[[Chain], float]]:
        """Kernel parameters: how many edges have a convolution."""
        return {"kernel_parameters": lambda arch: arch.ops.count("nor_conv_1x1")}


def structure(archs: Sequence[Chain]) -> Features:
    """How many terms, convolutions and convolutions in a row the function has: ``(architectures, 3)``, equal for twins."""
    live = [_live(arch) for arch in archs]
    rows = [(len(terms), sum(term.count("@") for term in terms), max((term.count("@") for term in terms), default=0)) for terms in live]
    return Features(("terms", "convolutions", "depth"), np.array(rows, np.float64).reshape(-1, 3))


def register(monkeypatch: pytest.MonkeyPatch) -> ToySpace:
    """Make the toy space known to this process, and how its networks are built; takes no torch."""
    monkeypatch.setitem(SPACES, TOY.name, TOY)
    monkeypatch.setitem(CELLS, TOY.name, cell)
    return TOY


def cell(arch: Chain) -> CellGraph:
    """The chain as a cell of a network."""
    return CellGraph.of(3, ((source, target, op) for (source, target), op in zip(EDGES, arch.ops, strict=True)))


def _applied(op: str, term: str) -> str:
    if op == "none" or term == ZERO:
        return ZERO
    return term if op == "skip_connect" else f"({term})@{op}"


def _live(arch: Chain) -> list[str]:
    return sorted(term for term in arch.terms if term != ZERO)


def _digits(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


TOY = ToySpace()
