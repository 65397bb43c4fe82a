"""How well robustness can be predicted, and from what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from robbench.analysis.ceiling import ceiling_of
from robbench.arguments import checked_count, nearest, options_checked
from robbench.errors import CannotFit, InvalidArgument
from robbench.measurements.measurements import Bench
from robbench.surrogates import splits
from robbench.surrogates.fitting import FEWEST_TEST, Data, gather, scores, spelled
from robbench.surrogates.kinds import features_of, fitted, kind_of

if TYPE_CHECKING:
    import pandas as pd

    from robbench.surrogates.forest import Forest

ALONE, WITHOUT = "alone", "without"
IMPURITY, PERMUTATION = "impurity", "permutation"
SPREADS = {f"{IMPURITY}_sd": IMPURITY, f"{PERMUTATION}_sd": PERMUTATION}
"""The columns of standard deviations: of impurity over the trees, of permutation over the repeats."""


@options_checked
def predictability(
    bench: Bench,
    targets: str | Sequence[str],
    *,
    features: str = "structure",
    model: str = "blend",
    split: str = splits.TWIN,
    train: float = 0.8,
    sizes: Sequence[int | None] = (None,),
    seeds: Sequence[int] = (0,),
    dataset: str | None = None,
    training: str | None = None,
) -> pd.DataFrame:
    """How well targets are predicted on the test side of a split, beside the noise ceiling of the same architectures.

    Arguments:
        bench: where the measurements are.
        targets: one metric or several; fitted together, as one vector.
        features: see `robbench.surrogates.features`.
        model: see `robbench.surrogates.fit`.
        split: ``"twin"`` or ``"random"``.
        train: share on the training side.
        sizes: numbers of training architectures, drawn from the training side; None: all of it.
        seeds: one split and one model for each.
        dataset, training: as for a query.

    Returns:
        One row for each seed, size and metric: target, features, model, split, seed, size; r2, kendall, spearman, mae, n on the test side; ceiling; share:
        r2 / ceiling.

    Raises:
        CannotFit: too few architectures.
        InvalidArgument: a size beyond the training side; otherwise as `robbench.surrogates.fit`.
    """
    import pandas as pd

    features = features_of(model, features, bench.measurements.space)
    data = gather(bench.measurements, spelled(targets), features, dataset=dataset, training=training)
    records = []
    for seed in seeds:
        train_side = splits.split(split, data.twins, train=train, seed=seed)
        for size in sizes:
            learned = drawn(train_side, size, seed)
            predicted = _predicted(data, learned, ~train_side, model, seed)
            for index, metric in enumerate(data.outputs):
                measured = data.targets[~train_side, index]
                ceiling = ceiling_of(measured, data.twins.group[~train_side], resamples=2).r2
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


@options_checked
def importance(
    bench: Bench,
    target: str | Sequence[str],
    *,
    features: str = "structure",
    split: str = splits.TWIN,
    without: Sequence[str] = (),
    columns: Sequence[str] = (IMPURITY, PERMUTATION),
    seed: int = 0,
    repeats: int = 3,
    progress: bool = False,
    dataset: str | None = None,
    training: str | None = None,
) -> pd.DataFrame:
    """How important each feature is to a random forest: by impurity (Gini) on the training side, and by permutation on the test side of a split.

    Arguments:
        bench: where the measurements are.
        target: see `robbench.surrogates.fit`; of several numbers the mean R² counts.
        features: see `robbench.surrogates.features`.
        split: ``"twin"``, or ``"random"`` to compare with papers.
        without: features that are left out.
        columns: which to compute, of ``"impurity"`` and ``"permutation"``, by far the slower, and of their standard deviations: ``"impurity_sd"``
            over the trees, ``"permutation_sd"`` over the repeats.
        seed: of the split, the forest and the permutations.
        repeats: permutations of each feature, over which the loss is averaged.
        progress: show a bar on stderr.
        dataset, training: as for a query.

    Returns:
        One row for each feature: impurity (all together 1), and permutation (the R² that is lost), or what columns name; the most important first by
        the last of these that is no standard deviation.

    Raises:
        As `robbench.surrogates.fit`; InvalidArgument: repeats that is not a count, a column that is none, a feature that is not there.

    Source: Breiman (2001), "Random forests", section 10; computed by scikit-learn's ``permutation_importance``.
    """
    import pandas as pd

    from robbench.surrogates.forest import Forest

    checked_count(repeats, "repeats")
    _known("columns", columns, (IMPURITY, PERMUTATION, *SPREADS))
    data = gather(bench.measurements, spelled(target), features, dataset=dataset, training=training)
    _known("without", without, data.names)
    data = _of(data, [name for name in data.names if name not in without])
    train_side = splits.split(split, data.twins, seed=seed)
    _check(np.flatnonzero(train_side), ~train_side, "forest")
    forest, spread = Forest.fit_with_spread(data.features[train_side], data.targets[train_side], len(data.outputs), seed)
    table = pd.DataFrame({IMPURITY: forest.importance, f"{IMPURITY}_sd": spread}, index=pd.Index(data.names, name="feature"))
    if {PERMUTATION, f"{PERMUTATION}_sd"} & set(columns):
        tested, measured = data.features[~train_side], data.targets[~train_side, : len(data.outputs)]
        table[PERMUTATION], table[f"{PERMUTATION}_sd"] = _lost(forest, tested, measured, repeats, seed, progress)
    by = [column for column in columns if column not in SPREADS] or [SPREADS[column] for column in columns]
    return table.sort_values(by[-1], ascending=False, kind="stable")[list(columns)]


def _lost(
    forest: Forest, tested: np.ndarray, measured: np.ndarray, repeats: int, seed: int, progress: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The R² that a forest loses when a feature is permuted, mean and standard deviation over the repeats: both ``(features,)``."""
    from sklearn.inspection import permutation_importance
    from tqdm import tqdm

    varying = np.flatnonzero(np.ptp(tested, axis=0))  # nothing is lost where there is nothing to permute
    lost, deviation = np.zeros((2, tested.shape[1]))
    with tqdm(total=1 + repeats * len(varying), unit="permutation", disable=None if progress else True) as shown:

        def r2(fitted: Forest, values: np.ndarray, measured: np.ndarray) -> float:
            shown.update()
            whole = tested.copy()
            whole[:, varying] = values
            return _mean_r2(measured, fitted.predict(whole))

        found = permutation_importance(forest, tested[:, varying], measured, scoring=r2, n_repeats=repeats, random_state=seed)
    lost[varying], deviation[varying] = found.importances_mean, found.importances_std
    return lost, deviation


