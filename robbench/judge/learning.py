"""Fits for a report card: which, in several processes, and how well they predict."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from robbench.analysis.ceiling import ceiling_of
from robbench.analysis.predictability import drawn
from robbench.bench import RobBench
from robbench.errors import CannotFit, InvalidArgument
from robbench.judge.calling import Clock, MethodFailed, called
from robbench.judge.fitting import LEVEL, Predicted, Predictor, brought, line, mean, ours
from robbench.judge.intervals import calibrated, calibrating_folds, interval_score
from robbench.judge.keeping import Kept
from robbench.judge.lukasik import KIND, LUKASIK, proxies_of
from robbench.judge.suited import check_calibrates, check_known, check_learns
from robbench.search.repeated import one_thread, opened
from robbench.spaces.space import Features
from robbench.surrogates.fitting import FEWEST_TEST, Data, gather, scores
from robbench.surrogates.kinds import features_of
from robbench.surrogates.splits import TWIN, split

SIZES = (50, 200, 1000)
PARAMETERS = "kernel_parameters"
RESAMPLES = 200
MEAN, LINE = "mean", "parameters"
"""What any predictor must beat."""
AHEAD = 16
"""Fits that wait for a worker, or are done and wait for one before them."""
Found = dict[str, Any]
"""What came of a fit: ``{"scores": {…}, "took": {"seconds": …, "core_seconds": …}, "faults": [[what, example], …]}``; no scores where there are no predictions, and
``interval_seconds`` and ``interval_core_seconds`` beside the others where intervals were calibrated."""


@dataclass(frozen=True)
class Setting:
    """What the fits of a report have in common."""

    path: Path
    dataset: str
    training: str | None
    features: str
    method: str
    """Which is judged."""
    limit: float | None
    intervals: bool = False
    """Whether all predictors but those that are brought are calibrated."""

    def calibrates(self, predictor: str) -> bool:
        """Whether this one's intervals are to be made here; what is brought has its own or none."""
        return self.intervals and ":" not in predictor


class Fit(NamedTuple):
    """One fit, by what it is of."""

    metric: str
    predictor: str
    size: int
    split: int


