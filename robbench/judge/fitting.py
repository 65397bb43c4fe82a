"""Predictors that are fitted and asked alike: one that someone brings, ours, and those that any must beat.

predictor = brought("mine:Model")
predictor(features, targets, tested, seed)          Predicted(means, low, high)
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from robbench.errors import InvalidArgument
from robbench.judge.calling import MethodFailed, called
from robbench.judge.methods import Method
from robbench.surrogates.kinds import fitted, kind_of

LEVEL = 0.9
"""The share of new measurements that should fall into an interval."""
SHUFFLED = 64
"""Architectures that are predicted once more, in another order."""


class Predicted(NamedTuple):
    """What a predictor says of architectures that it has not seen."""

    means: np.ndarray
    """``(tested,)``."""
    low: np.ndarray | None = None
    """``(tested,)``; None where it gives no intervals."""
    high: np.ndarray | None = None
    depends_on_order: bool = False
    """Whether it predicted otherwise when some were asked again in another order."""
    without_intervals: MethodFailed | None = None
    """How it failed when it was asked for intervals."""
    calibrating: dict[str, float] | None = None
    """``{"seconds": …, "core_seconds": …}``: what its intervals took beyond the fit and its predictions, where these can be told apart."""


Predictor = Callable[[np.ndarray, np.ndarray, np.ndarray, int], Predicted]
"""Features ``(n, features)`` and targets ``(n,)`` to learn from, features ``(tested, features)`` to predict for, and a seed."""


def brought(spec: str) -> Predictor:
    """What someone brings: a class or function that makes a model with scikit-learn's ``fit`` and ``predict``, or such a model, copied for each fit.

    Intervals are those of ``predict_interval(X, level)``, two arrays, or of ``predict(X, return_std=True)``, taken for normal.

    Raises:
        InvalidArgument: there is nothing of this name, or it is nothing of the kind.
    """
    found = Method(spec).found
    if not callable(found) and not (hasattr(found, "fit") and hasattr(found, "predict")):
        raise InvalidArgument(
            f"{spec} is of type {type(found).__name__}; expected a class or function that makes a model with fit and predict, or such a model."
        )

    def predictor(features: np.ndarray, targets: np.ndarray, tested: np.ndarray, seed: int) -> Predicted:
        model = found() if callable(found) else copy.deepcopy(found)
        returned = model.fit(features.copy(), targets.copy())
        model = model if returned is None else returned
        means = _numbers(model.predict(tested.copy()), len(tested), "predict")
        order = np.random.default_rng(seed).permutation(len(tested))[:SHUFFLED]
        again = _numbers(model.predict(tested[order]), len(order), "predict")
        differ = not np.allclose(means[order], again, rtol=1e-4, atol=1e-6, equal_nan=True)
        try:
            low, high = called(None, _interval, model, tested.copy())
            return Predicted(means, low, high, differ)
        except MethodFailed as error:  # its predictions can be judged all the same
            return Predicted(means, depends_on_order=differ, without_intervals=error)

    return predictor


def ours(name: str, names: Sequence[str]) -> Predictor:
    """A kind of `robbench.surrogates` that learns from features of these names; raises InvalidArgument where there is none."""
    kind_of(name)

    def predictor(features: np.ndarray, targets: np.ndarray, tested: np.ndarray, seed: int) -> Predicted:
        return Predicted(fitted(name, features, targets[:, np.newaxis], 1, seed, names).predict(tested)[:, 0])

    return predictor


def mean(features: np.ndarray, targets: np.ndarray, tested: np.ndarray, seed: int) -> Predicted:
    """The mean of what was learned from."""
    return Predicted(np.full(len(tested), targets.mean()))


def line(features: np.ndarray, targets: np.ndarray, tested: np.ndarray, seed: int) -> Predicted:
    """Least squares on the last feature, such as the parameters."""
    known, asked = (np.column_stack([np.ones(len(values)), values[:, -1]]) for values in (features, tested))
    return Predicted(asked @ np.linalg.lstsq(known, targets, rcond=None)[0])


def _interval(model: Any, tested: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
    if hasattr(model, "predict_interval"):
        low, high = model.predict_interval(tested, LEVEL)
        return _numbers(low, len(tested), "predict_interval"), _numbers(high, len(tested), "predict_interval")
    if "return_std" not in _parameters(model.predict):
        return None, None
    from scipy.stats import norm

    means, spread = model.predict(tested, return_std=True)
    half = norm.ppf((1 + LEVEL) / 2) * _numbers(spread, len(tested), "predict")
    return _numbers(means, len(tested), "predict") - half, _numbers(means, len(tested), "predict") + half


def _parameters(function: Any) -> tuple[str, ...]:
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # written in C
        return ()


def _numbers(given: Any, count: int, function: str) -> np.ndarray:
    """``(count,)``, float64; raises MethodFailed where that is not what was returned."""
    try:
        found = np.asarray([] if given is None else given, np.float64).squeeze()
    except (TypeError, ValueError) as error:
        raise MethodFailed(f"{function} returned what are no numbers", str(error)[:200]) from error
    if found.shape != (count,) and not (found.shape == () and count == 1):
        raise MethodFailed(f"{function} returned another number of values than of architectures", f"of shape {found.shape} for {count}")
    return found.reshape(count)
