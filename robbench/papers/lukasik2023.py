"""Lukasik, Moeller and Keuper (2023), "An evaluation of zero-cost proxies: from neural architecture performance to model robustness"."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from robbench.papers.entry import Entry, Need, Ours, Setting, bar, held
from robbench.papers.jung2023 import ATTACKS, DATASET, needs

if TYPE_CHECKING:
    from robbench.bench import RobBench

PAPER = "Lukasik, Moeller, Keuper (2023)"
ATTACKED = ["fgsm@1/255", "pgd@1/255", "apgd-ce@1/255", "square@1/255"]
DATASETS = ("cifar10", "cifar100")
_PROXIES = Need("nbsuite_zero", "zc_nasbench201_cifar10.csv", DATASET, "untrained", "synflow")
_DIFFERS = (
    "The paper has 15 proxies: these 13 and the norms of the Jacobian and of the Hessian, which were not published.",
    "The networks are those evaluated ones of which the proxies were published, not all 6,466.",
)


def table_1(bench: RobBench, setting: Setting) -> Ours:
    """R² of forests from all proxies, mean over random splits."""
    import pandas as pd

    from robbench.surrogates import fit

    targets = ["clean", *ATTACKED, *(f"clean+{attack}" for attack in ATTACKED)]
    answered = [dataset for dataset in DATASETS if _holds_proxies(bench, dataset)]
    records = []
    with bar(setting, "targets", len(answered) * len(targets)) as shown:
        for dataset, target in itertools.product(answered, targets):
            found = [
                fit(bench, target, features="proxies", model="forest", split="random", dataset=dataset, seed=setting.seed + run)
                for run in range(setting.runs)
            ]
            r2 = [score["r2"] for surrogate in found for score in surrogate.about.scores.values()]
            sizes = {"train": len(found[0].training_rows), "test": len(found[0].calibration)}
            records.append({"dataset": dataset, "target": target, "ours": np.mean(r2), "splits": setting.runs, **sizes})
            shown.update()
    lacking = [
        f"{dataset} is left out: the store has no proxies of it (robbench import nbsuite_zero zc_nasbench201_{dataset}.csv --into STORE)."
        for dataset in DATASETS
        if dataset not in answered
    ]
    return Ours(pd.DataFrame.from_records(records), tuple(lacking))


def table_2(bench: RobBench, setting: Setting) -> Ours:
    """R² of forests from one proxy each."""
    return _subsets(bench, setting, "alone")


def table_3(bench: RobBench, setting: Setting) -> Ours:
    """R² of forests from all proxies but one."""
    return _subsets(bench, setting, "without")


def _subsets(bench: RobBench, setting: Setting, column: str) -> Ours:
    import pandas as pd

    from robbench.analysis import subsets

    targets = ["clean", *ATTACKED]
    records = []
    with bar(setting, "targets", len(targets)) as shown:
        for target in targets:
            tables = [
                subsets(bench, target, features="proxies", model="forest", split="random", seed=seed, columns=[column], dataset=DATASET)
                for seed in range(setting.seed, setting.seed + setting.runs)
            ]
            means = pd.concat([table[column] for table in tables], axis=1).mean(axis=1)
            records += [{"proxy": proxy, "target": target, "ours": r2, "splits": setting.runs} for proxy, r2 in means.items()]
            shown.update()
    return Ours(pd.DataFrame.from_records(records))


def _holds_proxies(bench: RobBench, dataset: str) -> bool:
    """Whether the proxies of a dataset, and what they are to predict, are in the store."""
    return {need.metric for need in TABLE_1.needs} <= held(bench, "standard", "untrained").get(dataset, set())


TABLE_1 = Entry(
    PAPER,
    "Table 1: test R² of random forests from zero-cost proxies to accuracies, random 80/20 split",
    (*needs("clean", *ATTACKS), _PROXIES),
    table_1,
    (*_DIFFERS, "A target with '+' is predicted by one forest of two outputs; its R² is the mean of theirs."),
)
TABLE_2 = Entry(
    PAPER,
    "Table 2: test R² of random forests from each zero-cost proxy alone, cifar10",
    TABLE_1.needs,
    table_2,
    (*_DIFFERS, "The numbers of the paper's table are not in our copy, so its column is empty."),
)
TABLE_3 = TABLE_2._replace(
    shows="Table 3: test R² of random forests from all zero-cost proxies but one, cifar10; `all` leaves none out", ours=table_3
)
