"""Three methods as someone brings them, for `robbench judge` (docs/judge.md): a proxy, a search and a predictor."""

from __future__ import annotations

from typing import Any

import numpy as np


def convolutions(cell: Any) -> int:
    """A proxy: how many edges of a NAS-Bench-201 cell have a convolution."""
    return sum("conv" in operation for operation in cell.ops)


def climb(oracle: Any, space: Any, rng: np.random.Generator) -> None:
    """A search: change the best so far, or now and then begin anew, until the oracle says that the budget is spent."""
    best = space.sample(rng)
    value = oracle(best)
    while True:
        other = space.sample(rng) if rng.random() < 0.2 else space.mutate(best, rng)
        if oracle(other) > value:
            best, value = other, oracle(other)


class Nearest:
    """A predictor: the mean of the architectures whose features are nearest, and how far these are from each other."""

    def fit(self, features: np.ndarray, targets: np.ndarray) -> Nearest:
        """Remember them, each feature scaled to the same spread."""
        spread = features.std(axis=0)
        self.scale = np.where(spread > 0, spread, 1)
        self.features, self.targets = features / self.scale, targets
        return self

    def predict(self, features: np.ndarray, return_std: bool = False) -> Any:
        """``(n,)``, or two of them."""
        squares = ((features / self.scale) ** 2).sum(axis=1)[:, np.newaxis] + (self.features**2).sum(axis=1)
        apart = squares - 2 * (features / self.scale) @ self.features.T
        near = self.targets[np.argsort(apart, axis=1, kind="stable")[:, :8]]
        return (near.mean(axis=1), near.std(axis=1)) if return_std else near.mean(axis=1)
