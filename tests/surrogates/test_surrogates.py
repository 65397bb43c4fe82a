from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robbench import (
    CannotFit,
    DamagedStore,
    InvalidArgument,
    MissingLibrary,
    NewerFormat,
    NotMeasured,
    RobBench,
    StoreError,
    UnknownArchitecture,
    UnknownMetric,
)
from robbench.measurements.measurements import Measurements
from robbench.spaces.nb201 import NB201, Cell, cells, position
from robbench.spaces.nb201.features import paths
from robbench.spaces.nb201.identity import twin_partition
from robbench.store import Store, verify
from robbench.store.arrays import Array
from robbench.store.rows import Rows
from robbench.store.writing import extend, put_surrogate
from robbench.surrogates import Surrogate, fit, kinds
from robbench.surrogates.blend import NETWORKS_SHARE
from robbench.surrogates.boosting import Boosting
from robbench.surrogates.conformal import half_widths
from robbench.surrogates.curves import falling
from robbench.surrogates.features import of_architectures, table
from robbench.surrogates.fitting import gather, scores
from robbench.surrogates.forest import Forest
from robbench.surrogates.graph import Graph
from robbench.surrogates.networks import Networks
from robbench.surrogates.predictions import Surrogates
from robbench.surrogates.splits import SPLITS, TWIN, Twins, split
from tests import synthetic
from tests.synthetic import array
from tests.tampering import tampered

EPS = {"eps": [1 / 255, 2 / 255, 4 / 255]}
ARCH = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"
SETTINGS, OF_GRAPHS = Networks.settings, Graph.settings
ROWS = Rows.of(NB201, [*NB201.members[::13], Cell.parse(ARCH)])
"""A thirteenth of the cells: enough to learn from, and quickly predicted."""
CLASSES, SIZE = len(ROWS.keys), len(ROWS.exact)
LIBRARY = {"forest": "sklearn", "boosting": "xgboost", "blend": "xgboost", "networks": "threadpoolctl"}
LIBRARY |= {"ridge": "numpy", "process": "numpy", "small": "sklearn", "graph": "torch", "ensemble": "torch"}
KINDS = list(LIBRARY)


