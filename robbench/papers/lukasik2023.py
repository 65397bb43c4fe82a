"""Lukasik, Moeller and Keuper (2023), "An evaluation of zero-cost proxies: from neural architecture performance to model robustness"."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from robbench.errors import NotMeasured
from robbench.measurements.metrics import PUBLISHED_EPS, Metric
from robbench.measurements.tables import held_proxies
from robbench.papers.entry import Entry, Need, Ours, Setting, bar, lacking, remedy
from robbench.papers.jung2023 import ATTACKS, DATASET, needs

if TYPE_CHECKING:
    import pandas as pd

    from robbench.bench import RobBench

PAPER = "Lukasik, Moeller, Keuper (2023)"
ATTACKED = ["fgsm@1/255", "pgd@1/255", "apgd-ce@1/255", "square@1/255"]
DATASETS = ("cifar10", "cifar100", "ImageNet16-120")
_FOREST: dict[str, Any] = {"features": "proxies", "split": "random"}


def table_1(bench: RobBench, setting: Setting) -> Ours:
    """R² of forests from all proxies, mean over random splits."""
    from robbench.surrogates import fit

    def row(dataset: str, target: str) -> dict[str, Any]:
        found = [fit(bench, target, model="forest", dataset=dataset, seed=seed, **_FOREST) for seed in _seeds(setting)]
        r2 = [score["r2"] for surrogate in found for score in surrogate.about.scores.values()]
        return {
            "ours": np.mean(r2),
            "splits": setting.runs,
            "proxies": len(found[0].about.feature_names),
            "train": len(found[0].training_rows),
            "test": len(found[0].calibration),
        }

    return _table(bench, setting, _targets(), row)


def table_2(bench: RobBench, setting: Setting) -> Ours:
    """R² of forests from the most important proxy alone, mean over random splits."""
    return _table(bench, setting, _targets(), lambda dataset, target: _of_the_first(bench, dataset, target, "alone", setting))


def table_3(bench: RobBench, setting: Setting) -> Ours:
    """R² of forests from all proxies but the most important one, mean over random splits."""
    return _table(bench, setting, _targets(), lambda dataset, target: _of_the_first(bench, dataset, target, "without", setting))


def figure_1(bench: RobBench, setting: Setting) -> Ours:
    """|Kendall's τ| of every proxy with every accuracy, over the evaluated networks that have the proxy."""
    import pandas as pd

    answered, differs = _answered(bench)
    found = {dataset: absolute_correlations(bench, dataset=dataset) for dataset in answered}
    records = [
        {"dataset": dataset, "proxy": str(proxy), "metric": str(metric), "ours": float(table.loc[proxy, metric])}
        for dataset, table in found.items()
        for proxy, metric in itertools.product(table.index, table.columns)
    ]
    return Ours(pd.DataFrame.from_records(records), differs)


def figure_2(bench: RobBench, setting: Setting) -> Ours:
    """The Gini importance of every proxy to the forests of Table 1."""
    return _importances(bench, setting, ATTACKED, "impurity")


def figure_5(bench: RobBench, setting: Setting) -> Ours:
    """The same without the proxy that is the most important for both accuracies together."""
    return _importances(bench, setting, ATTACKED[:2], "impurity", without_first=True)


def figure_7(bench: RobBench, setting: Setting) -> Ours:
    """The R² that a forest loses when a proxy is permuted."""
    return _importances(bench, setting, ATTACKED[:2], "permutation")


def absolute_correlations(
    bench: RobBench, metrics: Sequence[str] = (), *, dataset: str | None = None, training: str | None = None
) -> pd.DataFrame:
    """|Kendall's τ| of the store's proxies (rows) with metrics (columns), over the evaluated architectures.

    Arguments:
        bench: where the measurements are.
        metrics: if none is given, clean accuracy and the attacks at the levels of the published dataset.
        dataset, training: as for `analysis.correlation_matrix`.

    Raises:
        NotMeasured: the store holds no proxies of the dataset, or not the metrics.
    """
    from robbench.analysis import correlation_matrix

    published = ["clean", *(str(Metric(attack, level, "accuracy")) for attack, levels in PUBLISHED_EPS.items() for level in levels)]
    held = held_proxies(bench.measurements, dataset or bench.default_dataset)
    if not held:
        raise NotMeasured(f"the store holds no proxies of {dataset or bench.default_dataset}; robbench import nbsuite_zero brings some.")
    found = correlation_matrix(bench, held, list(metrics) or published, rows="class", dataset=dataset, training=training)
    return found.abs()


def _targets() -> list[str]:
    return ["clean", *ATTACKED, *(f"clean+{attack}" for attack in ATTACKED)]


def _seeds(setting: Setting) -> range:
    return range(setting.seed, setting.seed + setting.runs)


def _answered(bench: RobBench) -> tuple[list[str], tuple[str, ...]]:
    """The datasets of which the store holds proxies and accuracies; what it lacks of the others, a sentence each."""
    missing = {dataset: remedy(lacking(bench, _needs(dataset))) for dataset in DATASETS}
    said = tuple(f"{dataset} is left out: the store lacks {lacks}." for dataset, lacks in missing.items() if lacks)
    return [dataset for dataset, lacks in missing.items() if not lacks], said


