"""Decision trees as plain arrays, which numpy evaluates: what a random forest and boosted trees have in common.

roots       (trees,)   int    the node at which each tree begins
feature     (nodes,)   int    the feature that a node compares
threshold   (nodes,)   float  with this value
left, right (nodes,)   int    a node's children, which come after it; a leaf is its own child

Arrays from a file are checked before they are used: every walk stays inside its tree and ends after at most `DEEPEST` steps, whatever they hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from robbench.surrogates.models import Arrays

DEEPEST = 256
"""Steps from a root to a leaf."""
_ROWS, _TREES = 1024, 64
"""Walked at once: what they need fits in a processor's cache."""


class Trees:
    """Trees whose leaves are found for many rows at once, by as many steps as the deepest tree has.

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
        self._children = children.astype(np.intp).reshape(-1)
        self._depth = _depth(self._roots, children, leaf)

    def evaluate(self, rows: np.ndarray, reduced: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """What a function makes of the leaves in which rows end.

        Arguments:
            rows: ``(rows, features)``; compared in single precision, as scikit-learn and xgboost compare them; NaN is missing.
            reduced: from leaves ``(some rows, trees)``, intp, to ``(some rows, …)``; called for some of the rows at a time.

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
        starts = range(0, len(self._roots), _TREES)
        return np.concatenate([self._walked(twice, self._roots[start : start + _TREES]) for start in starts], axis=1)

    def _walked(self, rows: np.ndarray, roots: np.ndarray) -> np.ndarray:
        """From the roots to the leaves: ``(rows, trees)``.  A leaf leads to itself, so trees that are less deep wait for the others."""
        node, cell = np.tile(roots, (len(rows), 1)), np.empty((len(rows), len(roots)), np.intp)
        value, threshold = np.empty(cell.shape, np.float32), np.empty(cell.shape, np.float32)
        begins = np.arange(len(rows))[:, np.newaxis] * rows.shape[1]
        for _ in range(self._depth):
            # All indices were checked; numpy writes into `out` without a copy only if it may clip them.
            self._column.take(node, out=cell, mode="clip")
            cell += begins
            rows.take(cell, out=value, mode="clip")
            self._threshold.take(node, out=threshold, mode="clip")
            np.multiply(node, 2, out=cell)
            cell += self._right(value, threshold)
            self._children.take(cell, out=node, mode="clip")
        return node


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
