"""Random forest: scikit-learn grows it, numpy evaluates it."""

from __future__ import annotations

from typing import Self

import numpy as np

from robbench.surrogates.models import Arrays, filled, medians, needs

_ROWS = 512  # at a time: the paths of all trees fit in the cache


class Forest:
    """100 trees with scikit-learn's defaults, the setting of Lukasik et al. (2023); missing features become their median.

    Arrays: ``roots`` (trees,), ``feature``, ``threshold``, ``left``, ``right`` (nodes,), ``value`` (nodes, outputs), ``fill``
    (features,), ``gain`` (features,).  A leaf is its own child.
    """

    version = 1
    fewest_rows = 10

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = {
            name: np.asarray(arrays[name]) for name in ("roots", "feature", "threshold", "left", "right", "value", "fill", "gain")
        }

    @classmethod
    def fit(cls, features: np.ndarray, targets: np.ndarray, outputs: int, seed: int) -> Self:
        """Grow it; auxiliary targets are not used."""
        try:
            from sklearn.ensemble import RandomForestRegressor
        except ImportError as error:
            raise needs("scikit-learn", "forest", error) from error
        fill = medians(features)
        wanted = targets[:, 0] if outputs == 1 else targets[:, :outputs]
        grown = RandomForestRegressor(100, random_state=seed).fit(filled(features, fill), wanted)
        trees = [tree.tree_ for tree in grown.estimators_]
        sizes = np.array([tree.node_count for tree in trees])
        roots = np.cumsum(sizes) - sizes
        itself = np.concatenate([root + np.arange(size) for root, size in zip(roots, sizes, strict=True)])

        def joined(name: str) -> np.ndarray:
            return np.concatenate([getattr(tree, name) for tree in trees])

        leaf = joined("children_left") < 0
        offset = np.repeat(roots, sizes)
        return cls(
            {
                "roots": roots.astype(np.int32),
                "feature": np.where(leaf, 0, joined("feature")).astype(np.int16),
                "threshold": np.where(leaf, 0.0, joined("threshold")),
                "left": np.where(leaf, itself, offset + joined("children_left")).astype(np.int32),
                "right": np.where(leaf, itself, offset + joined("children_right")).astype(np.int32),
                "value": joined("value")[:, :, 0],
                "fill": fill,
                "gain": grown.feature_importances_,
            }
        )

    def predict(self, features: np.ndarray) -> np.ndarray:
        """The mean over the trees' leaves."""
        found = self._arrays
        # scikit-learn compares in single precision, so rows on a threshold fall on the same side here
        rows = filled(features, found["fill"]).astype(np.float32)
        return np.concatenate([self._predict(rows[start : start + _ROWS]) for start in range(0, len(rows), _ROWS)])

    def _predict(self, rows: np.ndarray) -> np.ndarray:
        found = self._arrays
        node = np.tile(found["roots"], (len(rows), 1))
        along = np.arange(len(rows))[:, np.newaxis]
        while True:
            goes_left = rows[along, found["feature"][node]] <= found["threshold"][node]
            child = np.where(goes_left, found["left"][node], found["right"][node])
            if np.array_equal(child, node):
                return np.asarray(found["value"][node].mean(axis=1))
            node = child

    def _check(self, nodes: int) -> None:
        """Raise ValueError where the arrays are not trees: a child comes after its parent, or a leaf is its own child, so every walk ends."""
        found = self._arrays
        itself = np.arange(nodes)
        leaf = (found["left"] == itself) & (found["right"] == itself)
        onward = (found["left"] > itself) & (found["right"] > itself)
        inside = (found["left"] < nodes) & (found["right"] < nodes) & (found["feature"] >= 0) & (found["feature"] < len(found["fill"]))
        if found["value"].ndim != 2 or not nodes or not len(found["roots"]) or not ((leaf | onward) & inside).all():
            raise ValueError("the trees' children lead out of them, or in circles")
        if not ((found["roots"] >= 0) & (found["roots"] < nodes)).all():
            raise ValueError("the trees' roots are not among their nodes")

    @property
    def importance(self) -> np.ndarray:
        """Mean decrease in impurity of each feature, of all together 1: ``(features,)``."""
        return self._arrays["gain"]

    def arrays(self) -> dict[str, np.ndarray]:
        """As the class lists them."""
        return dict(self._arrays)

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The forest of these arrays."""
        forest = cls(arrays)
        nodes = len(forest._arrays["feature"])
        if any(len(forest._arrays[name]) != nodes for name in ("threshold", "left", "right", "value")):
            raise ValueError("the arrays of the trees' nodes differ in length")
        forest._check(nodes)
        return forest
