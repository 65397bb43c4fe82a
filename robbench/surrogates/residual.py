"""Known accuracies first: a linear function of these, and a model of any kind for what it leaves.

What one attack does to a network says most of what another does, nearly in proportion.  Trees and networks have to make that up of steps and bends, which
takes them more rows than there are of few architectures: on development groups, from 100 and from 1,400, all do better on what a ridge regression leaves.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from robbench.errors import UnknownMetric
from robbench.measurements.metrics import parse
from robbench.surrogates.models import Arrays, Model, part_of
from robbench.surrogates.small import Ridge


class Residual:
    """The sum of a ridge regression on known accuracies and of a model of another kind, which sees all features and learns what the former leaves.

    Arrays: ``known`` (known,), int32: which of the features they are; those of both, their names after ``linear.`` and ``rest.``.
    """

    def __init__(self, known: np.ndarray, linear: Ridge, rest: Model) -> None:
        self._known = known
        self.linear = linear
        self.rest = rest

    @classmethod
    def fit(
        cls, kind: type[Model], known: np.ndarray, features: np.ndarray, targets: np.ndarray, outputs: int, seed: int, names: Sequence[str]
    ) -> Residual:
        """Fit one after the other; auxiliary targets, too, are what the linear function of them leaves."""
        linear = Ridge.fit(features[:, known], targets, targets.shape[1], seed)
        rest = kind.fit(features, targets - linear.predict(features[:, known]), outputs, seed, names)
        return cls(known, linear.of(outputs), rest)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Their sum."""
        return np.asarray(self.linear.predict(features[:, self._known]) + self.rest.predict(features))

    @property
    def shape(self) -> tuple[int, int]:
        """Features and outputs."""
        return self.rest.shape

    def arrays(self) -> dict[str, np.ndarray]:
        """As the class lists them."""
        parts = {"linear": self.linear.arrays(), "rest": self.rest.arrays()}
        return {"known": self._known} | {f"{part}.{name}": values for part, found in parts.items() for name, values in found.items()}

    @classmethod
    def from_arrays(cls, kind: type[Model], arrays: Arrays) -> Residual:
        """Both, of these arrays; raises as `Model.from_arrays`."""
        known, linear, rest = arrays["known"], Ridge.from_arrays(part_of(arrays, "linear")), kind.from_arrays(part_of(arrays, "rest"))
        features, outputs = rest.shape
        if known.dtype.kind not in "iu" or not ((known >= 0) & (known < features)).all() or linear.shape != (len(known), outputs):
            raise ValueError("the linear function of known accuracies does not fit to the features and outputs")
        return cls(known, linear, rest)


def accuracies(names: Sequence[str]) -> np.ndarray:
    """Which of the features are accuracies that are known, by their names: ``(known,)``, int32.  No feature of a space is called as a metric is."""
    return np.array([place for place, name in enumerate(names) if _is_accuracy(name)], np.int32)


def _is_accuracy(name: str) -> bool:
    try:
        return parse(name).entry.unit == "fraction"
    except UnknownMetric:
        return False
