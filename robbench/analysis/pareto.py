"""The best architectures by several metrics at once, or by one under constraints.

Directions are those of `robbench.measurements.directions`; non-dominated sets and hypervolumes are computed by moocore.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from robbench.arguments import checked_count, nearest, options_checked
from robbench.errors import InvalidArgument
from robbench.measurements.directions import SIGNS, directions_of, spelled
from robbench.measurements.joining import Joined, join
from robbench.measurements.measurements import Bench
from robbench.measurements.metrics import TABLE as METRICS
from robbench.measurements.metrics import Metric
from robbench.search import domination
from robbench.spaces import SearchSpace

if TYPE_CHECKING:
    import pandas as pd

Bounds = tuple[float | None, float | None]


@options_checked
def pareto_front(
    bench: Bench | pd.DataFrame,
    metrics: str | Metric | Sequence[str | Metric],
    *,
    directions: Mapping[str, str] | None = None,
    dataset: str | None = None,
    training: str | None = None,
    seed: int | None = None,
    interpolate: bool = False,
) -> pd.DataFrame:
    """The Pareto front: the architectures that no other dominates.

    Classes compete where all objectives were measured once a class, else exact architectures.  What lacks one of the objectives does not compete.  Equal
    architectures are all in the front, but of those of one class that are equal in every objective only the first is listed.

    Arguments:
        bench: where the measurements are; or any table with a column for each objective, such as a search's history, whose rows compete.
        metrics: the objectives, one or several, as for a query, each with its level; of a table, its columns, of which those that are no metrics are
            better the higher they are.
        directions: ``"max"`` or ``"min"`` for each objective whose direction is not the default (see `robbench.measurements.directions`).
        dataset, training, seed, interpolate: as for a query, for all objectives.

    Returns:
        One row an architecture, the best in the first objective first: arch, class_key, and the objectives; of a table, its rows.

    Raises:
        UnknownMetric, NotMeasured: as for a query.
        InvalidArgument: a direction that is none, that is of no objective, or that is needed and missing; otherwise as for a query.
    """
    import pandas as pd

    if isinstance(bench, pd.DataFrame):
        return _front_of_table(bench, metrics, directions, dataset=dataset, training=training, seed=seed)
    towards = directions_of(metrics, directions)
    joined = join(bench.measurements, list(towards), dataset=dataset, training=training, seed=seed, interpolate=interpolate)
    values = np.column_stack([joined.values[name] for name in towards])
    rows = np.flatnonzero(non_dominated(values, list(towards.values())))
    first = SIGNS[next(iter(towards.values()))] * values[rows, 0]
    return _table(bench.measurements.space, joined, rows[np.argsort(-first, kind="stable")])


def _front_of_table(
    table: pd.DataFrame, metrics: str | Metric | Sequence[str | Metric], directions: Mapping[str, str] | None, **where: object
) -> pd.DataFrame:
    """The rows that no other dominates, the best in the first objective first; rows that lack an objective don't compete."""
    if given := [name for name, value in where.items() if value is not None]:
        raise InvalidArgument(
            f"{given[0]}={where[given[0]]!r} has no meaning for a table, which holds the numbers themselves; leave it out."
        )
    columns = list(map(str, table.columns))
    others = [name for name in columns if name.partition("@")[0].partition(":")[0] not in METRICS]
    towards = directions_of(metrics, directions, functions=others)
    if lacking := [name for name in towards if name not in columns]:
        raise InvalidArgument(f"the table has no column {lacking[0]!r}.{nearest(lacking[0], columns)} Its columns: {', '.join(columns)}.")
    values = table[list(towards)].to_numpy(np.float64)
    rows = np.flatnonzero(non_dominated(values, list(towards.values())))
    first = SIGNS[next(iter(towards.values()))] * values[rows, 0]
    return table.iloc[rows[np.argsort(-first, kind="stable")]]


