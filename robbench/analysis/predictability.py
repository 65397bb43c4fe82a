"""How well robustness can be predicted, from what, and how well it ever could be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from robbench.arguments import checked_seed
from robbench.errors import CannotFit, UnknownMetric
from robbench.measurements.columns import Question
from robbench.measurements.metrics import parse
from robbench.surrogates import splits
from robbench.surrogates.fitting import FEWEST_JUDGES, Rows, gather, scores
from robbench.surrogates.models import kind_of

if TYPE_CHECKING:
    import pandas as pd

    from robbench.bench import RobBench


class Ceiling(NamedTuple):
    """The best R² that any predictor from the architecture can reach."""

    r2: float
    low: float
    high: float
    """A 95% interval, from a bootstrap of groups."""
    degrees_of_freedom: int
    """Repeated measurements beyond the first of each group."""
    noise: float
    """Standard deviation of one measurement, in the metric's unit."""


def noise_ceiling(bench: RobBench, metric: str, *, resamples: int = 1000, seed: int = 0, **options: Any) -> Ceiling:
    """The noise ceiling of a metric, from functional twins.

    Twins are one function, trained and measured apart: their pooled variance within groups is noise, and no predictor from the
    architecture explains it.  It is an upper bound as far as twins of different classes are trained alike.

    Arguments:
        bench: where the measurements are.
        metric: as for a query; one number a class.
        resamples: of the bootstrap over groups.
        seed: of the bootstrap.
        options: dataset and training, as for a query.

    Raises:
        CannotFit: no two twins were measured.
        UnknownMetric: as for a query; a seed that is none.
    """
    column = bench.columns.column(Question(parse(metric), **options))
    archs = bench.classes if column.rows == "class" else bench.cells
    measured = ~np.isnan(column.values)
    return ceiling_of(column.values[measured], splits.twin_groups(archs)[measured], resamples, seed)


def ceiling_of(values: np.ndarray, groups: np.ndarray, resamples: int = 1000, seed: int = 0) -> Ceiling:
    """`noise_ceiling` of values ``(n,)`` in groups ``(n,)``: 1 - pooled variance within groups / variance of all."""
    _, index, count = np.unique(groups, return_inverse=True, return_counts=True)
    degrees = len(values) - len(count)
    if degrees == 0 or np.ptp(values) == 0:
        raise CannotFit("a noise ceiling needs twins that were measured apart, and a metric that varies; no such group was measured.")
    total = np.bincount(index, values)
    squares = np.bincount(index, (values - (total / count)[index]) ** 2)
    powers = np.bincount(index, values**2)

    def r2(weight: np.ndarray) -> np.ndarray:
        """For how often each group is drawn: ``(…, groups)`` → ``(…,)``."""
        n = weight @ count
        variance = (weight @ powers - (weight @ total) ** 2 / n) / (n - 1)
        noise = weight @ squares / np.maximum(weight @ (count - 1), 1)
        return np.asarray(1 - np.divide(noise, variance, out=np.ones_like(noise), where=variance > 0))

    rng = np.random.default_rng(checked_seed(seed))
    drawn = r2(rng.multinomial(len(count), np.full(len(count), 1 / len(count)), resamples))
    low, high = np.quantile(drawn, [0.025, 0.975]).tolist()
    return Ceiling(float(r2(np.ones((1, len(count))))[0]), low, high, degrees, float(np.sqrt(squares.sum() / degrees)))


def predictability(
    bench: RobBench,
    targets: Sequence[str],
    *,
    features: str = "structure",
    model: str = "blend",
    split: str = splits.TWIN,
    train: float = 0.8,
    sizes: Sequence[int | None] = (None,),
    seeds: Sequence[int] = (0,),
    **options: Any,
) -> pd.DataFrame:
    """How well targets are predicted on the other side of a split, beside the ceiling of the same rows.

    Arguments:
        bench: where the measurements are.
        targets: metrics; fitted together, as one vector.
        features: see `robbench.surrogates.features`.
        model: see `robbench.surrogates.fit`.
        split: ``"twin"`` or ``"random"``.
        train: share on the training side.
        sizes: architectures to learn from, drawn from the training side; None: all of it.
        seeds: one split and one model for each.
        options: dataset and training, as for a query.

    Returns:
        One row for each seed, size and metric: r2, kendall, spearman, mae, n; ceiling; share: r2 / ceiling.

    Raises:
        CannotFit: too few architectures; or as `robbench.surrogates.fit`.
    """
    import pandas as pd

    rows = gather(bench, "+".join(targets), features, **options)
    records = []
    for seed in seeds:
        inside = splits.split(split, rows.groups, train=train, seed=seed)
        for size in sizes:
            learned = _drawn(inside, size, seed)
            predicted = _predicted(rows, learned, ~inside, model, seed)
            for index, metric in enumerate(rows.outputs):
                measured = rows.targets[~inside, index]
                ceiling = ceiling_of(measured, rows.groups[~inside], resamples=2).r2
                found = scores(measured, predicted[:, index])
                place: dict[str, Any] = {
                    "target": str(metric),
                    "features": features,
                    "model": model,
                    "split": split,
                    "seed": seed,
                    "size": len(learned),
                }
                records.append({**place, **found, "ceiling": ceiling, "share": found["r2"] / ceiling})
    return pd.DataFrame.from_records(records)


