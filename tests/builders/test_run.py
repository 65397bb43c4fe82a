from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from builders import measure, units
from builders import run as running
from builders.corruptions import CORRUPTIONS, corrupt
from builders.datasets import load
from builders.devices import MEMORY, find_device, stack_for
from builders.errors import BuildError
from builders.evaluate import clean_outcomes, robust_outcomes
from builders.evaluations import EVALUATIONS, Evaluation
from builders.networks.frozen import FrozenStack
from builders.plan import Plan, read_plan, write_plan
from builders.proxies import PROXIES, score_untrained
from builders.recipes import RECIPES
from builders.results import shards
from builders.results.merge import merge
from builders.run import run, todo
from builders.train import train
from builders.units import run_unit
from robbench.spaces.nb201 import Cell
from robbench.store import Store
from tests.builders.conftest import planned
from tests.builders.results.stores import assert_same_arrays

CPU = torch.device("cpu")


def test_corruptions_are_part_of_an_evaluation(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    light = EVALUATIONS["digits-light"]
    corrupted = Evaluation("corrupted", {"fgsm": light.attacks["fgsm"]}, light.eps[:1], ("fog", "pixelate"), images=7)
    monkeypatch.setitem(EVALUATIONS, "corrupted", corrupted)
    unit = replace(read_plan(folder).units()[0], evaluation="corrupted")
    dataset = load(unit.dataset)
    shard = run_unit(unit, dataset, CPU)
    assert list(shard.outcomes) == list(shard.seconds) == ["clean", "fgsm", "fog", "pixelate"]
    assert [shard.outcomes[threat].shape for threat in ("clean", "fgsm", "fog")] == [(2, 12), (2, 1, 7), (2, 5, 7)]
    network, _ = train([Cell.parse(arch) for arch in unit.archs], dataset, RECIPES[unit.recipe], unit.seed, CPU)
    images, labels = (torch.from_numpy(array) for array in (corrupt(dataset.test_images, "fog", 3), dataset.test_labels))
    assert np.array_equal(shard.outcomes["fog"][:, 2], clean_outcomes(FrozenStack(network.eval()), images, labels)[:, :7])
    assert shard.settings["corruptions"]["pixelate"] == dataset.corrupted.settings("pixelate")


def test_a_unit_gives_the_same_bits_again(folder: Path, undisturbed: Path) -> None:
    unit = read_plan(folder).units()[0]
    one, other = run_unit(unit, load(unit.dataset), CPU), shards.read(shards.path_of(undisturbed.parent, unit))
    assert one.outcomes.keys() == {"clean", "fgsm", "pgd", "apgd-ce", "square", *CORRUPTIONS}
    assert one.proxies.keys() == PROXIES.keys() - {"params", "flops"}
    for threat, outcomes in one.outcomes.items():
        assert np.array_equal(outcomes, other.outcomes[threat])
    for proxy, values in one.proxies.items():
        assert np.array_equal(values, other.proxies[proxy], equal_nan=True)
    assert [training["loss"] for training in one.trainings] == [training["loss"] for training in other.trainings]


def test_proxies_are_of_the_weights_that_training_starts_from(undisturbed: Path) -> None:
    unit = read_plan(undisturbed.parent).units()[3]
    dataset, cells = load(unit.dataset), [Cell.parse(arch) for arch in unit.archs]
    alone = score_untrained(cells, dataset, ["synflow", "snip"], seed=1, channels=8, cells_a_stage=1)
    shard = shards.read(shards.path_of(undisturbed.parent, unit))
    assert unit.seed == 1
    assert [shard.proxies[name].tolist() for name in alone.values] == [values.tolist() for values in alone.values.values()]


@pytest.mark.usefixtures("quick")
def test_what_is_done_is_not_done_twice(folder: Path) -> None:
    units = iter(run(folder, device="cpu"))
    first = next(units)
    units.close()  # type: ignore[attr-defined]
    before = shards.path_of(folder, first).stat().st_mtime_ns
    assert len(todo(folder)) == 3
    assert first not in list(run(folder, device="cpu"))
    assert todo(folder) == []
    assert shards.path_of(folder, first).stat().st_mtime_ns == before


def test_killed_at_random_and_resumed_gives_the_same_store(folder: Path, undisturbed: Path) -> None:
    rng = np.random.default_rng(0)
    command = [sys.executable, "-m", "builders", "run", str(folder), "--device", "cpu"]
    for _ in range(3):
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=Path(__file__).parents[2]) as process:
            time.sleep(rng.uniform(1.0, 5.0))
            process.send_signal(signal.SIGKILL)
    leftovers = {path.suffix for path in folder.iterdir()} - {".npz", ".json"}
    assert leftovers == set()
    list(run(folder, device="cpu"))
    merge(folder, folder / "store.h5")
    assert_same_arrays(folder / "store.h5", undisturbed)


