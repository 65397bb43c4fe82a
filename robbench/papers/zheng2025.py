"""Zheng, Cheng, Huang, Lu and Boddeti (2025), "A neural architecture dataset for adversarial robustness": NARes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from robbench.measurements.metrics import parse
from robbench.papers.entry import Entry, Need, Ours, Setting, bar, spread
from robbench.sources.jung2023 import CORRUPTIONS
from robbench.sources.nares import DATASET, TRAINING
from robbench.spaces.wrn import WRN

if TYPE_CHECKING:
    from robbench.bench import RobBench

OBJECTIVE = "pgd@8/255:validation_accuracy"
BUDGET = 500
METRICS = (
    "clean:validation_accuracy",
    OBJECTIVE,
    "cw@8/255:validation_accuracy",
    "clean",
    "fgsm@8/255",
    "pgd@8/255",
    "cw@8/255",
    "autoattack@8/255",
    "mean_corruption",
)
ALGORITHMS: dict[str, tuple[str, dict[str, Any]]] = {
    "random_search": ("random", {}),
    "local_search": ("local", {"initial": 10, "restart": 10, "first": True, "new": True}),
    "regularized_evolution": ("evolution", {"population": 30, "sample": 10}),
    "bananas": ("bananas", {"initial": 100, "batch": 10, "members": 6, "parents": 10, "candidates": 100, "chained": True}),
}
"""The authors' name of each search, ours, and their settings (`configs/` and `optimizer/` of their code)."""


def searches(bench: RobBench, setting: Setting) -> Ours:
    """What searches by validation accuracy under PGD find: accuracies of the best network, mean over runs; and the optimum of each accuracy."""
    import pandas as pd

    from robbench.search.repeated import repeat

    values = {metric: bench.query_many(bench.classes, metric, dataset=DATASET, training=TRAINING, missing="nan") for metric in METRICS}
    row = {arch: place for place, arch in enumerate(bench.classes)}
    records: list[dict[str, Any]] = [{"algorithm": "optimum", "metric": metric, "ours": np.nanmax(each)} for metric, each in values.items()]
    with bar(setting, "searches", len(ALGORITHMS) * setting.runs) as shown, spread(setting) as executor:
        for name, (algorithm, options) in ALGORITHMS.items():
            best = []
            for run in repeat(
                algorithm,
                bench,
                OBJECTIVE,
                budget=BUDGET,
                runs=setting.runs,
                seed=setting.seed,
                options=options,
                executor=executor,
                dataset=DATASET,
                training=TRAINING,
            ):
                best.append(row[run.best])
                shown.update()
            for metric, each in values.items():
                found = each[best]
                records.append({"algorithm": name, "metric": metric, "ours": found.mean(), "sd": found.std(), "runs": setting.runs})
    return Ours(
        pd.DataFrame.from_records(records), (f"Ours search the {len(bench.classes)} architectures of the store; the paper's, 15,625.",)
    )


def _need(metric: str) -> Need:
    parsed = parse(metric)
    return Need("nares", "cifar10.jsonl", DATASET, TRAINING, parsed.name, parsed.measure)


SEARCHES = Entry(
    "Zheng, Cheng, Huang, Lu, Boddeti (2025)",
    "NAS on NARes: what four searches by validation accuracy under PGD find within 500 queries; accuracies of the best network, mean over runs",
    tuple(map(_need, (*METRICS[:-1], *CORRUPTIONS))),
    searches,
    (
        "The paper's numbers are those of its released code's README; paper_sd is what stands there after ±, taken for the standard deviation over runs.",
        "Budgets and settings are those of that code; repeats are free, as there. Its local search goes through neighbours in a fixed order, ours in a random one.",
        "Ours learns BANANAS's ensemble as ridge regressions on random features; theirs are six networks.",
        "autoattack is their compact form: APGD-CE and targeted APGD.",
        "No file of NARes was at hand here: the source was tried on records of the form that the authors' code reads.",
    ),
    runs=400,
    space=WRN,
)
