"""The best architectures by several metrics at once, or by one under constraints.

Directions are those of `robbench.measurements.directions`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from robbench.analysis.joining import Joined, join
from robbench.errors import UnknownMetric
from robbench.measurements.directions import SIGNS, directions_of, spelled
from robbench.measurements.metrics import nearest
from robbench.spaces.nb201.identity import class_key

if TYPE_CHECKING:
    import pandas as pd

    from robbench.bench import RobBench

Bounds = tuple[float | None, float | None]


def pareto_front(bench: RobBench, metrics: Sequence[str], *, directions: Mapping[str, str] | None = None, **options: Any) -> pd.DataFrame:
    """The architectures that no other beats in one objective without being beaten in another.

    Classes compete where all objectives belong to classes, else exact cells.  What lacks one of the objectives does not compete.  Equal
    architectures are all in the front, but of isomorphic cells that are equal in every objective only the first is listed.

    Arguments:
        bench: where the measurements are.
        metrics: the objectives: metrics as for a query, or ``"kernel_parameters"``.
        directions: ``"max"`` or ``"min"`` for each objective whose direction is not the default (see `robbench.measurements.directions`).
        options: dataset, training, seed and interpolate, as for a query.

    Returns:
        One row an architecture, the best in the first objective first: arch, class_key, and the objectives.

    Raises:
        UnknownMetric: as for a query; a direction that is none, that is of no objective, or that is needed and missing.
        NotMeasured: as for a query.
    """
    towards = directions_of(metrics, directions)
    joined = join(bench, list(towards), **options)
    values = np.column_stack([joined.values[name] for name in towards])
    rows = np.flatnonzero(non_dominated(values, list(towards.values())))
    first = SIGNS[next(iter(towards.values()))] * values[rows, 0]
    return _table(joined, rows[np.argsort(-first, kind="stable")])


def best(
    bench: RobBench,
    metric: str,
    constraints: Mapping[str, Bounds],
    n: int = 10,
    *,
    direction: str | None = None,
    **options: Any,
) -> pd.DataFrame:
    """The n best architectures by a metric among those that keep all constraints, best first; equal ones in row order.

        best(bench, "pgd@1/255", {"kernel_parameters": (None, 20), "edgegpu_latency": (None, 5)})

    What competes, and what is listed, is as for `pareto_front`.

    Arguments:
        bench: where the measurements are.
        metric: as for a query, or ``"kernel_parameters"``.
        constraints: for any metrics, the least and the greatest value, both allowed themselves, in the metric's unit; None: no bound.
        n: how many.
        direction: of the metric: ``"max"`` or ``"min"``; by default see `robbench.measurements.directions`.
        options: dataset, training, seed and interpolate, as for a query.

    Returns:
        arch, class_key, the metric, and what is constrained; empty if no architecture keeps all constraints.

    Raises:
        UnknownMetric: as for a query; bounds that are not a pair of numbers, or that leave nothing between; as for `pareto_front`.
        NotMeasured: as for a query.
    """
    if isinstance(n, bool) or not isinstance(n, Integral) or n < 1:
        raise UnknownMetric(f"n={n!r} is not a number of architectures; expected an integer of at least 1.")
    name = spelled(metric)
    sign = SIGNS[directions_of([name], None if direction is None else {name: direction})[name]]
    bounds = {spelled(constrained): _bounds(constrained, given) for constrained, given in constraints.items()}
    joined = join(bench, list(dict.fromkeys([name, *bounds])), **options)
    keeps = joined.measured
    for constrained, (low, high) in bounds.items():
        keeps &= (joined.values[constrained] >= low) & (joined.values[constrained] <= high)
    rows = np.flatnonzero(keeps)
    return _table(joined, rows[np.argsort(-sign * joined.values[name][rows], kind="stable")]).head(int(n))


def non_dominated(values: np.ndarray, directions: Sequence[str]) -> np.ndarray:
    """Which of the points ``(n, objectives)`` no other dominates: ``(n,)``, bool; False where one is NaN.

    Equal points don't dominate each other.  Two objectives take O(n log n), more O(n · size of the front).
    """
    points = _oriented(values, directions)
    complete = ~np.isnan(points).any(axis=1)
    unique, index = np.unique(points[complete], axis=0, return_inverse=True)
    mask = np.zeros(len(points), bool)
    # From the last in lexicographic order on, what dominates a point always comes before it.
    mask[complete] = _front(unique[::-1])[::-1][index.reshape(-1)]
    return mask


def hypervolume(values: np.ndarray, reference: Sequence[float], directions: Sequence[str]) -> float:
    """The volume that points ``(n, objectives)`` dominate, as far as a reference point that is worse in every objective.

    Exact for any number k of objectives: the volume is cut into slices along one objective, and the slices likewise, down to a sweep
    over two (While, Bradstreet and Barone, 2006, section III: HSO).  O(n log n) for two, O(n^(k-1)) at worst for more.

    Arguments:
        values: one row a point; what is NaN or not better than the reference in every objective adds nothing.
        reference: one value an objective.  A volume means nothing without it, so it has no default.
        directions: ``"max"`` or ``"min"`` for each objective.

    Raises:
        UnknownMetric: as many values, references and directions as there are objectives are expected, and finite references.
    """
    if len(reference) != len(directions) or not np.isfinite(np.asarray(reference, np.float64)).all():
        raise UnknownMetric(f"reference={list(reference)!r} is not one finite number for each of {len(directions)} objectives.")
    points = _oriented(values, directions) - _oriented(np.array([reference], np.float64), directions)
    return _volume(points[(points > 0).all(axis=1)])


def _volume(points: np.ndarray) -> float:
    """What points ``(n, k)``, all positive, dominate above the origin."""
    points = np.unique(points, axis=0)[::-1]
    points = points[_front(points)]
    if points.shape[1] == 1 or len(points) == 0:
        return float(points.max(initial=0))
    if points.shape[1] == 2:  # x falls, so y rises
        return float(points[:, 0] @ np.diff(points[:, 1], prepend=0))
    depths = points[:, 0] - np.append(points[1:, 0], 0)
    return sum(float(depth) * _volume(points[: last + 1, 1:]) for last, depth in enumerate(depths) if depth)


def _front(points: np.ndarray) -> np.ndarray:
    """Which of different points ``(n, k)``, in falling lexicographic order, no other dominates: ``(n,)``, bool."""
    mask = np.zeros(len(points), bool)
    if points.shape[1] == 2 and len(points):
        mask[0] = True
        mask[1:] = points[1:, 1] > np.maximum.accumulate(points[:, 1])[:-1]
        return mask
    left = np.arange(len(points))
    while len(left):
        mask[left[0]] = True
        left = left[(points[left] > points[left[0]]).any(axis=1)]
    return mask


def _oriented(values: np.ndarray, directions: Sequence[str]) -> np.ndarray:
    """The same points, so that more is better in every objective."""
    unknown = [direction for direction in directions if direction not in SIGNS]
    if unknown:
        raise UnknownMetric(f"{unknown[0]!r} is not a direction.{nearest(unknown[0], SIGNS)} Expected 'max' or 'min' for each objective.")
    if values.ndim != 2 or values.shape[1] != len(directions):
        raise UnknownMetric(
            f"points of shape {values.shape} were given with {len(directions)} directions; expected (n, {len(directions)})."
        )
    return np.asarray(values * np.array([SIGNS[direction] for direction in directions]), np.float64)


def _bounds(metric: str, given: Bounds) -> tuple[float, float]:
    pair = isinstance(given, tuple | list) and len(given) == 2 and all(end is None or isinstance(end, Real) for end in given)
    low, high = (-np.inf if given[0] is None else given[0], np.inf if given[1] is None else given[1]) if pair else (np.nan, np.nan)
    if not pair or not low <= high:
        raise UnknownMetric(f"{given!r} does not bound {metric}; expected (least, greatest), either of them None for no bound: (None, 20).")
    return float(low), float(high)


def _table(joined: Joined, rows: np.ndarray) -> pd.DataFrame:
    import pandas as pd

    archs = [joined.archs[row] for row in rows]
    names = {"arch": list(map(str, archs)), "class_key": list(map(class_key, archs))}
    table = pd.DataFrame({**names, **{name: values[rows] for name, values in joined.values.items()}})
    return table.drop_duplicates(["class_key", *joined.values], ignore_index=True)
