from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from robbench_builders import units
from robbench_builders.attacks import FGSM, PGD
from robbench_builders.datasets import Dataset, load
from robbench_builders.environment import environment_of
from robbench_builders.errors import DamagedWeights, WeightsError
from robbench_builders.evaluations import EVALUATIONS, Evaluation
from robbench_builders.plan import Unit
from robbench_builders.recipes import RECIPES
from robbench_builders.train import train
from robbench_builders.units import run_unit
from robbench_builders.weights import kept

CPU = torch.device("cpu")
ARCHS = (
    "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|avg_pool_3x3~0|none~1|nor_conv_3x3~2|",
    "|skip_connect~0|+|none~0|nor_conv_1x1~1|+|nor_conv_1x1~0|none~1|skip_connect~2|",
)


class Trains:
    """`train`, which notes what it was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[list[str]] = []
        monkeypatch.setattr(units, "train", self)

    def __call__(self, archs: Sequence[Any], *rest: Any, **options: Any) -> Any:
        self.asked.append(list(map(str, archs)))
        return train(archs, *rest, **options)


@pytest.fixture
def trains(monkeypatch: pytest.MonkeyPatch) -> Trains:
    return Trains(monkeypatch)


@pytest.fixture
def unit(tiny_images: str, monkeypatch: pytest.MonkeyPatch) -> Unit:
    """Two networks, trained for an epoch."""
    monkeypatch.setitem(EVALUATIONS, "digits-light", Evaluation("digits-light", {"fgsm": FGSM()}, (8 / 255,), ("contrast",), images=6))
    monkeypatch.setitem(RECIPES, "digits", replace(RECIPES["digits"], epochs=1))
    return Unit(ARCHS, tiny_images, "digits", "digits-light", seed=0)


@pytest.fixture
def dataset(unit: Unit) -> Dataset:
    return load(unit.dataset)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return tmp_path / "weights"


def test_a_new_attack_and_a_new_corruption_are_evaluated_without_training_again(
    unit: Unit, dataset: Dataset, weights: Path, trains: Trains, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_unit(unit, dataset, CPU, weights=weights)
    assert (trains.asked, len(list(weights.iterdir()))) == ([list(unit.archs)], 2)
    whole = EVALUATIONS["digits-light"]
    monkeypatch.setitem(EVALUATIONS, "more", replace(whole, name="more", attacks={"pgd": PGD(steps=2)}, corruptions=("contrast", "fog")))
    again = run_unit(replace(unit, evaluation="more"), dataset, CPU, weights=weights)
    assert len(trains.asked) == 1
    assert np.array_equal(again.outcomes["contrast"], first.outcomes["contrast"])
    assert again.outcomes["fog"].shape == (2, 5, 6)
    assert again.trainings == first.trainings


def test_what_is_kept_gives_the_same_bits_as_what_was_trained(unit: Unit, dataset: Dataset, weights: Path, trains: Trains) -> None:
    plain = run_unit(unit, dataset, CPU)
    now, later = (run_unit(unit, dataset, CPU, weights=weights) for _ in range(2))
    assert len(trains.asked) == 2
    assert now.trainings == later.trainings
    for shard in (now, later):
        assert shard.environment == plain.environment
        for threat, outcomes in plain.outcomes.items():
            assert np.array_equal(shard.outcomes[threat], outcomes)


def test_killed_between_training_and_evaluation_nothing_is_trained_twice(
    unit: Unit, dataset: Dataset, weights: Path, trains: Trains, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(units, "measure", killed)
        with pytest.raises(KeyboardInterrupt):
            run_unit(unit, dataset, CPU, weights=weights)
    shard = run_unit(unit, dataset, CPU, weights=weights)
    assert trains.asked == [list(unit.archs)]
    assert shard.outcomes["fgsm"].shape == (2, 1, 6)


def test_only_what_is_not_kept_is_trained(unit: Unit, dataset: Dataset, weights: Path, trains: Trains) -> None:
    run_unit(replace(unit, archs=unit.archs[1:]), dataset, CPU, weights=weights)
    shard = run_unit(unit, dataset, CPU, weights=weights)
    assert trains.asked == [[unit.archs[1]], [unit.archs[0]]]
    assert shard.environment["stack"] == 1
    run_unit(replace(unit, seed=5), dataset, CPU, weights=weights)
    assert trains.asked[2:] == [list(unit.archs)]
    assert len(list(weights.iterdir())) == 4


def test_weights_of_another_recipe_are_not_used(
    unit: Unit, dataset: Dataset, weights: Path, trains: Trains, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither of one that has the name by now, nor of a file that bears the name of another."""
    run_unit(unit, dataset, CPU, weights=weights)
    before = sorted(weights.iterdir())
    monkeypatch.setitem(RECIPES, "digits", replace(RECIPES["digits"], epochs=2))
    run_unit(unit, dataset, CPU, weights=weights)
    assert len(trains.asked) == 2
    after = sorted(set(weights.iterdir()) - set(before))
    assert len(after) == 2
    shutil.copy(before[0], after[0])
    content = after[0].read_bytes()
    with pytest.raises(WeightsError, match=r"holds weights of another .*recipe.* than its name says .*; take it out of the folder"):
        run_unit(unit, dataset, CPU, weights=weights)
    assert after[0].read_bytes() == content


