"""Surrogates of few architectures: what they solve, what is chosen, and intervals that hold."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robbench import CannotFit, DamagedStore, InvalidArgument, RobBench
from robbench.spaces.darts import DARTS, Genotype
from robbench.store import Store
from robbench.store.rows import Rows
from robbench.store.writing import extend, put_surrogate
from robbench.surrogates import Surrogate, fit, small
from robbench.surrogates.reach import Reach
from robbench.surrogates.small import PENALTIES, GaussianProcess, Ridge, Small
from robbench.surrogates.splits import Twins, folds
from tests.genotypes import drawn, relabelled
from tests.synthetic import array

HELD = 120
NOISE = 0.01


@cache
def features(count: int, seed: int) -> tuple[list[Genotype], np.ndarray]:
    archs = drawn(count, seed)
    return archs, np.concatenate([function(archs).values for function in DARTS.features["structure"]], axis=1)


def truth(values: np.ndarray) -> np.ndarray:
    """An accuracy that the size decides, and a few operations."""
    return np.asarray(0.5 + 0.04 * np.tanh(values[:, -3] - values[:, -3].mean()) + 0.005 * values[:, :3] @ [1, -1, 0.5])


def store(path: Path, seed: int, count: int = HELD) -> RobBench:
    archs, values = features(count, seed)
    measured = np.clip(truth(values) + np.random.default_rng(seed).normal(0, NOISE, len(archs)), 0, 1)
    rows = Rows.of(DARTS, archs)
    assert len(rows.keys) == len(archs)
    extend(path, rows, [array("toy10 standard clean accuracy", measured)])
    return RobBench(path)


@pytest.fixture
def bench(tmp_path: Path) -> RobBench:
    """A store of 120 genotypes with a surrogate of all of them."""
    found = store(tmp_path / "few.h5", 0)
    fit(found, "clean", model="ridge", split="folds", train=0.9).save(found.path)
    return RobBench(found.path)


# ---- what is solved


def some(rows: int = 40, outputs: int = 2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    inputs = np.column_stack([rng.normal(size=(rows, 4)) * [1, 10, 0.1, 1], np.ones(rows)])
    return inputs, np.column_stack([inputs[:, 0] + 0.05 * inputs[:, 1] + rng.normal(0, 0.3, rows) for _ in range(outputs)])


def weighted(inputs: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Standardised features, each times its correlation with the target by that of the largest."""
    spread = inputs.std(axis=0)
    standard = (inputs - inputs.mean(axis=0)) / np.where(spread > 0, spread, 1)
    correlation = [abs(np.corrcoef(column, target)[0, 1]) if column.std() else 0.0 for column in standard.T]
    return np.asarray(standard * correlation / max(correlation))


def test_ridge_is_the_solution_of_least_leave_one_out_error() -> None:
    """A second witness: every row left out in turn, for every penalty, by the normal equations."""
    inputs, targets = some()
    found = Ridge.fit(inputs, targets, 2, 0).predict(inputs)
    for k, target in enumerate(targets.T):
        rows = weighted(inputs, target)

        def solved(left: np.ndarray, penalty: float, rows: np.ndarray = rows, target: np.ndarray = target) -> np.ndarray:
            centred, mean = rows[left] - rows[left].mean(axis=0), target[left].mean()
            coefficient = np.linalg.solve(centred.T @ centred + penalty * np.eye(5), centred.T @ (target[left] - mean))
            return np.asarray((rows - rows[left].mean(axis=0)) @ coefficient + mean)

        everyone = np.ones(len(rows), bool)
        errors = [
            np.mean([(solved(everyone & (np.arange(40) != out), one)[out] - target[out]) ** 2 for out in range(40)]) for one in PENALTIES
        ]
        np.testing.assert_allclose(found[:, k], solved(everyone, PENALTIES[int(np.argmin(errors))]), rtol=1e-8)


def test_a_process_is_the_posterior_mean_of_its_kernel() -> None:
    inputs, targets = some()
    process = GaussianProcess.fit(inputs, targets, 2, 0)
    found, kept = process.predict(inputs), process.arrays()
    for k, target in enumerate(targets.T):
        rows = weighted(inputs, target)
        distances = ((rows[:, np.newaxis] - rows) ** 2).sum(axis=2)
        kernel = np.exp(-distances / (2 * kept["length"][k])) + kept["linear"][k] * rows @ rows.T / 5
        best = min(
            (
                np.abs(
                    kernel @ np.linalg.solve(kernel + noise * np.trace(kernel) / 40 * np.eye(40), target - target.mean())
                    + target.mean()
                    - found[:, k]
                ).max()
            )
            for noise in small.NOISE
        )
        assert best < 1e-8


