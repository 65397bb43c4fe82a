"""Feature sets: from architectures to named numbers that a surrogate can learn from.

    operations   how often each operation is computed, and applied
    paths        words of operations along the ways from input to output
    nodes        what is summed where: terms by operation, by stem, by size of the sum
    structure    the three together
    proxies      the zero-cost proxies of a store; NaN where one was not measured

Sets are joined by "+": "structure+proxies".  The first four are functions of the twin form (`robbench.spaces.identity`): dead edges are
gone, skips are contracted, so all cells of a class, and all functional twins, have equal features.  Proxies belong to exact cells.

A change to what any set computes takes a new `VERSION`: a surrogate is evaluated only on the features that it was fitted on.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from robbench.errors import NotMeasured, UnknownMetric
from robbench.metrics import TABLE, nearest
from robbench.spaces.identity import twin_partition
from robbench.spaces.nb201 import Cell, cells

if TYPE_CHECKING:
    from robbench.columns import Columns

VERSION = 1
SEPARATOR = "+"

Sum = tuple["Term", ...]
"""What a node holds: a sorted sum of terms."""
Term = tuple[str, Sum]
"""A letter and what its operation is applied to; the input itself is ``("0", ())``."""

INPUT: Term = ("0", ())
LETTERS = {"nor_conv_1x1": "1", "nor_conv_3x3": "3", "avg_pool_3x3": "p"}
"""One letter for each operation that computes something, as in the features' names; the input is 0."""
_OPS = tuple(LETTERS.values())
_WORDS = tuple("".join(word) for length in range(4) for word in itertools.product(_OPS, repeat=length))
_SUBSETS = tuple("".join(subset) for size in range(4) for subset in itertools.combinations(_OPS, size))
_MOST_TERMS = 4


class Features(NamedTuple):
    """A named array."""

    names: tuple[str, ...]
    values: np.ndarray
    """``(cells, features)``, float64; NaN where a proxy was not measured."""


def expression(cell: Cell) -> Sum:
    """The function that a cell computes, as a sum of terms; empty where it is zero.  Equal for functional twins."""
    nodes: list[Sum] = [(INPUT,)]
    for incoming in cell.inputs:
        terms: list[Term] = []
        for op, source in incoming:
            if op == "skip_connect":
                terms += nodes[source]
            elif op in LETTERS and nodes[source]:
                terms.append((LETTERS[op], nodes[source]))
        nodes.append(tuple(sorted(terms)))
    return nodes[-1]


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


STRUCTURE: dict[str, tuple[Callable[[Sequence[Cell]], Features], ...]] = {
    "operations": (operations,),
    "paths": (paths,),
    "nodes": (nodes,),
    "structure": (operations, paths, nodes),
}
PROXIES = "proxies"


def proxies(columns: Columns, dataset: str) -> Features:
    """The zero-cost proxies that a store holds for a dataset: ``(15625, proxies)``, NaN where one was not measured.

    Raises:
        NotMeasured: the store holds none for this dataset, or one of them for no architecture at all.
    """
    from robbench.columns import UNTRAINED, Question
    from robbench.metrics import Metric

    names, values = [], []
    for name, entry in TABLE.items():
        question = Question(Metric(name, None, "value"), dataset, UNTRAINED)
        if entry.kind == "proxy" and question.name() in columns.store:
            column = columns.column(question)
            if np.isnan(column.values).all():
                raise NotMeasured(
                    f"the proxy {name} of {dataset} is missing for every architecture; leave it out of the store, or measure it."
                )
            by_class = column.rows == "class"
            names.append(name)
            values.append(column.values[columns.store.cell_classes()] if by_class else column.values)
    if not names:
        raise NotMeasured(
            f"{columns.store.file_name} holds no proxies of {dataset}, which the features 'proxies' are made of;"
            " `robbench import nbsuite_zero` brings some, and features='structure' needs none."
        )
    return Features(tuple(names), np.stack(values, axis=1))


def parse_sets(text: str) -> tuple[str, ...]:
    """The feature sets that a text such as ``"structure+proxies"`` names.

    Raises:
        UnknownMetric: there is no such set.
    """
    names = tuple(text.split(SEPARATOR))
    known = [*STRUCTURE, PROXIES]
    for name in names:
        if name not in known:
            raise UnknownMetric(f"{name!r} is not a feature set.{nearest(name, known)} Known: {', '.join(known)}; join them by '+'.")
    return names


class Table(NamedTuple):
    """Features of every cell, equal rows once."""

    names: tuple[str, ...]
    values: np.ndarray
    """``(rows, features)``, float64."""
    row_of_cell: np.ndarray
    """``(15625,)``: where each cell, in the order of `spaces.nb201.cells`, has its row."""


def table(text: str, columns: Columns, dataset: str) -> Table:
    """The features of all 15,625 cells: a row for each group of twins, or for each cell where proxies are among them.

    Raises:
        UnknownMetric, NotMeasured: as `parse_sets` and `proxies`.
    """
    sets = parse_sets(text)
    twins = twin_partition()
    every = tuple(cells())
    functions = [function for name in sets if name in STRUCTURE for function in STRUCTURE[name]]
    representatives = [every[position] for position in twins.representative]
    parts = [function(representatives) for function in dict.fromkeys(functions)]
    group = np.array(twins.group)
    if PROXIES not in sets:
        return Table(*_joined(parts), group)
    spread = [part._replace(values=part.values[group]) for part in parts]
    return Table(*_joined([*spread, proxies(columns, dataset)]), np.arange(len(every)))


def _joined(parts: list[Features]) -> Features:
    return Features(tuple(itertools.chain(*(part.names for part in parts))), np.concatenate([part.values for part in parts], axis=1))


def _counted(archs: Sequence[Cell], names: list[str], count: Callable[[Sum], Counter[str]]) -> Features:
    """Counts by name, found once for each function among the architectures."""
    column = {name: index for index, name in enumerate(names)}
    row: dict[Sum, int] = {}
    rows = np.array([row.setdefault(expression(arch), len(row)) for arch in archs], np.intp)
    values = np.zeros((len(row), len(names)))
    for total, index in row.items():
        for name, number in count(total).items():
            values[index, column[name]] = number
    return Features(tuple(names), values[rows])


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
