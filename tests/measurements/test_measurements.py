"""Measurements and the metrics derived from them, against the arrays that the store was made of."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robbench import InvalidArgument, LevelNotMeasured, NotMeasured
from robbench.measurements.columns import Column, Columns
from robbench.measurements.levels import between
from robbench.measurements.measurements import Measurements
from robbench.measurements.metrics import TABLE, parse
from robbench.measurements.question import Question
from robbench.spaces.nb201 import NB201
from robbench.store import Store
from robbench.store.arrays import Array, Name
from robbench.store.writing import extend
from tests.synthetic import CLASSES, FGSM_EPS, FGSM_STANDING, IMAGES, PGD_EPS, PGD_STANDING, ROWS, SEEDS, UNMEASURED, array

MEASURED = np.arange(CLASSES) != UNMEASURED
RELATIVE = 1e-12


@pytest.fixture(scope="module")
def columns(small_store: Path) -> Iterator[Measurements]:
    with Store(small_store) as store:
        yield Measurements(store, "toy10")


@pytest.fixture(scope="module")
def held(synthetic_arrays: list[Array]) -> dict[str, np.ndarray]:
    return {str(array.name): array.values[:] for array in synthetic_arrays}


def ask(columns: Measurements, text: str, **options: Any) -> Column:
    return columns.column(Question(parse(text), **options))


# Measured


def test_a_column_is_the_array_at_its_level(columns: Measurements, held: dict[str, np.ndarray]) -> None:
    for level, eps in enumerate(PGD_EPS):
        column = ask(columns, f"pgd@{eps!r}")
        np.testing.assert_array_equal(column.values, held["toy10/standard/pgd/accuracy"][:, level])
        assert (column.how, column.rows, column.parts) == ("measured", "class", (Name("toy10", "standard", "pgd", "accuracy"),))
        assert column.question == Question(parse(f"pgd@{eps!r}"), "toy10", "standard")
    for severity in range(1, 6):
        np.testing.assert_array_equal(ask(columns, f"fog@{severity}").values, held["toy10/standard/fog/accuracy"][:, severity - 1])


def test_a_proxy_is_a_column_of_cells(columns: Measurements, held: dict[str, np.ndarray]) -> None:
    column = ask(columns, "synflow")
    assert column.rows == "exact"
    np.testing.assert_array_equal(column.values, held["toy10/untrained/synflow/value"])


def test_an_array_is_read_once(columns: Measurements) -> None:
    name = Name("toy10", "standard", "pgd", "accuracy")
    measured = Columns(columns.store)
    assert measured.array(name) is measured.array(name)


@pytest.mark.parametrize(
    ("text", "options", "error", "message"),
    [
        ("pgd", {}, LevelNotMeasured, r"pgd on toy10 needs a level: eps=…\. Measured: 0\.5/255, 1/255, 2/255, 8/255\."),
        ("fog", {}, LevelNotMeasured, r"fog on toy10 needs a level: severity=…\. Measured: 1, 2, 3, 4, 5\."),
        (
            "pgd@1",
            {},
            LevelNotMeasured,
            r"pgd on toy10 was not measured at eps 1 \(= 255/255\)\. Images are in \[0, 1\], so one grey level is eps=1/255\. Measured: 0\.5/",
        ),
        ("pgd@0.0039", {}, LevelNotMeasured, r"not measured at eps 0\.0039 \(= 0\.9945/255\)"),
        ("hrs-pgd", {}, LevelNotMeasured, "pgd on toy10 needs a level: eps=…"),
        ("hrs-fgsm@8/255", {}, LevelNotMeasured, r"fgsm on toy10 was not measured at eps .* \(= 8/255\)"),
        ("worst_case", {}, LevelNotMeasured, r"worst_case on toy10 needs a level: eps=…\. Measured: 0\.5/255, 1/255, 2/255, 8/255\."),
        ("worst_case@4/255", {}, LevelNotMeasured, r"worst_case on toy10 was not measured at eps .* \(= 4/255\)"),
        (
            "square@1/255",
            {},
            NotMeasured,
            r"square \(accuracy\) of toy10 was not measured under standard; it was under pgd-8/255: training='pgd-8",
        ),
        ("apgd-ce@1/255", {}, NotMeasured, r"apgd-ce \(accuracy\) of toy10 is not in small\.h5; `metrics\(\)` lists what is"),
        ("clean:confidence_label", {}, NotMeasured, r"clean \(confidence_label\) of toy10 is not in"),
        ("hrs-square@1/255", {"dataset": "toy100"}, NotMeasured, r"hrs-square \(accuracy\) of toy100 is not in"),
        ("worst_case@1/255", {"dataset": "toy100"}, NotMeasured, r"worst_case \(accuracy\) of toy100 is not in"),
        ("mean_corruption", {"dataset": "toy100"}, NotMeasured, r"mean_corruption \(accuracy\) of toy100 is not in"),
        (
            "clean",
            {"dataset": "toy11"},
            NotMeasured,
            r"dataset 'toy11' is not in small\.h5\. Did you mean 'toy10'.*It holds toy/odd%, toy10, toy100\.",
        ),
        ("clean", {"dataset": 10}, InvalidArgument, r"dataset=10 is a int; expected a name, such as"),
        ("clean", {"training": "standart"}, NotMeasured, r"training 'standart' is not in .*Did you mean 'standard'"),
        ("clean", {"training": 8}, InvalidArgument, "training=8 is a int; expected a name"),
        (
            "fog@3",
            {"training": "pgd-8/255"},
            NotMeasured,
            r"fog \(accuracy\) of toy10 was not measured under pgd-8/255; it was under standard",
        ),
        (
            "clean:confusion",
            {},
            InvalidArgument,
            r"clean:confusion is an array for each architecture, not a number; ask for one architecture with q",
        ),
        ("pgd@1/255:outcomes", {}, InvalidArgument, "pgd@1/255:outcomes is an array for each architecture"),
        ("clean", {"seed": 777}, NotMeasured, "clean is stored without seeds; leave seed=777 out"),
        ("clean", {"training": "pgd-8/255", "seed": 778}, NotMeasured, "clean was not measured with seed 778; measured: 777, 888, 999"),
        ("clean", {"training": "pgd-8/255", "seed": "777"}, NotMeasured, "clean was not measured with seed '777'; measured: 777"),
        (
            "clean",
            {"training": "pgd-8/255", "seed": np.array([777, 888])},
            NotMeasured,
            r"was not measured with seed array\(\[777, 888\]\)",
        ),
    ],
)
def test_what_the_store_does_not_hold_is_refused_with_what_it_does(
    columns: Measurements, text: str, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ask(columns, text, **options)


# Training and seeds


def test_standard_training_is_meant_where_the_dataset_has_it_and_else_the_only_one(columns: Measurements) -> None:
    assert ask(columns, "clean").question.training == "standard"
    assert ask(columns, "synflow").question.training == "untrained"
    assert ask(columns, "clean", dataset="toy/odd%").question.training == "pgd-8/255"
    assert ask(columns, "square@1/255", training="pgd-8/255").question.training == "pgd-8/255"


def test_of_two_trainings_neither_of_which_is_standard_one_must_be_named(tmp_path: Path) -> None:
    extend(tmp_path / "s.h5", ROWS, [array(f"toy {training} clean accuracy", np.full(CLASSES, 0.5)) for training in ("fgsm-at", "pgd-at")])
    with Store(tmp_path / "s.h5") as store:
        columns = Measurements(store, "toy")
        with pytest.raises(NotMeasured, match="was measured under fgsm-at, pgd-at; name one: training='fgsm-at', for example"):
            ask(columns, "clean")
        assert ask(columns, "clean", training="pgd-at").values[0] == 0.5


def test_seeds_are_averaged_over_those_measured_unless_one_is_named(columns: Measurements, held: dict[str, np.ndarray]) -> None:
    values = held["toy10/pgd-8/255/clean/accuracy"]
    mean = ask(columns, "clean", training="pgd-8/255").values
    for row in (0, 1, CLASSES - 1):
        assert mean[row] == pytest.approx(sum(values[row]) / 3, rel=RELATIVE)
    assert mean[10] == pytest.approx((values[10, 0] + values[10, 2]) / 2, rel=RELATIVE)
    assert np.isnan(mean[11])
    assert np.isnan(mean).sum() == 1
    for number, seed in enumerate(SEEDS):
        np.testing.assert_array_equal(ask(columns, "clean", training="pgd-8/255", seed=seed).values, values[:, number])


def test_levels_come_before_seeds(columns: Measurements, held: dict[str, np.ndarray]) -> None:
    values = held["toy10/pgd-8/255/pgd/accuracy"]
    np.testing.assert_array_equal(ask(columns, "pgd@2/255", training="pgd-8/255", seed=888).values, values[:, 1, 1])
    np.testing.assert_allclose(ask(columns, "pgd@2/255", training="pgd-8/255").values, values[:, 1].mean(axis=1), rtol=RELATIVE)


@pytest.mark.parametrize("options", [{}, {"seed": 2}, {"interpolate": True}])
def test_the_order_of_axes_does_not_matter(tmp_path: Path, options: dict[str, Any]) -> None:
    values = np.random.default_rng(0).random((CLASSES, 3, 2))
    eps, seed = {"eps": [1 / 255, 2 / 255, 3 / 255]}, {"seed": [1, 2]}
    first = array("toy one pgd accuracy", values, {**eps, **seed})
    second = array("toy two pgd accuracy", values.swapaxes(1, 2), {**seed, **eps})
    extend(tmp_path / "s.h5", ROWS, [first, second])
    level = "pgd@1.5/255" if "interpolate" in options else "pgd@2/255"
    with Store(tmp_path / "s.h5") as store:
        columns = Measurements(store, "toy")
        one, other = (ask(columns, level, training=training, **options).values for training in ("one", "two"))
    np.testing.assert_array_equal(one, other)


def test_one_seed_is_not_averaged(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((CLASSES, 1))
    extend(tmp_path / "s.h5", ROWS, [array("toy one clean accuracy", values, {"seed": [7]})])
    with Store(tmp_path / "s.h5") as store:
        np.testing.assert_array_equal(ask(Measurements(store, "toy"), "clean").values, values[:, 0])


# Interpolated


def test_at_a_measured_level_interpolation_is_the_measurement(columns: Measurements) -> None:
    for eps in PGD_EPS:
        plain, asked = ask(columns, f"pgd@{eps!r}"), ask(columns, f"pgd@{eps!r}", interpolate=True)
        assert asked.how == "measured"
        np.testing.assert_array_equal(asked.values, plain.values)


@settings(max_examples=20)
@given(st.floats(PGD_EPS[0], PGD_EPS[-1]), st.floats(PGD_EPS[0], PGD_EPS[-1]))
def test_interpolation_is_monotone_where_the_measurements_are(columns: Measurements, one: float, other: float) -> None:
    """Accuracy never rises with eps here, so no interpolated value leaves the two measured ones around it either."""
    low, high = sorted((one, other))
    at_low, at_high = (ask(columns, f"pgd@{eps!r}", interpolate=True).values[MEASURED] for eps in (low, high))
    assert (at_low >= at_high - 1e-12).all()
    below = max(level for level in PGD_EPS if level <= low)
    above = min(level for level in PGD_EPS if level >= low)
    assert (at_low <= ask(columns, f"pgd@{below!r}").values[MEASURED] + 1e-12).all()
    assert (at_low >= ask(columns, f"pgd@{above!r}").values[MEASURED] - 1e-12).all()


def test_fractions_are_interpolated_as_log_odds_and_other_numbers_as_they_are_over_the_root_of_the_level() -> None:
    levels = np.array([1, 4, 9]) / 255
    line = np.array([[0.8, 0.5, 0.2], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.5, 0.5, np.nan]])
    found = between(levels, line, 2.25 / 255, "fraction")
    assert found[:3] == pytest.approx([2 / 3, 0, 1], abs=1e-3)
    assert found[1:3].tolist() == [0, 1]
    assert np.isnan(found[3])
    assert between(levels, np.array([1.0, 2.0, 3.0]) * 7, 2.25 / 255, "nat") == pytest.approx(10.5)


def test_a_row_that_was_not_measured_is_not_interpolated_and_spoils_no_other(columns: Measurements) -> None:
    column = ask(columns, "pgd@1.5/255", interpolate=True)
    assert column.how == "interpolated"
    np.testing.assert_array_equal(np.isnan(column.values), ~MEASURED)


@pytest.mark.parametrize("text", ["pgd@0.4/255", "pgd@9/255", "pgd@0", "pgd@1", "pgd"])
def test_beyond_the_measured_levels_nothing_is_interpolated(columns: Measurements, text: str) -> None:
    with pytest.raises(LevelNotMeasured, match=r"Measured: 0\.5/255, .*8/255\. Only levels between these are interpolated\."):
        ask(columns, text, interpolate=True)


@pytest.mark.parametrize("text", ["clean", "synflow", "fog@3", "mean_corruption", "worst_case@1/255"])
def test_allowing_interpolation_changes_nothing_where_none_is_needed(columns: Measurements, text: str) -> None:
    plain, asked = ask(columns, text), ask(columns, text, interpolate=True)
    assert asked.how == plain.how
    np.testing.assert_array_equal(asked.values, plain.values)


@pytest.mark.parametrize("text", ["pgd@1.5/255:confusion", "pgd@1.5/255:outcomes"])
def test_what_is_an_array_is_not_interpolated_and_that_is_said(columns: Measurements, text: str) -> None:
    with pytest.raises(LevelNotMeasured, match=r"Measured: 0\.5/255, .*8/255\. Numbers are interpolated, and no arrays\."):
        columns.value(Question.of(text, interpolate=True), NB201.members[0])


# Derived


def test_mean_corruption_is_over_all_corruptions_and_severities(columns: Measurements, held: dict[str, np.ndarray]) -> None:
    both = np.concatenate([held["toy10/standard/fog/accuracy"], held["toy10/standard/contrast/accuracy"]], axis=1)
    column = ask(columns, "mean_corruption")
    np.testing.assert_allclose(column.values, both.mean(axis=1), rtol=RELATIVE)
    assert column.how == "derived"
    assert {name.metric for name in column.parts} == {"fog", "contrast"}


def test_mean_adversarial_measured_is_over_all_attacks_and_levels(columns: Measurements, held: dict[str, np.ndarray]) -> None:
    both = np.concatenate([held["toy10/standard/pgd/accuracy"], held["toy10/standard/fgsm/accuracy"]], axis=1)
    np.testing.assert_allclose(ask(columns, "mean_adversarial_measured").values, both.mean(axis=1), rtol=RELATIVE)
    seeded = np.concatenate([held["toy10/pgd-8/255/pgd/accuracy"], held["toy10/pgd-8/255/square/accuracy"]], axis=1)
    of_one = ask(columns, "mean_adversarial_measured", training="pgd-8/255", seed=888).values
    np.testing.assert_allclose(of_one, seeded[:, :, 1].mean(axis=1), rtol=RELATIVE)


def test_mean_adversarial_is_over_the_published_levels_whatever_else_is_held(tmp_path: Path) -> None:
    """FGSM at .1, .5, 1 to 8 and 255 grey levels, the others at .1, .5, 1, 2, 3, 4 and 8: 32 accuracies."""
    few: list[float] = [0.1, 0.5, 1, 2, 3, 4, 8]
    grids: dict[str, list[float]] = {"fgsm": [0.1, 0.5, 1, 2, 3, 4, 5, 6, 7, 8, 255], "pgd": few, "apgd-ce": few, "square": few, "cw": []}
    rng = np.random.default_rng(0)
    arrays, published = [], []
    for attack, grid in grids.items():
        levels = [*grid, 16]
        values = np.round(rng.random((CLASSES, len(levels))), 3)
        arrays.append(array(f"toy standard {attack} accuracy", values, {"eps": [level / 255 for level in levels]}))
        published += list(values[:, :-1].T)
    extend(tmp_path / "s.h5", ROWS, arrays)
    with Store(tmp_path / "s.h5") as store:
        found = ask(Measurements(store, "toy"), "mean_adversarial").values
        np.testing.assert_allclose(found, np.mean(published, axis=0), rtol=RELATIVE)
        assert len(published) == 32
        assert not np.allclose(ask(Measurements(store, "toy"), "mean_adversarial_measured").values, found)


def test_a_published_mean_of_which_levels_are_missing_is_refused_with_these(columns: Measurements) -> None:
    with pytest.raises(
        NotMeasured,
        match=r"mean_adversarial \(accuracy\) of toy10 is not in small\.h5; .* of which 26 were not measured: fgsm at 0\.1/255, .*"
        r"; pgd at 0\.1/255, 3/255, 4/255; apgd-ce at .*; square at .*\. mean_adversarial_measured is",
    ):
        ask(columns, "mean_adversarial")


def test_hrs_is_the_harmonic_mean_of_clean_and_robust_accuracy(columns: Measurements, held: dict[str, np.ndarray]) -> None:
    clean, robust = held["toy10/standard/clean/accuracy"], held["toy10/standard/pgd/accuracy"][:, 1]
    column = ask(columns, "hrs-pgd@1/255")
    assert [name.metric for name in column.parts] == ["clean", "pgd"]
    for row in (0, 1, 17, CLASSES - 1):
        expected = 0 if clean[row] == 0 or robust[row] == 0 else 2 / (1 / clean[row] + 1 / robust[row])
        assert column.values[row] == pytest.approx(expected, rel=RELATIVE)
    np.testing.assert_array_equal(np.isnan(column.values), ~MEASURED)


def test_hrs_is_zero_where_both_accuracies_are(tmp_path: Path) -> None:
    clean, pgd = np.full(CLASSES, 0.5), np.full((CLASSES, 1), 0.5)
    clean[:2], pgd[1:3] = 0, 0
    extend(
        tmp_path / "s.h5",
        ROWS,
        [
            array("toy standard clean accuracy", clean),
            *(array(f"toy standard {attack} accuracy", pgd, {"eps": [1 / 255]}) for attack in ("pgd", "square-rescaled")),
        ],
    )
    with Store(tmp_path / "s.h5") as store:
        for metric in ("hrs-pgd@1/255", "hrs-square-rescaled@1/255"):
            assert ask(Measurements(store, "toy"), metric).values[:4].tolist() == [0, 0, 0, 0.5]


def test_worst_case_is_the_share_of_images_that_withstand_every_attack(columns: Measurements) -> None:
    both = ask(columns, "worst_case@1/255")
    assert {name.metric for name in both.parts} == {"pgd", "fgsm"}
    assert both.how == "derived"
    brute = [
        sum(PGD_STANDING[row, 1, image] and FGSM_STANDING[row, 0, image] for image in range(IMAGES)) / IMAGES for row in range(CLASSES)
    ]
    np.testing.assert_array_equal(both.values[MEASURED], np.array(brute)[MEASURED])
    assert np.isnan(both.values[UNMEASURED])


def test_worst_case_never_exceeds_any_attack_and_is_below_their_minimum_somewhere(columns: Measurements) -> None:
    worst = ask(columns, "worst_case@1/255").values[MEASURED]
    least = np.minimum(ask(columns, "pgd@1/255").values, ask(columns, "fgsm@1/255").values)[MEASURED]
    assert (worst <= least).all()
    assert (worst < least).any()


def test_worst_case_of_one_attack_is_its_accuracy(columns: Measurements) -> None:
    column = ask(columns, "worst_case@8/255")
    assert [name.metric for name in column.parts] == ["pgd"]
    np.testing.assert_array_equal(column.values, ask(columns, "pgd@8/255").values)


def test_worst_case_with_seeds_is_averaged_over_them_or_of_the_one_named(tmp_path: Path) -> None:
    standing = np.random.default_rng(0).random((CLASSES, 2, 1, IMAGES)) < 0.5
    axes: dict[str, list[float]] = {"seed": [7, 8], "eps": [1 / 255]}
    accuracy = array("toy standard pgd accuracy", standing.mean(axis=-1), axes)
    extend(tmp_path / "s.h5", ROWS, [accuracy, array("toy standard pgd outcomes", np.packbits(standing, axis=-1), {**axes, "image": []})])
    with Store(tmp_path / "s.h5") as store:
        columns = Measurements(store, "toy")
        np.testing.assert_array_equal(ask(columns, "worst_case@1/255", seed=8).values, standing[:, 1, 0].mean(axis=-1))
        np.testing.assert_allclose(ask(columns, "worst_case@1/255").values, standing.mean(axis=(1, 2, 3)), rtol=RELATIVE)


@settings(max_examples=20)
@given(st.floats(FGSM_EPS[0], FGSM_EPS[1]), st.floats(FGSM_EPS[0], FGSM_EPS[1]))
def test_between_levels_a_worst_case_falls_with_eps_and_is_never_above_an_attack(columns: Measurements, one: float, other: float) -> None:
    low, high = sorted((one, other))
    at_low, at_high = (ask(columns, f"worst_case@{eps!r}", interpolate=True).values for eps in (low, high))
    ends = [ask(columns, f"worst_case@{eps!r}").values for eps in FGSM_EPS]
    for higher, lower in pairwise([ends[0], at_low, at_high, ends[1]]):
        assert (higher[MEASURED] >= lower[MEASURED] - 1e-12).all()
    for eps, values in ((low, at_low), (high, at_high)):
        np.testing.assert_array_equal(np.isnan(values), ~MEASURED)
        for attack in ("pgd", "fgsm"):
            assert (values[MEASURED] <= ask(columns, f"{attack}@{eps!r}", interpolate=True).values[MEASURED]).all()


def test_between_levels_a_worst_case_is_its_own_curve_below_its_attacks(columns: Measurements) -> None:
    """Two levels have a straight line of log-odds over the root of eps between them; PGD has four, and so another line."""
    ends = np.stack([ask(columns, f"worst_case@{eps!r}").values for eps in FGSM_EPS], axis=1)
    curves = [between(FGSM_EPS, ends, 1.5 / 255, "fraction")]
    curves += [ask(columns, f"{attack}@1.5/255", interpolate=True).values for attack in ("pgd", "fgsm")]
    column = ask(columns, "worst_case@1.5/255", interpolate=True)
    np.testing.assert_array_equal(column.values, np.min(curves, axis=0))
    assert (column.values[MEASURED] < curves[0][MEASURED]).any(), "PGD's own curve is lower somewhere"
    assert column.how == "derived, interpolated"
    assert {(name.metric, name.measure) for name in column.parts} == {
        (attack, measure) for attack in ("pgd", "fgsm") for measure in ("outcomes", "accuracy")
    }
    said = columns.formula(columns.resolve(Question.of("worst_case@1.5/255", interpolate=True))).text
    assert said.startswith(
        "share of the images that are classified correctly under every one of fgsm, pgd, interpolated from 1/255, 2/255;"
    )


@pytest.mark.parametrize("text", ["worst_case@0.7/255", "worst_case@4/255", "worst_case@9/255", "worst_case"])
def test_a_worst_case_is_not_interpolated_where_its_attacks_are_not_the_same(columns: Measurements, text: str) -> None:
    """FGSM was measured at 1/255 and 2/255 only, PGD also below and above."""
    with pytest.raises(
        LevelNotMeasured,
        match=r"Measured: 0\.5/255, 1/255, 2/255, 8/255\. Only levels between those at which all of fgsm, pgd were measured are interpolated: 1/255, 2/255\.",
    ):
        ask(columns, text, interpolate=True)


def test_between_levels_a_worst_case_with_seeds_is_one_of_each_seed(tmp_path: Path) -> None:
    standing = np.arange(3)[:, np.newaxis] < np.random.default_rng(0).integers(0, 4, (CLASSES, 2, 1, IMAGES))
    eps: dict[str, list[float]] = {"eps": [1 / 255, 2 / 255, 4 / 255]}
    both = [
        (array(f"toy standard {attack} accuracy", one.mean(axis=-1), axes), np.packbits(one, axis=-1), axes, attack)
        for attack, one, axes in (
            ("pgd", standing, {"seed": [7.0, 8.0], **eps}),
            ("fgsm", np.flip(standing, axis=-1).swapaxes(1, 2), {**eps, "seed": [7.0, 8.0]}),
        )
    ]
    outcomes = [array(f"toy standard {attack} outcomes", packed, {**axes, "image": []}, unit="bit") for _, packed, axes, attack in both]
    extend(tmp_path / "s.h5", ROWS, [accuracy for accuracy, *_ in both] + outcomes)
    with Store(tmp_path / "s.h5") as store:
        columns = Measurements(store, "toy")
        of_seeds = [ask(columns, "worst_case@3/255", interpolate=True, seed=seed).values for seed in (7, 8)]
        np.testing.assert_allclose(ask(columns, "worst_case@3/255", interpolate=True).values, np.mean(of_seeds, axis=0), rtol=RELATIVE)
        for attack in ("pgd", "fgsm"):
            for seed, values in zip((7, 8), of_seeds, strict=True):
                assert (values <= ask(columns, f"{attack}@3/255", interpolate=True, seed=seed).values).all()


def test_worst_case_over_different_images_is_refused(tmp_path: Path) -> None:
    def outcomes(attack: str, images: int) -> list[Array]:
        standing = np.ones((CLASSES, 1, images), bool)
        eps = {"eps": [1 / 255]}
        made = [
            array(f"toy standard {attack} accuracy", standing.mean(axis=-1), eps),
            array(f"toy standard {attack} outcomes", np.packbits(standing, axis=-1), {**eps, "image": []}),
        ]
        for one in made:
            one.header.provenance["images"] = images
        return made

    extend(tmp_path / "s.h5", ROWS, [*outcomes("pgd", 20), *outcomes("fgsm", 40), *outcomes("square", 19)])
    with Store(tmp_path / "s.h5") as store, pytest.raises(NotMeasured, match="images"):
        ask(Measurements(store, "toy"), "worst_case@1/255")


def test_every_derived_metric_of_the_table_has_a_rule() -> None:
    from robbench.measurements.derived import DERIVED

    assert set(DERIVED) == {name for name, entry in TABLE.items() if entry.kind == "derived"}
