"""The signal in an untrained network: how its variance and its gradient grow through five cells in a row, and by which ways the variance comes.

At initialisation a convolution with its batch norm gives variance 1 whatever it is applied to, and divides the gradient by the variance of what it got; a skip
passes both on; a pooling averages.  Terms of a sum are taken as independent, equal ones as equal.  So ways compete: after a few cells, one through
skips only may have swamped all others, or been left behind, and counts of ways do not say which.

Source: Schoenholz et al. (2017), "Deep information propagation", for the recursion; here with batch norm, on a cell.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from robbench.spaces.space import Features
from robbench.spaces.terms import Layout

CELLS = 5
"""In a row, in each stage of the published networks."""
AFTER = (1, 2, 5)
POOLED, POOLED_GRADIENT = 0.5, 0.3
"""Shares of the variance and of the gradient's square that averaging over 3×3 pixels leaves; of independent pixels both would be 1/9."""
LEAST = 1e-6
"""Stands for the variance, and the gradient, of what is 0."""


def signal(written: Features, operations: Mapping[str, tuple[bool, bool]]) -> Features:
    """The features of cells that are written out as terms.

    Arguments:
        written: as `robbench.spaces.terms` has them.
        operations: in the order of the table, of each whether it has a batch norm, and whether it reaches beyond a pixel.

    Returns:
        ``(cells, 27)``, after one, two and five cells: logarithms of the variance and of the gradient's square beside it; and of the ways, weighted by the
        variance that they bring, the mean number of each operation, mean and standard deviation of the length, the share without a batch norm, and
        how far they reach, in pixels.
    """
    layout = Layout.of(written.names)
    assert layout is not None
    whats = ["variance", "gradient", *operations, "length", "spread", "linear", "reach"]
    names = [f"signal{cell}:{what}" for cell in AFTER for what in whats]
    # Of the ways: how often each operation, length, its square, whether without a batch norm, reach.
    size, ops = len(written.values), len(operations)
    variance, gradient, ways = np.ones(size), np.ones(size), np.zeros((size, ops + 4))
    ways[:, ops + 2] = 1
    found = []
    for cell in range(1, CELLS + 1):
        variance, gradient, ways = _through(written.values, layout, list(operations.values()), variance, gradient, ways)
        if cell in AFTER:
            length = ways[:, ops]
            spread = np.sqrt(np.maximum(ways[:, ops + 1] - length**2, 0))
            relative = gradient / np.maximum(variance, LEAST)
            logs = [np.log(np.maximum(values, LEAST)) for values in (variance, relative)]
            found += [*logs, *ways[:, :ops].T, length, spread, ways[:, ops + 2], ways[:, ops + 3]]
    return Features(tuple(names), np.stack(found, axis=1))


def _through(
    values: np.ndarray, layout: Layout, operations: list[tuple[bool, bool]], variance: np.ndarray, gradient: np.ndarray, ways: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What comes out of a cell, by what comes in: ``(cells,)``, ``(cells,)`` and ``(cells, numbers of a way)``."""
    variances, gradients, all_ways = variance[:, np.newaxis], gradient[:, np.newaxis], ways[:, np.newaxis]
    ops = len(operations)
    normed, reaches = (np.array(flags, bool) for flags in zip(*operations, strict=True))
    for block in range(len(layout.held)):
        weight = values[:, layout.held[block, : block + 1]] ** 2
        variance, gradient = (weight * variances).sum(axis=1), (weight * gradients).sum(axis=1)
        ways = ((weight * variances)[:, :, np.newaxis] * all_ways).sum(axis=1) / np.maximum(variance, LEAST)[:, np.newaxis]
        if block == len(layout.applied):
            break
        applied = values[:, layout.applied[block]]
        there, is_normed = applied.any(axis=1), applied @ normed > 0
        ways[:, ops + 1] += 2 * ways[:, ops] + 1
        ways[:, ops] += 1
        ways[:, :ops] += applied
        ways[:, ops + 3] += applied @ reaches
        ways[is_normed, ops + 2] = 0
        gradient = np.where(is_normed, gradient / np.maximum(variance, LEAST), POOLED_GRADIENT * gradient) * there
        variance = np.where(is_normed, 1.0, POOLED * variance) * there
        variances = np.column_stack([variances, variance])
        gradients = np.column_stack([gradients, gradient])
        all_ways = np.concatenate([all_ways, ways[:, np.newaxis]], axis=1)
    return variance, gradient, ways
