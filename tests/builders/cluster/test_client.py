"""Builds on real schedulers and workers, which are processes here; only a unit that kills four workers is made up."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")
distributed = pytest.importorskip("distributed")

from robbench_builders.cluster import client as asking
from robbench_builders.cluster.client import run
from robbench_builders.cluster.worker import gpu_count
from robbench_builders.errors import BuildError
from robbench_builders.log import Event
from robbench_builders.plan_file import read_plan
from robbench_builders.results import shards
from robbench_builders.results.merge import merge
from robbench_builders.results.shards import Shard
from robbench_builders.run import claimed, todo
from robbench_builders.run import run as run_here
from robbench.errors import MissingLibrary
from tests.builders.results.stores import assert_same_arrays

CODE = Path(__file__).parents[3]
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts `dask scheduler` or `dask worker` on code in some folder; ends what is still running after the test."""
    with ExitStack() as started:

        def start(what: str, *options: object, code: Path = CODE) -> subprocess.Popen[bytes]:
            where = ["--scheduler-file", str(tmp_path / "scheduler.json"), "--no-dashboard"]
            command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *where, *map(str, options)]
            paths = os.pathsep.join(filter(None, [str(code), str(CODE), os.environ.get("PYTHONPATH")]))
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=tmp_path, env={**os.environ, "PYTHONPATH": paths})
            started.enter_context(process)
            started.callback(process.terminate)
            return process

        yield start


@pytest.fixture
def scheduler(start: Start, tmp_path: Path) -> tuple[str, subprocess.Popen[bytes]]:
    """A scheduler's address, and its process."""
    process = start("scheduler", "--host", "127.0.0.1", "--port", 0)
    while not (tmp_path / "scheduler.json").is_file():
        assert process.poll() is None
        time.sleep(0.05)
    return json.loads((tmp_path / "scheduler.json").read_text())["address"], process


def test_a_killed_worker_loses_nothing_and_the_store_is_that_of_a_local_build(folder: Path, undisturbed: Path) -> None:
    workers = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", resources={"GPU": 1})
    with workers, distributed.Client(workers, set_as_default=False) as client:
        if not torch.cuda.is_available():
            with pytest.raises(BuildError, match=r"^worker tcp://.*: device 'cuda' cannot be used"):
                next(run(folder, workers.scheduler_address))
        heard: list[Event] = []
        with claimed(folder, read_plan(folder).units()[3], waiting=False):
            units = run(folder, workers.scheduler_address, device="cpu", progress=heard.append)
            first = next(units)
        held = {address: [*keys, *client.has_what()[address]] for address, keys in client.processing().items()}
        victim = max(held, key=lambda address: len(held[address]))
        assert held[victim]
        os.kill(client.run(os.getpid, workers=[victim])[victim], signal.SIGKILL)
        assert len({first, *units}) == 4
    assert {("training", 4), ("square", 1), ("unit", 1)} <= {(event.what, event.done) for event in heard}
    merge(folder, folder / "store.h5")
    assert_same_arrays(folder / "store.h5", undisturbed)


def test_a_scheduler_that_goes_away_costs_nothing_that_was_done(
    folder: Path, scheduler: tuple[str, subprocess.Popen[bytes]], start: Start
) -> None:
    address, process = scheduler
    start("worker", "--nthreads", 1)
    units = run(folder, address, device="cpu")
    first = next(units)
    process.send_signal(signal.SIGKILL)
    with pytest.raises(
        BuildError, match=rf"the scheduler at {address} went away; what was done is kept\. .* run again: it goes on from there"
    ):
        list(units)
    assert len(todo(folder)) == 3
    assert next(run_here(folder, device="cpu")) != first
    assert len(todo(folder)) == 2


def test_unfit_workers_are_refused_before_any_work(
    folder: Path, tmp_path: Path, scheduler: tuple[str, subprocess.Popen[bytes]], start: Start
) -> None:
    address, _ = scheduler
    with pytest.raises(
        BuildError, match=rf"no worker came to {address} within 0\.1 s; start some, each with `dask worker {address} --nthr"
    ):
        next(run(folder, address, patience=0.1))
    shutil.copytree(CODE / "robbench_builders", tmp_path / "other" / "robbench_builders")
    recipes = tmp_path / "other" / "robbench_builders" / "recipes.py"
    recipes.write_text(recipes.read_text().replace('Recipe("digits", epochs=4,', 'Recipe("digits", epochs=5,'))
    start("worker", "--nthreads", 2, code=tmp_path / "other")
    with pytest.raises(
        BuildError, match=r"^worker tcp://\S+: source is \w+, not \w+, recipe\.epochs is 5, not 4, nthreads is 2, not 1; all"
    ):
        next(run(folder, address))
    with pytest.raises(BuildError, match=rf"no worker at {address} offers a GPU; start some, each with `dask worker {address} .* GPU=1`"):
        next(run(folder, address, device="cuda"))
    assert len(todo(folder)) == 4


