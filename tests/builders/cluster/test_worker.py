from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")
distributed = pytest.importorskip("distributed")

from robbench_builders.cluster import worker as working
from robbench_builders.cluster.worker import TOPIC, Job, gpu_count, run_on_worker, worker_fingerprint
from robbench_builders.datasets import Dataset
from robbench_builders.errors import BuildError
from robbench_builders.evaluations import Evaluation
from robbench_builders.log import Event
from robbench_builders.measure import Progress
from robbench_builders.own import OwnAttack, OwnProxy
from robbench_builders.plan import Unit
from robbench_builders.plan_file import read_plan
from robbench_builders.proxies import Proxy


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a worker says of itself, with this process in its place."""
    state = SimpleNamespace(nthreads=1, total_resources={"GPU": 2})
    made = SimpleNamespace(address="tcp://late:1", local_directory="nowhere", state=state, said=[])
    made.log_event = lambda topic, event: made.said.append((topic, event))
    monkeypatch.setattr(distributed, "get_worker", lambda: made)
    return made


@pytest.fixture
def job(folder: Path, worker: Any) -> Job:
    job = Job(read_plan(folder), None, "cpu", {})
    return replace(job, expected=worker_fingerprint(job, worker))


def test_a_unit_is_run_on_one_thread_and_what_was_noticed_comes_with_it(job: Job, worker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_unit(
        unit: Unit, dataset: Dataset, device: object, *, weights: Path | None, notice: Callable[[str], None], progress: Progress
    ) -> tuple[object, ...]:
        notice("halved")
        progress("training", 3, 4)
        return unit, dataset.name, str(device), weights, torch.get_num_threads()

    monkeypatch.setattr(working, "run_unit", run_unit)
    unit = job.plan.units()[3]
    done: object = run_on_worker(unit, replace(job, weights=Path("kept")))
    assert done == ((unit, unit.dataset, "cpu", Path("kept"), 1), ["halved"])
    ((topic, said),) = worker.said
    event = Event(**said["event"])
    assert (topic, event.process, event.unit, event.what, event.done, event.of) == (TOPIC, "tcp://late:1", unit.key, "training", 3, 4)


def test_a_worker_that_came_late_is_asked_too(job: Job, worker: Any) -> None:
    worker.state.nthreads = 8
    with pytest.raises(BuildError, match=r"^worker tcp://late:1: nthreads is 8, not 1; all results"):
        run_on_worker(job.plan.units()[0], job)


def test_a_data_set_that_a_worker_lacks_is_named_with_the_worker(job: Job) -> None:
    with pytest.raises(BuildError, match=r"^worker tcp://late:1: .*nowhere\.npz"):
        run_on_worker(job.plan.units()[0], replace(job, plan=replace(job.plan, dataset="npz:nowhere.npz")))


ONLY_THERE = "a_module_that_is_only_there:Noise", "0123456789abcdef"


@pytest.mark.parametrize(
    "evaluation",
    [
        Evaluation("mine", {"attack-noise": OwnAttack(*ONLY_THERE)}, (0.1,)),
        Evaluation("mine", {}, proxies={"proxy-noise": Proxy(OwnProxy(*ONLY_THERE))}),
    ],
    ids=["attack", "proxy"],
)
def test_a_module_of_ones_own_that_a_worker_lacks_is_refused_before_any_work(job: Job, worker: Any, evaluation: Evaluation) -> None:
    plan = replace(job.plan, evaluation=evaluation)
    with pytest.raises(
        BuildError, match=r"'a_module_that_is_only_there:Noise' cannot be imported .*expected a_module_that_is_only_there\.py in /"
    ):
        worker_fingerprint(replace(job, plan=plan), worker)


def test_gpus_are_what_a_worker_offers(worker: Any) -> None:
    assert gpu_count(worker) == 2
    worker.state.total_resources = {}
    assert gpu_count(worker) == 0
