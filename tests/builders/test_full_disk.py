"""A disk that is full: an error of ours at every step, what was there stays, and nothing is left half-written (shards, logs and stores: in their own tests)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from robbench_builders import transfer_file
from robbench_builders.corruptions import files
from robbench_builders.errors import BuildError, CorruptionError, WeightsError
from robbench_builders.networks.plain import Skeleton
from robbench_builders.plan import Plan
from robbench_builders.plan_file import write_plan
from robbench_builders.train import Training
from robbench_builders.weights import kept
from tests.builders.disk import disk_of


def plan(folder: Path) -> None:
    write_plan(folder, Plan("digits", "digits", "digits-light", 3, 0, (0,), 1))


def weights(folder: Path) -> None:
    network: Any = torch.nn.Linear(40, 40)
    network.skeleton = Skeleton(4, 1, 1, 2)
    kept.write(folder, kept.About("nb201", "a", "b", {}, 0), network, Training(0.5, 0.9, 1.0, None), {})


def corrupted_images(folder: Path) -> None:
    files.kept(folder / "fog-1-0.bin", (9, 1, 8, 8), lambda: np.zeros((9, 1, 8, 8), np.uint8))


def matrix(folder: Path) -> None:
    transfer_file._write(folder / "matrix.json", {"networks": list(range(100))})


@pytest.mark.parametrize(
    ("step", "error"), [(plan, BuildError), (weights, WeightsError), (corrupted_images, CorruptionError), (matrix, BuildError)]
)
def test_every_step_says_so_and_leaves_nothing_half_written(step: Callable[[Path], None], error: type[Exception], tmp_path: Path) -> None:
    with disk_of(64), pytest.raises(error, match=r"(cannot|could not) be written.*File too large"):
        step(tmp_path)
    assert list(tmp_path.iterdir()) == []
    step(tmp_path)
    (written,) = tmp_path.iterdir()
    assert written.stat().st_size > 64


def test_a_matrix_that_cannot_grow_stays_as_it_was(tmp_path: Path) -> None:
    transfer_file._write(tmp_path / "matrix.json", {})
    with disk_of(64), pytest.raises(BuildError, match=r"matrix\.json cannot be written .*--out"):
        matrix(tmp_path)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["{}\n"]
