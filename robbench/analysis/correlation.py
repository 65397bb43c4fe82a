"""Rank correlations between metrics and proxies: how far they agree on which architecture is better.

A metric of which less is better (a latency) enters with its sign changed, so that 1 always means that both metrics prefer the same architectures, and -1
that they prefer opposite ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, NamedTuple, Unpack

import numpy as np

from robbench.analysis.resampling import centred_ranks, draws, interval
from robbench.arguments import checked_choice, checked_count, checked_seed, options_checked
from robbench.measurements.directions import higher_is_better, listed
from robbench.measurements.joining import join
from robbench.measurements.measurements import Bench
from robbench.measurements.metrics import Metric
from robbench.measurements.question import Where

if TYPE_CHECKING:
    import pandas as pd

KENDALL_RESAMPLES = 200
"""Kendall's τ of a resample takes milliseconds, Spearman's ρ a tenth of that; so τ's interval is from fewer of the same resamples."""
METHODS = ("kendall", "spearman")


class RankCorrelation(NamedTuple):
    """Agreement of two metrics, with 95% intervals; NaN where undefined."""

    kendall: float
    kendall_low: float
    kendall_high: float
    spearman: float
    spearman_low: float
    spearman_high: float


@options_checked
def correlations(
    bench: Bench,
    targets: str | Metric | Sequence[str | Metric],
    metrics: str | Metric | Sequence[str | Metric],
    *,
    resamples: int = 1000,
    seed: int = 0,
    progress: bool = False,
    dataset: str | None = None,
    training: str | None = None,
    interpolate: bool = False,
) -> pd.DataFrame:
    """Kendall's τ-b and Spearman's ρ of every metric with every target, each oriented so that more is better.

    A pair of metrics that were measured once a class runs over the classes; where one belongs to exact architectures (proxies, latencies), the pair runs
    over these, each with its class's value in the other.  Either way, n counts the architectures of which both were measured.

    Intervals are 95% percentile bootstraps.  What is drawn are classes, with all their members: architectures of one class share one measurement.
    Spearman's ρ is computed exactly (midranks of the resample) of every resample, Kendall's τ-b of the first `KENDALL_RESAMPLES` of them.

    Arguments:
        bench: where the measurements are.
        targets: metrics as for a query, each with its level; one or several.
        metrics: likewise.
        resamples: of the bootstrap; 0 leaves the intervals out (NaN).
        seed: of the bootstrap.
        progress: show a bar on stderr; a pair takes a few seconds.
        dataset, training, interpolate: as for a query; measurements are means over the seeds of training.

    Returns:
        One row a pair: target, target_better, metric, better ("higher" or "lower": which is taken for better), rows ("class" or "exact"), n,
        kendall, kendall_low, kendall_high, spearman, spearman_low, spearman_high.  A metric that does not vary has no correlation: NaN.

    Raises:
        UnknownMetric, NotMeasured: as for a query.
        InvalidArgument: a metric named twice; resamples that is not a count; a seed that is none; otherwise as for a query.

    Source: Kendall (1945) for τ-b; Efron and Tibshirani (1993), chapter 13, for percentile intervals.
    """
    import pandas as pd
    from tqdm import tqdm

    checked_count(resamples, "resamples", least=0)
    where: Where = {"dataset": dataset, "training": training, "interpolate": interpolate}
    records = []
    pairs = list(product(listed(targets, "targets"), listed(metrics, "metrics")))
    for target, metric in tqdm(pairs, unit="pair", disable=None if progress else True):
        one, other, classes, rows = _pair(bench, target, metric, **where)
        place = {"target": target, "target_better": _better(target), "metric": metric, "better": _better(metric)}
        found = rank_correlation(one, other, classes, resamples=resamples, seed=seed)
        records.append({**place, "rows": rows, "n": len(one), **found._asdict()})
    return pd.DataFrame.from_records(records)


