"""Runs of searches for a report card: which, in several processes, and what their queries were worth.

A run is judged by what it asked: after each query, by the measured value of the architecture that the run then has to take for the best, which, with
noise, is the one that it saw the best value of.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from robbench.analysis.pareto import hypervolume
from robbench.bench import RobBench
from robbench.errors import NotMeasured
from robbench.judge.calling import Fault
from robbench.judge.keeping import NOTHING_KEPT, Kept
from robbench.judge.methods import Method
from robbench.judge.watched import unlike, watch
from robbench.measurements.question import Question
from robbench.search.algorithms import ALGORITHMS
from robbench.search.domination import non_dominated
from robbench.search.history import Query, values_of
from robbench.search.oracle import Oracle
from robbench.search.repeated import noise_seed_of, one_thread, opened, options_of
from robbench.spaces import Subset

COST = "training_seconds"


@dataclass(frozen=True)
class Setting:
    """What the runs of a report have in common."""

    path: Path
    dataset: str
    training: str | None
    budget: int
    seed: int
    noise: str | None
    proxy: str | None
    limit: float | None


class Run(NamedTuple):
    """One run of one algorithm under one objective."""

    algorithm: str
    objective: str
    """Metrics joined by "+"."""
    number: int
    regret: np.ndarray
    """``(checkpoints,)``: after so many queries, how far from the best; of several objectives, the share of the best hypervolume that is lacking."""
    costs: np.ndarray
    """``(checkpoints,)``: what training the architectures would have taken until then, in seconds; NaN where the store does not say."""
    asked: int
    seconds: float
    """Of the whole run; of what the search itself computes, since the oracle only looks up."""
    faults: tuple[Fault, ...]


class Best(NamedTuple):
    """What there is to be found under one objective, or several."""

    signs: np.ndarray
    worst: np.ndarray
    """``(objectives,)``, oriented so that more is better."""
    best: np.ndarray
    volume: float
    """Hypervolume of the Pareto front above the worst; 0 under one objective."""


def run_of(setting: Setting, which: tuple[str, str, int]) -> Run:
    """The run of an algorithm, by its name or as ``module:name``, under an objective, with a number: from the seed ``(seed, number)``, whoever runs it."""
    algorithm, objective, number = which
    bench, seed = opened(setting.path, setting.dataset), (setting.seed, number)
    oracle, space = _oracle(bench, setting, objective, seed), _space(setting, objective)
    function = _function(bench, setting, algorithm)
    with one_thread():
        asked = watch(function, oracle, space, np.random.default_rng(seed), setting.limit)
    faults = asked.faults
    if number == 0 and ":" in algorithm:
        with one_thread():
            again = watch(function, _oracle(bench, setting, objective, seed), space, np.random.default_rng(seed), setting.limit)
        if at := unlike(asked.queries, again.queries):
            faults.note("asked otherwise when run again from the same seed", f"query {at}")
    regret, costs = _worth(bench, setting, objective, asked.queries)
    return Run(algorithm, objective, number, regret, costs, len(asked.queries), asked.seconds, faults.of(1))


def run_all(setting: Setting, which: Sequence[tuple[str, str, int]], executor: Executor | None, kept: Kept = NOTHING_KEPT) -> Iterator[Run]:
    """The runs, in order, here or in other processes; those that are kept are not made again."""
    run = partial(_kept, kept, setting)
    return map(run, which) if executor is None else executor.map(run, which, chunksize=4)


def _kept(kept: Kept, setting: Setting, which: tuple[str, str, int]) -> Run:
    found = kept.done(which, lambda: _said(run_of(setting, which)))
    faults = tuple(Fault(*fault) for fault in found["faults"])
    return Run(*which, np.array(found["regret"]), np.array(found["costs"]), found["asked"], found["seconds"], faults)


def _said(run: Run) -> dict[str, Any]:
    """What a run found, as JSON can say it."""
    return {**run._asdict(), "regret": run.regret.tolist(), "costs": run.costs.tolist()}


def checkpoints(budget: int) -> np.ndarray:
    """After how many queries runs are looked at: 1, 2, 5, 10, 20, 50, …, and at the end."""
    steps = [factor * 10**power for power in range(len(str(budget))) for factor in (1, 2, 5)]
    return np.array([*(step for step in steps if step < budget), budget])


@lru_cache(maxsize=16)
def best_of(setting: Setting, objective: str) -> Best:
    """What there is to be found in the architectures that have all values."""
    bench = opened(setting.path, setting.dataset)
    signs = _signs(bench, setting, objective)
    values = _measured(bench, setting, objective, _space(setting, objective).members) * signs
    worst, best = values.min(axis=0), values.max(axis=0)
    volume = hypervolume(values[non_dominated(values)], worst.tolist(), ["max"] * len(signs)) if len(signs) > 1 else 0.0
    return Best(signs, worst, best, volume)


def _oracle(bench: RobBench, setting: Setting, objective: str, seed: tuple[int, int] = (0, 0)) -> Oracle:
    metrics = objective.split("+")
    return bench.oracle(
        metrics if len(metrics) > 1 else metrics[0],
        budget=setting.budget,
        noise=setting.noise,
        noise_seed=noise_seed_of(seed) if setting.noise else 0,
        training=setting.training,
    )


@lru_cache(maxsize=16)
def _space(setting: Setting, objective: str) -> Subset[Any]:
    return _oracle(opened(setting.path, setting.dataset), setting, objective).subset()


def _signs(bench: RobBench, setting: Setting, objective: str) -> np.ndarray:
    return np.array([1.0 if direction == "max" else -1.0 for direction in _oracle(bench, setting, objective).directions])


def _function(bench: RobBench, setting: Setting, algorithm: str) -> Any:
    if ":" in algorithm:
        return Method(algorithm).function
    guided = "proxy" in options_of(algorithm)
    if not guided or setting.proxy is None:
        return ALGORITHMS[algorithm]
    return partial(ALGORITHMS[algorithm], proxy=bench.oracle(setting.proxy, missing="nan"))


def _measured(bench: RobBench, setting: Setting, objective: str, archs: Sequence[Any]) -> np.ndarray:
    """``(archs, objectives)``, without noise."""
    measurements = bench.measurements
    columns = []
    for metric in objective.split("+"):
        question = measurements.without_training(Question.of(metric, training=setting.training))
        answer = measurements.answer(question)
        columns.append([measurements.number(answer, arch) for arch in archs])
    return np.array(columns, np.float64).T.reshape(len(archs), -1)


def _worth(bench: RobBench, setting: Setting, objective: str, queries: Sequence[Query]) -> tuple[np.ndarray, np.ndarray]:
    """Regret and cost at each checkpoint."""
    places = checkpoints(setting.budget)
    regret, costs = np.full(len(places), np.nan), np.full(len(places), np.nan)
    if not queries:
        return regret, costs
    target = best_of(setting, objective)
    archs = [query.arch for query in queries]
    truth, seen = _measured(bench, setting, objective, archs) * target.signs, values_of(queries, len(target.signs)) * target.signs
    spent = _costs(bench, setting, archs)
    for at, place in enumerate(np.minimum(places, len(queries))):
        costs[at] = spent[place - 1]
        if len(target.signs) == 1:
            regret[at] = target.best[0] - truth[int(np.argmax(seen[:place, 0])), 0]
        else:
            front = truth[:place][non_dominated(seen[:place])]
            regret[at] = 1 - hypervolume(front, target.worst.tolist(), ["max"] * len(target.signs)) / target.volume
    return regret, costs


def _costs(bench: RobBench, setting: Setting, archs: Sequence[Any]) -> np.ndarray:
    """What training these would have taken, summed: ``(archs,)``, seconds; NaN where the store does not say."""
    try:
        answer = bench.measurements.answer(Question.of(COST, training=setting.training))
    except NotMeasured:
        return np.full(len(archs), np.nan)
    return np.cumsum([bench.measurements.number(answer, arch) for arch in archs])
