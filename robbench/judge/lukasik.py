"""The predictor of Lukasik, Moeller and Keuper (2023), to be judged beside others: a random forest from fifteen zero-cost proxies.

proxies_of(measurements, data, "cifar10")     those that the store has: (n, proxies), NaN where one was not measured
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from robbench.errors import NotMeasured
from robbench.measurements.measurements import Measurements
from robbench.measurements.metrics import Metric
from robbench.measurements.question import UNTRAINED, Question
from robbench.measurements.tables import held_proxies
from robbench.spaces.space import Features
from robbench.surrogates import features as feature_sets
from robbench.surrogates.fitting import Data

LUKASIK = "lukasik2023"
KIND = "forest"
"""Which the paper has with scikit-learn's defaults, 100 trees, as the package has it."""
PUBLISHED = (
    "epe_nas",
    "fisher",
    "flops",
    "grad_norm",
    "grasp",
    "jacov",
    "l2_norm",
    "nwot",
    "params",
    "plain",
    "snip",
    "synflow",
    "zen",
)
"""Of the paper's proxies, those of NAS-Bench-Suite-Zero."""
PROXIES = (*((name,) for name in PUBLISHED), ("jacob_fro_10x256", "jacob_fro"), ("hessian_10x256", "hessian"))
"""All fifteen.  The last two are those of Jung et al. (2023), whose values were not published: as they measured them, or else as is cheaper."""
SHARE = 0.5
"""Of the architectures, how many must have a proxy, or it counts as one that the store has not."""


def proxies_of(measurements: Measurements, data: Data, dataset: str) -> Features:
    """The paper's proxies, as far as a store has them, of the architectures of some data: ``(n, proxies)``, NaN where one is not known.

    A proxy that is itself to be predicted is none of them.

    Raises:
        NotMeasured: the store has none.
    """
    lookup, predicted = measurements.lookup, {metric.name for metric in data.outputs}
    archs = lookup.archs(data.kind)
    exact = [lookup.row("exact", archs[row]) for row in data.rows]
    there = {}
    for name in set(itertools.chain(*PROXIES)).intersection(held_proxies(measurements, dataset)) - predicted:
        column = measurements.measured(Question(Metric(name, None, "value"), dataset, UNTRAINED))
        values = feature_sets.values_of_exact(measurements, column)[exact]
        if np.isfinite(values).mean() >= SHARE:
            there[name] = np.where(np.isfinite(values), values, np.nan)
    found = [name for alternatives in PROXIES for name in [one for one in alternatives if one in there][:1]]
    if not found:
        raise NotMeasured(
            f"{measurements.store.file_name} holds none of the proxies of {dataset} that {LUKASIK} learns from, or of fewer than half of the architectures that have"
            f" {', '.join(map(str, data.outputs))}: {', '.join(PUBLISHED)}. `robbench import nbsuite_zero` brings them; otherwise leave {LUKASIK} out."
        )
    return Features(tuple(found), np.stack([there[name] for name in found], axis=1))


def has_published(names: Sequence[str]) -> bool:
    """Whether these are the paper's proxies, but for those that were not published."""
    return set(PUBLISHED) <= set(names)


def said(proxies: Mapping[str, Sequence[str]], judged: Sequence[tuple[int, int]]) -> str:
    """What the predictor is, and on what it was judged, for a report card.

    Arguments:
        proxies: of each metric, those that it learned from.
        judged: of each fit, on how many architectures it was judged, and on how many the others were.
    """
    metrics_of: dict[tuple[str, ...], list[str]] = {}
    for metric, names in proxies.items():
        metrics_of.setdefault(tuple(names), []).append(metric)
    has = [_counted(names) + (f" under {', '.join(metrics)}" if len(metrics_of) > 1 else "") for names, metrics in metrics_of.items()]
    return f"{WHAT} Of these, the store has {'; '.join(has)}. {_rows(judged)}"


def is_partly(judged: Sequence[tuple[int, int]]) -> bool:
    """Whether it was judged on fewer architectures than others."""
    return any(n < others for n, others in judged)


def _rows(judged: Sequence[tuple[int, int]]) -> str:
    if not is_partly(judged):
        return "All architectures of the test sides have them."
    n, others = min(judged, key=lambda one: one[0] / one[1])
    return (
        f"Architectures without all of them it neither learns from nor predicts: it is judged on {n:.0f} of {others:.0f} of a test side, or more. Its numbers,"
        " the ceiling among them, are of these, and the sentence on who is ahead leaves it out."
    )


def _counted(names: Sequence[str]) -> str:
    missing = [alternatives[-1] for alternatives in PROXIES if not set(alternatives) & set(names)]
    return f"{len(names)}: {', '.join(names)}" + (f"; and not {', '.join(missing)}" if missing else "")


WHAT = (
    f"{LUKASIK} is the predictor of Lukasik, Moeller and Keuper (2023), whatever the others learn from: a random forest with scikit-learn's defaults (100 trees)"
    " from 15 zero-cost proxies of the data set; the paper splits at random, this report by groups of twins."
)