@options_checked
def correlation_matrix(
    bench: Bench,
    metrics: str | Metric | Sequence[str | Metric],
    others: str | Metric | Sequence[str | Metric] | None = None,
    *,
    method: str = "kendall",
    rows: str | None = None,
    oriented: bool = True,
    dataset: str | None = None,
    training: str | None = None,
    seed: int | None = None,
    interpolate: bool = False,
) -> pd.DataFrame:
    """Rank correlations of every metric with every other, as `correlations` has them, without intervals: for a heatmap.

    Arguments:
        bench: where the measurements are.
        metrics: as for a query, each with its level; the rows of the table.
        others: its columns; the metrics themselves if left out.
        rows: ``"class"`` for each class once, as its representative, where a metric belongs to exact architectures, too; as for `correlations` if left out.
        oriented: change the sign of a metric of which less is better, as `correlations` does; otherwise, correlate the values as they were measured.
        method: ``"kendall"`` for τ-b, ``"spearman"`` for ρ.
        dataset, training, seed, interpolate: as for a query.

    Returns:
        A table, metrics by others, symmetric where these are the same; each pair runs over the architectures of which both were measured.

    Raises:
        As `correlations`; InvalidArgument: no such method, no such rows.
    """
    import pandas as pd

    checked_choice(method, "method", METHODS)
    checked_choice(rows, "rows", (None, "class"))
    where: Where = {"dataset": dataset, "training": training, "seed": seed, "interpolate": interpolate}
    names = listed(metrics, "metrics")
    columns = names if others is None else listed(others, "others")
    found: dict[tuple[str, str], float] = {}
    for one, other in product(names, columns):
        if (other, one) in found:
            found[one, other] = found[other, one]
        else:
            first, second, _, _ = _pair(bench, one, other, rows=rows, oriented=oriented, **where)
            found[one, other] = kendall_tau(first, second) if method == "kendall" else _spearman(first, second)
    values = [[found[one, other] for other in columns] for one in names]
    return pd.DataFrame(values, index=pd.Index(names, name="metric"), columns=columns)


def rank_correlation(one: np.ndarray, other: np.ndarray, classes: np.ndarray, *, resamples: int = 1000, seed: int = 0) -> RankCorrelation:
    """Rank correlations of two metrics, with bootstrap intervals; see `correlations`.

    Arguments:
        one, other: ``(n,)``, without NaN, more being better in both.
        classes: ``(n,)``: architectures of one class are drawn together.
        resamples: of the bootstrap; 0 leaves the intervals out (NaN).
        seed: of the bootstrap.

    Raises:
        InvalidArgument: a seed that is none.
    """
    tau, rho = kendall_tau(one, other), _spearman(one, other)
    if np.isnan(tau) or resamples == 0:
        return RankCorrelation(tau, np.nan, np.nan, rho, np.nan, np.nan)
    taus: list[float] = []
    rhos: list[np.ndarray] = []
    for weights in draws(classes, resamples, np.random.default_rng(checked_seed(seed))):
        rhos.append(_weighted_spearman(one, other, weights))
        for weight in weights.T[: max(KENDALL_RESAMPLES - len(taus), 0)].astype(np.intp):
            taus.append(kendall_tau(np.repeat(one, weight), np.repeat(other, weight)))
    return RankCorrelation(tau, *interval(np.array(taus)), rho, *interval(np.concatenate(rhos)))


def _pair(
    bench: Bench, one: str, other: str, *, rows: str | None = None, oriented: bool = True, **where: Unpack[Where]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
    """Both metrics, if `oriented` so that more is better, where both were measured; the classes of these architectures, and what they run over."""
    joined = join(bench.measurements, [one, other], rows=rows, **where)
    first, second = ((-1 if oriented and not higher_is_better(name) else 1) * joined.values[name][joined.measured] for name in (one, other))
    return first, second, joined.classes[joined.measured], joined.rows


def _better(metric: str) -> str:
    return "higher" if higher_is_better(metric) else "lower"


def kendall_tau(one: np.ndarray, other: np.ndarray) -> float:
    """Kendall's τ-b of two samples ``(n,)``; NaN where one of them does not vary."""
    from scipy.stats import kendalltau

    constant = len(one) == 0 or np.ptp(one) == 0 or np.ptp(other) == 0
    return np.nan if constant else float(kendalltau(one, other).statistic)


def _spearman(one: np.ndarray, other: np.ndarray) -> float:
    return float(_weighted_spearman(one, other, np.ones((len(one), 1)))[0]) if len(one) else np.nan


def _weighted_spearman(one: np.ndarray, other: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Spearman's ρ of samples that hold each row as often as ``weights (n, samples)`` says: ``(samples,)``."""
    first, second = centred_ranks(one, weights), centred_ranks(other, weights)
    product = np.einsum("ij,ij,ij->j", weights, first, second)
    scale = np.sqrt(np.einsum("ij,ij,ij->j", weights, first, first) * np.einsum("ij,ij,ij->j", weights, second, second))
    return np.asarray(np.divide(product, scale, out=np.full_like(product, np.nan), where=scale > 0))
