"""A score beside the proxies of a store: its place among them, and all of them side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from robbench.analysis.resampling import draws, interval
from robbench.bench import RobBench
from robbench.judge.ranking import correlations
from robbench.judge.scoring import Scores
from robbench.measurements.directions import higher_is_better
from robbench.measurements.joining import join
from robbench.measurements.metrics import parse
from robbench.measurements.noise import twin_groups
from robbench.measurements.tables import held_proxies

Wanted = dict[tuple[str, str], np.ndarray]
"""For each training and metric, ``(rows,)``, more being better."""
COVERAGE = 0.9
"""A proxy of the store is set beside the score if it leaves this share of the architectures that have one."""
CONTROLS = ("params", "kernel_parameters")
KINDS = {"clean": "clean", "attack": "attacks", "corruption": "corruptions"}
"""Of metrics, and what a table calls the mean over them."""


class Place:
    """What a data set of a store sets beside a proxy."""

    def __init__(self, bench: RobBench, dataset: str) -> None:
        names = [*held_proxies(bench.measurements, dataset), *bench.space.attributes]
        values = join(bench.measurements, names, rows="class", dataset=dataset).values if names else {}
        self.dataset = dataset
        self.proxies = {name: values[name] if higher_is_better(name) else -values[name] for name in values}
        self.control = next((name for name in CONTROLS if name in values), None)
        """What is partialled out."""
        self.groups = twin_groups(bench.space, bench.classes)

    def of(self, training: str, metric: str) -> dict[str, Any]:
        """What a row of a table is of."""
        return {"dataset": self.dataset, "training": training, "metric": metric}


def others_of(place: Place, scores: Scores, rows: np.ndarray) -> dict[str, np.ndarray]:
    """The proxies of the store, ``(classes,)`` each, that leave enough of these rows when they are set beside each other, the most complete first; not what is judged."""
    found, left = dict[str, np.ndarray](), rows.copy()
    for name, column in sorted(place.proxies.items(), key=lambda one: int(np.isnan(one[1][rows]).sum())):
        both = left & ~np.isnan(column)
        if name != scores.name and both.sum() >= COVERAGE * rows.sum() and np.ptp(column[both]) > 0:
            found[name], left = column, both
    return found


class Compared(NamedTuple):
    """Spearman's ρ of the score and of other proxies, over the architectures that all of them score."""

    names: list[str]
    """The score's first."""
    keys: list[tuple[str, str]]
    points: np.ndarray
    """``(names, keys)``."""
    drawn: np.ndarray
    """``(resamples, names, keys)``."""
    n: int


def compared_with(place: Place, scores: Scores, rows: np.ndarray, wanted: Wanted, resamples: int, seed: int) -> Compared:
    """Compare a score with the proxies of the store.

    Arguments:
        place: the data set.
        scores: what is judged.
        rows: ``(classes,)``, bool: those that have a score and the metrics.
        wanted: what to judge by.
        resamples: of the bootstrap over groups of twins.
        seed: of the bootstrap.
    """
    others = others_of(place, scores, rows)
    common = rows & ~np.isnan(np.stack([scores.values, *others.values()])).any(axis=0)
    targets = np.stack([column[common[rows]] for column in wanted.values()])
    predictors = np.stack([column[common] for column in (scores.values, *others.values())])
    drawn = [correlations(predictors, targets, weights) for weights in draws(place.groups[common], resamples, np.random.default_rng(seed))]
    points = correlations(predictors, targets, np.ones((int(common.sum()), 1)))[0]
    return Compared([scores.name, *others], list(wanted), points, np.concatenate(drawn), int(common.sum()))


def beside_all(place: Place, compared: Compared) -> Iterator[dict[str, Any]]:
    """For each metric, the score's place among the proxies of the store, and the best of these."""
    if len(compared.names) == 1:
        return
    for index, key in enumerate(compared.keys):
        found = np.nan_to_num(compared.points[:, index], nan=-1.0)
        best = 1 + int(np.argmax(found[1:]))
        low, high = interval(compared.drawn[:, 0, index] - compared.drawn[:, best, index])
        yield place.of(*key) | {
            "n": compared.n,
            "spearman": float(compared.points[0, index]),
            "place": f"{1 + int((found[1:] > found[0]).sum())} of {len(found)}",
            "best_other": compared.names[best],
            "its_spearman": float(compared.points[best, index]),
            "difference": float(compared.points[0, index] - compared.points[best, index]),
            "difference_low": low,
            "difference_high": high,
        }


def board_of(place: Place, compared: Compared) -> list[dict[str, Any]]:
    """For each training and proxy, Spearman's ρ, mean over the metrics of a kind; the best under attacks first, and how far each is behind it."""
    records = []
    for training in dict.fromkeys(training for training, _ in compared.keys):
        kinds: dict[str, list[int]] = {}
        for index, (of, metric) in enumerate(compared.keys):
            if of == training and (kind := parse(metric).entry.kind) in KINDS:
                kinds.setdefault(KINDS[kind], []).append(index)
        if not kinds:
            continue
        points = {kind: compared.points[:, of_kind].mean(axis=1) for kind, of_kind in kinds.items()}
        drawn = {kind: compared.drawn[:, :, of_kind].mean(axis=2) for kind, of_kind in kinds.items()}
        ranked = KINDS["attack"] if KINDS["attack"] in kinds else next(iter(kinds))
        order = np.argsort(-points[ranked], kind="stable")
        points["behind"], drawn["behind"] = points[ranked] - points[ranked][order[0]], drawn[ranked] - drawn[ranked][:, order[:1]]
        for at in order:
            record = {"dataset": place.dataset, "training": training, "proxy": compared.names[at], "n": compared.n}
            for column in (*KINDS.values(), "behind"):
                low, high = interval(drawn[column][:, at]) if column in drawn else (np.nan, np.nan)
                value = float(points[column][at]) if column in points else np.nan
                record |= {column: value, f"{column}_low": low, f"{column}_high": high}
            records.append(record)
    return records