class Fits:
    """The fits of one setting: what they learn from and are tested on, and what comes of them."""

    def __init__(self, bench: RobBench, setting: Setting) -> None:
        self.setting = setting
        self._measurements = bench.measurements
        self._gathered = lru_cache(maxsize=4)(partial(gather, bench.measurements, dataset=setting.dataset, training=setting.training))
        self._proxies: dict[str, Features] = {}
        self._ceilings: dict[tuple[str, int, int], dict[str, float]] = {}

    def planned(self, metrics: Sequence[str], predictors: Sequence[str], sizes: Sequence[int], splits: Sequence[int]) -> Iterator[Fit]:
        """All fits: of the predictors, and of those that any must beat.

        Raises:
            CannotFit, InvalidArgument: as `judge_predictor`.
        """
        for name in predictors:  # says now what would be wrong in every fit
            if ":" in name:
                brought(name)
            elif name != LUKASIK:
                check_known(name)
                features_of(name, self.setting.features, self._measurements.space)
        beaten = [MEAN, LINE] if PARAMETERS in self._measurements.space.attributes else [MEAN]
        for metric in metrics:
            data = self._data(metric)
            for number in splits:
                train_side = self._train_side(data, number)
                known = int(train_side.sum())
                for size in sizes or [size for size in SIZES if size <= known] or [known]:
                    if size > known:
                        raise InvalidArgument(f"sizes={size} is more than the {known} architectures with {metric} to learn from.")
                    for name in predictors:
                        self._check(Fit(metric, name, size, number), data)
                    yield from (Fit(metric, name, size, number) for name in (*predictors, *beaten))

    def found(self, fit: Fit) -> Found:
        """What comes of one of them; what is not judged has no limit, and raises its errors."""
        data = self._data(fit.metric)
        function, features = self._predictor(fit, data)
        learned, tested = self._sides(fit, data)
        if self.setting.calibrates(fit.predictor):
            fraction = data.outputs[0].entry.unit == "fraction"
            function = calibrated(function, calibrating_folds(data.twins.of_rows(learned), fit.split), fraction=fraction)
        given = features[learned], data.targets[learned, 0], features[tested], fit.split
        measured = data.targets[tested, 0]
        return (
            _judged(function, given, measured, self.setting.limit)
            if fit.predictor == self.setting.method
            else _trusted(function, given, measured)
        )

    def ceiling(self, fit: Fit) -> dict[str, float]:
        """What noise allows on the architectures that one is tested on: R² with its interval, NaN where twins do not say."""
        data = self._data(fit.metric)
        tested = self._sides(fit, data)[1]
        key = fit.metric, fit.split, len(tested)
        if key not in self._ceilings:
            self._ceilings[key] = _ceiling(data, tested)
        return self._ceilings[key]

    def proxies(self, metric: str) -> Features:
        """What `LUKASIK` learns from, of the architectures with a metric; raises NotMeasured where the store has nothing of it."""
        if metric not in self._proxies:
            self._proxies[metric] = proxies_of(self._measurements, self._data(metric), self.setting.dataset)
        return self._proxies[metric]

    def _data(self, metric: str) -> Data:
        return self._gathered(metric, self.setting.features)

    def _train_side(self, data: Data, number: int) -> np.ndarray:
        train_side = split(TWIN, data.twins, seed=number)
        if (~train_side).sum() < FEWEST_TEST:
            raise CannotFit(f"{int((~train_side).sum())} architectures are left to test on; expected at least {FEWEST_TEST}.")
        return train_side

    def _sides(self, fit: Fit, data: Data) -> tuple[np.ndarray, np.ndarray]:
        """Which architectures one learns from, and on which it is tested: of those that all have in common, `LUKASIK` takes those with all its proxies."""
        train_side = self._train_side(data, fit.split)
        learned, tested = drawn(train_side, fit.size, fit.split), np.flatnonzero(~train_side)
        if fit.predictor != LUKASIK:
            return learned, tested
        there = ~np.isnan(self.proxies(fit.metric).values).any(axis=1)
        return learned[there[learned]], tested[there[tested]]

    def _check(self, fit: Fit, data: Data) -> None:
        """Raise CannotFit where a predictor does not learn from so many architectures, or is tested on too few, or has no intervals then."""
        learned, tested = self._sides(fit, data)
        if len(tested) < FEWEST_TEST:  # of `LUKASIK`
            raise CannotFit(
                f"{LUKASIK} is tested on architectures that have all of {', '.join(self.proxies(fit.metric).names)}, which are {len(tested)} of the test side of"
                f" {fit.metric}; expected at least {FEWEST_TEST}: leave it out."
            )
        if ":" not in fit.predictor:
            check_learns(fit.predictor, fit.size, len(learned))
        if self.setting.intervals:
            check_calibrates(fit.predictor, calibrating_folds(data.twins.of_rows(learned), fit.split))

    def _predictor(self, fit: Fit, data: Data) -> tuple[Predictor, np.ndarray]:
        """What is called, and the features of all architectures: of the parameters theirs, of a kind of the package those that it reads besides."""
        if ":" in fit.predictor:
            return brought(fit.predictor), data.features
        if fit.predictor == MEAN:
            return mean, data.features
        if fit.predictor == LINE:
            archs, attribute = self._measurements.lookup.archs(data.kind), self._measurements.space.attributes[PARAMETERS]
            return line, np.array([[attribute(archs[row])] for row in data.rows], np.float64)
        if fit.predictor == LUKASIK:
            names, values = self.proxies(fit.metric)
            return ours(KIND, names), values
        own = self._gathered(fit.metric, features_of(fit.predictor, self.setting.features, self._measurements.space))
        return ours(fit.predictor, own.names), own.features[np.isin(own.rows, data.rows)]


def fit_all(
    fits: Fits, which: Sequence[Fit], executor: Executor | None, kept: Kept, left_out: Callable[[Fit], bool]
) -> Iterator[tuple[Fit, Found | None]]:
    """The fits, in order, here or in other processes; those that are kept are not made again, and of those that are left out when their turn comes there is None."""
    if executor is None:
        for fit in which:
            yield fit, None if left_out(fit) else _kept(kept, fits, fit)
        return
    waiting = deque[tuple[Fit, Future[Found] | None]]()
    for fit in which:
        waiting.append((fit, None if left_out(fit) else executor.submit(_elsewhere, kept, fits.setting, fit)))
        if len(waiting) > AHEAD:
            yield _next(waiting, left_out)
    while waiting:
        yield _next(waiting, left_out)


