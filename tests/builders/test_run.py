from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from robbench_builders import measure, units
from robbench_builders import run as running
from robbench_builders.corruptions import CORRUPTIONS, corrupt
from robbench_builders.datasets import Dataset, load
from robbench_builders.devices import MEMORY, device_of_worker, find_device, stack_for
from robbench_builders.errors import BuildError
from robbench_builders.evaluate import clean_outcomes, robust_answers
from robbench_builders.evaluations import EVALUATIONS, Evaluation
from robbench_builders.log import Event
from robbench_builders.measure import Progress
from robbench_builders.networks.frozen import FrozenStack
from robbench_builders.plan import Plan, Unit
from robbench_builders.plan_file import read_plan, write_plan
from robbench_builders.proxies import PROXIES, score_untrained
from robbench_builders.recipes import RECIPES
from robbench_builders.results import shards
from robbench_builders.results.merge import merge
from robbench_builders.results.shards import Shard
from robbench_builders.results.status import Status
from robbench_builders.run import claimed, run, todo
from robbench_builders.train import train
from robbench_builders.units import run_unit
from robbench.spaces.nb201 import Cell
from robbench.store import Store
from tests.builders.conftest import planned
from tests.builders.disk import disk_of
from tests.builders.results.made_up import made_up
from tests.builders.results.stores import assert_same_arrays
from tests.builders.test_cli import robbench
from tests.toy_space import register

CPU = torch.device("cpu")


def test_corruptions_are_part_of_an_evaluation(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    light = EVALUATIONS["digits-light"]
    corrupted = Evaluation("corrupted", {"fgsm": light.attacks["fgsm"]}, light.eps[:1], ("fog", "pixelate"), images=7)
    monkeypatch.setitem(EVALUATIONS, "corrupted", corrupted)
    unit = replace(read_plan(folder).units()[0], evaluation="corrupted", own_evaluation=None)
    dataset = load(unit.dataset)
    shard = run_unit(unit, dataset, CPU)
    assert list(shard.outcomes) == list(shard.seconds) == ["clean", "fgsm", "fog", "pixelate"]
    assert [shard.outcomes[threat].shape for threat in ("clean", "fgsm", "fog")] == [(2, 12), (2, 1, 7), (2, 5, 7)]
    network, _ = train([Cell.parse(arch) for arch in unit.archs], dataset, RECIPES[unit.recipe], unit.seed, CPU)
    images, labels = (torch.from_numpy(array) for array in (corrupt(dataset.test_images, "fog", 3), dataset.test_labels))
    assert np.array_equal(shard.outcomes["fog"][:, 2], clean_outcomes(FrozenStack(network.eval()), images, labels)[:, :7])
    assert shard.settings["corruptions"]["pixelate"] == dataset.corrupted.settings("pixelate")


def test_a_unit_gives_the_same_bits_again(folder: Path) -> None:
    unit = replace(read_plan(folder).units()[0], evaluation="digits-light", own_evaluation=None)
    one, other = (run_unit(unit, load(unit.dataset), CPU) for _ in range(2))
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


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Unit]:
    """Units are drawn, not trained; those that were."""
    ran: list[Unit] = []

    def run_unit(unit: Unit, dataset: object, device: object, *, progress: Progress, **_: object) -> Shard:
        progress("training", 0, 4)
        progress("training", 4, 4)
        ran.append(unit)
        return made_up(unit)

    monkeypatch.setattr(running, "run_unit", run_unit)
    register(monkeypatch)
    monkeypatch.setitem(EVALUATIONS, "few", Evaluation("few", {"fgsm": EVALUATIONS["digits"].attacks["fgsm"]}, (0.1,)))
    return ran


@pytest.fixture
def toy_folder(tmp_path: Path, drawn: list[Unit]) -> Path:
    """Four units to be drawn."""
    write_plan(tmp_path / "toy", Plan("digits", "digits", "few", classes=4, sample_seed=0, seeds=(0, 1), stack=2, space="toy"))
    return tmp_path / "toy"


STEPS = ((os, "open"), (os, "write"), (os, "fsync"), (os, "link"), (os, "replace"), (os, "unlink"), (os, "rename"))
"""What a process does to files, of which it may be killed before any."""


