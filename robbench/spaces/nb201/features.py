"""What surrogates and predictors see of a cell: counts over the function that it computes, and the paths of BANANAS.

    operations   how often each operation is computed, and applied
    paths        words of operations along the ways from input to output
    nodes        what is summed where: terms by operation, by stem, by size of the sum
    structure    the three together
    signal       how strong the signal is in the untrained network, and by which ways it comes, after one, two and five cells
    terms        the function itself, term by term (`robbench.spaces.terms`)

These are functions of `identity.expression`: dead edges are gone, skips are contracted, so all cells of a class, and all functional twins, have equal
features.  Not so the network that is trained, in which two edges may compute one convolution of one sum, each with weights of its own:

    wiring       which convolutions are computed twice, and the signal, each convolution by itself

A change to what any set computes takes a new `feature_version` of the space.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from robbench.spaces.nb201.cell import OPERATIONS, Cell
from robbench.spaces.nb201.identity import INPUT, Sum, Term, expression
from robbench.spaces.nb201.signal import signal as propagated
from robbench.spaces.space import Features
from robbench.spaces.terms import MARK
from robbench.spaces.terms import terms as written_out

LETTERS = {"nor_conv_1x1": "1", "nor_conv_3x3": "3", "avg_pool_3x3": "p"}
"""One letter for each operation that computes something, as in the features' names; the input is 0."""
_OPS = tuple(LETTERS.values())
_WORDS = tuple("".join(word) for length in range(4) for word in itertools.product(_OPS, repeat=length))
_SUBSETS = tuple("".join(subset) for size in range(4) for subset in itertools.combinations(_OPS, size))
_MOST_TERMS = 4
_MOST_DISTINCT = 6
_PROPAGATES = {"1": (True, False), "3": (True, True), "p": (False, True)}
_DECIMALS = 9


def operations(archs: Sequence[Cell]) -> Features:
    """How often each operation is computed (equal terms once) and applied (each time a term occurs).

    Returns:
        ``(cells, 6)``: counts, live edges only.
    """
    return _counted(archs, [*(f"computed:{op}" for op in _OPS), *(f"applied:{op}" for op in _OPS)], _operations)


def paths(archs: Sequence[Cell]) -> Features:
    """The ways from input to output as words over the operations (1: 1×1, 3: 3×3, p: pooling), skips left out.

    Returns:
        ``(cells, 53)``: ways of each word, of each length, of each set of operations met, and how many there are.

    Source: the path encoding of White et al. (2021), "BANANAS", with skips contracted and ways counted.
    """
    names = [f"path:{word}" for word in _WORDS]
    names += [f"length:{length}" for length in range(4)] + [f"subset:{subset}" for subset in _SUBSETS] + ["ways"]
    return _counted(archs, names, _paths)


def nodes(archs: Sequence[Cell]) -> Features:
    """What is summed where: terms of the output by letter, operations by what they are applied to, and stems.

    A stem is the word of operations from the output back to one of them; an operation applied to a sum has one stem and many paths.

    Returns:
        ``(cells, 69)``: counts.
    """
    names = [f"output:{letter}" for letter in ("0", *_OPS)]
    names += [f"{op}({letter}" for op in _OPS for letter in ("0", *_OPS)]
    names += [f"{op}:terms={size}" for op in _OPS for size in range(1, _MOST_TERMS + 1)]
    names += [f"stem:{stem}" for stem in _WORDS[1:]] + ["output:terms", "depth"]
    return _counted(archs, names, _nodes)


def terms(archs: Sequence[Cell]) -> Features:
    """The function that a cell computes, written out.

    Returns:
        ``(cells, 46)``: see `robbench.spaces.terms`; at most six terms, one an edge.
    """
    return written_out([_lettered(expression(arch)) for arch in archs], _OPS, _MOST_DISTINCT)


def signal(archs: Sequence[Cell]) -> Features:
    """See `robbench.spaces.nb201.signal`: ``(cells, 27)``."""
    return propagated(terms(archs), _PROPAGATES)


def wiring(archs: Sequence[Cell]) -> Features:
    """What the network that is trained has beyond its function: convolutions that are computed again, with weights of their own.

    Two such convolutions of one sum are independent before training, and one that is passed on twice is not: the variance of their sum is 2 or 4.

    Returns:
        ``(cells, 29)``: how many convolutions of each size are computed beside an equal one; and `signal`, where no two convolutions are equal.
    """
    written = written_out([_lettered(expression(arch, own_weights=True)) for arch in archs], _OPS, _MOST_DISTINCT)
    convolutions = [op for op in _OPS if op != "p"]
    once = operations(archs)
    doubled = [
        sum(written.values[:, at] for at, name in enumerate(written.names) if name.endswith(f":{op}"))
        - once.values[:, once.names.index(f"computed:{op}")]
        for op in convolutions
    ]
    found = propagated(written, _PROPAGATES)
    # The terms stand in the order of the edges, and sums in another order differ in their last digits: cells that differ in labels alone should not.
    values = np.round(found.values, _DECIMALS) + 0.0
    names = [*(f"doubled:{op}" for op in convolutions), *(f"wired {name}" for name in found.names)]
    return Features(tuple(names), np.column_stack([*doubled, values]))