def importance(
    bench: RobBench, target: str, *, features: str = "structure", seed: int = 0, repeats: int = 3, progress: bool = False, **options: Any
) -> pd.DataFrame:
    """What a forest makes of each feature: by impurity on the training side, and by permutation on the other.

    Returns:
        One row for each feature, most important first by permutation: impurity (all together 1), and permutation (the R² that is lost).

    Raises:
        As `robbench.surrogates.fit`.

    Source: Breiman (2001), sections 10 and 11 of "Random forests" for permutation.
    """
    import pandas as pd
    from tqdm import tqdm

    from robbench.surrogates.forest import Forest

    rows = gather(bench, target, features, **options)
    inside = splits.split(splits.TWIN, rows.groups, seed=seed)
    _check(rows, inside, ~inside, "forest")
    forest = Forest.fit(rows.features[inside], rows.targets[inside], len(rows.outputs), seed)
    judged, measured = rows.features[~inside], rows.targets[~inside, : len(rows.outputs)]
    base = _mean_r2(measured, forest.predict(judged))
    rng = np.random.default_rng(seed)
    lost = []
    for column in tqdm(range(judged.shape[1]), unit="feature", disable=None if progress else True):
        drops = []
        for _ in range(repeats if np.ptp(judged[:, column]) else 0):
            shuffled = judged.copy()
            shuffled[:, column] = rng.permutation(judged[:, column])
            drops.append(base - _mean_r2(measured, forest.predict(shuffled)))
        lost.append(float(np.mean(drops)) if drops else 0.0)
    table = pd.DataFrame({"impurity": forest.importance, "permutation": lost}, index=pd.Index(rows.names, name="feature"))
    return table.sort_values("permutation", ascending=False, kind="stable")


def subsets(
    bench: RobBench,
    target: str,
    *,
    features: str = "proxies",
    model: str = "forest",
    seed: int = 0,
    split: str = "random",
    columns: Sequence[str] = ("alone", "without"),
    **options: Any,
) -> pd.DataFrame:
    """R² from each feature alone, and from all but it: Tables 2 and 3 of Lukasik et al. (2023).

    Arguments:
        columns: which of the two to compute; ``"without"`` is by far the slower.

    Returns:
        One row for each feature: alone, without; and a row ``all`` that has the R² of all features as both.

    Raises:
        UnknownMetric: a column that is neither.
        CannotFit: there is one feature only, so nothing without it; else as `robbench.surrogates.fit`.
    """
    import pandas as pd

    unknown = [column for column in columns if column not in ("alone", "without")]
    if unknown:
        raise UnknownMetric(f"columns has {unknown[0]!r}, which is neither 'alone' nor 'without'.")
    rows = gather(bench, target, features, **options)
    if len(rows.names) == 1 and "without" in columns:
        raise CannotFit(
            f"{features} is one feature, {rows.names[0]}, and without it there is none to learn from; leave columns to 'alone'."
        )
    inside = splits.split(split, rows.groups, seed=seed)

    def r2(columns: list[int]) -> float:
        chosen = rows._replace(features=rows.features[:, columns])
        return _mean_r2(rows.targets[~inside, : len(rows.outputs)], _predicted(chosen, np.flatnonzero(inside), ~inside, model, seed))

    every = list(range(len(rows.names)))
    subset: dict[str, Callable[[int], list[int]]] = {
        "alone": lambda one: [one],
        "without": lambda one: [other for other in every if other != one],
    }
    records = {name: {column: r2(subset[column](one)) for column in columns} for one, name in enumerate(rows.names)}
    records["all"] = dict.fromkeys(columns, r2(every))
    return pd.DataFrame.from_dict(records, orient="index").rename_axis("feature")


def _drawn(inside: np.ndarray, size: int | None, seed: int) -> np.ndarray:
    available = np.flatnonzero(inside)
    if size is None:
        return available
    if not 0 < size <= len(available):
        raise UnknownMetric(f"sizes has {size}, and the training side has {len(available)} architectures; None means all of them.")
    return np.sort(np.random.default_rng(seed).permutation(available)[:size])


def _predicted(rows: Rows, learned: np.ndarray, judges: np.ndarray, model: str, seed: int) -> np.ndarray:
    _check(rows, learned, judges, model)
    outputs = len(rows.outputs)
    return kind_of(model).fit(rows.features[learned], rows.targets[learned], outputs, seed).predict(rows.features[judges])


def _check(rows: Rows, learned: np.ndarray, judges: np.ndarray, model: str) -> None:
    n, m = len(rows.rows[learned]), int(judges.sum())
    if n < kind_of(model).fewest_rows or m < FEWEST_JUDGES:
        raise CannotFit(
            f"{n} architectures to learn from and {m} to judge; a {model} needs {kind_of(model).fewest_rows} and {FEWEST_JUDGES}."
        )


def _mean_r2(measured: np.ndarray, predicted: np.ndarray) -> float:
    return float(np.mean([scores(measured[:, index], predicted[:, index])["r2"] for index in range(measured.shape[1])]))
