"""Rank correlations between metrics and proxies: how far they agree on which architecture is better.

A correlation is between goodnesses: a metric of which less is better (a latency) is turned round first, so that 1 always means that both
prefer the same architectures, and -1 the opposite ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from robbench.analysis.joining import join
from robbench.arguments import checked_seed
from robbench.errors import UnknownMetric
from robbench.measurements.directions import higher_is_better, listed
from robbench.measurements.metrics import nearest

if TYPE_CHECKING:
    import pandas as pd

    from robbench.bench import RobBench

LEVEL = 0.95
KENDALL_RESAMPLES = 200
"""Kendall's τ of a resample takes milliseconds, Spearman's ρ a tenth of that; so τ's interval is from fewer of the same resamples."""
METHODS = ("kendall", "spearman")
_AT_A_TIME = 50


class RankCorrelation(NamedTuple):
    """Agreement of two metrics, with 95% intervals; NaN where undefined."""

    kendall: float
    kendall_low: float
    kendall_high: float
    spearman: float
    spearman_low: float
    spearman_high: float


def correlations(
    bench: RobBench,
    targets: str | Sequence[str],
    metrics: str | Sequence[str],
    *,
    resamples: int = 1000,
    seed: int = 0,
    progress: bool = False,
    **options: Any,
) -> pd.DataFrame:
    """Kendall's τ-b and Spearman's ρ of every metric with every target, between goodnesses.

    A pair of class metrics runs over the classes; where one belongs to exact cells (proxies, latencies), the pair runs over the 15,625
    cells, each with its class's value in the other.  Either way, n counts the architectures of which both were measured.

    Intervals are 95% percentile bootstraps.  What is drawn are classes, with all their cells: isomorphic cells share one measurement.
    Spearman's ρ is computed exactly (midranks of the resample) of every resample, Kendall's τ-b of the first `KENDALL_RESAMPLES` of them.

    Arguments:
        bench: where the measurements are.
        targets: metrics as for a query, or ``"kernel_parameters"``; one or several.
        metrics: likewise.
        resamples: of the bootstrap; 0 leaves the intervals out (NaN).
        seed: of the bootstrap.
        progress: show a bar on stderr; a pair takes a few seconds.
        options: dataset, training and interpolate, as for a query.

    Returns:
        One row a pair: target, target_better, metric, better ("higher" or "lower": which is taken for better), rows ("class" or "cell"), n,
        kendall, kendall_low, kendall_high, spearman, spearman_low, spearman_high.  A metric that does not vary has no correlation: NaN.

    Raises:
        UnknownMetric, NotMeasured: as for a query; a metric named twice; resamples that is not a count; a seed that is none.

    Source: Kendall (1945) for τ-b; Efron and Tibshirani (1993), chapter 13, for percentile intervals.
    """
    import pandas as pd
    from tqdm import tqdm

    if isinstance(resamples, bool) or not isinstance(resamples, int) or resamples < 0:
        raise UnknownMetric(f"resamples={resamples!r} is not a number of resamples; expected an integer of at least 0.")
    records = []
    pairs = list(product(listed(targets, "targets"), listed(metrics, "metrics")))
    for target, metric in tqdm(pairs, unit="pair", disable=None if progress else True):
        one, other, classes, rows = _pair(bench, target, metric, options)
        place = {"target": target, "target_better": _better(target), "metric": metric, "better": _better(metric)}
        found = rank_correlation(one, other, classes, resamples=resamples, seed=seed)
        records.append({**place, "rows": rows, "n": len(one), **found._asdict()})
    return pd.DataFrame.from_records(records)


def correlation_matrix(bench: RobBench, metrics: Sequence[str], *, method: str = "kendall", **options: Any) -> pd.DataFrame:
    """Correlations of every metric with every other, for a heatmap: a symmetric table of goodnesses' ``"kendall"`` τ-b or ``"spearman"`` ρ.

    Each pair runs over its own architectures, as in `correlations`; there are no intervals.
    """
    import pandas as pd

    if method not in METHODS:
        raise UnknownMetric(f"method={method!r} is not a rank correlation.{nearest(method, METHODS)} Expected 'kendall' or 'spearman'.")
    names = listed(metrics, "metrics")
    matrix = pd.DataFrame(np.nan, index=pd.Index(names, name="metric"), columns=names)
    for position, one in enumerate(names):
        for other in names[position:]:
            first, second, _, _ = _pair(bench, one, other, options)
            value = _kendall(first, second) if method == "kendall" else _spearman(first, second)
            matrix.loc[one, other] = matrix.loc[other, one] = value
    return matrix