STRUCTURE: dict[str, tuple[Callable[[Sequence[Cell]], Features], ...]] = {
    "operations": (operations,),
    "paths": (paths,),
    "nodes": (nodes,),
    "structure": (operations, paths, nodes),
    "signal": (signal,),
    "terms": (terms,),
}
NETWORK: dict[str, tuple[Callable[[Sequence[Cell]], Features], ...]] = {"wiring": (wiring,)}


def _counted(archs: Sequence[Cell], names: list[str], count: Callable[[Sum], Counter[str]]) -> Features:
    """Counts by name, found once for each function among the architectures."""
    column = {name: index for index, name in enumerate(names)}
    row: dict[Sum, int] = {}
    rows = np.array([row.setdefault(expression(arch), len(row)) for arch in archs], np.intp)
    values = np.zeros((len(row), len(names)))
    for total, index in row.items():
        for name, number in count(_lettered(total)).items():
            values[index, column[name]] = number
    return Features(tuple(names), values[rows])


def _lettered(total: Sum) -> Sum:
    """The same sum, each operation by its letter; a mark stays."""
    return tuple(INPUT if term == INPUT else (_letter(*term[0].partition(MARK)), _lettered(term[1])) for term in total)


def _letter(op: str, *mark: str) -> str:
    return "".join([LETTERS[op], *mark])


def _operations(total: Sum) -> Counter[str]:
    found: Counter[str] = Counter()
    occurrences = list(_terms(total))
    found.update(f"applied:{op}" for op, inner in occurrences if inner)
    found.update(f"computed:{op}" for op, inner in set(occurrences) if inner)
    return found


def _paths(total: Sum) -> Counter[str]:
    words = list(_ways(total))
    found = Counter(f"path:{word}" for word in words)
    found.update(f"length:{len(word)}" for word in words)
    found.update("subset:" + "".join(op for op in _OPS if op in word) for word in words)
    found["ways"] = len(words)
    return found


def _nodes(total: Sum) -> Counter[str]:
    found = Counter(f"output:{letter}" for letter, _ in total)
    for op, inner in set(_terms(total)):
        found.update(f"{op}({letter}" for letter, _ in inner)
        if inner:
            found[f"{op}:terms={min(len(inner), _MOST_TERMS)}"] += 1
    found.update(f"stem:{stem}" for stem in _stems(total))
    found["output:terms"] = len(total)
    found["depth"] = max((len(stem) for stem in _stems(total)), default=0)
    return found


def _terms(total: Sum) -> list[Term]:
    """Every term, the nested ones too, as often as it occurs."""
    return [found for term in total for found in (term, *_terms(term[1]))]


def _ways(total: Sum) -> list[str]:
    """The word of each way, from the input to the output."""
    return [word + op for op, inner in total if inner for word in _ways(inner)] + ["" for _, inner in total if not inner]


def _stems(total: Sum) -> list[str]:
    """The word of each operation, from the output back to it."""
    return [op + stem for op, inner in total if inner for stem in ("", *_stems(inner))]


def encoded(archs: Sequence[Cell], words: Mapping[tuple[str, ...], int]) -> np.ndarray:
    """Which paths lead from input to output: ``(cells, columns)``, float64, 0 or 1.

    Source: White, Neiswanger and Savani (2021), "BANANAS", section 4.1, and its truncation.

    Arguments:
        words: the paths that are told apart, as words of their operations, and the column of each.
    """
    found = np.zeros((len(archs), len(words)))
    for row, arch in enumerate(archs):
        for edges in _PATHS:
            column = words.get(tuple(arch.ops[edge] for edge in edges))
            if column is not None:
                found[row, column] = 1
    return found


def _columns(operations: Sequence[str], longest: int) -> dict[tuple[str, ...], int]:
    """A column for each word of so many operations."""
    words = (word for length in range(1, longest + 1) for word in itertools.product(operations, repeat=length))
    return {word: column for column, word in enumerate(words)}


_PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))
"""The edges of each path from a cell's input to its output."""
_THROUGH = _columns(OPERATIONS[1:], 3)
_TRUNCATED = _columns(OPERATIONS, 2)

ENCODINGS: dict[str, Callable[[Sequence[Cell]], np.ndarray]] = {
    "paths": lambda archs: encoded(archs, _THROUGH),
    "short": lambda archs: encoded(archs, _TRUNCATED),
}
"""paths: all that lead through, without `none`: 4 + 4² + 4³ = 84 columns.  short: as naszilla truncates them at 30 columns, those of one or two
operations, which may be `none`: 5 + 5² columns."""