def test_a_killed_worker_is_reported_and_costs_only_its_unit_and_workers_give_the_same_store(folder: Path, undisturbed: Path) -> None:
    units = iter(run(folder, device="cpu", workers=2))
    next(units)
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    workers = [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
    os.kill(workers[0], signal.SIGKILL)
    with pytest.raises(BuildError, match=r"a worker process died .*what was done is kept: run again"):
        list(units)
    left = todo(folder)
    assert len(left) < 4
    assert set(run(folder, device="cpu", workers=2)) == set(left)
    assert todo(folder) == []
    merge(folder, folder / "store.h5")
    assert_same_arrays(folder / "store.h5", undisturbed)


def test_workers_die_with_a_killed_build(folder: Path) -> None:
    command = [sys.executable, "-m", "builders", "run", str(folder), "--device", "cpu", "--workers", "2"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=Path(__file__).parents[2]) as process:
        while not list(folder.glob("*.npz")):
            assert process.poll() is None
            time.sleep(0.02)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(children) >= 2
    assert not [child for child in children if Path(f"/proc/{child}").exists()]


def test_interrupted_says_how_to_go_on(tmp_path: Path, tiny_images: str) -> None:
    folder = tmp_path / "long"
    write_plan(folder, Plan(tiny_images, "digits", "digits-light", classes=200, sample_seed=0, seeds=(0,), stack=1))
    command = [sys.executable, "-m", "builders", "run", str(folder), "--device", "cpu"]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # which a background job inherits as ignored
    )
    with process:
        while not list(folder.glob("*.npz")):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"stopped; what was done is kept. Go on with: robbench build run {folder}" in errors