def rank_correlation(one: np.ndarray, other: np.ndarray, classes: np.ndarray, *, resamples: int = 1000, seed: int = 0) -> RankCorrelation:
    """Rank correlations of values ``(n,)`` without NaN, in classes ``(n,)``, whose draws the intervals come from; see `correlations`."""
    tau, rho = _kendall(one, other), _spearman(one, other)
    if np.isnan(tau) or resamples == 0:
        return RankCorrelation(tau, np.nan, np.nan, rho, np.nan, np.nan)
    taus: list[float] = []
    rhos: list[np.ndarray] = []
    for weights in _draws(classes, resamples, np.random.default_rng(checked_seed(seed))):
        rhos.append(_weighted_spearman(one, other, weights))
        for weight in weights.T[: max(KENDALL_RESAMPLES - len(taus), 0)].astype(np.intp):
            taus.append(_kendall(np.repeat(one, weight), np.repeat(other, weight)))
    return RankCorrelation(tau, *_interval(np.array(taus)), rho, *_interval(np.concatenate(rhos)))


def _pair(bench: RobBench, one: str, other: str, options: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
    """The goodnesses of architectures of which both were measured, their classes, and what they run over."""
    joined = join(bench, [one, other], **options)
    first, second = ((1 if higher_is_better(name) else -1) * joined.values[name][joined.measured] for name in (one, other))
    return first, second, joined.classes[joined.measured], joined.rows


def _better(metric: str) -> str:
    return "higher" if higher_is_better(metric) else "lower"


def _kendall(one: np.ndarray, other: np.ndarray) -> float:
    from scipy.stats import kendalltau

    constant = len(one) == 0 or np.ptp(one) == 0 or np.ptp(other) == 0
    return np.nan if constant else float(kendalltau(one, other).statistic)


def _spearman(one: np.ndarray, other: np.ndarray) -> float:
    return float(_weighted_spearman(one, other, np.ones((len(one), 1)))[0]) if len(one) else np.nan


def _draws(classes: np.ndarray, resamples: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """How often each row is in each resample of classes: ``(n, some)``, float64, until there are enough."""
    _, index = np.unique(classes, return_inverse=True)
    count = int(index.max()) + 1
    for start in range(0, resamples, _AT_A_TIME):
        drawn = (rng.integers(count, size=count) for _ in range(min(_AT_A_TIME, resamples - start)))
        yield np.stack([np.bincount(one, minlength=count) for one in drawn], axis=1)[index].astype(np.float64)


def _weighted_spearman(one: np.ndarray, other: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Spearman's ρ of samples that hold each row as often as ``weights (n, samples)`` says: ``(samples,)``."""
    first, second = _centred_ranks(one, weights), _centred_ranks(other, weights)
    product = np.einsum("ij,ij,ij->j", weights, first, second)
    scale = np.sqrt(np.einsum("ij,ij,ij->j", weights, first, first) * np.einsum("ij,ij,ij->j", weights, second, second))
    return np.asarray(np.divide(product, scale, out=np.full_like(product, np.nan), where=scale > 0))


def _centred_ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Midranks in such samples, less their mean: ``(n, samples)``.  The order of values is the same in all, so it is found once."""
    _, group, ties = np.unique(values, return_inverse=True, return_counts=True)
    starts = np.concatenate([[0], np.cumsum(ties)[:-1]])
    tied = np.add.reduceat(weights[np.argsort(group, kind="stable")], starts, axis=0)
    upto = np.cumsum(tied, axis=0)
    return np.asarray((upto - tied / 2 - upto[-1] / 2)[group])


def _interval(drawn: np.ndarray) -> tuple[float, float]:
    defined = drawn[~np.isnan(drawn)]
    if len(defined) == 0:
        return np.nan, np.nan
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    return low, high
