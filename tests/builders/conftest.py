from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def tiny_images(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A data set to build on in a second: bright and dark 8×8 images, as ``npz:PATH``."""
    rng = np.random.default_rng(0)
    arrays = {}
    for part, n in (("train", 24), ("test", 12)):
        labels = np.arange(n) % 2
        arrays[f"{part}_labels"] = labels
        arrays[f"{part}_images"] = np.clip(labels[:, None, None, None] * 0.2 + 0.6 * rng.random((n, 1, 8, 8)), 0, 1).astype(np.float32)
    path = tmp_path_factory.mktemp("images") / "tiny.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return f"npz:{path}"


@pytest.fixture
def folder(tmp_path: Path, tiny_images: str) -> Path:
    """A folder with a plan of four small units."""
    return planned(tmp_path / "build", tiny_images)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that are not about what is measured: to this process, "digits-light" is two attacks, a corruption and two proxies."""
    from robbench_builders.evaluations import EVALUATIONS

    whole = EVALUATIONS["digits-light"]
    attacks = {name: whole.attacks[name] for name in ("fgsm", "pgd")}
    proxies = {name: whole.proxies[name] for name in ("snip", "synflow")}
    monkeypatch.setitem(EVALUATIONS, "digits-light", replace(whole, attacks=attacks, corruptions=("contrast",), proxies=proxies))


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, tiny_images: str) -> Path:
    """The store of the same plan, built without a break; its shards lie beside it.  Shared: copy it before changing it."""
    from robbench_builders.results.merge import merge
    from robbench_builders.run import run

    folder = planned(tmp_path_factory.mktemp("undisturbed"), tiny_images)
    assert len(list(run(folder, device="cpu"))) == 4
    merge(folder, folder / "store.h5")
    return folder / "store.h5"


def planned(folder: Path, images: str) -> Path:
    """Some of every kind of measurement, which the plan says in full: workers in other processes find it there."""
    from robbench_builders.evaluations import EVALUATIONS
    from robbench_builders.plan import Plan
    from robbench_builders.plan_file import write_plan

    whole = EVALUATIONS["digits-light"]
    proxies = {name: whole.proxies[name] for name in ("snip", "synflow")}
    some = replace(whole, name="some", corruptions=("contrast", "fog"), proxies=proxies)
    write_plan(folder, Plan(images, "digits", some, classes=4, sample_seed=0, seeds=(0, 1), stack=2))
    return folder