def test_workers_must_be_as_what_was_done_before(folder: Path) -> None:
    plan = read_plan(folder)
    assert "device" not in asking._expected(folder, plan, None)
    shards.write(folder, Shard(plan.units()[2], {"recipe": {"epochs": 7}}, {"device": "abacus", "stack": 2}, [], {}, {}, {}, {}))
    expected = asking._expected(folder, plan, None)
    assert (expected["recipe.epochs"], expected["device"]) == (7, "abacus")
    assert "stack" not in expected


def test_where_all_is_done_no_scheduler_is_asked(folder: Path) -> None:
    for unit in read_plan(folder).units():
        shards.write(folder, Shard(unit, {}, {}, [], {}, {}, {}, {}))
    assert list(run(folder, "nowhere")) == []


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nowhere"])
def test_a_scheduler_that_is_not_there(folder: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr(asking, "CONNECT_TIMEOUT", 0.2)
    with pytest.raises(BuildError, match=rf"no scheduler at '{address}' \(.*\); expected an address as tcp://host:8786"):
        next(run(folder, address))


def test_a_device_of_this_machine_is_refused(folder: Path) -> None:
    with pytest.raises(BuildError, match=r"device 'cuda:1' is one of this machine; on a cluster, expected cpu, cuda or auto"):
        next(run(folder, "tcp://127.0.0.1:1", device="cuda:1"))


def test_a_missing_library_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingLibrary, match=r"a build on a cluster needs distributed: pip install 'robbench\[cluster\]'"):
        next(run(folder, "tcp://127.0.0.1:1"))


def test_a_unit_that_kills_its_workers_is_named(folder: Path) -> None:
    unit = read_plan(folder).units()[0]
    killed = distributed.KilledWorker("work-1", SimpleNamespace(address="tcp://last:1"), 3)
    with pytest.raises(BuildError, match=rf"unit {unit.key} was given up: the workers that took it died, the last of them tcp://last:1"):
        raise asking._failure(killed, unit, "tcp://it:1")


def test_what_a_worker_raises_is_raised(folder: Path) -> None:
    error = BuildError("worker tcp://one:1: full")
    assert asking._failure(error, read_plan(folder).units()[0], "tcp://it:1") is error


def test_who_lacks_robbench_is_named_with_what_to_do(folder: Path) -> None:
    """As Dask says it: a worker's answer as text in an Exception, a scheduler's as a RuntimeError, that of one that came late as it was raised."""
    unit, missing = read_plan(folder).units()[0], "No module named 'robbench_builders'"
    answers = {"tcp://a:1": 0.0, "tcp://b:1": Exception(f'ModuleNotFoundError("{missing}")')}
    client: Any = SimpleNamespace(run=lambda *_, **__: answers)
    with pytest.raises(
        BuildError, match=rf"worker tcp://b:1 cannot take part \(ModuleNotFoundError.*{missing}.*install there .* robbench \d"
    ):
        asking._on_each_worker(client, None, gpu_count)
    late = asking._failure(ModuleNotFoundError(missing), unit, "tcp://it:1")
    assert re.match(rf"a worker that took unit {unit.key} cannot take part \({missing}\); install there what is here", str(late))
    dask = RuntimeError(
        "Error during deserialization of the task graph. This frequently\noccurs if the Scheduler and Client have different environments."
    )
    with pytest.raises(
        BuildError, match=r"the scheduler at tcp://it:1 cannot take part, for it lacks robbench or a library; install there"
    ):
        raise asking._failure(dask, unit, "tcp://it:1")
    other = RuntimeError("of torch")
    assert asking._failure(other, unit, "tcp://it:1") is other


def test_a_module_of_ones_own_that_a_worker_lacks_is_named_with_the_worker(folder: Path) -> None:
    lacking = BuildError("'mine:Noise' cannot be imported (No module named 'mine'); expected mine.py in /there, or installed.")
    client: Any = SimpleNamespace(run=lambda *_, **__: {"tcp://b:1": lacking})
    with pytest.raises(BuildError, match=r"^worker tcp://b:1: 'mine:Noise' cannot be imported .*expected mine\.py in /there, or installed"):
        asking._on_each_worker(client, None, gpu_count)
