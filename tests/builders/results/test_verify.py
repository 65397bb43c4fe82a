from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from robbench_builders.attacks import PGD
from robbench_builders.errors import BuildError
from robbench_builders.evaluations import EVALUATIONS, Evaluation
from robbench_builders.plan import Plan
from robbench_builders.plan_file import write_plan
from robbench_builders.recipes import RECIPES
from robbench_builders.results import shards
from robbench_builders.results.merge import merge
from robbench_builders.results.verify import verify
from robbench_builders.run import run
from robbench.store.arrays import Array, Header, Name
from robbench.store.embedded import embedded_store
from robbench.store.rows import Rows
from robbench.store.writing import extend
from tests.toy_space import TOY, register


def test_a_unit_of_the_embedded_store_comes_out_again() -> None:
    """Where it was built, bit for bit.  This unit's grasp tells whether memory is laid out in another way."""
    (found,) = verify(Path(embedded_store()), sample=1, seed=150, device="cpu")
    assert found.unit.key == "344ce2896e72c1ac"
    assert found.outcomes == 16 * (360 + 120 * (4 * 4 + 15 * 5))
    assert found.succeeded


def test_verify_agrees_with_a_real_build_and_not_with_a_changed_one(tmp_path: Path, undisturbed: Path) -> None:
    folder = Path(shutil.copytree(undisturbed.parent, tmp_path / "real"))
    with pytest.raises(BuildError, match="sample=5; expected 1 to 4, the units of the store's plans"):
        next(verify(undisturbed, sample=5))
    (found,) = verify(undisturbed, sample=1, device="cpu")
    assert found.same_environment
    assert (found.differing_outcomes, found.largest_change, found.mean_change) == (0, 0.0, 0.0)
    assert found.succeeded
    assert found.outcomes == 2 * 12 * (1 + 4 * 4 + 2 * 5)
    assert found.differing_proxies == 0
    shard = shards.read(shards.path_of(folder, found.unit))
    network, level = np.argwhere(shard.outcomes["pgd"].mean(axis=-1) != 0.5)[0]
    accuracy = shard.outcomes["pgd"][network, level].mean()
    shard.outcomes["pgd"][network, level] ^= True
    shard.proxies["snip"][1] += 1
    shards.write(folder, shard)
    merge(folder, tmp_path / "changed.h5")
    (found,) = verify(tmp_path / "changed.h5", sample=1, device="cpu")
    assert (found.differing_outcomes, found.differing_proxies) == (12, 1)
    assert found.largest_change == pytest.approx(abs(1 - 2 * accuracy))
    assert not found.succeeded


def test_names_that_stand_for_something_else_now_are_refused(tmp_path: Path, tiny_images: str, monkeypatch: pytest.MonkeyPatch) -> None:
    light = EVALUATIONS["digits-light"]
    before = Evaluation("digits-light", {"fgsm": light.attacks["fgsm"], "pgd": light.attacks["pgd"]}, light.eps)
    monkeypatch.setitem(EVALUATIONS, "digits-light", before)
    write_plan(tmp_path / "build", Plan(tiny_images, "digits", "digits-light", classes=1, sample_seed=0, seeds=(0,), stack=1))
    list(run(tmp_path / "build", device="cpu"))
    merge(tmp_path / "build", tmp_path / "store.h5")
    (found,) = verify(tmp_path / "store.h5", sample=1, device="cpu")
    assert found.succeeded
    monkeypatch.setitem(EVALUATIONS, "digits-light", replace(before, attacks={**before.attacks, "pgd": PGD(steps=7)}))
    with pytest.raises(
        BuildError, match=r"'digits-light' stood for something else \(they differ in pgd\); build it again with the version"
    ):
        next(verify(tmp_path / "store.h5", sample=1, device="cpu"))
    monkeypatch.setitem(EVALUATIONS, "digits-light", replace(before, eps=before.eps[:2]))
    with pytest.raises(BuildError, match=r"they differ in eps"):
        next(verify(tmp_path / "store.h5", sample=1, device="cpu"))
    monkeypatch.setitem(EVALUATIONS, "digits-light", before)
    monkeypatch.setitem(RECIPES, "digits", replace(RECIPES["digits"], epochs=9))
    with pytest.raises(BuildError, match=r"they differ in the recipe"):
        next(verify(tmp_path / "store.h5", sample=1, device="cpu"))


def test_all_plans_of_a_store_are_built_again(tmp_path: Path, tiny_images: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of networks that were trained in two ways, which share the proxies of the untrained ones."""
    light = EVALUATIONS["digits-light"]
    small = Evaluation("digits-light", {"fgsm": light.attacks["fgsm"]}, light.eps[:1], proxies={"snip": light.proxies["snip"]})
    monkeypatch.setitem(EVALUATIONS, "digits-light", small)
    for recipe in ("digits", "digits-pgd"):
        write_plan(tmp_path / recipe, Plan(tiny_images, recipe, "digits-light", classes=2, sample_seed=0, seeds=(0,), stack=2))
        list(run(tmp_path / recipe, device="cpu"))
        merge(tmp_path / recipe, tmp_path / "store.h5")
    found = list(verify(tmp_path / "store.h5", sample=2, device="cpu"))
    assert {one.unit.recipe for one in found} == {"digits", "digits-pgd"}
    assert all(one.succeeded and one.same_environment for one in found)


def test_a_store_of_published_data_cannot_be_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Rows.of(register(monkeypatch), TOY.members)
    published = Header("class", {}, "fraction", {"source": "someone"})
    extend(tmp_path / "published.h5", rows, [Array(Name("digits", "standard", "clean", "accuracy"), published, np.full(8, 0.5))])
    with pytest.raises(BuildError, match="holds nothing that was built here"):
        next(verify(tmp_path / "published.h5", sample=1))
