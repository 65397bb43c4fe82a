from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from robbench import CannotFit, InvalidArgument, RobBench
from robbench.analysis import ceiling_of, importance, noise_ceiling, predictability, share_of, subsets
from robbench.spaces.nb201 import NB201
from robbench.spaces.nb201.features import operations
from robbench.store.rows import Rows
from robbench.store.writing import extend
from robbench.surrogates.fitting import gather, scores
from robbench.surrogates.forest import Forest
from robbench.surrogates.splits import TWIN, split
from robbench.surrogates.trees import DEEPEST
from tests.synthetic import array

ROWS = Rows.of(NB201, NB201.members[::13])
CLASSES, SIZE = len(ROWS.keys), len(ROWS.exact)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> RobBench:
    """Clean accuracy is a function of what the 3×3 convolutions are; for eight of ten classes."""
    path: Path = tmp_path_factory.mktemp("analysis") / "toy.h5"
    rng = np.random.default_rng(0)
    extend(path, ROWS, [array("toy10 standard clean accuracy", np.zeros(CLASSES))])
    applied = operations(RobBench(path).classes).values[:, 4]
    path.unlink()
    values = np.where(rng.random(CLASSES) < 0.8, 0.5 + 0.05 * applied + rng.normal(scale=0.005, size=CLASSES), np.nan)
    extend(path, ROWS, [array("toy10 standard clean accuracy", values)])
    return RobBench(path)


def test_the_ceiling_is_the_share_that_is_not_noise() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(2000), 2)
    values = rng.normal(size=2000)[groups] + rng.normal(scale=0.5, size=4000)
    found = ceiling_of(values, groups)
    assert found.degrees_of_freedom == 2000
    assert found.noise == pytest.approx(0.5, rel=0.05)
    assert found.r2 == pytest.approx(0.8, abs=0.02)
    assert found.low < found.r2 < found.high
    assert found == ceiling_of(values, groups)


def test_a_ceiling_by_hand() -> None:
    found = ceiling_of(np.array([0.0, 2.0, 4.0, 9.0]), np.array([0, 0, 1, 2]))
    assert found.degrees_of_freedom == 1
    assert found.noise == pytest.approx(np.sqrt(2))
    assert found.r2 == pytest.approx(1 - 2 / np.var([0, 2, 4, 9], ddof=1))


def test_without_twins_there_is_no_ceiling() -> None:
    with pytest.raises(CannotFit, match="a noise ceiling needs twins that were measured apart, and a metric that varies"):
        ceiling_of(np.array([0.1, 0.2]), np.array([0, 1]))


@pytest.mark.parametrize(
    ("metric", "known"), [("clean", 0.995), ("fgsm@1/255", 0.981), ("pgd@1/255", 0.944), ("apgd-ce@1/255", 0.954), ("square@1/255", 0.912)]
)
def test_published_ceilings(published: RobBench, metric: str, known: float) -> None:
    found = noise_ceiling(published, metric, resamples=50)
    assert found.r2 == pytest.approx(known, abs=0.001)
    assert found.degrees_of_freedom == 1536


def test_predictability_stands_beside_its_ceiling(toy: RobBench) -> None:
    pytest.importorskip("sklearn")
    found = predictability(toy, ["clean"], features="operations", model="forest", sizes=[50, None], seeds=[0, 1])
    assert found["size"].tolist()[::2] == [50, 50]
    assert (found["r2"] > 0.8).all()
    assert (found["ceiling"] > 0.95).all()
    np.testing.assert_allclose(found["share"], found["r2"] / found["ceiling"])
    with pytest.raises(InvalidArgument, match=r"sizes has 9999, and the training side has .* architectures; None means all of them"):
        predictability(toy, ["clean"], features="operations", model="forest", sizes=[9999])
    with pytest.raises(CannotFit, match=r"5 architectures to train on and \d+ to test on; a forest needs at least 10 and 20"):
        predictability(toy, ["clean"], features="operations", model="forest", sizes=[5])


def test_what_matters_is_found(toy: RobBench) -> None:
    pytest.importorskip("sklearn")
    found = importance(toy, "clean", features="operations", repeats=1)
    assert found.index[0] == "applied:3"
    assert found["impurity"].sum() == pytest.approx(1)
    each = subsets(toy, "clean", features="operations", split="twin")
    assert each["alone"].drop("all").idxmax() == "applied:3"
    assert each["alone"]["all"] == each["without"]["all"]
    assert len(each) == 7
    pd.testing.assert_frame_equal(subsets(toy, "clean", features="operations", split="twin", columns=["alone"]), each[["alone"]])
    with pytest.raises(InvalidArgument, match="columns has 'only', which is none of alone, without"):
        subsets(toy, "clean", features="operations", columns=["only"])
    one = subsets(toy, "clean", features="operations", split="twin", of=["applied:3"])
    pd.testing.assert_frame_equal(one, each.loc[["applied:3", "all"]])
    with pytest.raises(InvalidArgument, match="of has 'applied:9', which is none of"):
        subsets(toy, "clean", features="operations", of=["applied:9"])
    rest = importance(toy, "clean", features="operations", without=["applied:3"], columns=["impurity"], split="random")
    assert list(rest.columns) == ["impurity"]
    assert set(rest.index) == set(found.index) - {"applied:3"}
    assert rest["impurity"].is_monotonic_decreasing
    assert rest["impurity"].sum() == pytest.approx(1)
    with pytest.raises(InvalidArgument, match="without has 'synflow', which is none of"):
        importance(toy, "clean", features="operations", without=["synflow"])
    with pytest.raises(InvalidArgument, match="repeats=0 is not a number of repeats; expected an integer of at least 1"):
        importance(toy, "clean", features="operations", repeats=0)
    with pytest.raises(InvalidArgument, match=r"importance has no option 'dataste'\. Did you mean 'dataset'"):
        importance(toy, "clean", dataste="toy10")  # type: ignore[call-arg]


