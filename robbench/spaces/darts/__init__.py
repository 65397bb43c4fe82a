"""DARTS (Liu, Simonyan and Yang, 2019): a normal and a reduction cell, four inner nodes with two edges each, seven operations, about 10^18 genotypes.

genotype.py    Genotype and its text
spellings.py   how others write genotypes
published.py   architectures by the names under which papers know them
identity.py    which genotypes are the same
features.py    what surrogates and predictors see of a genotype
drawing.py     a genotype in text, and as a graph
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import combinations
from typing import Any

from robbench.errors import UnknownArchitecture
from robbench.spaces.darts import identity
from robbench.spaces.darts.genotype import CELLS, INNER, OPERATIONS, Cell, Edge, Genotype
from robbench.spaces.space import Features, Graph, SearchSpace, Variable

__all__ = ["DARTS", "INNER", "OPERATIONS", "Cell", "DARTSSpace", "Genotype"]

CHOICES = OPERATIONS[1:]
"""The operations of the space."""
INPUTS = {node: tuple(combinations(range(node), 2)) for node in INNER}
"""For each inner node, the pairs of nodes that it may read."""
_LAYERS, _REDUCTIONS = 8, (2, 5)
_CHOICE = {op: choice for choice, op in enumerate(CHOICES)}
_PAIR = {node: {pair: choice for choice, pair in enumerate(pairs)} for node, pairs in INPUTS.items()}


def _variables(cell: str) -> list[Variable]:
    found = []
    for node in INNER:
        if node > INNER[0]:  # the first has but one pair to read
            found.append(Variable(f"{cell}_{node}_inputs", tuple(f"{one}_{other}" for one, other in INPUTS[node])))
        found += [Variable(f"{cell}_{node}_{place}", CHOICES) for place in ("first", "second")]
    return found


class DARTSSpace(SearchSpace[Genotype]):
    """22 variables: for each inner node of each cell which two nodes it reads, and the operation on each of the two; `DARTS` is the one instance.

    Genotypes with ``none``, with two edges from one node or with another concatenation are read, and have a key, features and a drawing; they are outside
    the space (`Genotype.outside` says why), so they have no code, no neighbours, and are never drawn at random.
    """

    name = "darts"
    title = "DARTS"
    architecture = Genotype
    variables = tuple(variable for cell in CELLS for variable in _variables(cell))
    relabels = True

    def parse(self, arch: Any) -> Genotype:
        """The genotype that a spec, a published name, or any other spelling (see `spellings`) means; raises UnknownArchitecture."""
        if isinstance(arch, Genotype):
            return arch
        if isinstance(arch, str):
            return self._of_text(arch)
        from robbench.spaces.darts.spellings import from_mapping, from_naslib

        if hasattr(arch, "_asdict"):  # a namedtuple of someone's own
            arch = arch._asdict()
        return from_mapping(arch) if isinstance(arch, Mapping) else from_naslib(arch)

    def encode(self, arch: Genotype) -> tuple[int, ...]:
        """For each variable, the position of its choice; raises UnknownArchitecture for a genotype outside the space."""
        if outside := arch.outside:
            raise UnknownArchitecture(
                f"{arch} is outside the space of {self.title}: {'; '.join(outside)}. It has no code and no neighbours."
            )
        code: list[int] = []
        for cell in (arch.normal, arch.reduce):
            for node, ((one, first), (other, second)) in zip(INNER, cell.nodes, strict=True):
                code += (
                    (_CHOICE[first], _CHOICE[second]) if node == INNER[0] else (_PAIR[node][one, other], _CHOICE[first], _CHOICE[second])
                )
        return tuple(code)

    def decode(self, code: Sequence[int]) -> Genotype:
        """The genotype of a code."""
        half = len(self.variables) // 2
        return Genotype.of_cells(_decoded(code[:half]), _decoded(code[half:]))

    def canonical_form(self, arch: Genotype) -> str:
        """The genotype in the relabelling whose text is smallest."""
        return identity.canonical_form(arch)

    def canonical(self, arch: Genotype) -> Genotype:
        """The genotype in the relabelling whose text is smallest."""
        return identity.canonical(arch)

    def key(self, arch: Genotype) -> str:
        """Equal for genotypes that differ only in the labels of inner nodes and in the order of inputs."""
        return identity.key(arch)

    def is_constant(self, arch: Genotype) -> bool:
        """Whether no way without ``none`` leads through eight cells, of which the third and the sixth are reductions; never so in the space."""
        normal, reduce = _reached(arch.normal), _reached(arch.reduce)
        live = (True, True)
        for layer in range(_LAYERS):
            live = live[1], any(live[source] for source in (reduce if layer in _REDUCTIONS else normal))
        return not live[1]

    @property
    def features(self) -> Mapping[str, tuple[Callable[[Sequence[Genotype]], Features], ...]]:
        """See `robbench.spaces.darts.features`."""
        from robbench.spaces.darts.features import STRUCTURE

        return STRUCTURE

    @property
    def attributes(self) -> Mapping[str, Callable[[Genotype], float]]:
        """Depth, width and skip connections of the normal cell."""
        from robbench.spaces.darts.features import depth, skips, width

        return {"cell_depth": depth, "cell_width": width, "skip_connections": skips}

    def spellings(self, arch: Genotype) -> dict[str, str]:
        """As DARTS prints it; of a genotype of the space also as NASLib and NAS-Bench-301 write it."""
        import json

        from robbench.spaces.darts.spellings import as_configuration, as_namedtuple, as_naslib

        found = {"genotype": as_namedtuple(arch)}
        if not arch.outside:
            found |= {"naslib": str(as_naslib(arch)), "nasbench301": json.dumps(as_configuration(arch))}
        return found

    def drawing(self, arch: Genotype) -> str:
        """The two cells as matrices."""
        from robbench.spaces.darts.drawing import drawing

        return drawing(arch)

    def graph(self, arch: Genotype) -> Graph:
        """The two cells, one above the other, as papers draw them."""
        from robbench.spaces.darts.drawing import graph

        return graph(arch)

    @staticmethod
    def _of_text(text: str) -> Genotype:
        if "~" in text:
            return Genotype.parse(text)
        from robbench.spaces.darts.published import published
        from robbench.spaces.darts.spellings import from_text

        return from_text(text) or published(text)


def _decoded(code: Sequence[int]) -> Cell:
    first, *others = code[:2], code[2:5], code[5:8], code[8:]
    return Cell((_node(INNER[0], 0, *first), *(_node(node, *choices) for node, choices in zip(INNER[1:], others, strict=True))), INNER)


@cache
def _node(node: int, pair: int, first: int, second: int) -> tuple[Edge, Edge]:
    """The edges into an inner node, of which there are 980 in all: genotypes share them, so that many take little memory."""
    one, other = INPUTS[node][pair]
    return (one, CHOICES[first]), (other, CHOICES[second])


def _reached(cell: Cell) -> set[int]:
    """The inputs from which a way without ``none`` leads to a cell's output."""
    inputs: dict[int, set[int]] = {0: {0}, 1: {1}}
    for node, edges in zip(INNER, cell.nodes, strict=True):
        inputs[node] = {first for source, op in edges if op != "none" for first in inputs[source]}
    return {first for node in cell.concat for first in inputs[node]}


DARTS = DARTSSpace()
