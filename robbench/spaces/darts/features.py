"""What surrogates and predictors see of a genotype: counts that no relabelling of inner nodes and no order of inputs changes.

    operations   how often each operation is used in each cell, and by what it reads: a cell's input or an inner node
    topology     depths of the inner nodes, paths from each input, who is read by how many, widths
    size         parameters of the network of eight cells and 16 channels, and of the edges of each kind of cell, as logarithms
    structure    the three together

A change to what any set computes takes a new `feature_version` of the space.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from robbench.spaces.darts.genotype import CELLS, INNER, OPERATIONS, SHORT, Cell, Genotype
from robbench.spaces.space import Features

COUNTED = tuple(SHORT[op] for op in OPERATIONS[1:])
"""Operations whose uses are counted: all but ``none``, which computes nothing."""
CONVOLUTIONS = ("sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5")
KINDS = {"c0": (0,), "c1": (1,), "inner": INNER}
"""What an edge reads: the cell before the last, the last, or an inner node."""
DEPTHS = (1, 2, 3, 4)
FIXED = 100_730
"""Parameters of the network of eight cells and 16 channels that are of no edge: stem, what brings inputs to a cell's channels, classifier of ten classes."""
WIDTHS = {"normal": (16, 16, 32, 32, 64, 64), "reduce": (32, 64)}
"""Channels of its cells."""
_POSITION = {op: position for position, op in enumerate(OPERATIONS)}


def operations(archs: Sequence[Genotype]) -> Features:
    """How often each operation is used: in a cell, and in a cell on what it reads.

    Returns:
        ``(genotypes, 56)``: counts.
    """
    names = [f"{cell}:{op}{read}" for cell in CELLS for read in ("", *(f"({kind})" for kind in KINDS)) for op in COUNTED]
    return _table(archs, names, _operations)


def topology(archs: Sequence[Genotype]) -> Features:
    """How a cell is wired.  An edge that is ``none`` is none.

    Returns:
        ``(genotypes, 30)``, for each cell: inner nodes at each depth (edges on the longest way from an input), the largest depth, and the mean; paths from each
        input to the output, and their mean length; edges from each input and from inner nodes; inner nodes that another reads; convolutions on the way that
        has most; and nodes that the output concatenates.
    """
    parts = [*(f"depth={depth}" for depth in DEPTHS), "depth", "mean_depth", "paths(c0)", "paths(c1)", "path_length"]
    parts += ["edges(c0)", "edges(c1)", "edges(inner)", "read", "convolutions_deep", "concatenated"]
    return _table(archs, [f"{cell}:{part}" for cell in CELLS for part in parts], _topology)


def size(archs: Sequence[Genotype]) -> Features:
    """How many parameters the network of the search's size has, without the auxiliary head.

    Returns:
        ``(genotypes, 3)``: logarithms of all, and of 1 + those of the edges of the normal cells, and of the reduction cells.
    """
    normal, reduce = (_edge_parameters(_Wiring.of([arch.cells[name] for arch in archs]), name == "reduce") for name in CELLS)
    return Features(
        ("parameters", "normal:parameters", "reduce:parameters"),
        np.stack([np.log(FIXED + normal + reduce), np.log1p(normal), np.log1p(reduce)], axis=1),
    )


STRUCTURE: dict[str, tuple[Callable[[Sequence[Genotype]], Features], ...]] = {
    "structure": (operations, topology, size),
    "operations": (operations,),
    "topology": (topology,),
    "size": (size,),
}


def depth(genotype: Genotype) -> int:
    """Edges on the longest way through the normal cell, the one to its output among them: 2 to 5 (Shu, Wang and Cai, 2020)."""
    return 1 + int(_longest(_Wiring.of([genotype.normal]), np.ones(len(OPERATIONS)))[0, INNER[0] :].max())


def width(genotype: Genotype) -> float:
    """Inner nodes of the normal cell, each by the share of its edges that come from the cell's inputs: 1 to 4 (Shu, Wang and Cai, 2020)."""
    return sum(source < INNER[0] for edges in genotype.normal.nodes for source, _ in edges) / 2


def skips(genotype: Genotype) -> int:
    """Skip connections in the normal cell."""
    return genotype.normal.operations.count("skip_connect")