def learnable() -> list[Array]:
    """Accuracies that are functions of the paths, with noise; measured for six of ten classes."""
    rng = np.random.default_rng(0)
    every = tuple(map(Cell.parse, ROWS.exact))
    counts = paths(list(map(Cell.parse, ROWS.classes))).values
    signal = np.tanh(0.2 * counts[:, 1:13] @ rng.normal(size=12))
    some = rng.random(CLASSES) < 0.6

    def noisy(base: float, slope: float) -> np.ndarray:
        values = np.clip(base + slope * signal + rng.normal(scale=0.01, size=CLASSES), 0, 1)
        return np.where(some, values, np.nan)

    pgd = np.stack([noisy(0.6, 0.2), noisy(0.4, 0.15), noisy(0.2, 0.1)], axis=1)
    proxy = np.where(rng.random(SIZE) < 0.6, rng.normal(size=SIZE), np.nan)
    return [
        array("toy10 standard clean accuracy", noisy(0.8, 0.1)),
        array("toy10 standard pgd accuracy", pgd, EPS),
        array("toy10 standard fgsm accuracy", np.where(np.arange(CLASSES)[:, None] < 12, pgd[:, :1], np.nan), {"eps": [1 / 255]}),
        array("toy10 untrained synflow value", proxy, rows="exact", unit="1"),
        array("toy10 untrained flops value", np.array([cell.kernel_parameters for cell in every], float), rows="exact", unit="1"),
        array("toy100 standard clean accuracy", noisy(0.5, 0.1)),
    ]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks that are trained for a moment only."""
    monkeypatch.setattr(Networks, "settings", Networks.settings._replace(epochs=1, fewest_steps=300))
    monkeypatch.setattr(Graph, "settings", Graph.settings._replace(members=2, width=8, epochs=1, fewest_steps=150))


@pytest.fixture(scope="module")
def toy_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("toy") / "toy.h5"
    extend(path, ROWS, learnable())
    return path


@pytest.fixture(scope="module")
def toy(toy_store: Path) -> RobBench:
    return RobBench(toy_store)


@pytest.fixture(scope="module")
def forest(toy: RobBench) -> Surrogate:
    pytest.importorskip("sklearn")
    return fit(toy, "clean+pgd", model="forest", features="paths")


@pytest.fixture
def fitted(forest: Surrogate, toy_store: Path, tmp_path: Path) -> Path:
    """A store that holds a surrogate, alone in its folder, to be ill-treated."""
    path = Path(shutil.copy(toy_store, tmp_path / "store.h5"))
    forest.save(path)
    return path


# Fitting


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_learns_keeps_and_repeats(kind: str, toy: RobBench, toy_store: Path, tmp_path: Path) -> None:
    pytest.importorskip(LIBRARY[kind])
    path = Path(shutil.copy(toy_store, tmp_path / "store.h5"))
    surrogate = fit(toy, "clean", model=kind, features="paths", seed=1)
    assert surrogate.about.scores["clean"]["r2"] > 0.5
    surrogate.save(path)
    again = fit(toy, "clean", model=kind, features="paths", seed=1)
    bench = RobBench(path)
    values = surrogate.table(bench.measurements).values
    np.testing.assert_array_equal(surrogate.predict(values), again.predict(values))
    predicted = bench.predict_many(bench.architectures, "clean")
    np.testing.assert_array_equal(predicted[:, 0], surrogate.predict(values)[surrogate.table(bench.measurements).row_of, 0])
    assert ((predicted >= 0) & (predicted <= 1)).all()
    assert (predicted[:, 1] <= predicted[:, 0]).all()
    assert (predicted[:, 0] <= predicted[:, 2]).all()
    assert verify(path) > verify(toy_store)


def test_a_curve_falls_and_scores_are_of_the_test_side(forest: Surrogate, toy: RobBench) -> None:
    about = forest.about
    assert about.outputs == ["clean", "pgd@1/255", "pgd@2/255", "pgd@4/255"]
    assert about.monotone == [[1, 2, 3]]
    means = forest.predict(table("paths", toy.measurements, "toy10").values)
    assert (np.diff(means[:, 1:], axis=1) <= 0).all()
    assert about.scores["pgd@1/255"]["n"] == len(forest.calibration)
    groups = Twins.of(NB201, toy.classes).group
    tested = np.setdiff1d(np.flatnonzero(~np.isnan(toy.query_many(toy.classes, "clean", missing="nan"))), forest.training_rows)
    assert len(tested) == len(forest.calibration)
    assert not set(groups[tested]) & set(groups[forest.training_rows])


def test_falling_changes_nothing_that_falls_and_mends_what_does_not() -> None:
    assert falling(np.array([[0.9, 0.5, 0.5]]), [[0, 1, 2]]).tolist() == [[0.9, 0.5, 0.5]]
    assert falling(np.array([[0.25, 0.75, 7.0]]), [[0, 1]]).tolist() == [[0.5, 0.5, 7.0]]


@pytest.mark.parametrize("kind", SPLITS)
def test_a_split_is_repeatable_and_by_twin_keeps_groups_together(kind: str, toy: RobBench) -> None:
    twins = Twins.of(NB201, toy.classes)
    inside = split(kind, twins, seed=4)
    np.testing.assert_array_equal(inside, split(kind, twins, seed=4))
    assert (inside != split(kind, twins, seed=5)).any()
    assert 0.77 < inside.mean() < 0.83
    assert bool(set(twins.group[inside]) & set(twins.group[~inside])) == (kind == "random")
    assert kind == "random" or inside[[not cell.depends_on_input for cell in toy.classes]].all()


def test_development_groups_are_named_by_their_keys_and_never_on_a_test_side() -> None:
    every, keys = Twins.of(NB201, tuple(cells())), twin_partition().keys
    fixed = {group for group, key in enumerate(keys) if key[0] in "0123" or (key[0] == "4" and key[1] in "0123456789abc")}
    assert set(np.flatnonzero(every.development)) == fixed
    assert len(fixed) / len(keys) == pytest.approx(0.3, abs=0.01)
    evaluated = tuple(map(Cell.parse, synthetic.ROWS.classes))
    classes = Twins.of(NB201, evaluated)
    np.testing.assert_array_equal(classes.group, np.array(twin_partition().group)[list(map(position, evaluated))])
    some = classes.of_rows(np.arange(0, len(evaluated), 7))
    np.testing.assert_array_equal(some.development[some.group], np.isin(some.group, list(fixed)))
    tested: set[int] = set()
    for seed in range(40):
        for twins in (every, some):
            outside = ~split(TWIN, twins, seed=seed)
            known = len(set(twins.group)) - 1  # the constant ones apart
            assert len(set(twins.group[outside])) == known - round(0.8 * known)
            tested |= set(twins.group[outside])
    assert not tested & fixed
    assert len(tested) > 0.69 * len(keys)


def test_calibration_on_a_part_of_the_training_side_is_of_groups_that_might_have_been_on_the_test_side(toy: RobBench) -> None:
    twins = Twins.of(NB201, toy.classes)
    known = np.flatnonzero(split(TWIN, twins, seed=0))
    calibrating = twins.group[known[~split(TWIN, twins.of_rows(known), seed=1)]]
    assert len(calibrating)
    assert not twins.development[calibrating].any()


def test_other_datasets_and_levels_help_where_everything_was_measured(toy: RobBench, tmp_path: Path) -> None:
    assert [(dataset, str(metric)) for dataset, metric in gather(toy.measurements, "pgd@1/255", "paths").auxiliary] == [
        *(("toy10", name) for name in ("clean", "pgd@2/255", "pgd@4/255")),
        ("toy100", "clean"),
    ]
    path = tmp_path / "store.h5"
    robust = [one for one in learnable() if one.name.dataset == "toy10" and one.name.metric in ("clean", "pgd")]
    other = array("toy100 pgd-8/255 clean accuracy", np.full(CLASSES, 0.5))
    extend(path, ROWS, [*robust, other])
    found = gather(RobBench(path).measurements, "clean", "paths")
    assert {dataset for dataset, _ in found.auxiliary} == {"toy10"}
    assert found.targets.shape == (len(found.rows), 4)


def test_what_cannot_be_fitted_says_why(toy: RobBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    twins = Twins.of(NB201, toy.classes)
    with pytest.raises(InvalidArgument, match=r"split='twins' has no meaning\. Did you mean 'twin'\? Expected 'twin' or 'random'\."):
        split("twins", twins)
    with pytest.raises(InvalidArgument, match=r"train=1.5 is not a share of the architectures between 0 and 1"):
        split("twin", twins, train=1.5)
    with pytest.raises(
        InvalidArgument, match=r"train=0.2 leaves \d+ groups of twins to the test side, and \d+ may be there: the development groups"
    ):
        fit(toy, "clean", model="networks", train=0.2)
    with pytest.raises(NotMeasured, match=r"square \(accuracy\) of toy10 is not in toy.h5"):
        fit(toy, "square@1/255", model="networks")
    with pytest.raises(
        InvalidArgument,
        match=r"model='tree' has no meaning\. Expected 'forest' or 'boosting' or 'networks' or 'blend' or 'graph' or 'ensemble' or 'ridge' or 'process' or 'small'\.",
    ):
        fit(toy, "clean", model="tree")
    with pytest.raises(
        CannotFit, match=r"fgsm was measured for \d architectures: \d to train on and \d to test on; a networks needs at least 42 and 20"
    ):
        fit(toy, "fgsm", model="networks")
    mixed = tmp_path / "mixed.h5"
    extend(
        mixed, ROWS, [*learnable()[:1], array("toy10 standard square accuracy", np.full((SIZE, 1), 0.5), {"eps": [1 / 255]}, rows="exact")]
    )
    with pytest.raises(CannotFit, match=r"clean[+]square mixes metrics of classes with metrics of exact architectures"):
        fit(RobBench(mixed), "clean+square", model="networks")
    with pytest.raises(NotMeasured, match=r"toy.h5 holds no proxies of toy100"):
        fit(toy, "clean", dataset="toy100", features="proxies", model="networks")
    for library, kind in (("xgboost", "boosting"), ("sklearn.ensemble", "forest")):
        monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(MissingLibrary, match=rf"a surrogate of kind '{kind}' needs .*pip install 'robbench\[surrogates\]'"):
            fit(toy, "clean", model=kind)


def test_a_proxy_that_is_missing_everywhere_is_named(tmp_path: Path) -> None:
    path = tmp_path / "store.h5"
    extend(path, ROWS, [*learnable()[:1], array("toy10 untrained synflow value", np.full(SIZE, np.nan), rows="exact", unit="1")])
    with pytest.raises(NotMeasured, match=r"the proxy synflow of toy10 is missing for every architecture"):
        fit(RobBench(path), "clean", features="proxies", model="networks")


def test_scores_of_a_perfect_and_of_a_constant_prediction() -> None:
    measured = np.array([0.1, 0.2, 0.4])
    assert scores(measured, measured) == {"r2": 1.0, "kendall": pytest.approx(1), "spearman": pytest.approx(1), "mae": 0.0, "n": 3}
    assert scores(measured, np.full(3, measured.mean()))["kendall"] == 0
    assert scores(np.ones(3), measured)["r2"] == 0


@pytest.mark.parametrize("feature", [1.0, np.nan])
@pytest.mark.parametrize("kind", ["forest", "boosting", "networks"])
def test_a_feature_that_does_not_vary_teaches_the_mean(kind: str, feature: float) -> None:
    """As some of the structure do in a store, when each is tried alone."""
    pytest.importorskip("sklearn")
    pytest.importorskip("xgboost")
    features, targets = np.full((60, 1), feature), np.linspace(0.4, 0.6, 60)[:, np.newaxis]
    predicted = kinds.kind_of(kind).fit(features, targets, 1, 0).predict(features)
    np.testing.assert_allclose(predicted, np.full((60, 1), 0.5), atol=0.05)


# Intervals


def test_intervals_cover_what_they_say_where_noise_depends_on_the_mean() -> None:
    rng = np.random.default_rng(0)

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        means = rng.random(n)
        return means, rng.normal(scale=0.01 + means / 10)

    covered = {level: [] for level in (0.5, 0.9)}  # type: dict[float, list[float]]
    for _ in range(40):
        calibration, errors = draw(1000)
        means, new = draw(1000)
        for level in covered:
            covered[level].append(float((np.abs(new) <= half_widths(calibration, errors, means, level)).mean()))
    for level, shares in covered.items():
        assert abs(np.mean(shares) - level) < 0.01
    assert half_widths(calibration, errors, np.array([0.01, 0.99]), 0.9)[0] < half_widths(calibration, errors, np.array([0.99]), 0.9)[0] / 3


@pytest.mark.parametrize(("low", "high"), [(0, 0.4), (0.13, 0.6), (0.6, 1), (0, 1)])
def test_equal_means_share_an_interval_that_covers_as_the_others_do(low: float, high: float) -> None:
    """Means that are clipped at 0 are equal, and may be most of them."""
    rng = np.random.default_rng(0)

    def draw() -> tuple[np.ndarray, np.ndarray]:
        means = rng.random(1000)
        means[(means > low) & (means < high)] = low
        return means, rng.normal(scale=0.01 + means / 10)

    covered = []
    for _ in range(40):
        calibration, errors = draw()
        means, new = draw()
        covered.append(float((np.abs(new) <= half_widths(calibration, errors, means, 0.9)).mean()))
    assert abs(np.mean(covered) - 0.9) < 0.01


def test_a_level_that_is_none_or_that_cannot_be_supported_is_refused() -> None:
    errors = np.linspace(0, 1, 20)
    levels: tuple[Any, ...] = (0, 1, 90, float("nan"), "0.9", None)
    for level in levels:
        with pytest.raises(InvalidArgument, match=rf"level={level!r} is not a level; expected a share between 0 and 1, such as 0.9"):
            half_widths(errors, errors, errors, level)
    with pytest.raises(InvalidArgument, match=r"level=0.99 needs more than the 20 calibrating architectures there are"):
        half_widths(errors, errors, errors, 0.99)


# Asking


def test_predict_and_predict_many_agree_in_every_form_of_an_architecture(fitted: Path) -> None:
    bench = RobBench(fitted)
    cell = Cell.parse(ARCH)
    one = bench.predict(ARCH, "pgd", eps=1 / 255)
    assert (
        one == bench.predict(cell, "pgd@1/255") == bench.predict(cell.ops, "pgd", eps="1/255") == bench.predict(list(cell.ops), "pgd@1/255")
    )
    assert one.level == 0.9
    assert one[:3] == tuple(bench.predict_many([ARCH, cell], "pgd", eps=1 / 255)[1])
    wider = bench.predict(ARCH, "pgd@1/255", level=0.95)
    assert wider.mean == one.mean
    assert wider.low <= one.low <= one.mean <= one.high <= wider.high
    listed = bench.surrogates()
    assert listed["output"].tolist() == ["clean", "pgd@1/255", "pgd@2/255", "pgd@4/255"]
    assert set(listed["split"]) == {"twin, 0.8, seed 0"}
    assert set(listed["version"]) == {Forest.version}
    assert RobBench(fitted).surrogates().equals(listed)


def test_the_narrowest_surrogate_answers(fitted: Path) -> None:
    pytest.importorskip("sklearn")
    alone = fit(RobBench(fitted), "clean", model="forest", features="operations")
    alone.save(fitted)
    bench = RobBench(fitted)
    found = alone.table(bench.measurements)
    np.testing.assert_array_equal(bench.predict_many(bench.architectures, "clean")[:, 0], alone.predict(found.values)[found.row_of, 0])


@pytest.mark.parametrize("model", [Forest, Boosting])
def test_a_seed_that_the_models_library_does_not_take_is_refused(model: type[Forest | Boosting]) -> None:
    pytest.importorskip("sklearn" if model is Forest else "xgboost")
    with pytest.raises(
        InvalidArgument, match=r"seed=18446744073709551616 is not a seed here; expected an integer of at least 0 and below 2\^"
    ):
        model.fit(np.zeros((20, 2)), np.zeros((20, 1)), 1, seed=2**64)


def test_questions_that_no_surrogate_answers(fitted: Path, toy: RobBench) -> None:
    bench = RobBench(fitted)
    with pytest.raises(
        NotMeasured,
        match=r"no surrogate of clean of toy10 \(standard\) is in toy.h5; it holds none at all.*robbench fit .*/toy.h5 --target clean$",
    ):
        toy.predict(ARCH, "clean")
    with pytest.raises(
        NotMeasured,
        match=r"no surrogate of pgd@8/255 of toy10 \(standard\) is in store.h5\. The one of clean[+]pgd predicts pgd from 1/255 to 4/255",
    ):
        bench.predict(ARCH, "pgd@8/255")
    with pytest.raises(NotMeasured, match=r"no surrogate of clean of toy100"):
        bench.predict(ARCH, "clean", dataset="toy100")
    with pytest.raises(InvalidArgument, match=r"predict has no option 'seed'"):
        bench.predict(ARCH, "clean", seed=777)  # type: ignore[call-arg]
    with pytest.raises(InvalidArgument, match=r"a prediction has no seed; leave seed out"):
        bench.oracle("clean", on="surrogate", seed=777)
    with pytest.raises(UnknownArchitecture, match="predict_many takes a sequence of them, and predict takes one"):
        bench.predict_many(ARCH, "clean")
    with pytest.raises(UnknownArchitecture):
        bench.predict("|conv~0|", "clean")
    assert toy.surrogates().empty


def test_a_prediction_from_proxies_needs_a_proxy(toy_store: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    path = tmp_path / "store.h5"
    extend(path, ROWS, [one for one in learnable() if "flops" not in one.name])
    fit(RobBench(path), "clean", model="forest", features="proxies").save(path)
    bench = RobBench(path)
    known = ~np.isnan(bench.query_many(bench.architectures, "synflow", missing="nan"))
    assert bench.predict_many([bench.architectures[row] for row in np.flatnonzero(known)[:9]], "clean").shape == (9, 3)
    unknown = [bench.architectures[row] for row in np.flatnonzero(~known)[:2]]
    with pytest.raises(NotMeasured, match=r"clean is predicted from proxies, and none was measured for .*features='structure'"):
        bench.predict(unknown[0], "clean")
    with pytest.raises(NotMeasured, match="none was measured for"):
        bench.predict_many(unknown, "clean")
    extend(path, ROWS, [one for one in learnable() if "flops" in one.name])
    with pytest.raises(NotMeasured, match=r"was fitted on other features than the store now has: flops"):
        RobBench(path).predict(ARCH, "clean")


def test_a_surrogate_of_the_network_tells_twins_apart_and_answers_for_a_class_as_one(toy: RobBench) -> None:
    surrogate = fit(toy, "clean", model="ridge", features="operations+wiring")
    again, twice = (NB201.parse(Cell(ops)) for ops in TWINS)
    means = surrogate.predict(of_architectures("operations+wiring", toy.measurements, [again, twice], "toy10").values)
    assert NB201.twin_key(again) == NB201.twin_key(twice)
    assert means[0] != means[1]
    found = surrogate.table(toy.measurements)
    assert len(found.values) == CLASSES
    np.testing.assert_array_equal(found.row_of, toy.measurements.lookup.class_of)


TWINS = (
    ["nor_conv_3x3", "none", "none", "nor_conv_3x3", "skip_connect", "none"],
    ["nor_conv_3x3", "none", "skip_connect", "none", "skip_connect", "skip_connect"],
)
"""Twice the 3×3 of the input: computed again, and passed on twice."""


# What a surrogate has seen


@pytest.mark.parametrize("kind", SPLITS)
def test_held_out_architectures_are_no_twins_of_those_that_it_learned_from(kind: str, toy_store: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    path = Path(shutil.copy(toy_store, tmp_path / "store.h5"))
    surrogate = fit(RobBench(path), "clean+pgd", model="forest", features="operations", split=kind)
    surrogate.save(path)
    bench = RobBench(path)
    training, calibration, held_out = bench.split_of("clean+pgd")
    assert calibration is not None
    assert bench.split_of("pgd@2/255") == (training, calibration, held_out)
    assert (len(training), len(calibration)) == tuple(bench.surrogates()[["learned_from", "n"]].iloc[0])
    assert set(training) == {bench.classes[row] for row in surrogate.training_rows}
    measured = ~np.isnan(bench.query_many(bench.classes, "clean", missing="nan"))
    assert sorted(map(str, training + calibration)) == sorted(str(bench.classes[row]) for row in np.flatnonzero(measured))
    means = surrogate.predict(feature_table(bench)[[bench.classes.index(arch) for arch in calibration]])
    np.testing.assert_array_equal(means.astype(np.float32), surrogate.calibration[:, :4])
    twins = {bench.space.twin_key(arch) for arch in training}
    assert list(held_out) == [arch for arch in calibration if bench.space.twin_key(arch) not in twins]
    assert (len(held_out) < len(calibration)) == (kind == "random")


def feature_table(bench: RobBench) -> np.ndarray:
    """Of each class."""
    return of_architectures("operations", bench.measurements, bench.classes, "toy10").values


def test_what_is_measured_after_a_fit_is_held_out_and_calibrates_nothing(fitted: Path) -> None:
    before = RobBench(fitted).split_of("clean")
    new = [arch for arch in RobBench(fitted).classes if arch not in {*before.training, *(before.calibration or ())}]
    later = Surrogates(Measurements(measured_everywhere(fitted), "toy10")).split_of("clean", None, None)
    assert later.training == before.training
    assert later.calibration is None
    twins = {NB201.twin_key(arch) for arch in before.training}
    assert set(later.held_out) == {*before.held_out, *(arch for arch in new if NB201.twin_key(arch) not in twins)}


def measured_everywhere(path: Path) -> Store:
    """The store, as if everything had been measured of every class since."""
    store = Store(path)
    read = store.read
    store.read = lambda name, row=None: np.nan_to_num(read(name, row), nan=0.5)  # type: ignore[method-assign]
    return store


def test_a_split_that_nothing_tells_is_an_error_of_ours(fitted: Path, toy: RobBench) -> None:
    with pytest.raises(NotMeasured, match=r"no surrogate of square@1/255 of toy10.*it holds clean[+]pgd of toy10 \(standard\)"):
        RobBench(fitted).split_of("square@1/255")
    with pytest.raises(NotMeasured, match="no surrogate of clean of toy100"):
        RobBench(fitted).split_of("clean", dataset="toy100")
    with pytest.raises(UnknownMetric, match="pdg"):
        RobBench(fitted).split_of("clean+pdg")
    with Store(fitted) as store:
        kept = store.surrogate("toy10", "standard", "clean+pgd")
    put_surrogate(fitted, kept._replace(training_rows=np.array([0, CLASSES])))
    with pytest.raises(DamagedStore, match=r"the surrogate of clean[+]pgd of toy10 names rows that are not in store.h5"):
        RobBench(fitted).split_of("clean")


def test_only_means_need_no_intervals(fitted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = RobBench(fitted)
    expected = bench.predict_many(bench.architectures[:50], "pgd@1/255")[:, 0]
    monkeypatch.delattr(Surrogate, "interval")
    oracle = RobBench(fitted).oracle("pgd@1/255", on="surrogate")
    assert [oracle(arch) for arch in bench.architectures[:50]] == expected.tolist()


# In the store


def test_a_fresh_process_predicts_bit_identically(fitted: Path) -> None:
    bench = RobBench(fitted)
    code = (
        "import sys; from robbench import RobBench; bench = RobBench(sys.argv[1]);"
        "print(bench.predict_many(bench.architectures, 'pgd@1/255').tobytes().hex()); assert 'sklearn' not in sys.modules"
    )
    found = subprocess.run([sys.executable, "-c", code, str(fitted)], check=True, capture_output=True, text=True).stdout
    assert found.strip() == bench.predict_many(bench.architectures, "pgd@1/255").tobytes().hex()


def test_a_store_that_is_extended_keeps_its_surrogates_and_one_fitted_again_is_replaced(fitted: Path, forest: Surrogate) -> None:
    before, size = RobBench(fitted).predict(ARCH, "clean"), fitted.stat().st_size
    extend(fitted, ROWS, [array("toy1000 standard clean accuracy", np.full(CLASSES, 0.5))])
    assert RobBench(fitted).predict(ARCH, "clean") == before
    forest.save(fitted)
    assert verify(fitted)
    assert len(RobBench(fitted).surrogates()) == 4
    assert abs(fitted.stat().st_size - size) < 100_000
    assert [*fitted.parent.iterdir()] == [fitted]


def test_verify_covers_models(fitted: Path) -> None:
    with tampered(fitted) as file:
        file["surrogates/toy10/standard/clean+pgd/model.value"][0] += 1
    with pytest.raises(DamagedStore, match=r"/surrogates/toy10/standard/clean\+pgd/model.value has changed"):
        verify(fitted)


def test_a_read_only_store_stays_whole(fitted: Path, forest: Surrogate) -> None:
    fitted.chmod(0o444)
    before = fitted.read_bytes()
    with pytest.raises(StoreError, match=r"store.h5 is read-only, so nothing can be put into it; copy it, or make it writable"):
        forest.save(fitted)
    assert fitted.read_bytes() == before
    assert [*fitted.parent.iterdir()] == [fitted]


def test_a_write_that_fails_leaves_the_store_whole(fitted: Path, forest: Surrogate) -> None:
    before = fitted.read_bytes()
    with pytest.raises(TypeError, match="no native HDF5 equivalent"):
        put_surrogate(fitted, forest.fitted()._replace(arrays={"model.bad": np.array([None])}))
    assert fitted.read_bytes() == before


def change(path: Path, **changes: Any) -> None:
    """Another description of the surrogate, as if it had been written so."""
    with tampered(path) as file:
        rows = file["surrogates/toy10/standard/clean+pgd/training_rows"]
        rows.attrs["about"] = json.dumps(json.loads(rows.attrs["about"]) | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "oracle"}, "'oracle' is not a kind of surrogate that this RobBench knows"),
        ({"model_version": 9}, "the surrogate is a forest of version 9; this RobBench evaluates version 1"),
        ({"feature_version": 9}, r"the surrogate of clean\+pgd was fitted on features of version 9; this RobBench computes version 1"),
    ],
)
def test_models_and_features_of_other_versions_are_refused_by_name(fitted: Path, changes: dict[str, Any], message: str) -> None:
    change(fitted, **changes)
    with pytest.raises(NewerFormat, match=message):
        RobBench(fitted).predict(ARCH, "clean")


def test_a_description_of_a_later_version_is_refused_and_not_listed(fitted: Path) -> None:
    change(fitted, colour="red")
    assert RobBench(fitted).surrogates().empty
    with Store(fitted) as store, pytest.raises(NewerFormat, match=r"is described in a way this RobBench does not know.*colour"):
        Surrogate.of(store.surrogate("toy10", "standard", "clean+pgd"))


@pytest.mark.parametrize(
    "changes",
    [
        {"split": "twin"},
        {"split": {"kind": "twin", "train": "most", "seed": 0}},
        {"split": {"kind": "twin"}},
        {"scores": {}},
        {"scores": {"clean": {"r2": "high"}}},
        {"outputs": 3},
        {"outputs": []},
        {"outputs": ["pdg"]},
        {"outputs": ["clean", "pgd@1/255", "pgd@2/255", "pgd@1/255"]},
        {"monotone": [[7]]},
        {"features": None},
        {"feature_names": [1]},
        {"model": ["forest"]},
        {"rows": 0},
    ],
)
def test_a_description_that_is_damaged_is_named_wherever_it_is_read(fitted: Path, changes: dict[str, Any]) -> None:
    change(fitted, **changes)
    ways: list[Callable[[RobBench], Any]] = [
        lambda bench: bench.surrogates(),
        lambda bench: bench.predict(ARCH, "clean"),
        lambda bench: bench.split_of("clean"),
    ]
    for asked in ways:
        with pytest.raises(DamagedStore, match=r"the surrogate of clean\+pgd of toy10 is damaged"):
            asked(RobBench(fitted))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda group: group.pop("model.value"), "the surrogate of clean.pgd of toy10 is damaged: .*value"),
        (lambda group: group.pop("calibration"), "clean.pgd cannot be read"),
        (
            lambda group: (group.pop("model.left"), group.create_dataset("model.left", data=[0])),
            "arrays of the trees' nodes differ in length",
        ),
    ],
)
def test_a_damaged_model_is_named(fitted: Path, spoil: Any, message: str) -> None:
    with tampered(fitted) as file:
        spoil(file["surrogates/toy10/standard/clean+pgd"])
    with pytest.raises(DamagedStore, match=message):
        RobBench(fitted).predict(ARCH, "clean")


def test_networks_that_do_not_fit_together_are_refused(toy: RobBench) -> None:
    surrogate = fit(toy, "clean", model="networks", features="operations")
    arrays = surrogate.fitted().arrays
    spoilt = surrogate.fitted()._replace(arrays=arrays | {"model.weight0": arrays["model.weight0"][:, :-1]})
    with pytest.raises(DamagedStore, match="the layers do not fit together"):
        Surrogate.of(spoilt)


def test_settings_are_those_that_the_selection_chose() -> None:
    text = (Path(__file__).parents[2] / "docs" / "selection.md").read_text(encoding="utf-8")
    chosen: dict[str, dict[str, str]] = {}
    for section in text.split("\n## ")[1:]:
        rows = [[cell.strip() for cell in line.split("|")] for line in section.splitlines() if line.startswith("|")]
        chosen[section.splitlines()[0]] = {row[1]: row[2] for row in rows if row[5] == "yes"}
    networks = {name: str(value) for name, value in SETTINGS._asdict().items() if name != "members"}
    boosting = {name: str(value) for name, value in Boosting.parameters.items() if name != "eta"}
    graph = {name: str(getattr(OF_GRAPHS, name)) for name in ("width", "members")}
    own, wired = (set(kinds.features_of(model, "structure", NB201).split("+")) for model in ("graph", "ensemble"))
    assert chosen.pop("networks") == networks | {"auxiliary": "of every dataset"}
    assert chosen.pop("boosting") == boosting | {"eta, rounds": str((Boosting.parameters["eta"], Boosting.rounds)), "features": "structure"}
    assert chosen.pop("blend") == {"share of networks": str(NETWORKS_SHARE)}
    assert set(chosen["graph"].pop("features").split("+")) == own
    assert chosen.pop("graph") == graph
    assert {*chosen.pop("features of the network")["features"].split("+"), "terms"} == wired
    assert not chosen


def test_the_kinds_are_those_documented() -> None:
    assert set(kinds.KINDS) == set(KINDS)