def test_ctrl_c_ends_a_worker_and_not_only_its_unit(folder: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job inherits it as ignored
    try:
        context, told = multiprocessing.get_context("spawn"), (load("digits"), "cpu", folder, None)
        pool = ProcessPoolExecutor(1, context, initializer=running._start_worker, initargs=told)
        with pool, pytest.raises(BrokenProcessPool):
            pool.submit(signal.raise_signal, signal.SIGINT).result()
    finally:
        signal.signal(signal.SIGINT, before)


def _no_memory_on_a_gpu() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory.")


def _no_memory_for_a_library() -> None:
    raise RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED")


def _no_memory_on_a_cpu() -> None:
    torch.empty(10**15)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("shortage", [_no_memory_on_a_gpu, _no_memory_for_a_library, _no_memory_on_a_cpu])
def test_memory_that_does_not_hold_the_stack_halves_it(folder: Path, monkeypatch: pytest.MonkeyPatch, shortage: Callable[[], None]) -> None:
    unit = read_plan(folder).units()[0]
    dataset = load(unit.dataset)

    def scarce(archs: Sequence[Cell], *rest: Any, **options: Any) -> Any:
        if len(archs) > 1:
            shortage()
        return train(archs, *rest, **options)

    monkeypatch.setattr(units, "train", scarce)
    notices: list[str] = []
    shard = run_unit(unit, dataset, CPU, notice=notices.append)
    assert notices == ["2 networks do not fit into the memory of cpu; going on with 1 at a time."]
    assert shard.unit == unit
    assert shard.environment["stack"] == 1
    assert shard.outcomes["pgd"].shape == (2, 4, 12)
    assert shard.proxies["synflow"].shape == (2,)
    assert len(shard.trainings) == 2


@pytest.mark.usefixtures("quick")
def test_proxies_that_memory_does_not_hold_are_scored_in_halves(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unit = read_plan(folder).units()[0]
    dataset = load(unit.dataset)

    def scarce(archs: Sequence[Cell], *rest: Any, **options: Any) -> Any:
        if len(archs) > 1:
            _no_memory_on_a_gpu()
        return score_untrained(archs, *rest, **options)

    whole = run_unit(unit, dataset, CPU)
    monkeypatch.setattr(units, "score_untrained", scarce)
    halves = run_unit(unit, dataset, CPU)
    assert halves.environment == whole.environment
    for proxy, values in whole.proxies.items():
        np.testing.assert_allclose(halves.proxies[proxy], values, rtol=1e-5)


@pytest.mark.usefixtures("quick")
def test_an_attack_that_memory_does_not_hold_is_run_in_smaller_batches_and_nothing_is_trained_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = read_plan(folder).units()[0]
    dataset, asked, trained = load(unit.dataset), list[int](), list[int]()

    def scarce(*given: Any, batch_size: int, **options: Any) -> Any:
        asked.append(batch_size)
        if batch_size > 30:
            _no_memory_on_a_gpu()
        return robust_outcomes(*given, batch_size=batch_size, **options)

    def counted(archs: Sequence[Cell], *rest: Any, **options: Any) -> Any:
        trained.append(len(archs))
        return train(archs, *rest, **options)

    monkeypatch.setattr(units, "train", counted)
    whole = run_unit(unit, dataset, CPU)
    monkeypatch.setattr(measure, "robust_outcomes", scarce)
    notices: list[str] = []
    small = run_unit(unit, dataset, CPU, notice=notices.append)
    assert asked == [200, 100, 50, 25] * 2
    assert notices[:2] == [f"fgsm does not fit into memory; going on with {batch} images at a time." for batch in (100, 50)]
    assert trained == [2, 2]
    assert small.environment == whole.environment
    for threat, outcomes in whole.outcomes.items():
        assert np.array_equal(small.outcomes[threat], outcomes)


@pytest.mark.usefixtures("quick")
def test_an_attack_on_one_image_that_memory_does_not_hold_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def scarce(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("too much")

    monkeypatch.setattr(measure, "robust_outcomes", scarce)
    unit = read_plan(folder).units()[0]
    with pytest.raises(BuildError, match=r"fgsm of one image at a time does not fit into memory: too much\. Stack fewer networks"):
        run_unit(unit, load(unit.dataset), CPU)


def test_one_network_that_does_not_fit_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unit = read_plan(folder).units()[0]

    def scarce(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("too much")

    monkeypatch.setattr(units, "train", scarce)
    with pytest.raises(BuildError, match=r"alone does not fit into the memory of cpu: too much"):
        run_unit(unit, load(unit.dataset), CPU)


def test_other_errors_are_not_taken_for_a_lack_of_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(units, "train", broken)
    unit = read_plan(folder).units()[0]
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        run_unit(unit, load(unit.dataset), CPU)


@pytest.mark.usefixtures("quick")
def test_a_diverged_network_is_missing_with_its_reason(tmp_path: Path, tiny_images: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECIPES, "digits", replace(RECIPES["digits"], learning_rate=1e30))
    folder = planned(tmp_path / "build", tiny_images)
    list(run(folder, device="cpu"))
    merge(folder, folder / "store.h5")
    with Store(folder / "store.h5") as store:
        name = next(name for name in store.names() if name.metric == "clean" and name.measure == "accuracy")
        diverged = store.header(name).provenance["diverged"]
        assert diverged
        assert all("not finite" in reason for reason in diverged.values())
        assert np.isfinite(store.read(name)).sum() == 8 - len(diverged)


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "meta:x", "meta"])
def test_an_unknown_device_is_named(name: str) -> None:
    with pytest.raises(BuildError, match=rf"device '{name}' cannot be used: .* Expected cpu, cuda, cuda:1, …, or auto"):
        find_device(name)


def test_shards_of_another_plan_stop_a_run(folder: Path) -> None:
    (folder / "0123456789abcdef.npz").write_bytes(b"")
    with pytest.raises(BuildError, match=r"0123456789abcdef\.npz and 0 more are not of the plan"):
        next(run(folder, device="cpu"))


def test_a_stack_shrinks_with_the_images() -> None:
    dataset = load("digits")
    assert 1 <= stack_for(CPU, dataset, RECIPES["nb201-12"]) <= stack_for(CPU, dataset, RECIPES["digits"]) <= 16


def test_a_stack_is_small_enough_for_attacks_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which see more images at a time than some recipes train on."""
    monkeypatch.setitem(MEMORY, "cpu", 2**25)
    dataset, recipe = load("digits"), RECIPES["digits"]
    assert stack_for(CPU, dataset, recipe) == stack_for(CPU, dataset, replace(recipe, batch_size=100)) == 5