class _Wiring(NamedTuple):
    """Cells as arrays."""

    source: np.ndarray
    """``(cells, inner nodes, 2)``, intp: what each edge reads."""
    op: np.ndarray
    """The same of its operation, as its position in `OPERATIONS`; 0 is ``none``."""
    concat: np.ndarray
    """``(cells, inner nodes)``, bool: whether the output has the node."""

    @classmethod
    def of(cls, cells: Sequence[Cell]) -> _Wiring:
        flat = [(source, _POSITION[op]) for cell in cells for edges in cell.nodes for source, op in edges]
        both = np.array(flat, np.intp).reshape(len(cells), len(INNER), 2, 2)
        return cls(
            both[..., 0], both[..., 1], np.array([[node in cell.concat for node in INNER] for cell in cells], bool).reshape(-1, len(INNER))
        )


def _table(archs: Sequence[Genotype], names: list[str], values: Callable[[_Wiring], Iterator[np.ndarray]]) -> Features:
    halves = [list(values(_Wiring.of([arch.cells[name] for arch in archs]))) for name in CELLS]
    columns = [column.astype(np.float64) for half in halves for column in half]
    return Features(tuple(names), np.stack(columns, axis=1).reshape(len(archs), len(names)))


def _operations(wiring: _Wiring) -> Iterator[np.ndarray]:
    one_hot = wiring.op[..., np.newaxis] == np.arange(1, len(OPERATIONS))
    read = np.minimum(wiring.source, INNER[0])[..., np.newaxis]
    for part in (one_hot, *(one_hot & (read == sources[0]) for sources in KINDS.values())):
        yield from part.sum(axis=(1, 2)).T


def _topology(wiring: _Wiring) -> Iterator[np.ndarray]:
    live = wiring.op > 0
    inner = _longest(wiring, np.ones(len(OPERATIONS)))[:, INNER[0] :]
    yield from ((inner == depth).sum(axis=1) for depth in DEPTHS)
    yield inner.max(axis=1)
    yield inner.mean(axis=1)
    first, last, length = _ways(wiring)
    yield from (first, last, length / np.maximum(first + last, 1))
    read = np.where(live, np.minimum(wiring.source, INNER[0]), -1)
    yield from ((read == source).sum(axis=(1, 2)) for source in (0, 1, INNER[0]))
    yield sum(((wiring.source == node) & live).any(axis=(1, 2)) for node in INNER)
    yield _longest(wiring, np.array([op in CONVOLUTIONS for op in OPERATIONS])).max(axis=1)
    yield wiring.concat.sum(axis=1)


def _edge_parameters(wiring: _Wiring, reduce: bool) -> np.ndarray:
    """Parameters of the edges of all cells of a kind: ``(cells,)``."""
    total = np.zeros(len(wiring.op))
    for channels in WIDTHS["reduce" if reduce else "normal"]:
        pointwise = channels**2 + 2 * channels
        of = {f"sep_conv_{k}x{k}": 2 * (k**2 * channels + pointwise) for k in (3, 5)}
        of |= {f"dil_conv_{k}x{k}": k**2 * channels + pointwise for k in (3, 5)}
        total += np.array([of.get(op, 0) for op in OPERATIONS])[wiring.op].sum(axis=(1, 2))
        if reduce:  # a skip connection that halves the image has weights
            total += pointwise * ((wiring.op == _POSITION["skip_connect"]) & (wiring.source < INNER[0])).sum(axis=(1, 2))
    return total


def _longest(wiring: _Wiring, of: np.ndarray) -> np.ndarray:
    """The length of the longest way to each node from an input, an edge being as long as `of` says of its operation: ``(cells, nodes)``."""
    at = np.zeros((len(wiring.op), INNER[-1] + 1))
    for place, node in enumerate(INNER):
        ways = np.take_along_axis(at, wiring.source[:, place], axis=1) + of[wiring.op[:, place]]
        at[:, node] = np.where(wiring.op[:, place] > 0, ways, 0).max(axis=1)
    return at


def _ways(wiring: _Wiring) -> np.ndarray:
    """How many ways lead from each input to the output, and their summed length, the edge to the output among them: ``(3, cells)``."""
    at = np.zeros((3, len(wiring.op), INNER[-1] + 1))
    at[0, :, 0] = at[1, :, 1] = 1
    for place, node in enumerate(INNER):
        source, live = wiring.source[:, place], wiring.op[:, place] > 0
        first, last, length = (np.where(live, np.take_along_axis(part, source, axis=1), 0).sum(axis=1) for part in at)
        at[0, :, node], at[1, :, node], at[2, :, node] = first, last, length + first + last
    first, last, length = (np.where(wiring.concat, part[:, INNER[0] :], 0).sum(axis=1) for part in at)
    return np.stack([first, last, length + first + last])