def _next(waiting: deque[tuple[Fit, Future[Found] | None]], left_out: Callable[[Fit], bool]) -> tuple[Fit, Found | None]:
    """The first that waits; what was begun before it was left out counts for nothing, so that the result does not depend on how many workers there are."""
    fit, future = waiting.popleft()
    return fit, None if future is None or left_out(fit) else future.result()


def _elsewhere(kept: Kept, setting: Setting, fit: Fit) -> Found:
    return _kept(kept, _fits(setting), fit)


@lru_cache(maxsize=1)
def _fits(setting: Setting) -> Fits:
    """Once a process."""
    return Fits(opened(setting.path, setting.dataset), setting)


def _kept(kept: Kept, fits: Fits, fit: Fit) -> Found:
    intervals = ("with intervals",) if fits.setting.calibrates(fit.predictor) else ()
    return kept.done((fit.predictor, fit.metric, fit.size, fit.split, *intervals), partial(fits.found, fit))


def _trusted(function: Predictor, given: tuple[np.ndarray, np.ndarray, np.ndarray, int], measured: np.ndarray) -> Found:
    clock = Clock()
    with one_thread():
        predicted = function(*given)
    return {"scores": _score(predicted, measured), "took": _took(clock, predicted), "faults": []}


def _judged(function: Predictor, given: tuple[np.ndarray, np.ndarray, np.ndarray, int], measured: np.ndarray, limit: float | None) -> Found:
    """The same of what is judged, with its faults."""
    clock = Clock()
    try:
        with one_thread():
            predicted = called(limit, function, *given)
    except MethodFailed as error:
        return {"scores": {}, "took": clock.read(), "faults": [[error.kind, error.message]]}
    took, count, faults = _took(clock, predicted), len(predicted.means), []
    if predicted.without_intervals:
        faults.append([f"gave no intervals ({predicted.without_intervals.kind})", predicted.without_intervals.message])
    missing = int((~np.isfinite(predicted.means)).sum())
    if missing:
        faults.append(["predicted NaN, or infinite values", f"{missing} of {count}"])
    if predicted.depends_on_order:
        faults.append(["predicted otherwise when asked in another order", f"some of {count}"])
    if predicted.low is not None and predicted.high is not None:
        empty = int((~(predicted.low <= predicted.high)).sum())  # NaN, too
        if empty:
            faults.append(["gave intervals that hold nothing", f"{empty} of {count}"])
    return {"scores": _score(predicted, measured), "took": took, "faults": faults}


def _took(clock: Clock, predicted: Predicted) -> dict[str, float]:
    """Seconds to fit and predict, and beside them those to calibrate."""
    took, calibrating = clock.read(), predicted.calibrating or {}
    return {name: seconds - calibrating.get(name, 0) for name, seconds in took.items()} | {
        f"interval_{name}": seconds for name, seconds in calibrating.items()
    }


def _ceiling(data: Data, tested: np.ndarray) -> dict[str, float]:
    try:
        found = ceiling_of(data.targets[tested, 0], data.twins.group[tested], RESAMPLES)
    except CannotFit:
        return dict.fromkeys(("ceiling", "ceiling_low", "ceiling_high"), np.nan)
    return {"ceiling": found.r2, "ceiling_low": found.low, "ceiling_high": found.high}


def _score(predicted: Predicted, measured: np.ndarray) -> dict[str, float]:
    """On the architectures of which there is a prediction; nothing where there is none."""
    there = np.isfinite(predicted.means)
    if not there.any():
        return {}
    found = scores(measured[there], predicted.means[there])
    coverage = width = score = np.nan
    if predicted.low is not None and predicted.high is not None:
        low, high, true = predicted.low[there], predicted.high[there], measured[there]
        coverage, width = float(((low <= true) & (true <= high)).mean()), float((high - low).mean())
        score = float(interval_score(true, low, high, LEVEL).mean())
    return {name: found[name] for name in ("r2", "kendall", "mae", "n")} | {"coverage": coverage, "width": width, "interval_score": score}
