"""Decision trees as plain arrays, which numpy evaluates: what a random forest and boosted trees have in common.

roots       (trees,)   int    the node at which each tree begins
feature     (nodes,)   int    the feature that a node compares
threshold   (nodes,)   float  with this value
left, right (nodes,)   int    a node's children, which come after it; a leaf is its own child

Arrays from a file are checked before they are used: every walk stays inside its tree and ends after at most `DEEPEST` steps, whatever they hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from robbench.surrogates.models import Arrays

DEEPEST = 256
"""Steps from a root to a leaf."""
_SHALLOW = 8
"""So many turns are the bits of a byte; trees that are no deeper are evaluated for sixty-four rows at once, which is much faster."""
_ROWS, _TREES = 1024, 64
"""Evaluated at once: what they need fits in a processor's cache."""


class Trees:
    """Trees whose leaves are found for many rows and trees at once, by as many steps as the deepest tree has.

    Arguments:
        arrays: as the module lists them; others beside them are left alone.
        features: how many a row has.
        right: when a row's value is to the right of a threshold: `numpy.greater`, or `numpy.greater_equal`.
        missing_left: ``(nodes,)``, 0 or 1: where a row goes left if its feature is missing; by default it goes right.

    Raises:
        KeyError, ValueError: the arrays are not those of trees.
    """

    def __init__(self, arrays: Arrays, features: int, right: np.ufunc, missing_left: np.ndarray | None = None) -> None:
        roots, feature, threshold = (np.asarray(arrays[name]) for name in ("roots", "feature", "threshold"))
        children = np.stack([arrays["left"], arrays["right"]], axis=-1)
        missing = np.zeros(feature.shape, bool) if missing_left is None else missing_left
        _check_nodes(feature, threshold, children, missing, features)
        leaf = (children == np.arange(len(children))[:, np.newaxis]).all(axis=1)
        _check_walks(roots, children, leaf)
        self._features, self._right = features, right
        self._roots, self._threshold = roots.astype(np.intp), threshold.astype(np.float32)
        # A row holds each feature twice, once with ∞ and once with −∞ for a missing value: that goes right, or left, as any other value does.
        self._column = feature.astype(np.intp) + features * missing.astype(bool)
        self._children = children.astype(np.intp)
        self._depth = _depth(self._roots, children, leaf)

    def evaluate(self, rows: np.ndarray, reduced: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """What a function makes of the leaves in which rows end.

        Arguments:
            rows: ``(rows, features)``; compared in single precision, as scikit-learn and xgboost compare them; NaN is missing.
            reduced: from leaves ``(trees, some rows)``, intp, to ``(some rows, …)``; called for some of the rows at a time.

        Raises:
            ValueError: rows of another number of features.
        """
        if rows.ndim != 2 or rows.shape[1] != self._features:
            raise ValueError(f"the rows are of shape {rows.shape}, and the trees compare {self._features} features")
        starts = range(0, max(len(rows), 1), _ROWS)
        return np.concatenate([reduced(self._leaves(rows[start : start + _ROWS])) for start in starts])

    def _leaves(self, rows: np.ndarray) -> np.ndarray:
        missing = np.isnan(rows)
        with np.errstate(over="ignore"):
            twice = np.concatenate([np.where(missing, np.inf, rows), np.where(missing, -np.inf, rows)], axis=1).astype(np.float32)
        leaves = np.empty((len(self._roots), len(rows)), np.intp)
        if self._depth <= _SHALLOW:
            self._sift(twice, leaves)
        else:
            self._walk(twice, leaves)
        return leaves

    def _walk(self, rows: np.ndarray, leaves: np.ndarray) -> None:
        """Each row from the roots to its leaves, ``(trees, rows)``.  A leaf leads to itself, so trees that are less deep wait for the others."""
        begins, children = np.arange(len(rows)) * rows.shape[1], self._children.reshape(-1)
        for some in _parts(len(self._roots)):
            node = leaves[some]
            node[:] = self._roots[some, np.newaxis]
            cell, value, threshold = (np.empty(node.shape, dtype) for dtype in (np.intp, np.float32, np.float32))
            for _ in range(self._depth):
                # All indices were checked; numpy writes into `out` without a copy only if it may clip them.
                self._column.take(node, out=cell, mode="clip")
                cell += begins
                rows.take(cell, out=value, mode="clip")
                self._threshold.take(node, out=threshold, mode="clip")
                np.multiply(node, 2, out=cell)
                cell += self._right(value, threshold)
                children.take(cell, out=node, mode="clip")

    def _sift(self, rows: np.ndarray, leaves: np.ndarray) -> None:
        """The same of shallow trees, for sixty-four rows at once: a set of rows is the bits of words, and a node parts the set that comes to it."""
        columns, thresholds, parts = self._levels
        goes_right = _packed(self._right(rows.T[columns], thresholds[:, np.newaxis]))
        for some, (levels, at_end) in zip(_parts(len(self._roots)), parts, strict=True):
            way = np.zeros((len(at_end), len(rows)), np.uint8)
            here = np.full((len(at_end), goes_right.shape[1]), ~np.uint64(0))
            for bit, level in zip(reversed(range(self._depth)), levels, strict=False):
                here = here.take(level.inner, axis=0)
                right = here & goes_right.take(level.comparison, axis=0)
                turned = np.bitwise_or.reduceat(right, level.first, axis=0).view(np.uint8)
                way[level.tree] |= np.unpackbits(turned, axis=1, count=len(rows)) * np.uint8(1 << bit)
                here = np.stack([here ^ right, right], axis=1).reshape(2 * len(here), -1)
            at_end.reshape(-1).take(way + at_end.shape[1] * np.arange(len(at_end))[:, np.newaxis], out=leaves[some], mode="clip")

    @cached_property
    def _levels(self) -> tuple[np.ndarray, np.ndarray, list[tuple[list[_Level], np.ndarray]]]:
        """The column and the threshold of each comparison, equal ones once; and of some trees at a time the levels, and the leaf at the end of each way,
        ``(trees, 2^depth)``: a bit for each turn, to the right or not, and none after the leaf.
        """
        distinct, number = np.unique(self._column.astype(np.uint64) << np.uint64(32) | self._threshold.view(np.uint32), return_inverse=True)
        parts = []
        for some in _parts(len(self._roots)):
            nodes = self._roots[some]
            tree, way, levels = np.arange(len(nodes)), np.zeros(len(nodes), np.intp), []
            at_end = np.empty((len(nodes), 1 << self._depth), np.intp)
            for left in reversed(range(self._depth + 1)):
                leaf = (self._children[nodes] == nodes[:, np.newaxis]).all(axis=1)
                at_end[tree[leaf], way[leaf] << left] = nodes[leaf]
                nodes, tree, way = nodes[~leaf], tree[~leaf], way[~leaf]
                if nodes.size:
                    levels.append(_Level(np.flatnonzero(~leaf), number[nodes], *np.unique(tree, return_index=True)))
                nodes, tree, way = self._children[nodes].reshape(-1), np.repeat(tree, 2), np.add.outer(2 * way, [0, 1]).reshape(-1)
            parts.append((levels, at_end))
        return (distinct >> np.uint64(32)).astype(np.intp), distinct.astype(np.uint32).view(np.float32), parts


class _Level(NamedTuple):
    """The nodes of some trees that are so many steps from their roots."""

    inner: np.ndarray
    """``(inner nodes,)``: which of them are no leaves."""
    comparison: np.ndarray
    """``(inner nodes,)``: the number of what each compares."""
    tree: np.ndarray
    """``(trees,)``: those that have any."""
    first: np.ndarray
    """``(trees,)``: the first inner node of each."""


def _parts(trees: int) -> list[slice]:
    return [slice(start, start + _TREES) for start in range(0, trees, _TREES)]


def _packed(values: np.ndarray) -> np.ndarray:
    """Booleans ``(…, rows)`` as bits: ``(…, words)``, uint64, rounded up."""
    rows = values.shape[-1]
    padded = np.zeros((*values.shape[:-1], -(-rows // 64) * 8), np.uint8)
    padded[..., : -(-rows // 8)] = np.packbits(values, axis=-1)
    return padded.view(np.uint64)


def joined(trees: Sequence[Arrays]) -> dict[str, np.ndarray]:
    """The arrays of trees that count their own nodes from 0, where −1 is the child of a leaf, as arrays of all of them together.

    Arguments:
        trees: for each ``feature``, ``threshold``, ``left``, ``right`` and more, all ``(its nodes, …)``.

    Returns:
        ``roots`` and, of all trees, every array that they have; feature and threshold of a leaf are 0.
    """
    found = {name: np.concatenate([tree[name] for tree in trees]) for name in trees[0]}
    sizes = np.array([len(tree["left"]) for tree in trees])
    roots = np.cumsum(sizes) - sizes
    leaf, itself, offset = found["left"] < 0, np.arange(sizes.sum()), np.repeat(roots, sizes)
    found |= {name: np.where(leaf, itself, offset + found[name]).astype(np.int32) for name in ("left", "right")}
    return found | {name: np.where(leaf, 0, found[name]) for name in ("feature", "threshold")} | {"roots": roots.astype(np.int32)}


def _check_nodes(feature: np.ndarray, threshold: np.ndarray, children: np.ndarray, missing_left: np.ndarray, features: int) -> None:
    """Raise ValueError where the arrays of nodes are not of one length, type and range."""
    if (
        feature.dtype.kind not in "iu"
        or children.dtype.kind not in "iu"
        or threshold.dtype.kind != "f"
        or missing_left.dtype.kind not in "biu"
    ):
        raise ValueError("the trees' nodes are not numbered by integers, or their thresholds are no floats")
    if not feature.shape == threshold.shape == missing_left.shape == children.shape[:1] or children.ndim != 2:
        raise ValueError("the arrays of the trees' nodes differ in length")
    if not ((feature >= 0) & (feature < features)).all():
        raise ValueError(f"the trees compare features beyond the {features} there are")
    with np.errstate(over="ignore"):
        if not np.isfinite(threshold.astype(np.float32)).all():
            raise ValueError("a threshold of the trees is not finite")


def _check_walks(roots: np.ndarray, children: np.ndarray, leaf: np.ndarray) -> None:
    """Raise ValueError where a walk may not end: a child comes after its parent, is inside, and has no other parent."""
    nodes = len(children)
    if roots.dtype.kind not in "iu" or roots.ndim != 1 or not roots.size or not ((roots >= 0) & (roots < nodes)).all():
        raise ValueError("the trees' roots are not among their nodes")
    inner = children[~leaf]
    if not ((inner > np.flatnonzero(~leaf)[:, np.newaxis]) & (inner < nodes)).all():
        raise ValueError("the trees' children lead out of them, or in circles")
    reached = np.concatenate([roots.astype(np.intp), inner.astype(np.intp).reshape(-1)])
    if np.bincount(reached).max() > 1:
        raise ValueError("the trees share nodes")


def _depth(roots: np.ndarray, children: np.ndarray, leaf: np.ndarray) -> int:
    """Steps from a root to the farthest leaf; raises ValueError where they are more than `DEEPEST`."""
    found, depth = roots[~leaf[roots]], 0
    while found.size:
        depth += 1
        if depth > DEEPEST:
            raise ValueError(f"a tree is deeper than {DEEPEST} steps")
        found = children[found].reshape(-1)
        found = found[~leaf[found]]
    return depth
