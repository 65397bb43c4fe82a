"""Whether searches differ by more than luck: tests of paired runs, corrected for how many there are, and intervals of means over runs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import count

import numpy as np

from robbench.analysis.resampling import interval

RESAMPLES = 1000
FEWEST_RUNS = 5
"""For a test and for an interval: of fewer, neither says anything."""
ALPHA = 0.05


def holm(p_values: Sequence[float]) -> np.ndarray:
    """p-values corrected for how many there are, so that among all of them none is below α by chance more often than α: ``(tests,)``.

    Source: Holm (1979), "A simple sequentially rejective multiple test procedure".
    """
    values = np.asarray(p_values, np.float64)
    order = np.argsort(values, kind="stable")
    corrected = np.empty(len(values))
    corrected[order] = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)).clip(max=1)
    return corrected


def paired(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float]:
    """p-value and effect size of the regrets of paired runs, ``(runs,)`` each.

    Returns:
        Of Wilcoxon's signed-rank test, two-sided, 1 where no pair differs; and the matched-pairs rank-biserial correlation, from -1 (always worse) to 1.

    Pairs that are equal count half for either side; p is by the normal approximation, which is rough for fewer than ten pairs.

    Source: Wilcoxon (1945); Kerby (2014) for the effect size.
    """
    from scipy.stats import rankdata, wilcoxon

    better = theirs - ours
    if not better.any():
        return 1.0, 0.0
    with warnings.catch_warnings():  # SciPy, in its lowest versions, of fewer than ten pairs, for which the approximation is rough
        warnings.simplefilter("ignore", UserWarning)
        p = float(wilcoxon(better, zero_method="zsplit", method="approx").pvalue)
    ranks = rankdata(np.abs(better))
    return p, float((ranks @ np.sign(better)) / ranks.sum())


def runs_to_tell(comparisons: int) -> int:
    """The fewest runs of which `paired`, where all of them are better, is significant when it is corrected for so many comparisons."""
    return next(runs for runs in count(FEWEST_RUNS) if paired(np.zeros(runs), np.arange(1.0, runs + 1))[0] * comparisons < ALPHA)


def interval_of_mean(values: np.ndarray) -> tuple[float, float]:
    """The 95% interval of a mean over runs, by a bootstrap; NaN where they are too few."""
    if len(values) < FEWEST_RUNS:
        return np.nan, np.nan
    rng = np.random.default_rng(0)
    return interval(values[rng.integers(len(values), size=(RESAMPLES, len(values)))].mean(axis=1))
