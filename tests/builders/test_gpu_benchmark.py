"""benchmarks/gpu.py at its smallest size, on a CPU: a GPU is seldom at hand, and then there are nine minutes."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from robbench_builders.plan_file import read_plan
from robbench_builders.results import shards

gpu = import_module("benchmarks.gpu")


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """JPEGs in two folders a class, as npz."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed: no JPEGs to pack")
    rng = np.random.default_rng(0)
    for part, count in (("train", 6), ("test", 3)):
        for label, name in enumerate(("aeroplane", "bird")):
            folder = tmp_path / "jpeg" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                levels = (rng.random((8, 8, 3)) * 100 + 100 * label).astype(np.uint8)
                image.fromarray(levels).save(folder / f"{number:04}.jpg")
    assert gpu.main(["pack", str(tmp_path / "jpeg"), str(tmp_path / "images.npz"), "--train", "8", "--test", "6"]) == 0
    return tmp_path / "images.npz"


def test_a_folder_of_jpegs_is_packed(photographs: Path) -> None:
    with np.load(photographs) as packed:
        assert packed["train_images"].shape == (8, 8, 8, 3)
        assert packed["test_images"].dtype == np.uint8
        assert sorted(packed["train_labels"]) == [0] * 4 + [1] * 4
        bright = packed["test_images"].mean((1, 2, 3)) > 128
        assert (bright == packed["test_labels"]).all()


def test_results_that_agree_and_results_that_do_not(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "ATTACKS", {name: gpu.ATTACKS[name] for name in ("pgd", "deepfool")})
    check = ["check", "--small", "--device", "cpu"]
    assert gpu.main(check) == 0
    printed = capsys.readouterr().out
    for what in (
        "frozen stack, plain networks on cpu: gradients",
        "DARTS, stack on cpu, plain networks on cpu: gradients",
        "two steps of training: weights",
        "deepfool: outcomes",
        "hessian",
        "pgd in bfloat16",
    ):
        assert what in printed
    assert "exceeded" not in printed
    assert "left out" not in printed
    monkeypatch.setitem(gpu.TOLERATED, "logits", -1.0)
    assert gpu.main([*check, "--seconds", "0"]) == 1
    printed = capsys.readouterr().out
    assert printed.count("**exceeded**") == 3
    assert "left out for lack of time: attacks pgd, deepfool" in printed


def test_speed_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["measure", "--small", "--device", "cpu"]) == 0
    lines = [line.split("|")[1:3] for line in capsys.readouterr().out.splitlines() if line.startswith(("| 1", "| 2"))]
    assert [(stack.strip(), what.strip()) for stack, what in lines] == [
        (stack, what) for stack in ("1", "2") for what in ("training, float32", "gradients, float32")
    ]


@pytest.mark.parametrize(
    ("busy", "share", "expected"), [(None, None, ""), (0.3, 0.1, "launches"), (0.9, 0.6, "arithmetic"), (0.9, 0.1, "memory")]
)
def test_what_bounds_a_gpu(busy: float | None, share: float | None, expected: str) -> None:
    assert gpu.bound(busy, share) == expected


class TimeForOne:
    """A clock that has time when it is first asked, and none after."""

    def __init__(self, seconds: float) -> None:
        self.looks = iter([1.0])

    @property
    def left(self) -> float:
        return next(self.looks, 0.0)


def test_a_build_stops_in_time_and_goes_on(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    build = ["build", str(out), "--small", "--device", "cpu", "--stack", "1", "--data", str(photographs)]
    assert gpu.main([*build, "--seconds", "0"]) == 0
    assert "0 units done" in capsys.readouterr().out
    monkeypatch.setattr(gpu, "Clock", TimeForOne)
    for done in (1, 2):
        assert gpu.main(build) == 0
        assert "1 units done" in capsys.readouterr().out
        assert len(list(out.glob("*.npz"))) == done
    plan = read_plan(out)
    assert plan.dataset == "cifar10_jpeg"
    assert sum(shards.is_done(out, unit) for unit in plan.units()[:2]) == 2


def test_a_recipe_in_another_precision_has_a_name_of_its_own() -> None:
    fast = gpu.in_precision(gpu.FULL.recipe, "tf32")
    assert (fast.name, fast.precision, fast.epochs) == ("nb201-12-tf32", "tf32", 12)
    assert gpu.in_precision(gpu.FULL.recipe, "float32") is gpu.FULL.recipe


def test_a_build_without_data_is_refused() -> None:
    with pytest.raises(SystemExit):
        gpu.main(["build", "--small"])
