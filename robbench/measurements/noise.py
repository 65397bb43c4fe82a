"""What another training of the same networks would change: the differences between functional twins.

noise = TwinNoise(objectives, lookup, seed=0)
noise.added([0.941], identity=17, repeat=0)         [0.9432], the same each time

Twins are one function, trained and measured apart.  Accurate networks differ less from their twins than others do, so what is added to a
value is a difference between twins of about its accuracy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from robbench.errors import CannotFit, UnknownMetric
from robbench.measurements.lookup import Answers, Lookup
from robbench.arguments import checked_seed
from robbench.spaces.nb201 import Cell

NEAR = 200
"""How many differences, of the twins nearest in accuracy, one is drawn from."""


class TwinNoise:
    """Noise for accuracies that are asked for together: drawn together, so that it is correlated as twins' differences are.

    Which twins are near is decided by the first of the accuracies.

    Arguments:
        objectives: what is asked for; what is no accuracy stays as it is.
        lookup: of the store.
        seed: of the draws, an integer of at least 0.

    Raises:
        UnknownMetric: no accuracy, accuracies of classes beside accuracies of cells, or a seed that is none.
        CannotFit: no two twins were measured.
    """

    def __init__(self, objectives: Sequence[Answers], lookup: Lookup, seed: int) -> None:
        self._seed = checked_seed(seed, "noise_seed")
        self._noisy = [i for i, one in enumerate(objectives) if one.metric.entry.measure == "accuracy"]
        rows = {objectives[i].column.rows for i in self._noisy}
        if len(rows) != 1:
            raise UnknownMetric(
                "noise is of accuracies, all measured once a class or all once a cell; the objectives are"
                f" {', '.join(f'{one.metric} (once a {one.column.rows})' for one in objectives)}."
            )
        archs = lookup.classes if rows == {"class"} else lookup.cells
        levels, self._differences = differences(np.stack([objectives[i].column.values for i in self._noisy], axis=1), archs)
        self._levels = levels[:, 0]

    def added(self, values: list[float], identity: int, repeat: int) -> list[float]:
        """The values, each accuracy with noise, which is the same for the same seed, architecture and repeat."""
        place = int(np.searchsorted(self._levels, values[self._noisy[0]]))
        first = max(0, min(place - NEAR // 2, len(self._levels) - NEAR))
        near = self._differences[first : first + NEAR]
        drawn = near[np.random.default_rng((self._seed, identity, repeat)).integers(len(near))]
        noisy = list(values)
        for i, difference in zip(self._noisy, drawn, strict=True):
            noisy[i] = float(np.clip(values[i] + difference, 0, 1))
        return noisy


def differences(values: np.ndarray, archs: Sequence[Cell]) -> tuple[np.ndarray, np.ndarray]:
    """How far measurements are from the mean of their group of twins, scaled so that their variance is that of one measurement.

    Arguments:
        values: ``(archs, metrics)``; architectures with a NaN are left out.
        archs: as many cells.

    Returns:
        The means of the groups and the differences, both ``(measurements with a twin, metrics)``, in the order of the first metric's mean.

    Raises:
        CannotFit: no two twins were measured.
    """
    from robbench.surrogates.splits import twin_groups

    measured = ~np.isnan(values).any(axis=1)
    values, (_, group, count) = values[measured], np.unique(twin_groups(archs)[measured], return_inverse=True, return_counts=True)
    total = np.zeros((len(count), values.shape[1]))
    np.add.at(total, group, values)
    repeated = count[group] > 1
    if not repeated.any():
        raise CannotFit("noise needs twins that were measured apart, and there are none in the store.")
    size, mean = count[group][repeated, np.newaxis], (total / count[:, np.newaxis])[group][repeated]
    order = np.argsort(mean[:, 0], kind="stable")
    return mean[order], ((values[repeated] - mean) * np.sqrt(size / (size - 1)))[order]
