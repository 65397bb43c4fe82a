"""Ha, Kim and Hwang (NeurIPS 2023), "Generalizable lightweight proxy for robust NAS against diverse perturbations"."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from robbench.measurements.metrics import SEVERITIES
from robbench.papers.entry import Entry, Need, Ours, Setting
from robbench.papers.jung2023 import DATASET, needs

if TYPE_CHECKING:
    from robbench.bench import RobBench

ATTACKED = ("fgsm@8/255", "fgsm@4/255")
FAMILIES = {
    "weather": ("snow", "frost", "fog"),
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    "digital": ("brightness", "contrast", "jpeg_compression"),
}
"""Not listed in our copy of the paper.  With these, cell kernel parameters give its row of parameters to the last digit; with the families
of Hendrycks and Dietterich they do not."""


_LISTED = "; ".join(f"{family}: {', '.join(names)}" for family, names in FAMILIES.items())


def table_2(bench: RobBench, setting: Setting) -> Ours:
    """Spearman's ρ of the store's proxies with accuracies, over the exact cells that have the proxy; a family's is the mean of all its ρ."""
    import pandas as pd
    from scipy.stats import spearmanr

    from robbench.analysis import join
    from robbench.measurements.directions import KERNEL_PARAMETERS
    from robbench.surrogates.features import proxies

    found = proxies(bench.columns, DATASET)
    targets = {name: [name] for name in ("clean", *ATTACKED)}
    targets |= {family: [f"{name}@{severity}" for name in names for severity in SEVERITIES] for family, names in FAMILIES.items()}
    metrics = [metric for names in targets.values() for metric in names]
    joined = join(bench, [*metrics, KERNEL_PARAMETERS, found.names[0]], dataset=DATASET)
    columns = [("params", "kernel parameters", joined.values[KERNEL_PARAMETERS])]
    columns += [(name, "nbsuite_zero", column) for name, column in zip(found.names, found.values.T, strict=True)]
    records = []
    for proxy, source, column in columns:
        for target, names in targets.items():
            both = ~np.isnan([column, *(joined.values[name] for name in names)]).any(axis=0)
            ranked = [spearmanr(column[both], joined.values[name][both]).statistic for name in names]
            records.append({"proxy": proxy, "target": target, "computed by": source, "ours": np.mean(ranked), "cells": int(both.sum())})
    return Ours(pd.DataFrame.from_records(records))


TABLE_2 = Entry(
    "Ha, Kim, Hwang (NeurIPS 2023)",
    "Table 2: Spearman's ρ of zero-cost proxies with accuracies of networks trained in the standard way, cifar10",
    (
        *needs("clean", "fgsm", *(name for names in FAMILIES.values() for name in names)),
        Need("nbsuite_zero", "zc_nasbench201_cifar10.csv", DATASET, "untrained", "synflow"),
    ),
    table_2,
    (
        "The paper ranks 15,625 cells by proxies that it ran itself; ours are NAS-Bench-Suite-Zero's, of the cells that it has.",
        "Cell kernel parameters rank cells as parameters do, and are known of all 15,625 cells: there params is the paper's to the last digit.",
        f"A family is the mean of ρ over its corruptions and severities, and has those that give the paper's row of params ({_LISTED}).",
        "A cell's accuracy is that of the one evaluated network of its class.",
        "croze is not among the published proxies.",
    ),
)