def killed_before_step(number: int, work: Callable[[], object]) -> bool:
    """Do some work in a process that is killed before its step of this number; whether it had so many."""
    pid = os.fork()
    if pid == 0:
        count = 0

        def counted(function: Callable[..., object]) -> Callable[..., object]:
            def step(*arguments: object, **options: object) -> object:
                nonlocal count
                count += 1
                if count == number:
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*arguments, **options)

            return step

        for module, name in STEPS:
            setattr(module, name, counted(getattr(module, name)))
        try:
            work()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def test_killed_before_any_step_and_run_again_gives_the_same_store(toy_folder: Path, tmp_path: Path) -> None:
    store, undisturbed = tmp_path / "store.h5", tmp_path / "undisturbed.h5"

    def build(folder: Path, into: Path) -> None:
        list(run(folder, device="cpu"))
        merge(folder, into)

    whole = Path(shutil.copytree(toy_folder, tmp_path / "whole"))
    build(whole, undisturbed)
    number, kills = 1, 0
    while killed_before_step(number, lambda: build(toy_folder, store)):
        assert not Status.of(toy_folder).damaged
        assert not store.exists()
        kills += 1
        number = number + 1 if number < 12 else number + 7  # the first unit at every step; then others, and the merge
    assert kills > 8
    build(toy_folder, store)
    assert_same_arrays(store, undisturbed)
    assert {path.suffix for path in toy_folder.iterdir()} == {".npz", ".json", ".jsonl"}


def test_a_second_run_takes_what_the_first_has_not_and_waits_for_the_rest(toy_folder: Path, drawn: list[Unit]) -> None:
    units, heard = read_plan(toy_folder).units(), list[Event]()
    with claimed(toy_folder, units[0], waiting=False) as mine:
        assert mine
        second = run(toy_folder, device="cpu", progress=heard.append)
        assert [next(second) for _ in range(3)] == units[1:]
        shards.write(toy_folder, made_up(units[0]))
    assert list(second) == units[:1]
    assert drawn == units[1:]
    assert "another run of this folder has the unit" in next(event.text for event in heard if event.what == "notice")


def test_what_a_run_that_ended_had_claimed_is_done_by_the_next(toy_folder: Path, drawn: list[Unit]) -> None:
    first = read_plan(toy_folder).units()[0]
    with ExitStack() as other:
        other.enter_context(claimed(toy_folder, first, waiting=False))
        second = run(toy_folder, device="cpu")
        for _ in range(3):
            next(second)
    assert list(second) == [first]
    assert drawn[-1] == first


