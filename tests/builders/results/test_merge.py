from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from builders.corruptions import CORRUPTIONS
from builders.datasets import load
from builders.errors import BuildError
from builders.evaluations import EVALUATIONS, Evaluation
from builders.networks.plain import Network, Skeleton
from builders.plan import Plan, Unit, read_plan, write_plan
from builders.results import shards
from builders.results.merge import merge
from builders.results.shards import Shard
from builders.run import run
from builders.units import environment_of, settings_of
from robbench import RobBench
from robbench.spaces.nb201 import cells
from robbench.store import verify as verify_store

IMAGES = 20
ATTACKS = ("fgsm", "pgd", "apgd-ce", "square")
THREATS = {"clean": (), **dict.fromkeys((*ATTACKS, *CORRUPTIONS), (5,))}


def made_up(unit: Unit) -> Shard:
    """A shard without training: outcomes and proxies drawn by the unit; one proxy is missing for the first network."""
    rng = np.random.default_rng(int(unit.key, 16) % 2**32)
    outcomes = {threat: rng.random((len(unit.archs), *levels, IMAGES)) < 0.6 for threat, levels in THREATS.items()}
    trainings = [{"loss": 0.5, "accuracy": 0.9, "seconds": 1.0, "diverged": None} for _ in unit.archs]
    environment = {**environment_of(torch.device("cpu")), "stack": len(unit.archs)}
    proxies = {name: rng.random(len(unit.archs)) for name in EVALUATIONS[unit.evaluation].proxies}
    proxies["fisher"][0] = np.nan
    return Shard(
        unit,
        settings_of(unit.recipe, unit.evaluation, load("digits")),
        environment,
        trainings,
        {"proxies": 2.0, **dict.fromkeys(THREATS, 1.0)},
        outcomes,
        proxies,
        {"fisher": {"the value is not finite": 1}},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """All shards of a plan of 3 stacks × 2 seeds."""
    folder = tmp_path / "build"
    write_plan(folder, Plan("digits", "digits", "digits", classes=5, sample_seed=0, seeds=(4, 7), stack=2))
    for unit in read_plan(folder).units():
        shards.write(folder, made_up(unit))
    return folder


def test_every_outcome_is_in_the_store_where_it_belongs(folder: Path, tmp_path: Path) -> None:
    store = tmp_path / "store.h5"
    merge(folder, store)
    verify_store(store)
    bench = RobBench(store)
    for unit in read_plan(folder).units():
        shard = shards.read(shards.path_of(folder, unit))
        for k, arch in enumerate(unit.archs):
            for at, eps in enumerate(k / 255 for k in (4, 8, 16, 32, 64)):
                bits = shard.outcomes["pgd"][k, at]
                assert np.array_equal(bench.query(arch, "pgd", eps=eps, measure="outcomes", seed=unit.seed), bits)
                assert bench.query(arch, "pgd", eps=eps, seed=unit.seed) == bits.mean()
                worst = np.logical_and.reduce([shard.outcomes[threat][k, at] for threat in ATTACKS])
                assert bench.query(arch, "worst_case", eps=eps, seed=unit.seed) == worst.mean()
            for severity in range(1, 6):
                bits = shard.outcomes["fog"][k, severity - 1]
                assert np.array_equal(bench.query(arch, "fog", severity=severity, measure="outcomes", seed=unit.seed), bits)
                assert bench.query(arch, "fog", severity=severity, seed=unit.seed) == bits.mean()
            everything = np.mean([shard.outcomes[name][k] for name in CORRUPTIONS])
            assert bench.query(arch, "mean_corruption", seed=unit.seed) == pytest.approx(everything)
            assert bench.query(arch, "clean", seed=unit.seed) == shard.outcomes["clean"][k].mean()
            assert bench.query(arch, "training_loss", seed=unit.seed) == shard.trainings[k]["loss"]
    provenance = bench.explain(unit.archs[0], "pgd@4/255").sources["digits/standard/pgd/accuracy"]
    assert provenance["attack"]["steps"] == 40
    assert provenance["images"] == IMAGES
    assert provenance["plan"]["stack"] == 2
    fog = bench.explain(unit.archs[0], "fog@3").sources["digits/standard/fog/accuracy"]
    assert fog["corruption"] == load("digits").corrupted.settings("fog")


def test_proxies_are_of_the_cells_that_were_built(folder: Path, tmp_path: Path) -> None:
    merge(folder, tmp_path / "store.h5")
    bench = RobBench(tmp_path / "store.h5")
    for unit in read_plan(folder).units():
        shard = shards.read(shards.path_of(folder, unit))
        for k, arch in enumerate(unit.archs):
            assert bench.query(arch, "synflow", seed=unit.seed) == shard.proxies["synflow"][k]
            assert np.isnan(bench.query_many([arch], "fisher", seed=unit.seed, missing="nan")[0]) == (k == 0)
    assert np.count_nonzero(~np.isnan(bench.query_many(list(cells()), "synflow", missing="nan"))) == 5
    arch = read_plan(folder).units()[0].archs[1]
    provenance = bench.explain(arch, "fisher").sources["digits/untrained/fisher/value"]
    assert provenance["missing"] == {"the value is not finite": 6}
    assert provenance["seconds_of_all_proxies"] == 12.0
    psi = bench.explain(arch, "r_score_psi").sources["digits/untrained/r_score_psi/value"]["proxy"]
    assert (psi["repeats"], psi["batch_size"], psi["init"]) == (32, 64, "random")


def test_every_cell_has_its_parameters_and_flops(folder: Path, tmp_path: Path) -> None:
    merge(folder, tmp_path / "store.h5")
    bench = RobBench(tmp_path / "store.h5")
    assert not np.isnan(bench.query_many(list(cells()), "params")).any()
    assert not np.isnan(bench.query_many(list(cells()), "flops")).any()
    cell = list(cells())[7531]
    network = Network(cell, Skeleton(8, 1, 1, 10))
    assert bench.query(cell, "params") == sum(weight.numel() for weight in network.parameters()) / 1e6


def test_merging_twice_changes_nothing(folder: Path, tmp_path: Path) -> None:
    merge(folder, tmp_path / "store.h5")
    before = (tmp_path / "store.h5").read_bytes()
    assert merge(folder, tmp_path / "store.h5").added == []
    assert (tmp_path / "store.h5").read_bytes() == before


def test_gaps_are_refused_by_name(folder: Path, tmp_path: Path) -> None:
    gone = read_plan(folder).units()[2]
    shards.path_of(folder, gone).unlink()
    with pytest.raises(BuildError, match=rf"lacks 1 of 6 units: {gone.key}; `robbench build run .*` makes them"):
        merge(folder, tmp_path / "store.h5")
    assert not (tmp_path / "store.h5").exists()


def test_shards_outside_the_plan_are_refused_by_name(folder: Path, tmp_path: Path) -> None:
    stranger = replace(read_plan(folder).units()[0], recipe="digits-pgd")
    shards.write(folder, made_up(stranger))
    with pytest.raises(BuildError, match=rf"holds shards that are not of its plan: {stranger.key}\.npz; take them out"):
        merge(folder, tmp_path / "store.h5")


def test_a_duplicate_under_another_name_is_refused(folder: Path, tmp_path: Path) -> None:
    first, second = read_plan(folder).units()[:2]
    shards.path_of(folder, second).write_bytes(shards.path_of(folder, first).read_bytes())
    with pytest.raises(BuildError, match=rf"{second.key}\.npz holds another unit than its name says \({first.key}\)"):
        merge(folder, tmp_path / "store.h5")


def test_mixed_library_versions_are_refused(folder: Path, tmp_path: Path) -> None:
    unit = read_plan(folder).units()[3]
    shard = made_up(unit)
    shards.write(folder, replace(shard, environment={**shard.environment, "torch": "1.0"}))
    with pytest.raises(
        BuildError, match=rf"mixes results that differ in torch: .* and 1\.0 \(units {unit.key}\); delete one kind and run again"
    ):
        merge(folder, tmp_path / "store.h5")


def test_mixed_recipes_are_refused(folder: Path, tmp_path: Path) -> None:
    """A recipe that has been changed since keeps its name, and so its units; what it stood for is in the shards."""
    unit = read_plan(folder).units()[3]
    shard = made_up(unit)
    changed = {**shard.settings, "recipe": {**shard.settings["recipe"], "epochs": 99}}
    shards.write(folder, replace(shard, settings=changed))
    with pytest.raises(BuildError, match=rf"mixes results that differ in recipe: .*'epochs': 99.* \(units {unit.key}\)"):
        merge(folder, tmp_path / "store.h5")


@pytest.mark.parametrize("which", [0, 3])
def test_shards_that_say_less_are_refused(folder: Path, tmp_path: Path, which: int) -> None:
    """As those of a version that knew of fewer settings."""
    shard = made_up(read_plan(folder).units()[which])
    shards.write(folder, replace(shard, settings={name: value for name, value in shard.settings.items() if name != "corruptions"}))
    with pytest.raises(BuildError, match=r"mixes results that differ in corruptions: .*; delete one kind and run again"):
        merge(folder, tmp_path / "store.h5")


def test_other_images_under_the_same_name_are_refused(tmp_path: Path, tiny_images: str, monkeypatch: pytest.MonkeyPatch) -> None:
    light = EVALUATIONS["digits-light"]
    monkeypatch.setitem(EVALUATIONS, "digits-light", Evaluation("digits-light", {"fgsm": light.attacks["fgsm"]}, light.eps[:1]))
    with np.load(tiny_images.removeprefix("npz:")) as file:
        arrays = dict(file)
    np.savez(tmp_path / "mine.npz", **arrays)
    folder = tmp_path / "build"
    write_plan(folder, Plan(f"npz:{tmp_path / 'mine.npz'}", "digits", "digits-light", classes=2, sample_seed=0, seeds=(0,), stack=1))
    half_done = run(folder, device="cpu")
    next(half_done)
    half_done.close()  # type: ignore[attr-defined]
    np.savez(tmp_path / "mine.npz", **arrays | {"test_images": arrays["test_images"][:10], "test_labels": arrays["test_labels"][:10]})
    list(run(folder, device="cpu"))
    with pytest.raises(BuildError, match=r"mixes results that differ in dataset: \w{16} and \w{16} "):
        merge(folder, tmp_path / "store.h5")


def test_the_plan_in_the_store_is_the_plan_of_the_folder(folder: Path, tmp_path: Path) -> None:
    merge(folder, tmp_path / "store.h5")
    arch = read_plan(folder).units()[0].archs[0]
    provenance = RobBench(tmp_path / "store.h5").explain(arch, "clean").sources["digits/standard/clean/accuracy"]
    written = json.loads((folder / "plan.json").read_text())
    assert provenance["plan"].items() <= written.items()
    assert written.keys() - provenance["plan"].keys() == {"data", "hash", "stands_for"}