@pytest.mark.parametrize("kind", [Ridge, GaussianProcess, Small])
def test_models_are_kept_as_arrays_and_missing_features_are_filled(kind: Any) -> None:
    if kind is Small:
        pytest.importorskip("sklearn")  # one of the models that it chooses among
    inputs, targets = some()
    inputs[::7, 1] = np.nan
    model = kind.fit(inputs, targets, 1, 0)
    again = kind.from_arrays(model.arrays())
    assert model.shape == again.shape == (5, 1)
    np.testing.assert_array_equal(model.predict(inputs), again.predict(inputs))
    np.testing.assert_array_equal(model.predict(inputs), kind.fit(inputs, targets, 1, 0).predict(inputs))
    assert np.corrcoef(model.predict(inputs)[:, 0], targets[:, 0])[0, 1] > 0.8
    flat = kind.fit(np.ones((30, 2)), np.full((30, 1), 0.25), 1, 0)
    np.testing.assert_allclose(flat.predict(np.zeros((2, 2))), 0.25)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (Ridge, "coefficient", np.ones((3, 3))),
        (Ridge, "intercept", np.array([np.nan])),
        (GaussianProcess, "scale", np.zeros(5)),
        (GaussianProcess, "length", np.array([-1.0])),
        (GaussianProcess, "dual", np.ones((1, 7))),
        (GaussianProcess, "inputs", np.full((40, 5), np.inf)),
        (GaussianProcess, "mean", np.ones((1, 1))),
    ],
)
def test_arrays_of_no_model_are_refused(kind: Any, name: str, value: np.ndarray) -> None:
    arrays = kind.fit(*some(outputs=1), 1, 0).arrays()
    with pytest.raises(ValueError, match=r".+"):
        kind.from_arrays({**arrays, name: value})


def test_the_kind_that_errs_least_is_chosen_and_kept() -> None:
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(80, 3))
    steps = np.sign(inputs[:, :1] * inputs[:, 1:2])
    assert Small.fit(inputs, inputs @ np.array([[1.0], [2.0], [3.0]]), 1, 0).chosen == "ridge"
    sums = inputs[:, :2].sum(axis=1, keepdims=True)
    assert Small.fit(inputs, sums + 0.2 * sums**2, 1, 0).chosen == "process"
    assert Small.fit(np.repeat(inputs, 3, axis=0), np.repeat(steps, 3, axis=0), 1, 0).chosen == "forest"
    chosen = Small.fit(inputs, steps, 1, 0)
    assert {name.partition(".")[0] for name in chosen.arrays()} == {chosen.chosen}
    with pytest.raises(ValueError, match="expected those of one of ridge, process, forest"):
        Small.from_arrays({**chosen.arrays(), "other.fill": np.ones(3)})


# ---- folds


def test_each_group_is_left_out_once_and_whole() -> None:
    rng = np.random.default_rng(0)
    group = rng.integers(0, 40, 100)
    twins = Twins(group, np.zeros(40, bool), np.arange(40) == 3)
    found = folds(twins, 0.9, 0)
    assert set(found[group != 3]) == set(range(10))
    assert set(found[group == 3]) <= {-1}
    assert all(len(set(found[group == one])) <= 1 for one in range(40))
    assert np.array_equal(found, folds(twins, 0.9, 0))
    assert not np.array_equal(found, folds(twins, 0.9, 1))
    for train in (0.2, 0, 1, float("nan")):
        with pytest.raises(InvalidArgument, match="is not the share of all folds but one"):
            folds(twins, train, 0)


def test_a_surrogate_by_folds_learns_from_all_and_is_judged_on_what_it_has_not_seen(bench: RobBench) -> None:
    split = bench.split_of("clean")
    assert set(split.training) == set(bench.classes)
    assert split.calibration is None
    assert split.held_out == ()
    (row,) = bench.surrogates().to_dict("records")
    assert (row["learned_from"], row["n"], row["split"]) == (HELD, HELD, "folds, 0.9, seed 0")
    errors = bench.query_many(bench.classes, "clean") - bench.predict_many(bench.classes, "clean")[:, 0]
    assert np.abs(errors).mean() < row["mae"], "of those that it has seen, the errors are smaller"


def test_too_few_for_folds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        CannotFit, match=r"was measured for 12 architectures: 10 to train on and 12 to test on; a ridge needs at least 10 and 20"
    ):
        fit(store(tmp_path / "fewer.h5", 0, 12), "clean", model="ridge", split="folds", train=0.9)


