from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robbench import RobBench
from robbench.analysis import ensemble
from robbench.analysis.ensemble import votes
from robbench.errors import InvalidArgument, NotMeasured, UnknownMetric
from robbench.store.writing import extend
from tests.synthetic import CLASSES, ROWS, array


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=12))
def test_votes_are_those_of_every_pair_written_out(rows: list[tuple[int, int, int]]) -> None:
    values = np.array(rows, np.float64)
    beaten = np.zeros(len(rows))
    for one, other in itertools.permutations(range(len(rows)), 2):
        ayes = sum(a > b for a, b in zip(rows[one], rows[other], strict=True))
        noes = sum(a < b for a, b in zip(rows[one], rows[other], strict=True))
        beaten[one] += 1 if ayes > noes else 0.5 if ayes == noes else 0
    np.testing.assert_allclose(votes(values), beaten / (len(rows) - 1))


def test_members_that_agree_give_their_order() -> None:
    values = np.random.default_rng(0).random(600)
    found = votes(np.stack([values, np.exp(values), 3 * values], axis=1))
    assert np.array_equal(np.argsort(found), np.argsort(values))
    assert (found.min(), found.max()) == (0, 1)


def test_two_of_three_outvote_the_third() -> None:
    up, down = np.arange(5.0), np.arange(5.0)[::-1]
    assert votes(np.stack([up, up, down], axis=1)).tolist() == [0, 0.25, 0.5, 0.75, 1]


def test_it_is_over_the_architectures_that_have_all_and_less_latency_is_better(bench: RobBench) -> None:
    found = ensemble(bench, ["synflow", "edgegpu_latency", "clean"])
    archs = [bench.parse(arch) for arch in found.index]
    values = np.stack([bench.query_many(archs, name) for name in ("synflow", "edgegpu_latency", "clean")], axis=1) * [1, -1, 1]
    np.testing.assert_allclose(found, votes(values))
    assert np.isnan(bench.query_many(bench.architectures, "synflow", missing="nan")).sum() > 0
    assert len(ensemble(bench, ["synflow", "clean"], rows="class")) < len(bench.classes)


def test_an_ensemble_of_one_or_with_nothing_in_common_is_refused(bench: RobBench) -> None:
    with pytest.raises(InvalidArgument, match=r"an ensemble of synflow alone has nobody to vote with; name two proxies or more"):
        ensemble(bench, ["synflow"])
    with pytest.raises(InvalidArgument, match="synflow is among the proxies of an ensemble more than once"):
        ensemble(bench, ["synflow", "synflow"])
    with pytest.raises(UnknownMetric, match="'synflo' is not a metric"):
        ensemble(bench, ["synflo", "clean"])
    with pytest.raises(NotMeasured, match="is not in"):
        ensemble(bench, ["synflow", "croze"])


def test_proxies_of_other_architectures_each_have_nothing_to_vote_on(tmp_path: Path) -> None:
    scores = np.random.default_rng(0).random(CLASSES)
    half = np.arange(CLASSES) % 2 == 0
    arrays = [
        array("toy untrained synflow value", np.where(half, scores, np.nan)),
        array("toy untrained snip value", np.where(half, np.nan, scores)),
    ]
    extend(tmp_path / "s.h5", ROWS, arrays)
    with pytest.raises(
        NotMeasured, match=rf"0 architectures have all of the proxies, .*: the store holds synflow of \d+, snip of {CLASSES // 2}; leave"
    ):
        ensemble(RobBench(tmp_path / "s.h5"), ["synflow", "snip"])
