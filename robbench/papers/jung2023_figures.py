"""Jung, Lukasik and Keuper (ICLR 2023): Figures 13 to 17, of confidences, of confusion, and of data sets beside each other."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from robbench.measurements.metrics import CONFIDENCES, PUBLISHED_EPS, Metric, level_text
from robbench.measurements.question import Question
from robbench.papers.entry import Entry, Need, Ours, Setting, held
from robbench.papers.jung2023 import ATTACKS, DATASET, PAPER, needs
from robbench.sources.jung2023 import DATASETS

if TYPE_CHECKING:
    from robbench.bench import RobBench


def figure_13(bench: RobBench, setting: Setting) -> Ours:
    """Confidences on clean images, by each scheme: means over the networks."""
    import pandas as pd

    records = []
    for scheme, measure in CONFIDENCES.items():
        means = np.nanmean(_whole(bench, "clean", measure), axis=0)
        for place, value in np.ndenumerate(means):
            group = ("correct", "incorrect")[place[0]] if scheme == "prediction" else place[0]
            records.append({"scheme": scheme, "images": group, "class": place[1] if len(place) > 1 else "predicted", "ours": value})
    return Ours(pd.DataFrame.from_records(records))


def figure_14(bench: RobBench, setting: Setting) -> Ours:
    """Confidences in each class on images of class 0, clean and under FGSM: means over the networks."""
    import pandas as pd

    found = {0.0: _whole(bench, "clean", CONFIDENCES["label"])[:, 0]}
    attacked = _whole(bench, "fgsm", CONFIDENCES["label"])
    found |= {eps: attacked[:, place, 0] for place, eps in enumerate(_levels(bench, CONFIDENCES["label"]))}
    records = [
        {"eps": level_text("fgsm", eps), "class": number, "ours": value}
        for eps, values in sorted(found.items())
        for number, value in enumerate(np.nanmean(values, axis=0))
    ]
    return Ours(pd.DataFrame.from_records(records))


def figure_15(bench: RobBench, setting: Setting) -> Ours:
    """Confidences in correct and in incorrect predictions under FGSM: means over the networks."""
    import pandas as pd

    means = np.nanmean(_whole(bench, "fgsm", CONFIDENCES["prediction"]), axis=0)
    records = [
        {"eps": level_text("fgsm", eps), "predictions": predictions, "ours": value}
        for eps, values in zip(_levels(bench, CONFIDENCES["prediction"]), means, strict=True)
        for predictions, value in zip(("correct", "incorrect"), values, strict=True)
    ]
    return Ours(pd.DataFrame.from_records(records))


def figure_16(bench: RobBench, setting: Setting) -> Ours:
    """Confusion matrices on clean images, summed over the networks."""
    import pandas as pd

    counts = np.nansum(_whole(bench, "clean", "confusion"), axis=0)
    records = [{"predicted": prediction, "true": label, "ours": value} for (label, prediction), value in np.ndenumerate(counts)]
    return Ours(pd.DataFrame.from_records(records).sort_values(["predicted", "true"], ignore_index=True))


def figure_17(bench: RobBench, setting: Setting) -> Ours:
    """Kendall's τ between the same accuracy on two datasets, clean and under every published attack and level."""
    import pandas as pd
    from scipy.stats import kendalltau

    metrics = [
        Metric("clean", None, "accuracy"),
        *(Metric(name, level, "accuracy") for name, levels in PUBLISHED_EPS.items() for level in levels),
    ]
    found = held(bench, "standard")
    datasets = [dataset for dataset in DATASETS if {"clean", *ATTACKS} <= found.get(dataset, set())]
    records = []
    for (one, other), metric in itertools.product(itertools.combinations(datasets, 2), map(str, metrics)):
        values = [bench.query_many(bench.classes, metric, dataset=dataset, missing="nan") for dataset in (one, other)]
        both = ~np.isnan(values).any(axis=0)
        tau = kendalltau(values[0][both], values[1][both]).statistic
        records.append({"dataset": one, "other": other, "metric": metric, "ours": tau, "networks": int(both.sum())})
    return Ours(pd.DataFrame.from_records(records))


def _whole(bench: RobBench, metric: str, measure: str) -> np.ndarray:
    """What is an array for each network, of all of them: ``(networks, …)``; of FGSM, ``(networks, levels, …)``; NaN where it was not measured."""
    asked = Question(Metric(metric, None, measure), DATASET, "standard")
    if metric == "clean":
        return bench.measurements.every(asked)
    levels = bench.measurements.levels(asked)
    return np.stack([bench.measurements.every(asked._replace(metric=Metric(metric, level, measure))) for level in levels], axis=1)


def _levels(bench: RobBench, measure: str) -> list[float]:
    return bench.measurements.levels(Question(Metric("fgsm", None, measure), DATASET, "standard"))


def _confidences(metric: str, *schemes: str) -> tuple[Need, ...]:
    return tuple(need._replace(measure=CONFIDENCES[scheme]) for scheme in schemes for need in needs(metric))


_DRAWN = "The figure is drawn, with no numbers in the paper's text; ours are means over the networks, or sums."
FIGURE_13 = Entry(
    PAPER,
    "Figure 13: confidences on clean cifar10 by true class, by predicted class, and by whether the prediction is correct",
    _confidences("clean", *CONFIDENCES),
    figure_13,
    (_DRAWN, "A class that a network never predicts has no confidence of this network."),
)
FIGURE_14 = Entry(
    PAPER,
    "Figure 14: confidences on images of class 0 of cifar10, clean and under FGSM",
    (*_confidences("clean", "label"), *_confidences("fgsm", "label")),
    figure_14,
    (_DRAWN,),
)
FIGURE_15 = Entry(
    PAPER,
    "Figure 15: confidences in correct and in incorrect predictions under FGSM, cifar10",
    _confidences("fgsm", "prediction"),
    figure_15,
    (_DRAWN, "The paper's points are networks; a network without an incorrect prediction has no confidence in these."),
)
FIGURE_16 = Entry(
    PAPER,
    "Figure 16: confusion matrices on clean cifar10, summed over all networks",
    tuple(need._replace(measure="confusion") for need in needs("clean")),
    figure_16,
    ("The paper's numbers have one digit.",),
)
FIGURE_17 = Entry(
    PAPER,
    "Figure 17: rank correlations between data sets: Kendall's τ of the same accuracy on two of them",
    (*needs("clean", *ATTACKS), *needs("clean", *ATTACKS, dataset="cifar100")),
    figure_17,
    (
        "The figure has no numbers in the paper's text: it says that of FGSM data sets agree, and of the other attacks hardly, or the contrary.",
        "Within a data set: robbench plot correlation.",
    ),
)
