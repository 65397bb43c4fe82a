from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
distributed = pytest.importorskip("distributed")

from builders.datasets import load
from builders.errors import BuildError
from builders.plan import read_plan
from builders.run import run_unit
from builders.workers import Job, found, gpus, work


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What a worker says of itself, with this process in its place."""
    made = SimpleNamespace(address="tcp://late:1", state=SimpleNamespace(nthreads=1, total_resources={"GPU": 2}))
    monkeypatch.setattr(distributed, "get_worker", lambda: made)
    return made


@pytest.fixture
def job(folder: Path, worker: SimpleNamespace) -> Job:
    job = Job(read_plan(folder), None, "cpu", {})
    return replace(job, expected=found(job, worker))


def test_a_unit_is_what_it_is_anywhere(job: Job) -> None:
    unit = job.plan.units()[0]
    shard, notices = work(unit, job)
    local = run_unit(unit, load(unit.dataset), torch.device("cpu"))
    assert notices == []
    assert shard.outcomes.keys() == local.outcomes.keys()
    for threat, outcomes in local.outcomes.items():
        assert np.array_equal(shard.outcomes[threat], outcomes)
    assert torch.get_num_threads() == 1


def test_a_worker_that_came_late_is_asked_too(job: Job, worker: SimpleNamespace) -> None:
    worker.state.nthreads = 8
    with pytest.raises(BuildError, match=r"^worker tcp://late:1: nthreads is 8, not 1; all results"):
        work(job.plan.units()[0], job)


def test_a_data_set_that_a_worker_lacks_is_named_with_the_worker(job: Job) -> None:
    with pytest.raises(BuildError, match=r"^worker tcp://late:1: .*nowhere\.npz"):
        work(job.plan.units()[0], replace(job, plan=replace(job.plan, dataset="npz:nowhere.npz")))


def test_gpus_are_what_a_worker_offers(worker: SimpleNamespace) -> None:
    assert gpus(worker) == 2
    worker.state.total_resources = {}
    assert gpus(worker) == 0
