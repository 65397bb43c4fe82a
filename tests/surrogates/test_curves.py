"""Levels between those that a surrogate learned, and worst cases below the attacks that they are of."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from robbench import InvalidArgument, LevelNotMeasured, NotMeasured, RobBench
from robbench.cli import main
from robbench.measurements.metrics import parse
from robbench.spaces.nb201 import NB201
from robbench.store.arrays import Array
from robbench.store.rows import Rows
from robbench.store.writing import extend
from robbench.surrogates import Surrogate, fit, predictions
from robbench.surrogates.conformal import half_widths
from robbench.surrogates.curves import DECIMALS, falling, reading_of
from tests.synthetic import IMAGES, array

ROWS = Rows.of(NB201, NB201.members[::31])
CLASSES = len(ROWS.keys)
LEVELS = [1 / 255, 2 / 255, 4 / 255, 8 / 255]
ATTACKS = ("pgd", "apgd-ce")
OUTSIDE = NB201.members[1:311:31]
"""Architectures that the store does not hold."""
OUTPUTS = ["clean", *(f"{name}@{grey}/255" for name in (*ATTACKS, "worst_case") for grey in (1, 2, 4, 8))]
MONOTONE = [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], *([attack + level, 9 + level] for level in range(4) for attack in (1, 5))]
fractions = st.integers(0, 1000).map(lambda seed: np.random.default_rng(seed).random((8, len(OUTPUTS))).round(1 + seed % 2 * 6))
"""Of every other seed, many are equal, and some 0 or 1."""
inside = st.floats(LEVELS[0], LEVELS[-1])


def measured() -> list[Array]:
    """Accuracies that depend on the number of convolutions, with noise; and image by image."""
    rng = np.random.default_rng(0)
    strength = np.array([NB201.parse(spec).kernel_parameters for spec in ROWS.classes], float)
    found = [array("toy10 standard clean accuracy", 0.5 + strength / 200)]
    for name in ATTACKS:
        broken_at = rng.integers(0, 5, (CLASSES, 1, IMAGES)) + (strength > 20)[:, np.newaxis, np.newaxis]
        standing = np.arange(4)[np.newaxis, :, np.newaxis] < broken_at
        found.append(array(f"toy10 standard {name} accuracy", standing.mean(axis=2), {"eps": LEVELS}))
        found.append(array(f"toy10 standard {name} outcomes", np.packbits(standing, axis=-1), {"eps": LEVELS, "image": []}, unit="bit"))
    return found


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("curves") / "store.h5"
    extend(path, ROWS, measured())
    fit(RobBench(path), ["clean", *ATTACKS, "worst_case"], model="ridge", features="operations").save(path)
    return path


@pytest.fixture(scope="module")
def bench(store: Path) -> RobBench:
    return RobBench(store)


@pytest.fixture(scope="module")
def surrogate(bench: RobBench) -> Surrogate:
    return Surrogate.of(bench.measurements.store.surrogate(*bench.measurements.store.surrogates()[0]))


# Falling along curves


@given(fractions)
def test_curves_apart_fall_by_the_middle_of_running_extremes(values: np.ndarray) -> None:
    expected = values.copy()
    for curve in MONOTONE[:2]:
        low = np.minimum.accumulate(values[:, curve], axis=1)
        high = np.maximum.accumulate(values[:, curve][:, ::-1], axis=1)[:, ::-1]
        expected[:, curve] = (low + high) / 2
    np.testing.assert_array_equal(falling(values, MONOTONE[:2]), expected)


@given(fractions)
def test_curves_that_share_outputs_all_fall_and_what_falls_stays(values: np.ndarray) -> None:
    found = falling(values, MONOTONE)
    for curve in MONOTONE:
        assert (np.diff(found[:, curve], axis=1) <= 0).all()
    np.testing.assert_array_equal(falling(found, MONOTONE), found)
    np.testing.assert_array_equal(found[:, 0], values[:, 0])


# Reading


@settings(max_examples=30)
@given(fractions, inside, inside)
def test_between_levels_a_number_falls_and_a_worst_case_is_below_its_attacks(values: np.ndarray, one: float, other: float) -> None:
    outputs = np.round(falling(values, MONOTONE), DECIMALS)
    low, high = sorted((one, other))
    at = {}
    for name in (*ATTACKS, "worst_case"):
        at[name] = [read(outputs, name, level) for level in (low, high)]
        assert (np.diff(at[name], axis=0) <= 0).all()
    for name in ATTACKS:
        assert (np.array(at["worst_case"]) <= np.array(at[name])).all()


@pytest.mark.parametrize("index", range(1, len(OUTPUTS)))
def test_at_the_levels_of_outputs_a_number_is_the_output(index: int) -> None:
    metric, outputs = parse(OUTPUTS[index]), np.random.default_rng(0).random((3, len(OUTPUTS)))
    assert metric.level is not None
    for level in (metric.level, metric.level * (1 + 1e-7)):
        reading = reading_of(OUTPUTS, MONOTONE, metric._replace(level=level))
        assert reading is not None
        assert (reading.output, reading.between, reading.metric) == (index, None, metric)
        np.testing.assert_array_equal(reading.of(outputs), outputs[:, index])


def test_what_falls_to_0_at_the_level_above_may_have_fallen_anywhere_below() -> None:
    reading = reading_of(["pgd@1/255", "pgd@2/255", "pgd@4/255"], [[0, 1, 2]], parse("pgd@3/255"))
    assert reading is not None
    predicted = np.array([[0.9, 0.4, 0.01], [0.9, 0.4, 0.01], [0.9, 0.01, 0.0]])
    measured = np.array([[0.9, 0.4, 0.02], [0.9, 0.4, 0.0], [0.9, 0.4, 0.0]])
    expected, found = reading.of(predicted), reading.of(measured)
    missed = reading.missed(predicted, measured)
    assert missed[0] == found[0] - expected[0]  # one image in fifty withstands the level above
    assert missed[1] == -expected[1]  # none does: 0 is possible at the level itself, too
    assert missed[2] == found[2] - expected[2] > expected[2]  # the prediction is nearer to 0 than to what is interpolated


def test_only_attacks_that_are_above_at_both_levels_bound_a_worst_case() -> None:
    outputs = ["pgd@1/255", "pgd@8/255", "worst_case@1/255", "worst_case@4/255", "worst_case@8/255", "fgsm@1/255", "fgsm@4/255"]
    reading = reading_of(outputs, [[0, 2], [1, 4], [5, 2], [6, 3]], parse("worst_case@2.25/255"))
    assert reading is not None
    assert [curve.outputs for curve in reading.above] == [(5, 6)]
    values = np.array([[0.9, 0.8, 0.5, 0.5, 0.5, 0.5, 0.5], [0.9, 0.8, 0.5, 0.5, 0.5, 0.5, 0.2]])
    assert reading.of(values) == pytest.approx([0.5, 1 / 3], abs=1e-3)  # odds of 1 to 1 and 1 to 4, and 1.5² is half way from 1 to 2²


def read(outputs: np.ndarray, name: str, level: float) -> np.ndarray:
    reading = reading_of(OUTPUTS, MONOTONE, parse(name, eps=level))
    assert reading is not None
    return reading.of(outputs)


# Asking


@pytest.mark.parametrize("metric", ["pgd@1.5/255", "apgd-ce@7/255", "worst_case@1.5/255", "worst_case@7/255"])
def test_a_curve_is_interpolated_as_measurements_are(metric: str, bench: RobBench) -> None:
    outputs = np.stack([bench.query_many(bench.classes, output) for output in OUTPUTS], axis=1)
    reading = reading_of(OUTPUTS, MONOTONE, parse(metric))
    assert reading is not None
    np.testing.assert_allclose(
        reading.of(outputs), bench.query_many(bench.classes, metric, interpolate=True), rtol=0, atol=0.51 * 10**-DECIMALS
    )


def test_a_fit_knows_what_falls(surrogate: Surrogate) -> None:
    assert surrogate.about.outputs == OUTPUTS
    assert sorted(surrogate.about.monotone) == sorted(MONOTONE)


def test_every_architecture_is_predicted_at_every_level(bench: RobBench) -> None:
    archs = [*bench.classes, *OUTSIDE]
    before = dict.fromkeys((*ATTACKS, "worst_case"), np.ones(len(archs)))
    for grey in (1, 1.1, 1.5, 2, 2.000001, 2.1, 3.3, 4, 5, 7.9, 8):
        found = {name: bench.predict_many(archs, name, eps=grey / 255) for name in before}
        for name, values in found.items():
            assert (values[:, 0] <= before[name]).all()
            assert ((values[:, 1] >= 0) & (values[:, 1] <= values[:, 0]) & (values[:, 0] <= values[:, 2]) & (values[:, 2] <= 1)).all()
            before[name] = values[:, 0]
        assert (before["worst_case"] <= np.minimum(before["pgd"], before["apgd-ce"])).all()


def test_all_ways_of_asking_agree(bench: RobBench, store: Path) -> None:
    arch, outside = str(bench.classes[3]), str(OUTSIDE[3])
    expected = bench.predict_many([arch, outside], "pgd@3/255")
    for text, row in ((arch, 0), (outside, 1)):
        found = bench.predict(text, "pgd", eps=3 / 255)
        assert found[:3] == tuple(expected[row])
        assert found.between == (2 / 255, 4 / 255)
    assert bench.predict(arch, "pgd@2/255").between is None
    for interpolate in (False, True):
        assert bench.oracle("pgd@3/255", on="surrogate", interpolate=interpolate)(arch) == expected[0, 0]
    assert bench.split_of("pgd@3/255") == bench.split_of("pgd@2/255") == bench.split_of(["clean", *ATTACKS, "worst_case"])
    shown = CliRunner().invoke(main, ["predict", arch, "pgd@3/255", "--store", str(store)]).output
    assert shown.startswith(f"{expected[0, 0]:g}, 90% of measurements from ")
    assert shown.endswith("(predicted between 2/255 and 4/255)\n")
    answer = json.loads(CliRunner().invoke(main, ["predict", arch, "pgd@3/255", "--store", str(store), "--json"]).output)
    assert answer["between"] == [2 / 255, 4 / 255]


def test_an_interval_between_levels_is_of_the_interpolated_curves_of_the_calibrating_architectures(
    bench: RobBench, surrogate: Surrogate
) -> None:
    mean, low, high = bench.predict_many(bench.classes, "apgd-ce", eps=3 / 255).T
    means, errors = np.split(surrogate.calibration.astype(float), 2, axis=1)
    predicted = read(means, "apgd-ce", 3 / 255)
    half = half_widths(predicted, read(means + errors, "apgd-ce", 3 / 255) - predicted, mean, 0.9)
    np.testing.assert_allclose(low, (mean - half).clip(0, 1), rtol=0, atol=1e-6)
    np.testing.assert_allclose(high, (mean + half).clip(0, 1), rtol=0, atol=1e-6)


def test_predictions_of_many_levels_do_not_fill_the_memory(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "MOST_KEPT", 10)
    bench = RobBench(store)
    arch = bench.classes[0]
    found = [bench.predict(arch, "pgd", eps=grey / 255) for grey in np.linspace(1, 8, 12)]
    assert len(bench._surrogates.asked) <= 10
    assert [bench.predict(arch, "pgd", eps=grey / 255) for grey in np.linspace(1, 8, 12)] == found


@pytest.mark.parametrize(
    "target",
    [
        "pgd",
        "worst_case",
        "clean+pgd",
        "pgd+clean",
        ["apgd-ce", "pgd@2/255"],
        "pgd@3/255+worst_case@1.1/255",
        "clean+pgd+apgd-ce+worst_case",
    ],
)
def test_curves_and_several_metrics_are_named_as_in_a_fit(bench: RobBench, target: str | list[str]) -> None:
    assert bench.split_of(target) == bench.split_of("clean")


def test_the_split_is_of_the_narrowest_surrogate_that_learned_all_that_is_named(store: Path, tmp_path: Path) -> None:
    path = tmp_path / "store.h5"
    shutil.copy(store, path)
    for target, seed in (("pgd@2/255", 1), ("pgd", 2), ("pgd+clean", 3), ("apgd-ce@1/255+apgd-ce@2/255", 4)):
        fit(RobBench(path), target, model="ridge", features="operations", seed=seed).save(path)
    bench = RobBench(path)
    of = {str(target): bench.split_of(target).training for target in ("pgd@2/255", "pgd", "pgd+clean", "clean+pgd", "pgd@1/255", "apgd-ce")}
    assert of["pgd@1/255"] == of["pgd"], "its curve is narrower than what learned more"
    assert of["clean+pgd"] == of["pgd+clean"], "in any order"
    assert of["apgd-ce"] == bench.split_of("clean+pgd+apgd-ce+worst_case").training, "two of its levels are not its curve"
    assert len({of["pgd@2/255"], of["pgd"], of["pgd+clean"], of["apgd-ce"]}) == 4
    asked = {"pgd@2/255": "pgd@2/255", "pgd@1/255": "pgd", "pgd@3/255": "pgd", "clean": "pgd+clean"}
    for metric, target in asked.items():
        (kept,) = (key for key in bench.measurements.store.surrogates() if key[2] == target)
        table = RobBench(store).measurements
        alone = Surrogate.of(bench.measurements.store.surrogate(*kept))
        assert bench.split_of(metric).training == tuple(table.lookup.classes[row] for row in alone.training_rows)


def test_what_no_surrogate_learned_together_has_no_split_and_a_part_of_a_curve_is_not_the_curve(tmp_path: Path) -> None:
    path = tmp_path / "store.h5"
    extend(path, ROWS, measured())
    for target in ("pgd@1/255+pgd@2/255", "clean"):
        fit(RobBench(path), target, model="ridge", features="operations").save(path)
    with pytest.raises(
        LevelNotMeasured,
        match=r"no surrogate of pgd of toy10 \(standard\) is in store\.h5\. The one of .*from 1/255 to 2/255.* --target pgd$",
    ):
        RobBench(path).split_of("pgd")
    with pytest.raises(NotMeasured, match=r"no surrogate of clean\+pgd@1/255 of .* robbench fit .*/store\.h5 --target clean\+pgd@1/255$"):
        RobBench(path).split_of(["clean", "pgd@1/255"])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"eps": 9 / 255},
            LevelNotMeasured,
            r"no surrogate of pgd@9/255 of toy10 \(standard\) is in store.h5\. The one of clean\+pgd\+apgd-ce\+worst_case predicts pgd from 1/255 to"
            r" 8/255, at any level in between\. pgd was measured at no level beyond\.$",
        ),
        ({"eps": 0}, LevelNotMeasured, r"predicts pgd from 1/255 to 8/255"),
        ({"eps": "0.9/255"}, LevelNotMeasured, r"predicts pgd from 1/255 to 8/255"),
        ({}, LevelNotMeasured, r"no surrogate of pgd of toy10 .*pgd needs a level: eps=…\. The one of .* predicts pgd from 1/255 to 8/255"),
        ({"eps": -1 / 255}, InvalidArgument, r"is not a distance; expected a number in \[0, 1\]"),
        ({"eps": float("nan")}, InvalidArgument, r"eps=nan is not a distance"),
        (
            {"eps": 1.5 / 255, "dataset": "toy100"},
            NotMeasured,
            r"no surrogate of pgd@1.5/255 of toy100 \(standard\) is in store.h5; it holds",
        ),
        (
            {"eps": 1.5 / 255, "training": "pgd-8/255"},
            NotMeasured,
            r"no surrogate of pgd@1.5/255 of toy10 \(pgd-8/255\) is in store.h5; it holds",
        ),
    ],
)
def test_levels_that_are_not_predicted_say_which_are(
    bench: RobBench, options: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        bench.predict(bench.classes[0], "pgd", **options)  # type: ignore[arg-type]


def test_a_surrogate_of_one_level_says_how_to_fit_the_curve_and_answers_where_it_is_narrower(store: Path, tmp_path: Path) -> None:
    path, alone = tmp_path / "both.h5", tmp_path / "alone.h5"
    extend(alone, ROWS, measured())
    one = fit(RobBench(alone), "pgd@2/255", model="ridge", features="paths")
    one.save(alone)
    with pytest.raises(
        LevelNotMeasured, match=r"The one of pgd@2/255 predicts pgd at 2/255 alone\. .*robbench fit /.*/alone.h5 --target pgd$"
    ):
        RobBench(alone).predict(ROWS.classes[0], "pgd@3/255")
    shutil.copy(store, path)
    one.save(path)
    assert RobBench(path).predict(ROWS.classes[0], "pgd@2/255") == RobBench(alone).predict(ROWS.classes[0], "pgd@2/255")
    assert RobBench(path).predict(ROWS.classes[0], "pgd@3/255") == RobBench(store).predict(ROWS.classes[0], "pgd@3/255")


# Worst cases as targets


def test_a_worst_case_is_fitted_at_a_level_and_as_a_curve_of_the_levels_of_all_attacks(tmp_path: Path) -> None:
    path = tmp_path / "store.h5"
    fgsm = array("toy10 standard fgsm outcomes", np.asarray(measured()[2].values)[:, 1:3], {"eps": LEVELS[1:3], "image": []}, unit="bit")
    accuracy = array("toy10 standard fgsm accuracy", np.asarray(measured()[1].values)[:, 1:3], {"eps": LEVELS[1:3]})
    extend(path, ROWS, [*measured(), fgsm, accuracy])
    bench = RobBench(path)
    curve = fit(bench, "worst_case", model="ridge", features="operations")
    assert curve.about.outputs == ["worst_case@2/255", "worst_case@4/255"]
    assert curve.about.monotone == [[0, 1]]
    run = CliRunner().invoke(main, ["fit", str(path), "--target", "worst_case@1/255", "--model", "ridge", "--features", "operations"])
    assert run.output.startswith("worst_case@1/255: R² "), run.output
    harmonic = fit(bench, "hrs-fgsm", model="ridge", features="operations")
    assert harmonic.about.outputs == ["hrs-fgsm@2/255", "hrs-fgsm@4/255"]


def test_attacks_without_a_common_level_have_no_curve_of_worst_cases(tmp_path: Path) -> None:
    path = tmp_path / "store.h5"
    other = np.asarray(measured()[4].values)
    extend(
        path,
        ROWS,
        [*measured()[:3], array("toy10 standard apgd-ce outcomes", other[:, :1], {"eps": [3 / 255], "image": []}, unit="bit")],
    )
    with pytest.raises(
        LevelNotMeasured, match=r"worst_case on toy10 has no curve: pgd, apgd-ce have no level in common.*such as worst_case@1/255"
    ):
        fit(RobBench(path), "worst_case", model="ridge")
    fit(RobBench(path), "worst_case@1/255", model="ridge", features="operations").save(path)
    with pytest.raises(LevelNotMeasured, match=r"The one of worst_case@1/255 predicts worst_case at 1/255 alone\."):
        RobBench(path).predict(ROWS.classes[0], "worst_case@2/255")
