"""Surrogates whose features are measured metrics: what is known of all architectures, and how far that goes from few."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from robbench import CannotFit, DamagedStore, InvalidArgument, NotMeasured, RobBench
from robbench.measurements.metrics import parse
from robbench.measurements.question import Question
from robbench.spaces.nb201 import NB201, Cell
from robbench.spaces.nb201.features import paths
from robbench.store.arrays import Array
from robbench.store.rows import Rows
from robbench.store.writing import extend
from robbench.surrogates import Surrogate, fit
from robbench.surrogates.curves import DECIMALS
from robbench.surrogates.features import of_architectures, table
from robbench.surrogates.fitting import gather
from robbench.surrogates.kinds import kind_of
from robbench.surrogates.known import follows
from robbench.surrogates.networks import Networks
from robbench.surrogates.small import Ridge
from tests.synthetic import array

HELD = NB201.members[::37]
ROWS = Rows.of(NB201, HELD)
CLASSES, EXACT = len(ROWS.keys), len(ROWS.exact)
LACKING = 3
"""The class row of which FGSM was not measured."""
FEW = 100
EPS = {"eps": [1 / 255, 2 / 255]}
KNOWN = "operations+clean+fgsm@1/255"


def arrays() -> list[Array]:
    """Clean accuracy of all, FGSM of all but one, PGD of this one and a hundred: it follows FGSM, of which the structure says only a part."""
    rng = np.random.default_rng(0)
    size = np.tanh(paths(list(map(Cell.parse, ROWS.classes))).values[:, 1:13] @ rng.normal(size=12) / 5)
    clean, luck = 0.8 + 0.1 * size, rng.normal(size=CLASSES)
    fgsm = 0.4 + 0.05 * size + 0.05 * luck
    few = [LACKING, *rng.permutation(np.delete(np.arange(CLASSES), LACKING))[:FEW]]
    pgd = np.where(np.isin(np.arange(CLASSES), few), fgsm - 0.1, np.nan)
    fgsm[LACKING] = np.nan
    synflow = np.where(rng.random(EXACT) < 0.9, rng.normal(size=EXACT), np.nan)
    return [
        array("toy10 standard clean accuracy", clean),
        array("toy10 standard fgsm accuracy", np.column_stack([fgsm, fgsm / 2]), EPS),
        array("toy10 standard pgd accuracy", np.column_stack([pgd, pgd / 2]), EPS),
        array("toy10 untrained synflow value", synflow, rows="exact", unit="1"),
        array("toy10 untrained zen value", np.arange(EXACT, dtype=float), rows="exact", unit="1"),
    ]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("known") / "known.h5"
    extend(found, ROWS, arrays())
    return found


@pytest.fixture(scope="module")
def bench(path: Path) -> RobBench:
    return RobBench(path)


@pytest.fixture(scope="module")
def fitted(path: Path) -> RobBench:
    """The store with a surrogate of PGD by what is known of clean and FGSM accuracy."""
    surrogate = fit(RobBench(path), "pgd@1/255", features=KNOWN, model="process", split="folds", train=0.9)
    surrogate.save(copy := Path(shutil.copy(path, path.parent / "fitted.h5")))
    return RobBench(copy)


# Features


@pytest.mark.parametrize(
    ("features", "metrics", "identity"),
    [
        ("paths+clean+fgsm@1/255", ["clean", "fgsm@1/255"], "class"),
        ("clean+fgsm", ["clean", "fgsm@1/255", "fgsm@2/255"], "class"),
        ("paths+hrs-fgsm@2/255", ["hrs-fgsm@2/255"], "class"),
        ("paths+clean+synflow", ["clean", "synflow"], "exact"),
        ("kernel_parameters", ["kernel_parameters"], "exact"),
        ("proxies+synflow", ["synflow"], "exact"),
    ],
)
def test_the_column_of_a_metric_is_what_a_query_answers(features: str, metrics: list[str], identity: str, bench: RobBench) -> None:
    found = table(features, bench.measurements, "toy10")
    assert (found.identity, list(found.needed)) == (identity, metrics)
    assert len(set(found.names)) == len(found.names) == found.values.shape[1]
    for metric in metrics:
        column = found.values[found.row_of, found.names.index(metric)]
        np.testing.assert_array_equal(column, bench.query_many(bench.architectures, metric, missing="nan"))
    lacks = np.isnan([bench.query_many(bench.architectures, metric, missing="nan") for metric in metrics]).any(axis=0)
    np.testing.assert_array_equal(found.is_lacking(found.values)[found.row_of], lacks)
    if "paths" in features:
        np.testing.assert_array_equal(found.values[found.row_of, : found.names.index(metrics[0])], paths(HELD).values)
    if "proxies" not in features:
        alone = of_architectures(features, bench.measurements, HELD, "toy10")
        assert alone.names == found.names
        np.testing.assert_array_equal(alone.values, found.values[found.row_of])


def test_a_metric_is_kept_in_its_canonical_spelling(bench: RobBench) -> None:
    about = fit(bench, "pgd@1/255", features="operations+clean:acc+fgsm@0.00392156862745098", model="ridge", train=0.7).about
    assert about.features == KNOWN
    assert about.feature_names[-2:] == ["clean", "fgsm@1/255"]


def test_what_is_no_feature_suggests_the_nearest(bench: RobBench) -> None:
    with pytest.raises(
        InvalidArgument, match=r"'fsgm@1/255' is not a feature set\. Did you mean 'fgsm'.* Known: operations, .*proxies, and any metric"
    ):
        fit(bench, "pgd@1/255", features="structure+fsgm@1/255", model="ridge")
    with pytest.raises(InvalidArgument, match=r"'structur' is not a feature set\. Did you mean 'structure'\?"):
        fit(bench, "pgd@1/255", features="structur+clean", model="ridge")
    with pytest.raises(InvalidArgument, match="clean is not an attack, so eps=1/255 has no meaning"):
        fit(bench, "pgd@1/255", features="clean@1/255", model="ridge")
    with pytest.raises(NotMeasured, match=r"square \(accuracy\) of toy10 is not in known.h5"):
        fit(bench, "pgd@1/255", features="structure+square@1/255", model="ridge")
    with pytest.raises(NotMeasured, match=r"fgsm on toy10 was not measured at eps 0.0313725 \(= 8/255\)"):
        fit(bench, "pgd@1/255", features="structure+fgsm@8/255", model="ridge")


# Targets


@pytest.mark.parametrize(
    ("target", "features"),
    [
        ("pgd@1/255", "structure+pgd@1/255"),
        ("clean+pgd", "structure+clean"),
        ("pgd@2/255", "pgd"),
        ("pgd@1/255", "structure+hrs-pgd@0.00392156862745"),
        ("clean", "hrs-fgsm@1/255"),
        ("pgd@1/255", "mean_adversarial_measured"),
        ("hrs-pgd@1/255", "clean+pgd@1/255"),
    ],
)
def test_a_target_that_follows_from_the_features_is_refused(target: str, features: str, bench: RobBench) -> None:
    with pytest.raises(
        InvalidArgument, match=r"is the target, and follows from what is known among the features, .*: there would be nothing"
    ):
        fit(bench, target, features=features, model="ridge")


@pytest.mark.parametrize(
    ("target", "features", "other"),
    [
        ("pgd@1/255", "pgd@2/255", None),
        ("hrs-pgd@1/255", "clean", None),
        ("pgd@1/255", "hrs-pgd@2/255", None),
        ("clean", "clean", "toy100"),
    ],
)
def test_what_says_something_of_a_target_does_not_give_it_away(target: str, features: str, other: str | None, bench: RobBench) -> None:
    question = bench.measurements.resolve(Question(parse(target)))
    known = [bench.measurements.column(bench.measurements.resolve(Question(parse(features))))]
    assert not follows(bench.measurements, question._replace(dataset=other or "toy10"), known)


def test_what_is_known_is_no_auxiliary_target(bench: RobBench) -> None:
    assert [str(metric) for _, metric in gather(bench.measurements, "pgd@1/255", "paths").auxiliary] == ["clean", "pgd@2/255"]
    data = gather(bench.measurements, "pgd@1/255", "paths+clean+fgsm@2/255")
    assert [str(metric) for _, metric in data.auxiliary] == ["fgsm@1/255", "pgd@2/255"]
    assert [str(metric) for _, metric in gather(bench.measurements, "pgd@1/255", "paths+hrs-fgsm@1/255").auxiliary] == [
        "fgsm@2/255",
        "pgd@2/255",
    ]
    assert not np.isnan(data.features).any()
    known = ~np.isnan([bench.query_many(bench.classes, metric, missing="nan") for metric in ("pgd@1/255", "clean", "fgsm@2/255")]).any(
        axis=0
    )
    assert data.rows.tolist() == np.flatnonzero(known).tolist()


def test_too_few_that_have_what_is_known_are_an_error_that_names_it(bench: RobBench, tmp_path: Path) -> None:
    measured = arrays()
    measured[1] = measured[1]._replace(values=np.where(np.arange(CLASSES)[:, np.newaxis] < 9, measured[1].values[:], np.nan))
    extend(store := tmp_path / "store.h5", ROWS, measured)
    with pytest.raises(CannotFit, match=r"clean was measured for \d architectures that have fgsm@1/255 and synflow: \d to train on"):
        fit(RobBench(store), "clean", features="fgsm@1/255+synflow", model="ridge")


# Predictions


def test_from_a_hundred_what_is_known_of_all_goes_far(fitted: RobBench, bench: RobBench) -> None:
    scores = fitted.surrogates().iloc[0]
    assert (scores["learned_from"], scores["features"]) == (FEW, KNOWN)
    others = [
        arch for arch, pgd in zip(fitted.classes, fitted.query_many(fitted.classes, "pgd@1/255", missing="nan"), strict=True) if pgd != pgd
    ]
    truth = fitted.query_many(others, "fgsm@1/255") - 0.1
    found = fitted.predict_many(others, "pgd@1/255")
    assert len(others) == CLASSES - FEW - 1
    assert np.abs(found[:, 0] - truth).max() < 0.02
    assert ((found[:, 1] <= found[:, 0]) & (found[:, 0] <= found[:, 2])).all()
    alone = fit(bench, "pgd@1/255", features="operations", model="process", split="folds", train=0.9)
    assert alone.about.scores["pgd@1/255"]["r2"] < 0.5 < 0.95 < scores["r2"]


def test_a_store_predicts_the_same_when_it_is_opened_again(fitted: RobBench) -> None:
    archs = [arch for arch in fitted.classes if arch != fitted.classes[LACKING]]
    found = fitted.predict_many(archs, "pgd@1/255")
    again = RobBench(fitted.path)
    np.testing.assert_array_equal(again.predict_many(archs[::-1], "pgd@1/255")[::-1], found)
    assert again.predict(archs[0], "pgd@1/255")[:3] == tuple(found[0])
    assert len(again.split_of("pgd@1/255").training) == FEW


def test_an_architecture_without_a_known_metric_is_not_predicted(fitted: RobBench) -> None:
    lacking = fitted.classes[LACKING]
    said = (
        r"pgd@1/255 is predicted from clean, fgsm@1/255, of which fgsm@1/255 was not measured for .*features='structure', which needs none"
    )
    with pytest.raises(NotMeasured, match=said):
        fitted.predict(lacking, "pgd@1/255")
    with pytest.raises(NotMeasured, match=said):
        fitted.predict_many([fitted.classes[0], lacking], "pgd@1/255")
    oracle = fitted.oracle("pgd@1/255", on="surrogate", missing="nan")
    assert np.isnan(oracle(lacking))
    assert oracle(fitted.classes[0]) == fitted.predict(fitted.classes[0], "pgd@1/255").mean


def test_between_levels_what_is_lacking_is_lacking(path: Path, tmp_path: Path) -> None:
    store = Path(shutil.copy(path, tmp_path / "store.h5"))
    fit(RobBench(store), "pgd", features=KNOWN, model="ridge", split="folds").save(store)
    bench = RobBench(store)
    ends = [bench.predict(bench.classes[0], f"pgd@{level}/255").mean for level in (1, 2)]
    assert ends[1] < bench.predict(bench.classes[0], "pgd@1.5/255").mean < ends[0]
    with pytest.raises(NotMeasured, match=r"pgd@1.5/255 is predicted from clean, fgsm@1/255, of which fgsm@1/255 was not measured for"):
        bench.predict(bench.classes[LACKING], "pgd@1.5/255")


def test_an_architecture_that_the_store_does_not_hold_is_as_well_known_as_its_class(fitted: RobBench) -> None:
    held = {NB201.key(arch): arch for arch in fitted.classes}
    unheld = [arch for arch in NB201.members if arch not in set(HELD)]
    relabelled = next(arch for arch in unheld if NB201.key(arch) in held)
    unknown = next(arch for arch in unheld if NB201.key(arch) not in held)
    np.testing.assert_array_equal(fitted.predict(relabelled, "pgd@1/255")[:3], fitted.predict(held[NB201.key(relabelled)], "pgd@1/255")[:3])
    for ask in (fitted.predict, lambda arch, metric: fitted.predict_many([relabelled, arch], metric)):
        with pytest.raises(NotMeasured, match="from clean, fgsm@1/255, of which clean, fgsm@1/255 was not measured for"):
            ask(unknown, "pgd@1/255")


def test_what_follows_from_the_structure_is_known_of_any_architecture(path: Path, tmp_path: Path) -> None:
    store = Path(shutil.copy(path, tmp_path / "store.h5"))
    surrogate = fit(RobBench(store), "clean", features="operations+kernel_parameters", model="ridge")
    surrogate.save(store)
    unheld = next(arch for arch in NB201.members if NB201.key(arch) not in ROWS.class_row)
    values = np.append(of_architectures("operations", RobBench(store).measurements, [unheld], "toy10").values, unheld.kernel_parameters)
    assert RobBench(store).predict(unheld, "clean").mean == surrogate.predict(values[np.newaxis])[0, 0]


# What a linear function of known accuracies leaves


@pytest.mark.parametrize(
    ("kind", "library"), [("forest", "sklearn"), ("boosting", "xgboost"), ("networks", "threadpoolctl"), ("small", "sklearn")]
)
def test_a_kind_learns_what_a_linear_function_of_known_accuracies_leaves(
    kind: str, library: str, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(library)
    monkeypatch.setattr(Networks, "settings", Networks.settings._replace(members=2, epochs=1, fewest_steps=100))
    store = Path(shutil.copy(path, tmp_path / "store.h5"))
    surrogate = fit(RobBench(store), "pgd@1/255", features=KNOWN, model=kind, train=0.7, seed=2)
    bench = RobBench(store)
    data = gather(bench.measurements, "pgd@1/255", KNOWN)
    learned = np.isin(data.rows, surrogate.training_rows)
    known, targets = data.features[learned, -2:], data.targets[learned]
    linear = Ridge.fit(known, targets, targets.shape[1], 0)
    rest = kind_of(kind).fit(data.features[learned], targets - linear.predict(known), 1, 2)
    expected = linear.predict(data.features[:, -2:])[:, :1] + rest.predict(data.features)
    np.testing.assert_array_equal(surrogate.predict(data.features), expected.clip(0, 1).round(DECIMALS))
    surrogate.save(store)
    archs = [bench.classes[row] for row in data.rows]
    np.testing.assert_array_equal(RobBench(store).predict_many(archs, "pgd@1/255")[:, 0], expected[:, 0].clip(0, 1).round(DECIMALS))
    assert surrogate.about.scores["pgd@1/255"]["r2"] > 0.9


@pytest.mark.parametrize(
    ("model", "features"), [("process", KNOWN), ("ridge", KNOWN), ("networks", "operations"), ("networks", "operations+synflow")]
)
def test_a_kind_that_is_linear_itself_or_knows_no_accuracy_learns_as_ever(
    model: str, features: str, bench: RobBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Networks, "settings", Networks.settings._replace(members=2, epochs=1, fewest_steps=10))
    assert isinstance(fit(bench, "pgd@1/255", features=features, model=model, train=0.7).model, kind_of(model))


@pytest.mark.parametrize("known", [np.array([0]), np.array([4, 99]), np.array([0.5, 1.0])])
def test_a_linear_function_that_does_not_fit_is_damage(known: np.ndarray, bench: RobBench) -> None:
    pytest.importorskip("sklearn")
    kept = fit(bench, "pgd@1/255", features=KNOWN, model="forest", train=0.7).fitted()
    with pytest.raises(DamagedStore, match="the linear function of known accuracies does not fit to the features and outputs"):
        Surrogate.of(kept._replace(arrays=kept.arrays | {"model.known": known}))