def test_importances_come_with_their_spread(toy: RobBench) -> None:
    """Over the trees, whose mean is the forest's importance, and over the repeats: of one there is none."""
    ensemble = pytest.importorskip("sklearn.ensemble")
    found = importance(toy, "clean", features="operations", columns=["impurity", "impurity_sd", "permutation_sd"], repeats=1)
    assert list(found.columns) == ["impurity", "impurity_sd", "permutation_sd"]
    assert found["impurity"].is_monotonic_decreasing
    assert (found["permutation_sd"] == 0).all()
    data = gather(toy.measurements, "clean", "operations")
    train_side = split(TWIN, data.twins)
    grown = ensemble.RandomForestRegressor(100, max_depth=DEEPEST, random_state=0).fit(
        data.features[train_side], data.targets[train_side, 0]
    )
    each = np.array([tree.feature_importances_ for tree in grown.estimators_])
    for column, expected in (("impurity", each.mean(axis=0)), ("impurity_sd", each.std(axis=0))):
        np.testing.assert_allclose(found[column][list(data.names)], expected)
    several = importance(toy, "clean", features="operations", columns=["permutation", "permutation_sd"], repeats=5)
    assert several["permutation"].is_monotonic_decreasing
    assert several["permutation_sd"].max() > 0
    with pytest.raises(InvalidArgument, match="columns has 'permutation_std', which is none of"):
        importance(toy, "clean", features="operations", columns=["permutation_std"])


def test_permutation_importance_is_the_r2_lost_when_a_feature_is_shuffled(toy: RobBench) -> None:
    """A second witness shuffles by itself: the means of many permutations agree within their error, and a constant feature loses nothing."""
    pytest.importorskip("sklearn")
    found = importance(toy, "clean", features="operations", repeats=20)["permutation"]
    data = gather(toy.measurements, "clean", "operations")
    train_side = split(TWIN, data.twins)
    forest = Forest.fit(data.features[train_side], data.targets[train_side], 1, 0)
    tested, measured = data.features[~train_side], data.targets[~train_side, 0]
    base, rng = scores(measured, forest.predict(tested)[:, 0])["r2"], np.random.default_rng(7)
    for column, name in enumerate(data.names):
        lost = []
        for _ in range(20):
            shuffled = tested.copy()
            shuffled[:, column] = rng.permutation(shuffled[:, column])
            lost.append(base - scores(measured, forest.predict(shuffled)[:, 0])["r2"])
        assert found[name] == pytest.approx(np.mean(lost), abs=6 * np.std(lost) / np.sqrt(10) + 1e-12)
        assert np.ptp(tested[:, column]) > 0 or found[name] == 0


def test_without_the_only_feature_there_is_nothing_to_learn_from(toy: RobBench, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    store = tmp_path / "toy.h5"
    store.write_bytes(toy.path.read_bytes())
    extend(store, ROWS, [array("toy10 untrained synflow value", np.arange(SIZE, dtype=float), rows="exact", unit="1")])
    with pytest.raises(CannotFit, match="proxies is one feature, synflow, and without it there is none to learn from"):
        subsets(RobBench(store), "clean")
    assert list(subsets(RobBench(store), "clean", columns=["alone"]).index) == ["synflow", "all"]


def test_the_best_prediction_of_twins_reaches_the_ceiling_within_its_interval() -> None:
    """What is measured is the truth with noise, so the truth is as good as a prediction can be."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(600), 2)
    truth = rng.normal(size=600)[groups]
    measured = truth + rng.normal(scale=0.5, size=len(groups))
    best, worse = (share_of(measured, means, groups) for means in (truth, truth + rng.normal(scale=0.5, size=len(groups))))
    assert best.low < 1 < best.high
    assert best.share == pytest.approx(1, abs=0.05)
    assert worse.low < worse.share < worse.high < 0.85
    assert best.high - best.low < 0.1
    assert share_of(measured, truth, groups, seed=1).share == best.share
    nothing = share_of(measured, np.full(len(groups), measured.mean()), groups)
    assert nothing.share == pytest.approx(0, abs=1e-12)


def test_a_share_needs_twins_and_resamples() -> None:
    with pytest.raises(CannotFit, match="no such group was measured"):
        share_of(np.arange(5.0), np.arange(5.0), np.arange(5))
    with pytest.raises(InvalidArgument, match="resamples"):
        share_of(np.arange(4.0), np.arange(4.0), np.array([0, 0, 1, 1]), resamples=0)