def _table(bench: RobBench, setting: Setting, targets: Sequence[str], row: Callable[[str, str], dict[str, Any]]) -> Ours:
    import pandas as pd

    answered, differs = _answered(bench)
    records = []
    with bar(setting, "targets", len(answered) * len(targets)) as shown:
        for dataset, target in itertools.product(answered, targets):
            records.append({"dataset": dataset, "target": target, **row(dataset, target)})
            shown.update()
    return Ours(pd.DataFrame.from_records(records), differs)


def _of_the_first(bench: RobBench, dataset: str, target: str, column: str, setting: Setting) -> dict[str, Any]:
    """What the most important proxy of each split, by impurity, is worth alone, or what the others are worth without it."""
    from robbench.analysis import importance, subsets

    found = {}
    for seed in _seeds(setting):
        first = str(importance(bench, target, columns=["impurity"], seed=seed, dataset=dataset, **_FOREST).index[0])
        table = subsets(bench, target, columns=[column], of=[first], seed=seed, dataset=dataset, **_FOREST)
        found[seed] = first, float(table[column][first])
    firsts = ", ".join(dict.fromkeys(first for first, _ in found.values()))
    return {"ours": np.mean([r2 for _, r2 in found.values()]), "feature": firsts, "splits": setting.runs}


def _importances(bench: RobBench, setting: Setting, attacks: Sequence[str], column: str, *, without_first: bool = False) -> Ours:
    """One row for each dataset, attack, target and proxy; targets are clean, the attack, and both together."""
    import pandas as pd

    from robbench.analysis import importance

    answered, differs = _answered(bench)
    records = []
    with bar(setting, "forests", 3 * len(answered) * len(attacks)) as shown:
        for dataset, attack in itertools.product(answered, attacks):
            asked: dict[str, Any] = {"columns": [column], "seed": setting.seed, "dataset": dataset, **_FOREST}
            both, left_out = f"clean+{attack}", []
            if without_first:
                left_out = [str(importance(bench, both, **asked).index[0])]
            for target in ("clean", attack, both):
                table = importance(bench, target, without=left_out, **asked)
                place = {"dataset": dataset, "attack": attack, "target": target}
                records += [
                    {**place, "proxy": str(name), "ours": value, "without": ", ".join(left_out)} for name, value in table[column].items()
                ]
                shown.update()
    return Ours(pd.DataFrame.from_records(records), differs)


def _needs(dataset: str) -> tuple[Need, ...]:
    proxy = Need("nbsuite_zero", f"zc_nasbench201_{dataset}.csv", dataset, "untrained", "synflow")
    return (*needs("clean", *ATTACKS, dataset=dataset), proxy)


_PROXIES = (
    "The paper has 15 proxies: these 13 and the norms of the Jacobian and of the Hessian (the latter of cifar10 alone), whose values were not"
    " published; a store that holds them has them here, too.",
    "The networks are those evaluated ones of which the proxies were published, not all 6,466.",
)
_FIGURE = ("The figure has no numbers in the paper's text.", *_PROXIES)
_SPLIT = "The paper's random split and its seed are not published; ours is one of the same share, 80%."
_JOINT = "A target with '+' is predicted by one forest of two outputs; its R² is the mean of theirs."
TABLE_1 = Entry(
    PAPER,
    "Table 1: test R² of random forests from zero-cost proxies to accuracies, random 80/20 split",
    _needs(DATASET),
    table_1,
    (*_PROXIES, _SPLIT, _JOINT),
)
TABLE_2 = Entry(
    PAPER,
    "Table 2: test R² of random forests from the most important zero-cost proxy alone",
    _needs(DATASET),
    table_2,
    (
        *_PROXIES,
        _SPLIT,
        _JOINT,
        "feature: the most important one to our forest of the same target, by Gini importance; paper feature: to the paper's.",
    ),
)
TABLE_3 = Entry(
    PAPER,
    "Table 3: test R² of random forests from all zero-cost proxies but the most important one",
    _needs(DATASET),
    table_3,
    (*_PROXIES, _SPLIT, _JOINT, "feature: the one left out. The paper has the joint targets of FGSM and PGD alone."),
)
FIGURE_1 = Entry(
    PAPER,
    "Figures 1 and 6: |Kendall's τ| of zero-cost proxies with clean accuracy and all attacks at all eps",
    _needs(DATASET),
    figure_1,
    (*_FIGURE, "robbench plot proxies draws it."),
)
FIGURE_2 = Entry(
    PAPER,
    "Figures 2, 3 and 4: Gini importance of zero-cost proxies to forests of clean accuracy, of robust accuracy, and of both, eps 1/255",
    _needs(DATASET),
    figure_2,
    (*_FIGURE, _SPLIT, "robbench plot importance clean pgd@1/255 clean+pgd@1/255 --split random --by impurity draws one."),
)
FIGURE_5 = Entry(
    PAPER,
    "Figure 5: the same without the most important proxy, FGSM and PGD",
    _needs(DATASET),
    figure_5,
    (*_FIGURE, _SPLIT, "without: the most important proxy to the forest of both accuracies; robbench plot importance --without draws it."),
)
FIGURE_7 = Entry(
    PAPER,
    "Figure 7: permutation importance of zero-cost proxies, on the test side, FGSM and PGD",
    _needs(DATASET),
    figure_7,
    (*_FIGURE, _SPLIT, "How often the paper permutes is not said; here three times. robbench plot importance --split random draws one."),
)