def test_intervals_of_so_few_hold_what_they_say(tmp_path: Path) -> None:
    """Over stores that differ in architectures and noise: the share of new measurements inside is the level, but for chance."""
    archs, values = features(600, 99)
    inside = []
    for seed in range(8):
        found = store(tmp_path / f"{seed}.h5", seed)
        fit(found, "clean", model="ridge", split="folds", train=0.9).save(found.path)
        measured = truth(values) + np.random.default_rng(100 + seed).normal(0, NOISE, len(archs))
        predicted = RobBench(found.path).predict_many(archs, "clean", level=0.8)
        inside.append(((predicted[:, 1] <= measured) & (measured <= predicted[:, 2])).mean())
    assert 0.77 < np.mean(inside) < 0.9


# ---- any architecture


def test_architectures_that_the_store_lacks_are_predicted_alike_one_by_one_and_together(bench: RobBench) -> None:
    held, new = bench.architectures[3], drawn(3, seed=77)
    mixed = [new[0], held, str(new[1]), DARTS.spellings(new[2])["genotype"], list(relabelled(held))[-1], "trnas"]
    together = bench.predict_many(mixed, "clean")
    for arch, row in zip(mixed, together.tolist(), strict=True):
        found = bench.predict(arch, "clean")
        assert [found.mean, found.low, found.high] == row
        assert bench.oracle("clean", on="surrogate")(arch) == found.mean
    assert together[1].tolist() == together[4].tolist(), "the same network"


def test_what_is_far_from_everything_measured_is_flagged(bench: RobBench) -> None:
    alike = [bench.predict(arch, "clean").far for arch in drawn(200, seed=55)]
    assert 0 < np.mean(alike) < 0.15, "drawn as those that were measured"
    sep5 = "|".join(["sep5~0+sep5~1"] * 4)
    assert bench.predict(f"{sep5}//{sep5}", "clean").far
    assert not any(bench.predict(arch, "clean").far for arch in bench.architectures)
    assert not bench.predict(list(relabelled(bench.architectures[0]))[-1], "clean").far


def test_a_surrogate_that_names_rows_of_no_store_is_damaged(bench: RobBench) -> None:
    message = r"the surrogate of clean of toy10 names rows that are not in few\.h5, or none"
    fitted = Surrogate.of(Store(bench.path).surrogate("toy10", "standard", "clean"))
    for rows in (np.array([0.5]), np.array([], np.uint32), np.array([[0, 1]]), np.array([-1])):
        fitted.training_rows = rows
        with pytest.raises(DamagedStore, match=message):
            fitted.learned_rows(bench.measurements)
    put_surrogate(bench.path, fitted.fitted()._replace(training_rows=np.array([0, HELD])))
    damaged = RobBench(bench.path)
    with pytest.raises(DamagedStore, match=message):
        damaged.predict("trnas", "clean")
    with pytest.raises(DamagedStore, match=message):
        damaged.split_of("clean")


def test_reach_is_of_standardised_features() -> None:
    rows = np.column_stack([np.arange(50.0), 1000 * np.ones(50), np.full(50, np.nan)])
    reach = Reach.of(rows)
    inside = np.array([[10.4, 1000, np.nan], [10.4, 1000, 5]])
    assert reach.is_far(inside).tolist() == [False, True]
    assert reach.is_far(np.array([[60.0, 1000, np.nan], [10.0, 1001, np.nan]])).tolist() == [True, True]
    assert Reach.of(rows[:1]).is_far(inside + 100).tolist() == [False, False]


def test_the_command_line_fits_by_folds_and_says_what_is_far(bench: RobBench) -> None:
    from click.testing import CliRunner

    from robbench.cli import main

    options = ["--target", "clean", "--model", "process", "--split", "folds", "--train", "0.9"]
    assert CliRunner().invoke(main, ["fit", str(bench.path), *options]).output.endswith("on 120 architectures it has not seen\n")
    sep5 = "|".join(["sep5~0+sep5~1"] * 4)
    printed = CliRunner().invoke(main, ["predict", f"{sep5}//{sep5}", "clean", "--store", str(bench.path)]).output
    assert printed.endswith("(predicted; far from everything that the surrogate learned from)\n")
    said = json.loads(CliRunner().invoke(main, ["predict", "darts-v2", "clean", "--store", str(bench.path), "--json"]).output)
    assert said["far"] is bench.predict("darts-v2", "clean").far
