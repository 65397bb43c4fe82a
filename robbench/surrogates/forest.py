"""Random forest: scikit-learn grows it, numpy evaluates it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from robbench.arguments import checked_seed
from robbench.surrogates.models import Arrays, filled, medians, needs
from robbench.surrogates.trees import DEEPEST, Trees, joined


class Forest:
    """100 trees with scikit-learn's defaults, the setting of Lukasik et al. (2023); missing features become their median.

    Arrays: those of `trees`, where a value equal to its ``threshold`` goes left; ``value`` (nodes, outputs), ``fill`` (features,), ``gain`` (features,).
    """

    version = oldest = 1
    fewest_rows = 10

    def __init__(self, arrays: Arrays) -> None:
        names = ("roots", "feature", "threshold", "left", "right", "value", "fill", "gain")
        found = self._arrays = {name: np.asarray(arrays[name]) for name in names}
        if found["fill"].ndim != 1 or found["gain"].shape != found["fill"].shape:
            raise ValueError("the features' medians and gains do not fit together")
        if found["value"].ndim != 2 or len(found["value"]) != len(found["left"]):
            raise ValueError("the arrays of the trees' nodes differ in length")
        if not all(np.isfinite(found[name]).all() for name in ("value", "fill", "gain")):
            raise ValueError("a number is not finite")
        self._trees = Trees(found | {"threshold": _below(found["threshold"])}, self.shape[0], np.greater)

    @classmethod
    def fit(cls, features: np.ndarray, targets: np.ndarray, outputs: int, seed: int, names: Sequence[str] = ()) -> Self:
        """Grow it; auxiliary targets are not used."""
        return cls.fit_with_spread(features, targets, outputs, seed)[0]

    @classmethod
    def fit_with_spread(cls, features: np.ndarray, targets: np.ndarray, outputs: int, seed: int) -> tuple[Self, np.ndarray]:
        """Grow it, as `fit`; and the standard deviation of each feature's importance over the trees: ``(features,)``, float64."""
        try:
            from sklearn.ensemble import RandomForestRegressor
        except ImportError as error:
            raise needs("scikit-learn", "forest", error) from error
        fill = medians(features)
        wanted = targets[:, 0] if outputs == 1 else targets[:, :outputs]
        grown = RandomForestRegressor(100, max_depth=DEEPEST, random_state=checked_seed(seed, bits=32)).fit(filled(features, fill), wanted)
        found = joined(
            [
                {
                    "feature": tree.feature,
                    "threshold": tree.threshold,
                    "left": tree.children_left,
                    "right": tree.children_right,
                    "value": tree.value[:, :, 0],
                }
                for tree in (estimator.tree_ for estimator in grown.estimators_)
            ]
        )
        forest = cls(found | {"feature": found["feature"].astype(np.int16), "fill": fill, "gain": grown.feature_importances_})
        return forest, np.std([tree.feature_importances_ for tree in grown.estimators_], axis=0)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """The mean over the trees' leaves."""
        value = self._arrays["value"]
        return self._trees.evaluate(filled(features, self._arrays["fill"]), lambda leaves: value[leaves].mean(axis=0))

    @property
    def shape(self) -> tuple[int, int]:
        """Features and outputs."""
        return len(self._arrays["fill"]), self._arrays["value"].shape[1]

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
        return cls(arrays)


def _below(threshold: np.ndarray) -> np.ndarray:
    """The largest number in single precision that is not above each threshold: scikit-learn compares with double, but rows of single precision."""
    with np.errstate(over="ignore"):
        single = threshold.astype(np.float32)
    return np.where(single > threshold, np.nextafter(single, np.float32(-np.inf)), single)
