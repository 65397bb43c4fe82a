"""Boosting and networks together: their mean is better than either, since they err apart."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import numpy as np

from robbench.surrogates.boosting import Boosting, library
from robbench.surrogates.models import Arrays, part_of
from robbench.surrogates.networks import Networks

NETWORKS_SHARE = 0.7
"""Chosen by benchmarks/selection.py, on groups that are on no test side."""


class Blend:
    """0.7 of `Networks` and 0.3 of `Boosting`.  Arrays: those of both, their names after ``networks.`` and ``boosting.``; their versions are those of boosting."""

    version = Boosting.version
    oldest = Boosting.oldest
    fewest_rows = max(Networks.fewest_rows, Boosting.fewest_rows)

    def __init__(self, networks: Networks, boosting: Boosting) -> None:
        self.networks = networks
        self.boosting = boosting

    @classmethod
    def fit(cls, features: np.ndarray, targets: np.ndarray, outputs: int, seed: int, names: Sequence[str] = ()) -> Self:
        """Fit both on the same rows, side by side: numpy and xgboost let go of the interpreter while they compute."""
        library()  # where it is missing, nothing is fitted in vain
        with ThreadPoolExecutor(1) as beside:
            boosting = beside.submit(Boosting.fit, features, targets, outputs, seed)
            return cls(Networks.fit(features, targets, outputs, seed), boosting.result())

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Their weighted mean."""
        return NETWORKS_SHARE * self.networks.predict(features) + (1 - NETWORKS_SHARE) * self.boosting.predict(features)

    @property
    def shape(self) -> tuple[int, int]:
        """Features and outputs."""
        return self.networks.shape

    def arrays(self) -> dict[str, np.ndarray]:
        """As the class lists them."""
        parts = {"networks": self.networks.arrays(), "boosting": self.boosting.arrays()}
        return {f"{part}.{name}": values for part, found in parts.items() for name, values in found.items()}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Both, of these arrays."""
        networks, boosting = Networks.from_arrays(part_of(arrays, "networks")), Boosting.from_arrays(part_of(arrays, "boosting"))
        if networks.shape != boosting.shape:
            raise ValueError(f"its networks are of {networks.shape} features and outputs, and its trees of {boosting.shape}")
        return cls(networks, boosting)
