"""Networks along the graph beside a blend: three kinds that err apart."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import numpy as np

from robbench.surrogates.blend import Blend
from robbench.surrogates.boosting import library
from robbench.surrogates.graph import Graph, layout_of
from robbench.surrogates.models import Arrays, part_of

GRAPH_SHARE = 0.4
"""By trials on groups that are on no test side (docs/ceiling.md)."""


class Ensemble:
    """0.4 of `Graph` and 0.6 of `Blend`, which sees no terms.  Arrays: those of both, their names after ``graph.`` and ``blend.``; it has the versions of a blend."""

    version = Blend.version
    oldest = Blend.version
    fewest_rows = max(Graph.fewest_rows, Blend.fewest_rows)

    def __init__(self, graph: Graph, blend: Blend) -> None:
        self.graph = graph
        self.blend = blend

    @classmethod
    def fit(cls, features: np.ndarray, targets: np.ndarray, outputs: int, seed: int, names: Sequence[str] = ()) -> Self:
        """Fit both on the same rows, one after the other: each takes all cores.

        Raises:
            InvalidArgument: the features have no terms.
            MissingLibrary: torch or xgboost is not installed.
        """
        library()  # where it is missing, nothing is fitted in vain
        graph = Graph.fit(features, targets, outputs, seed, names)
        others = layout_of(names, "ensemble").others(features.shape[1])
        return cls(graph, Blend.fit(features[:, others], targets, outputs, seed))

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Their weighted mean, computed side by side."""
        others = features[:, self.graph.layout.others(features.shape[1])]
        with ThreadPoolExecutor(1) as beside:
            graph = beside.submit(self.graph.predict, features)
            blend = self.blend.predict(others)
            return GRAPH_SHARE * graph.result() + (1 - GRAPH_SHARE) * blend

    @property
    def shape(self) -> tuple[int, int]:
        """Features and outputs."""
        return self.graph.shape

    def arrays(self) -> dict[str, np.ndarray]:
        """As the class lists them."""
        parts = {"graph": self.graph.arrays(), "blend": self.blend.arrays()}
        return {f"{part}.{name}": values for part, found in parts.items() for name, values in found.items()}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Both, of these arrays."""
        graph, blend = Graph.from_arrays(part_of(arrays, "graph")), Blend.from_arrays(part_of(arrays, "blend"))
        features, outputs = graph.shape
        if blend.shape != (len(graph.layout.others(features)), outputs):
            raise ValueError(f"its graph is of {features} features and {outputs} outputs, and its blend of {blend.shape}")
        return cls(graph, blend)