def test_another_units_shard_is_refused(toy_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, other, *_ = read_plan(toy_folder).units()
    monkeypatch.setattr(running, "run_unit", lambda *_, **__: made_up(other))
    with pytest.raises(BuildError, match=rf"unit {first.key} was asked for, and {other.key} came"):
        next(run(toy_folder, device="cpu"))
    assert not list(toy_folder.glob("*.npz"))


def test_a_full_disk_costs_nothing_that_was_done_and_status_says_what_failed(toy_folder: Path) -> None:
    units = run(toy_folder, device="cpu")
    first = next(units)
    with disk_of(shards.path_of(toy_folder, first).stat().st_size // 2), pytest.raises(BuildError, match="make room and run again"):
        next(units)
    assert len(todo(toy_folder)) == 3
    assert len(list(run(toy_folder, device="cpu"))) == 3


@pytest.mark.parametrize("other", [{"torch": "1.0"}, {"device": "abacus"}])
def test_other_libraries_are_told_when_a_run_begins(toy_folder: Path, other: dict[str, str]) -> None:
    unit = read_plan(toy_folder).units()[2]
    shard = made_up(unit)
    shards.write(toy_folder, replace(shard, environment={**shard.environment, **other}))
    (name, value), *_ = other.items()
    with pytest.raises(
        BuildError, match=rf"begun under other conditions: here {name} is .*, not {value} as in {unit.key}\.npz\. Go on where"
    ):
        next(run(toy_folder, device="cpu"))


def test_a_plan_whose_names_stand_for_something_else_is_told(toy_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    next(run(toy_folder, device="cpu"))
    monkeypatch.setitem(RECIPES, "digits", replace(RECIPES["digits"], epochs=99))
    with pytest.raises(BuildError, match=r"stood for something else: recipe\.epochs was 4, and is 99"):
        next(run(toy_folder, device="cpu"))


def test_status_says_what_is_done_damaged_diverged_and_failed(toy_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done, damaged, strange, failed = read_plan(toy_folder).units()
    shard = made_up(done)
    shard.trainings[1]["diverged"] = "the loss was not finite at step 3"
    shards.write(toy_folder, shard)
    shards.path_of(toy_folder, damaged).write_bytes(b"PK")
    shards.path_of(toy_folder, strange).write_bytes(shards.path_of(toy_folder, done).read_bytes())

    def broken(unit: Unit, *_: object, progress: Progress, **__: object) -> Shard:
        if unit == failed:
            progress("training", 0, 4)
            raise RuntimeError("no such luck")
        return made_up(unit)

    before = Status.of(toy_folder)
    assert (before.done, before.total, set(before.damaged)) == (1, 4, {f"{damaged.key}.npz", f"{strange.key}.npz"})
    assert before.diverged == {f"{done.archs[1]}, seed 0": "the loss was not finite at step 3"}
    assert before.seconds == {"proxies": 2.0, "training": 2.0, "clean": 1.0, "fgsm": 1.0}
    assert before.mean_seconds == before.seconds
    assert before.seconds_a_unit is None
    monkeypatch.setattr(running, "run_unit", broken)
    with pytest.raises(RuntimeError, match="no such luck"):
        list(run(toy_folder, device="cpu"))
    after = Status.of(toy_folder)
    assert (after.done, after.damaged, [event.text for event in after.failed]) == (3, {}, ["RuntimeError: no such luck"])
    assert after.seconds_a_unit is not None
    (toy_folder / "0123456789abcdef.npz").write_bytes(b"")
    code, printed = robbench("status", toy_folder)
    assert code == 0
    lines = printed.splitlines()
    assert [line.split(":")[0] for line in lines[1:]] == ["rate", "seconds", "diverged", "failed", "not of the plan"]
    assert lines[2].startswith("seconds: training 6.0, proxies 6.0, clean 3.0, fgsm 3.0") or "training 6.0" in lines[2]


def test_interrupted_says_how_to_go_on(toy_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Unit] = []

    def interrupted(unit: Unit, *_: object, **__: object) -> Shard:
        if done:
            signal.raise_signal(signal.SIGINT)
        done.append(unit)
        return made_up(unit)

    monkeypatch.setattr(running, "run_unit", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # which a background job inherits as ignored
    try:
        code, printed = robbench("run", toy_folder, "--device", "cpu")
    finally:
        signal.signal(signal.SIGINT, before)
    assert code == 1
    assert f"stopped; what was done is kept. Go on with: robbench build run {toy_folder}" in printed
    assert len(todo(toy_folder)) == 3


def test_a_stopped_worker_is_told_from_one_that_works() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        assert not running._is_stopped(process.pid)
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        assert running._is_stopped(process.pid)
        process.send_signal(signal.SIGKILL)
    assert not running._is_stopped(process.pid)


def test_a_killed_worker_is_reported_and_costs_only_its_unit_and_workers_give_the_same_store(folder: Path, undisturbed: Path) -> None:
    heard: list[Event] = []
    units = iter(run(folder, device="cpu", workers=2, progress=heard.append))
    next(units)
    assert {("training", 4, 4), ("pgd", 1, 1)} <= {(event.what, event.done, event.of) for event in heard}
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    workers = [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
    os.kill(workers[0], signal.SIGKILL)
    with pytest.raises(BuildError, match=r"a worker process died .*what was done is kept: run again"):
        list(units)
    left = todo(folder)
    assert len(left) < 4
    assert set(run(folder, device="cpu")) == set(left)
    assert todo(folder) == []
    merge(folder, folder / "store.h5")
    assert_same_arrays(folder / "store.h5", undisturbed)


def test_ctrl_c_ends_a_worker_and_not_only_its_unit(folder: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job inherits it as ignored
    try:
        context = multiprocessing.get_context("spawn")
        numbers = context.SimpleQueue()
        numbers.put(0)
        told = load("digits"), "cpu", folder, None, numbers
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
        return robust_answers(*given, batch_size=batch_size, **options)

    def counted(archs: Sequence[Cell], *rest: Any, **options: Any) -> Any:
        trained.append(len(archs))
        return train(archs, *rest, **options)

    monkeypatch.setattr(units, "train", counted)
    whole = run_unit(unit, dataset, CPU)
    monkeypatch.setattr(measure, "robust_answers", scarce)
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

    monkeypatch.setattr(measure, "robust_answers", scarce)
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


def test_workers_take_turns_at_the_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert [device_of_worker(torch.device("cuda"), worker).index for worker in range(5)] == [0, 1, 2, 0, 1]
    assert device_of_worker(torch.device("cuda:2"), 4) == torch.device("cuda:2")
    assert device_of_worker(CPU, 4) == CPU


def test_shards_of_another_plan_stop_a_run(folder: Path) -> None:
    (folder / "0123456789abcdef.npz").write_bytes(b"")
    with pytest.raises(BuildError, match=r"0123456789abcdef\.npz and 0 more are not of the plan"):
        next(run(folder, device="cpu"))


def test_a_stack_shrinks_with_the_images() -> None:
    dataset = load("digits")
    assert 1 <= stack_for(CPU, dataset, RECIPES["nb201-12"]) <= stack_for(CPU, dataset, RECIPES["digits"]) <= 16


def test_a_stack_pays_on_a_cpu_where_layers_are_small() -> None:
    digits, full = load("digits"), np.zeros((2, 3, 32, 32), np.float32)
    cifar = Dataset("photographs", full, np.arange(2), full, np.arange(2), 10)
    assert stack_for(CPU, digits, RECIPES["digits"]) == 16
    assert stack_for(CPU, cifar, RECIPES["nb201-12"]) == 1


def test_a_stack_is_small_enough_for_attacks_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which see more images at a time than some recipes train on."""
    monkeypatch.setitem(MEMORY, "cpu", 2**25)
    dataset, recipe = load("digits"), RECIPES["digits"]
    assert stack_for(CPU, dataset, recipe) == stack_for(CPU, dataset, replace(recipe, batch_size=100)) == 5