@options_checked
def subsets(
    bench: Bench,
    target: str | Sequence[str],
    *,
    features: str = "proxies",
    model: str = "forest",
    seed: int = 0,
    split: str = "random",
    columns: Sequence[str] = (ALONE, WITHOUT),
    of: Sequence[str] | None = None,
    dataset: str | None = None,
    training: str | None = None,
) -> pd.DataFrame:
    """R² on the test side from each feature alone, and from all but it; of the most important one, Tables 2 and 3 of Lukasik et al. (2023).

    Arguments:
        bench: where the measurements are.
        target, features, model, seed, split: see `robbench.surrogates.fit`; of several numbers the mean R² counts.
        columns: which of the two to compute; ``"without"`` is by far the slower.
        of: the features to ask for; all if left out.
        dataset, training: as for a query.

    Returns:
        One row for each feature: alone, without; and a row ``all`` that has the R² of all features as both.

    Raises:
        InvalidArgument: a column that is neither, a feature that is not there; otherwise as `robbench.surrogates.fit`.
        CannotFit: there is one feature only, so nothing without it; too few architectures.
    """
    import pandas as pd

    _known("columns", columns, (ALONE, WITHOUT))
    data = gather(bench.measurements, spelled(target), features, dataset=dataset, training=training)
    if len(data.names) == 1 and WITHOUT in columns:
        raise CannotFit(
            f"{features} is one feature, {data.names[0]}, and without it there is none to learn from; leave columns to 'alone'."
        )
    asked = data.names if of is None else of
    _known("of", asked, data.names)
    train_side = splits.split(split, data.twins, seed=seed)

    def r2(names: Sequence[str]) -> float:
        predicted = _predicted(_of(data, names), np.flatnonzero(train_side), ~train_side, model, seed)
        return _mean_r2(data.targets[~train_side, : len(data.outputs)], predicted)

    subset: dict[str, Callable[[str], list[str]]] = {
        ALONE: lambda one: [one],
        WITHOUT: lambda one: [other for other in data.names if other != one],
    }
    records = {name: {column: r2(subset[column](name)) for column in columns} for name in asked}
    records["all"] = dict.fromkeys(columns, r2(data.names))
    return pd.DataFrame(list(records.values()), index=pd.Index(list(records), name="feature"))


def _of(data: Data, names: Sequence[str]) -> Data:
    """The data with these features only, in this order."""
    return data._replace(names=tuple(names), features=data.features[:, [data.names.index(name) for name in names]])


def _known(argument: str, given: Sequence[str], known: Sequence[str]) -> None:
    for one in given:
        if one not in known:
            raise InvalidArgument(f"{argument} has {one!r}, which is none of {', '.join(known)}.{nearest(one, known)}")


def drawn(train_side: np.ndarray, size: int | None, seed: int) -> np.ndarray:
    """So many rows of the training side, ``(size,)``, at random; all of them for None.

    Raises:
        InvalidArgument: there are not so many.
    """
    available = np.flatnonzero(train_side)
    if size is None:
        return available
    if not 0 < size <= len(available):
        raise InvalidArgument(f"sizes has {size}, and the training side has {len(available)} architectures; None means all of them.")
    return np.sort(np.random.default_rng(seed).permutation(available)[:size])


def _predicted(data: Data, learned: np.ndarray, test_side: np.ndarray, model: str, seed: int) -> np.ndarray:
    """Predictions for the test side, ``(tested, outputs)``, of a model fitted on the rows ``learned (m,)``."""
    _check(learned, test_side, model)
    outputs = len(data.outputs)
    return fitted(model, data.features[learned], data.targets[learned], outputs, seed, data.names).predict(data.features[test_side])


def _check(learned: np.ndarray, test_side: np.ndarray, model: str) -> None:
    n, m = len(learned), int(test_side.sum())
    if n < kind_of(model).fewest_rows or m < FEWEST_TEST:
        raise CannotFit(
            f"{n} architectures to train on and {m} to test on; a {model} needs at least {kind_of(model).fewest_rows} and {FEWEST_TEST}."
        )


def _mean_r2(measured: np.ndarray, predicted: np.ndarray) -> float:
    return float(np.mean([scores(measured[:, index], predicted[:, index])["r2"] for index in range(measured.shape[1])]))