@options_checked
def best(
    bench: Bench,
    metric: str | Metric,
    constraints: Mapping[str, Bounds] | None = None,
    n: int = 10,
    *,
    direction: str | None = None,
    dataset: str | None = None,
    training: str | None = None,
    seed: int | None = None,
    interpolate: bool = False,
) -> pd.DataFrame:
    """The n best architectures by a metric among those that keep all constraints, best first; equal ones in row order.

        best(bench, "pgd@1/255", {"kernel_parameters": (None, 20), "edgegpu_latency": (None, 5)})

    What competes, and what is listed, is as for `pareto_front`.

    Arguments:
        bench: where the measurements are.
        metric: as for a query, with its level.
        constraints: for any metrics, the least and the greatest value, both allowed themselves, in the metric's unit; None: no bound.
            Without any, these are the best of all.
        n: how many.
        direction: of the metric: ``"max"`` or ``"min"``; by default see `robbench.measurements.directions`.
        dataset, training, seed, interpolate: as for a query, for the metric and the constraints.

    Returns:
        arch, class_key, the metric, and what is constrained; empty if no architecture keeps all constraints.

    Raises:
        UnknownMetric, NotMeasured: as for a query.
        InvalidArgument: bounds that are not a pair of numbers, or that leave nothing between; an n that is none; as for `pareto_front`.
    """
    checked_count(n, "n", of="architectures")
    name = spelled(metric)
    sign = SIGNS[directions_of([name], None if direction is None else {name: direction})[name]]
    bounds = {spelled(constrained): _bounds(constrained, given) for constrained, given in (constraints or {}).items()}
    compared = list(dict.fromkeys([name, *bounds]))
    joined = join(bench.measurements, compared, dataset=dataset, training=training, seed=seed, interpolate=interpolate)
    keeps = joined.measured
    for constrained, (low, high) in bounds.items():
        keeps &= (joined.values[constrained] >= low) & (joined.values[constrained] <= high)
    rows = np.flatnonzero(keeps)
    return _table(bench.measurements.space, joined, rows[np.argsort(-sign * joined.values[name][rows], kind="stable")]).head(int(n))


def non_dominated(values: np.ndarray, directions: Sequence[str]) -> np.ndarray:
    """Which of several points no other dominates; equal points don't dominate each other.

    Arguments:
        values: ``(n, objectives)``.
        directions: ``"max"`` or ``"min"`` for each objective.

    Returns:
        ``(n,)``, bool; False where an objective is NaN.

    Raises:
        InvalidArgument: the points have not as many objectives as there are directions, or a direction is none.
    """
    points = _oriented(values, directions)
    found: np.ndarray = ~np.isnan(points).any(axis=1)
    found[found] = domination.non_dominated(points[found])
    return found


def hypervolume(values: np.ndarray, reference: Sequence[float], directions: Sequence[str]) -> float:
    """The volume that points dominate, as far as a reference point that is worse in every objective; exact.

    Arguments:
        values: ``(n, objectives)``; a point that is NaN, or not better than the reference in every objective, adds nothing.
        reference: one value an objective.  A volume means nothing without it, so it has no default.
        directions: ``"max"`` or ``"min"`` for each objective.

    Raises:
        InvalidArgument: as many values, references and directions as there are objectives are expected, and finite references.

    Source: Zitzler and Thiele (1998) for the indicator; computed by moocore (Fonseca, Paquete and López-Ibáñez, 2006).
    """
    from moocore import hypervolume as volume

    if len(reference) != len(directions) or not np.isfinite(np.asarray(reference, np.float64)).all():
        raise InvalidArgument(f"reference={list(reference)!r} is not one finite number for each of {len(directions)} objectives.")
    points, worst = _oriented(values, directions), _oriented(np.array([reference], np.float64), directions)
    return float(volume(points[(points > worst).all(axis=1)], ref=worst[0], maximise=True))


def _oriented(values: np.ndarray, directions: Sequence[str]) -> np.ndarray:
    """The same points, so that more is better in every objective."""
    unknown = [direction for direction in directions if direction not in SIGNS]
    if unknown:
        raise InvalidArgument(f"{unknown[0]!r} is not a direction.{nearest(unknown[0], SIGNS)} Expected 'max' or 'min' for each objective.")
    if values.ndim != 2 or values.shape[1] != len(directions):
        raise InvalidArgument(
            f"points of shape {values.shape} were given with {len(directions)} directions; expected (n, {len(directions)})."
        )
    return np.asarray(values * np.array([SIGNS[direction] for direction in directions]), np.float64)


def _bounds(metric: str, given: Bounds) -> tuple[float, float]:
    pair = isinstance(given, tuple | list) and len(given) == 2 and all(end is None or isinstance(end, Real) for end in given)
    low, high = (-np.inf if given[0] is None else given[0], np.inf if given[1] is None else given[1]) if pair else (np.nan, np.nan)
    if not pair or not low <= high:
        raise InvalidArgument(
            f"{given!r} does not bound {metric}; expected (least, greatest), either of them None for no bound: (None, 20)."
        )
    return float(low), float(high)


def _table(space: SearchSpace[Any], joined: Joined, rows: np.ndarray) -> pd.DataFrame:
    from robbench.measurements.frames import Architectures

    archs = [joined.archs[row] for row in rows]
    names = {"arch": list(map(str, archs)), "class_key": list(map(space.key, archs))}
    table = Architectures({**names, **{name: values[rows] for name, values in joined.values.items()}})
    return table.drop_duplicates(["class_key", *joined.values], ignore_index=True)
