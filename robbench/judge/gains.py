"""What a score adds to a predictor that has the structure, or other proxies, already."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from robbench.analysis.resampling import draws, interval
from robbench.bench import RobBench
from robbench.surrogates import features as feature_sets
from robbench.surrogates import splits
from robbench.surrogates.models import filled, medians, needs
from robbench.surrogates.splits import Twins

FOLDS = 3
TREES = 30
STRUCTURE, PROXIES = "structure", "proxies"
FEWEST_ROWS = 60
Z = 1.96
"""Standard deviations to either side of a 95% interval."""
RESAMPLED = 100


def gains(
    bench: RobBench,
    score: np.ndarray,
    proxies: dict[str, np.ndarray],
    rows: np.ndarray,
    wanted: Sequence[np.ndarray],
    seed: int,
    resamples: int,
) -> list[dict[str, Any]]:
    """R² with and without the score, of the structure and of other proxies.

    Arguments:
        bench: whose classes the rows are.
        score: ``(classes,)``.
        proxies: of each other proxy ``(classes,)``.
        rows: ``(classes,)``, bool: those that have a score and the metrics; fewer than `FEWEST_ROWS` are too few to say anything.
        wanted: of each metric ``(rows,)``.
        seed: of the folds, the forests and the bootstrap.
        resamples: of the bootstrap over groups of twins.

    Returns:
        For each metric: n, and for each of ``structure`` and ``proxies`` its R², ``with_score`` and ``added`` with its interval, which is of two things that
        chance decides, as far as they are independent: which architectures are tested, and how the two forests are grown.

    Raises:
        MissingLibrary: scikit-learn is not installed.
    """
    twins, fold, structure = _learned_from(bench, rows.tobytes(), seed)
    tested = fold >= 0
    if tested.sum() < FEWEST_ROWS:
        return []
    targets = np.stack(wanted, axis=1)
    known = {STRUCTURE: (structure, _by_structure(bench, rows.tobytes(), targets.shape, targets.tobytes(), seed))}
    if proxies:
        others = np.stack([column[rows] for column in proxies.values()], axis=1)
        known[PROXIES] = others, _out_of_fold(others, targets, fold, seed)
    records: list[dict[str, Any]] = [{"n": int(tested.sum())} for _ in wanted]
    for name, (features, alone) in known.items():
        together = _out_of_fold(np.column_stack([features, score[rows]]), targets, fold, seed)
        without, beside = ((targets - grown.predicted)[tested] ** 2 for grown in (alone, together))
        forests = Z * np.hypot(alone.deviation, together.deviation)
        drawn = np.concatenate(
            [
                _r2(beside, targets[tested], weights) - _r2(without, targets[tested], weights)
                for weights in draws(twins.group[tested], min(resamples, RESAMPLED), np.random.default_rng(seed))
            ]
        )
        once = np.ones((int(tested.sum()), 1))
        before, after = _r2(without, targets[tested], once)[0], _r2(beside, targets[tested], once)[0]
        for index, record in enumerate(records):
            low, high = interval(drawn[:, index])
            added = float(after[index] - before[index])
            record |= {name: float(before[index]), f"{name}_with_score": float(after[index]), f"added_to_{name}": added}
            record[f"added_to_{name}_low"] = added - float(np.hypot(max(added - low, 0), forests[index]))
            record[f"added_to_{name}_high"] = added + float(np.hypot(max(high - added, 0), forests[index]))
    return records


class _Grown(NamedTuple):
    """What forests predict of what they have not seen."""

    predicted: np.ndarray
    """``(rows, targets)``; NaN where a row is in no fold."""
    deviation: np.ndarray
    """``(targets,)``: the standard deviation of R² among forests that differ by their seed, by a jackknife over trees."""


@lru_cache(maxsize=1)
def _learned_from(bench: RobBench, rows: bytes, seed: int) -> tuple[Twins, np.ndarray, np.ndarray]:
    """Of these rows, the groups of twins, the fold ``(rows,)``, -1 where they are in none, and the structure ``(rows, features)``."""
    chosen, lookup = np.frombuffer(rows, bool), bench.measurements.lookup
    twins = Twins.of(bench.space, bench.classes).of_rows(chosen)
    table = feature_sets.table(STRUCTURE, bench.measurements, bench.default_dataset)
    return (
        twins,
        splits.folds(twins, 1 - 1 / FOLDS, seed),
        table.values[table.row_of[[lookup.row("exact", arch) for arch in bench.classes]]][chosen],
    )


@lru_cache(maxsize=2)
def _by_structure(bench: RobBench, rows: bytes, shape: tuple[int, int], targets: bytes, seed: int) -> _Grown:
    """What the structure alone predicts: the same for every score of these rows, so that of several that are judged one after the other it is found once."""
    _, fold, structure = _learned_from(bench, rows, seed)
    return _out_of_fold(structure, np.frombuffer(targets).reshape(shape), fold, seed)


def _out_of_fold(features: np.ndarray, targets: np.ndarray, fold: np.ndarray, seed: int) -> _Grown:
    """Predictions for the rows of each fold by a forest that was grown on the others.

    One forest predicts all targets, scaled to the same variance.
    """
    try:
        from sklearn.ensemble import RandomForestRegressor
    except ImportError as error:
        raise needs("scikit-learn", "forest", error) from error
    found = filled(features, medians(features))
    spread = targets.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    by_tree = np.full((TREES, *targets.shape), np.nan)
    for one in range(int(fold.max()) + 1):
        # Each tree has a seed of its own: the forest is the same, however many cores grow it.
        forest = RandomForestRegressor(TREES, max_features=1 / 3, min_samples_leaf=2, random_state=seed, n_jobs=-1)
        forest.fit(found[fold != one], (targets / scale)[fold != one].squeeze())
        asked = found[fold == one].astype(np.float32)  # as a forest reads them
        by_tree[:, fold == one] = np.stack([tree.predict(asked).reshape(-1, targets.shape[1]) for tree in forest.estimators_]) * scale
    predicted, tested = by_tree.mean(axis=0), fold >= 0
    once, known = np.ones((int(tested.sum()), 1)), targets[tested]
    less_one = ((predicted * TREES - tree)[tested] / (TREES - 1) for tree in by_tree)
    r2 = np.concatenate([_r2((known - left) ** 2, known, once) for left in less_one])
    return _Grown(predicted, np.sqrt((TREES - 1) * r2.var(axis=0)))


def _r2(squares: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """1 less the squared errors over the squared deviations from the mean, in every sample: ``(samples, targets)``."""
    count = weights.sum(axis=0)[:, np.newaxis]
    total = weights.T @ targets**2 - (weights.T @ targets) ** 2 / count
    return np.asarray(1 - np.divide(weights.T @ squares, total, out=np.full_like(total, np.nan), where=total > 0))
