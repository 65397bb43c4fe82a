"""The store that ships with RobBench."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from robbench import LevelNotMeasured, NotAStore, RobBench
from robbench.measurements.metrics import SEVERITIES, TABLE
from robbench.sources.jung2023 import CORRUPTIONS
from robbench.spaces.nb201 import cells
from robbench.store import embedded, verify
from robbench.store.embedded import embedded_store

ATTACKS = ("fgsm", "pgd", "apgd-ce", "square")
GRID = tuple(k / 255 for k in (8, 16, 32, 64))
CLASSES, IMAGES, SEEN_BY_ATTACKS = 6466, 360, 120


DEAF = 5
"""Classes whose output ignores their input."""


@pytest.fixture(scope="module")
def bench() -> RobBench:
    return RobBench()


def test_every_byte_is_as_it_was_written() -> None:
    assert verify(embedded_store()) == 91


def test_its_table_of_one_seed_has_what_was_measured_before_training_too(bench: RobBench) -> None:
    assert bench.table(seed=0).equals(bench.table())


def test_it_holds_all_classes_under_every_attack_and_corruption(bench: RobBench) -> None:
    assert bench.datasets == ["digits"]
    every = ["clean", *(f"{attack}@{eps}" for attack in ATTACKS for eps in GRID)]
    every += [f"{name}@{severity}" for name in CORRUPTIONS for severity in SEVERITIES]
    assert len(every) == 1 + 4 * 4 + 15 * 5
    accuracies = bench.table(metrics=every)
    assert accuracies.shape == (CLASSES, len(every))
    assert not accuracies.isna().any().any()


def test_it_holds_every_proxy_of_the_cell_that_was_built(bench: RobBench) -> None:
    proxies = [name for name in bench.metrics()["metric"].unique() if TABLE[name].kind == "proxy"]
    assert len(proxies) == 28
    for name in proxies:
        values = bench.query_many(bench.classes, name, missing="nan")
        # Networks whose output ignores their input have no score, but they have a size.
        assert np.isnan(values).sum() == (0 if name in ("params", "flops", "l2_norm") else DEAF), name
    assert not np.isnan(bench.query_many(list(cells()), "params")).any()
    assert not np.isnan(bench.query_many(list(cells()), "flops")).any()


def test_the_grid_spans_little_effect_to_chance(bench: RobBench) -> None:
    clean = bench.query_many(bench.classes, "clean")
    for attack in ATTACKS:
        weakest, strongest = (bench.query_many(bench.classes, attack, eps=eps) for eps in (GRID[0], GRID[-1]))
        assert np.mean(clean) - np.mean(weakest) < 0.1
        if attack != "square":  # 30 queries are few
            assert np.mean(strongest) < 0.05


def test_accuracies_are_the_means_of_the_outcomes(bench: RobBench) -> None:
    for arch in bench.top("pgd@16/255", 20)["arch"]:
        for attack in ATTACKS:
            outcomes = bench.query(arch, attack, eps=16 / 255, measure="outcomes", seed=0)
            assert outcomes.shape == (SEEN_BY_ATTACKS,)
            assert bench.query(arch, attack, eps=16 / 255) == outcomes.mean()
        fog = bench.query(arch, "fog@3", measure="outcomes", seed=0)
        assert bench.query(arch, "fog@3") == fog.mean()
        assert bench.query(arch, "clean", measure="outcomes", seed=0).shape == (IMAGES,)


def test_the_worst_case_is_no_better_than_any_attack(bench: RobBench) -> None:
    for eps in (*GRID, 10 / 255, 40 / 255):
        worst = bench.query_many(bench.classes, "worst_case", eps=eps, interpolate=True, missing="nan")
        for attack in ATTACKS:
            robust = bench.query_many(bench.classes, attack, eps=eps, interpolate=True, missing="nan")
            assert np.all((worst <= robust)[~np.isnan(robust)])


def test_provenance_says_what_it_takes_to_build_it_again(bench: RobBench) -> None:
    (provenance,) = bench.explain(bench.top("clean", 1)["arch"][0], "pgd@16/255").sources.values()
    assert provenance["plan"] == {
        "dataset": "digits", "recipe": "digits", "evaluation": "digits-light", "classes": CLASSES, "sample_seed": 0, "seeds": [0], "stack": 16,
    }  # fmt: skip
    assert provenance["attack"]["steps"] == 10
    assert {"torch", "numpy", "python", "device"} <= provenance["environment"].keys()
    assert provenance["recipe"]["epochs"] == 4


def test_it_predicts_every_architecture_at_any_eps_between_the_smallest_and_the_greatest(bench: RobBench) -> None:
    asked = (8, 8.5, 12, 16, 27, 40, 63.9, 64)
    means = {}
    for threat in (*ATTACKS, "worst_case"):
        found = np.stack([bench.predict_many(bench.classes, threat, eps=grey / 255) for grey in asked])
        assert found.shape == (len(asked), CLASSES, 3)
        mean, low, high = np.moveaxis(found, 2, 0)
        assert np.all((low <= mean) & (mean <= high) & (low >= 0) & (high <= 1))
        assert np.all(np.diff(mean, axis=0) <= 0)
        means[threat] = mean
    assert means["pgd"][3].std() > 0.03
    assert all(np.all(means["worst_case"] <= means[attack]) for attack in ATTACKS)
    assert bench.predict(bench.classes[0], "pgd", eps=12 / 255).between == (8 / 255, 16 / 255)


@pytest.mark.parametrize("attack", ATTACKS)
def test_its_intervals_hold_as_many_measured_curves_as_they_say(bench: RobBench, attack: str) -> None:
    unseen = bench.split_of(f"{attack}@16/255").held_out
    for grey, above in ((8, 8), (12, 16), (16, 16), (27, 32), (40, 64)):
        measured = bench.query_many(unseen, attack, eps=grey / 255, interpolate=True)
        mean, low, high = bench.predict_many(unseen, attack, eps=grey / 255).T
        # Where no image is left at the level above, 0 is possible, too: an interval is to hold what is farther from the prediction.
        gone = bench.query_many(unseen, attack, eps=above / 255) == 0
        farther = np.where(gone & (mean > np.abs(measured - mean)), 0, measured)
        assert 0.89 < np.mean((low - 1e-6 <= farther) & (farther <= high + 1e-6)) < 0.92


def test_where_an_attack_leaves_no_image_at_the_next_level_intervals_below_it_reach_to_0(bench: RobBench) -> None:
    unseen = bench.split_of("pgd@16/255").held_out
    for attack in ("pgd", "apgd-ce"):
        gone = bench.query_many(unseen, attack, eps=64 / 255) == 0
        low = bench.predict_many(unseen, attack, eps=48 / 255)[:, 1]
        assert gone.mean() > 0.9
        assert np.mean(low[gone] == 0) > 0.9


def test_beyond_what_was_measured_it_says_how_far_it_predicts(bench: RobBench) -> None:
    for grey in (4, 65):
        with pytest.raises(
            LevelNotMeasured, match=r"predicts pgd from 8/255 to 64/255, at any level in between\. pgd was measured at no level beyond\.$"
        ):
            bench.predict(bench.classes[0], "pgd", eps=grey / 255)


def test_its_surrogate_learned_something(bench: RobBench) -> None:
    scores = bench.surrogates().set_index("output")
    grid = [f"{threat}@{grey}/255" for threat in (*ATTACKS, "worst_case") for grey in (8, 16, 32, 64)]
    assert set(scores.index) == {"clean", "mean_corruption", *grid}
    assert scores["target"].nunique() == 1
    assert (scores["r2"][[f"{threat}@16/255" for threat in (*ATTACKS, "worst_case")]] > 0.6).all()


def test_a_copy_without_the_store_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(embedded, "__file__", str(tmp_path / "robbench" / "embedded.py"))
    with pytest.raises(NotAStore, match=r"no embedded store \(robbench-digits\.h5\); name the store to open, or make one"):
        RobBench()