def test_a_recipe_by_another_name_is_the_same_recipe(
    unit: Unit, dataset: Dataset, weights: Path, trains: Trains, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_unit(unit, dataset, CPU, weights=weights)
    monkeypatch.setitem(RECIPES, "renamed", replace(RECIPES["digits"], name="renamed"))
    run_unit(replace(unit, recipe="renamed"), dataset, CPU, weights=weights)
    assert len(trains.asked) == 1


@pytest.mark.parametrize("damage", ["cut", "empty", "bit", "compressed"])
def test_damaged_weights_are_named_and_trained_again(unit: Unit, dataset: Dataset, weights: Path, trains: Trains, damage: str) -> None:
    first = run_unit(unit, dataset, CPU, weights=weights)
    path = sorted(weights.iterdir())[0]
    content = path.read_bytes()
    if damage == "compressed":
        with np.load(path) as file:
            np.savez_compressed(path, **dict(file))
    else:
        middle = len(content) // 2
        path.write_bytes(
            {"cut": content[:middle], "empty": b"", "bit": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]}[damage]
        )
    with pytest.raises(DamagedWeights, match=rf"{path.name} is cut short or damaged .*; delete it"):
        kept.read(path)
    notices: list[str] = []
    again = run_unit(unit, dataset, CPU, weights=weights, notice=notices.append)
    (notice,) = notices
    assert f"{path} is cut short or damaged" in notice
    assert "again." in notice
    assert [len(archs) for archs in trains.asked] == [2, 1]
    assert kept.read(path).about.arch == trains.asked[1][0]
    assert again.outcomes.keys() == first.outcomes.keys()


def test_no_flipped_bit_is_read(unit: Unit, dataset: Dataset, weights: Path) -> None:
    run_unit(unit, dataset, CPU, weights=weights)
    path, rng = sorted(weights.iterdir())[0], np.random.default_rng(0)
    whole, before = path.read_bytes(), kept.read(path)
    outcomes = []
    for position in rng.integers(0, len(whole), 150):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            found = kept.read(path)
        except DamagedWeights:
            outcomes.append("refused")
            continue
        outcomes.append("read")  # times, and other fields of a zip that say nothing of its content
        assert (found.about, found.training) == (before.about, before.training)
        assert all(torch.equal(found.tensors[name], tensor) for name, tensor in before.tensors.items())
    assert outcomes.count("refused") > 100


def test_a_diverged_network_is_kept_with_its_reason(
    unit: Unit, dataset: Dataset, weights: Path, trains: Trains, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RECIPES, "digits", replace(RECIPES["digits"], learning_rate=1e30, epochs=4))
    first, again = (run_unit(unit, dataset, CPU, weights=weights) for _ in range(2))
    assert len(trains.asked) == 1
    assert any("not finite" in str(training["diverged"]) for training in again.trainings)
    assert [training["diverged"] for training in first.trainings] == [training["diverged"] for training in again.trainings]


def test_weights_that_were_trained_elsewhere_say_so(
    unit: Unit, dataset: Dataset, weights: Path, trains: Trains, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(units, "environment_of", lambda device: {"torch": "9.9", "device": "GPU"})
        run_unit(unit, dataset, CPU, weights=weights)
    shard = run_unit(unit, dataset, CPU, weights=weights)
    assert len(trains.asked) == 1
    assert shard.environment == {**environment_of(CPU), "stack": 2, "trained": {"torch": "9.9", "device": "GPU"}}


def test_a_folder_that_cannot_be_written_is_named(unit: Unit, dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"could not be written: .*name another folder for the weights"):
        run_unit(unit, dataset, CPU, weights=tmp_path / "file")
