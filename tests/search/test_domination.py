"""Fronts and crowding, against pymoo's."""

from __future__ import annotations

import numpy as np
import pytest

from robbench.search.domination import crowding, fronts, non_dominated


@pytest.mark.parametrize("objectives", [2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_fronts_are_pymoos(objectives: int, seed: int) -> None:
    sorting = pytest.importorskip("pymoo.util.nds.non_dominated_sorting")
    points = np.random.default_rng(seed).integers(0, 12, (60, objectives)) / 12
    theirs = np.empty(60, int)
    for rank, members in enumerate(sorting.NonDominatedSorting().do(-points)):
        theirs[members] = rank
    assert fronts(points).tolist() == theirs.tolist()


@pytest.mark.parametrize("seed", range(3))
def test_crowding_is_pymoos(seed: int) -> None:
    metrics = pytest.importorskip("pymoo.operators.survival.rank_and_crowding.metrics")
    points = np.random.default_rng(seed).random((40, 2))
    theirs = np.asarray(metrics.get_crowding_function("cd").do(-points))
    ours = crowding(points)
    ends = np.isinf(ours)
    assert ends.tolist() == np.isinf(theirs).tolist()
    # pymoo divides by the number of objectives.
    assert ours[~ends] / 2 == pytest.approx(theirs[~ends])


def test_nothing_dominates_its_equal() -> None:
    points = np.array([[1.0, 2.0], [1.0, 2.0], [0.0, 2.0], [2.0, 0.0], [-np.inf, -np.inf], [-np.inf, -np.inf]])
    assert non_dominated(points).tolist() == [True, True, False, True, False, False]
    assert non_dominated(points[4:]).tolist() == [True, True]
    assert fronts(points).tolist() == [0, 0, 1, 0, 2, 2]
    assert fronts(np.empty((0, 2))).tolist() == non_dominated(np.empty((0, 2))).tolist() == []


def test_crowding_of_what_is_all_the_same_or_missing_is_a_number() -> None:
    assert crowding(np.ones((4, 2))).tolist() == [0, 0, 0, 0]
    assert not np.isnan(crowding(np.array([[1.0, 2.0], [-np.inf, -np.inf], [0.5, 0.1]]))).any()
