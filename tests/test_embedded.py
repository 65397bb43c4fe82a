"""The store that ships with RobBench."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from robbench import NotAStore, RobBench, embedded
from robbench.embedded import embedded_store
from robbench.store import verify

ATTACKS = ("fgsm", "pgd", "apgd-ce", "square")
GRID = tuple(k / 255 for k in (4, 8, 16, 32, 64))


@pytest.fixture(scope="module")
def bench() -> RobBench:
    return RobBench()


def test_every_byte_is_as_it_was_written() -> None:
    assert verify(embedded_store()) == 33


def test_it_holds_512_classes_under_every_attack_at_every_eps(bench: RobBench) -> None:
    assert bench.datasets == ["digits"]
    measured = [bench.query_many(bench.classes, "clean", missing="nan")]
    measured += [bench.query_many(bench.classes, attack, eps=eps, missing="nan") for attack in ATTACKS for eps in GRID]
    assert [int((~np.isnan(values)).sum()) for values in measured] == [512] * 21


def test_the_grid_spans_no_effect_to_chance(bench: RobBench) -> None:
    clean = bench.query_many(bench.classes, "clean", missing="nan")
    for attack in ATTACKS:
        weakest, strongest = (bench.query_many(bench.classes, attack, eps=eps, missing="nan") for eps in (GRID[0], GRID[-1]))
        assert np.nanmean(clean) - np.nanmean(weakest) < 0.05
        assert np.nanmean(strongest) < 0.15


def test_accuracies_are_the_means_of_the_outcomes(bench: RobBench) -> None:
    for arch in bench.top("pgd@16/255", 20)["arch"]:
        for attack in ATTACKS:
            outcomes = bench.query(arch, attack, eps=16 / 255, measure="outcomes", seed=0)
            assert outcomes.shape == (360,)
            assert bench.query(arch, attack, eps=16 / 255) == outcomes.mean()


def test_the_worst_case_is_no_better_than_any_attack(bench: RobBench) -> None:
    for eps in GRID:
        worst = bench.query_many(bench.classes, "worst_case", eps=eps, missing="nan")
        for attack in ATTACKS:
            robust = bench.query_many(bench.classes, attack, eps=eps, missing="nan")
            assert np.all((worst <= robust)[~np.isnan(robust)])


def test_provenance_says_what_it_takes_to_build_it_again(bench: RobBench) -> None:
    (provenance,) = bench.explain(bench.top("clean", 1)["arch"][0], "pgd@4/255").sources.values()
    assert provenance["plan"] == {
        "dataset": "digits", "recipe": "digits", "evaluation": "digits-light", "classes": 512, "sample_seed": 0, "seeds": [0], "stack": 16,
    }  # fmt: skip
    assert provenance["attack"]["steps"] == 10
    assert {"torch", "numpy", "python", "device"} <= provenance["environment"].keys()
    assert provenance["recipe"]["epochs"] == 4


def test_it_predicts_what_it_holds_no_measurement_of(bench: RobBench) -> None:
    missing = np.flatnonzero(np.isnan(bench.query_many(bench.classes, "pgd@16/255", missing="nan")))
    predicted = bench.predict_many([bench.classes[row] for row in missing], "pgd@16/255")
    assert len(predicted) == 6466 - 512
    mean, low, high = predicted.T
    assert np.all((low <= mean) & (mean <= high) & (low >= 0) & (high <= 1))
    assert mean.std() > 0.03


def test_its_surrogate_learned_something(bench: RobBench) -> None:
    scores = bench.surrogates().set_index("output")
    assert set(scores.index) == {"clean", *(f"{attack}@16/255" for attack in ATTACKS)}
    assert (scores["r2"].drop("clean") > 0.5).all()


def test_a_copy_without_the_store_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(embedded, "__file__", str(tmp_path / "robbench" / "embedded.py"))
    with pytest.raises(NotAStore, match=r"no embedded store \(robbench-digits\.h5\); name the store to open, or make one"):
        RobBench()
