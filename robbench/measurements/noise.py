"""Training noise, estimated from functional twins.

noise = TwinNoise(columns, lookup, seed=0)
noise.added([0.941], identity=17, training=0)         [0.9432], the same each time

Twins are one function, trained and measured apart.  Accurate networks differ less from their twins than others do, so what is added to a
value is a difference between twins of about its accuracy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from robbench.arguments import checked_seed
from robbench.errors import CannotFit, InvalidArgument
from robbench.spaces import Groups, SearchSpace

if TYPE_CHECKING:
    from robbench.measurements.columns import Column
    from robbench.measurements.lookup import Lookup

NEAR = 200
"""How many differences, of the twins nearest in accuracy, one is drawn from."""


class TwinNoise:
    """Noise for accuracies that are asked for together: drawn together, so that it is correlated as twins' differences are.

    Which twins are near is decided by the first of the accuracies.

    Arguments:
        columns: what is asked for, None where it is not of the store; what is no accuracy stays as it is.
        lookup: of the store.
        seed: of the draws, an integer of at least 0.

    Raises:
        InvalidArgument: no accuracy, accuracies of classes beside accuracies of exact architectures, or a seed that is none.
        CannotFit: no two twins were measured.
    """

    def __init__(self, columns: Sequence[Column | None], lookup: Lookup, seed: int) -> None:
        self._seed = checked_seed(seed, "noise_seed")
        noisy = {i: column for i, column in enumerate(columns) if column and column.question.metric.entry.measure == "accuracy"}
        self._noisy = list(noisy)
        rows = {column.rows for column in noisy.values()}
        if len(rows) != 1:
            given = ", ".join(
                f"{column.question.metric} (once {'a class' if column.rows == 'class' else 'an exact architecture'})"
                if column
                else "a function"
                for column in columns
            )
            raise InvalidArgument(
                f"noise is of accuracies, all measured once a class or all once an exact architecture; the objectives are {given}."
            )
        values = np.stack([column.values for column in noisy.values()], axis=1)
        means, self._differences = differences(values, twin_groups(lookup.space, lookup.archs(rows.pop())), lookup.file_name)
        self._means = means[:, 0]

    def added(self, values: list[float], identity: Hashable, training: int) -> list[float]:
        """The values, each accuracy with noise, which is the same for the same seed, architecture and training.

        Arguments:
            values: of all objectives.
            identity: of the architecture: its row, or, where the store has none, what says as text which it is.
            training: how often it was trained before.
        """
        place = int(np.searchsorted(self._means, values[self._noisy[0]]))
        first = max(0, min(place - NEAR // 2, len(self._means) - NEAR))
        near = self._differences[first : first + NEAR]
        drawn = near[np.random.default_rng((self._seed, _number(identity), training)).integers(len(near))]
        noisy = list(values)
        for i, difference in zip(self._noisy, drawn, strict=True):
            noisy[i] = float(np.clip(values[i] + difference, 0, 1))
        return noisy


def _number(identity: Hashable) -> int:
    """An identity as a number that is the same in every process."""
    return identity if isinstance(identity, int) else int.from_bytes(hashlib.sha256(str(identity).encode()).digest()[:8], "big")


def twin_groups(space: SearchSpace[Any], archs: Sequence[Any]) -> np.ndarray:
    """For each architecture the number of its group of functional twins, as they first appear: ``(archs,)``, intp."""
    return np.array(Groups.of(map(space.twin_key, archs)).group, np.intp)


def differences(values: np.ndarray, groups: np.ndarray, store: str = "the store") -> tuple[np.ndarray, np.ndarray]:
    """How far measurements are from the mean of their group of twins, scaled so that their variance is that of one measurement.

    Arguments:
        values: ``(archs, metrics)``; architectures with a NaN are left out.
        groups: ``(archs,)``: the group of functional twins of each.
        store: what a message calls where they are from.

    Returns:
        The means of the groups and the differences, both ``(measurements with a twin, metrics)``, in the order of the first metric's mean.

    Raises:
        CannotFit: no two twins were measured.
    """
    measured = ~np.isnan(values).any(axis=1)
    values, (_, group, count) = values[measured], np.unique(groups[measured], return_inverse=True, return_counts=True)
    total = np.zeros((len(count), values.shape[1]))
    np.add.at(total, group, values)
    repeated = count[group] > 1
    if not repeated.any():
        raise CannotFit(f"noise needs twins that were measured apart, and there are none in {store}.")
    size, mean = count[group][repeated, np.newaxis], (total / count[:, np.newaxis])[group][repeated]
    order = np.argsort(mean[:, 0], kind="stable")
    return mean[order], ((values[repeated] - mean) * np.sqrt(size / (size - 1)))[order]
