"""What runs on a Dask worker: units, once the worker is found to have the expected versions, data set and device."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from robbench_builders.datasets import Dataset
from robbench_builders.devices import find_device
from robbench_builders.errors import BuildError
from robbench_builders.fingerprint import Fingerprint, fingerprint, refuse_others
from robbench_builders.log import Event
from robbench_builders.plan import Plan, Unit
from robbench_builders.results.shards import Shard
from robbench_builders.run import CORRUPTED, prepare_process
from robbench_builders.units import run_unit
from robbench.errors import RobBenchError

if TYPE_CHECKING:
    from distributed import Worker


TOPIC = "robbench build"
"""Under which workers report their progress; the process that asks listens."""


@dataclass(frozen=True)
class Job:
    """What a worker needs besides a unit."""

    plan: Plan
    data: Path | None
    """The folder of the data set's published files, on the worker's machine."""
    device: str
    expected: Fingerprint
    """That the worker must have."""
    weights: Path | None = None
    """The folder that keeps trained weights, on the worker's machine."""


def gpu_count(dask_worker: Worker) -> float:
    """How many GPUs the worker offers, as its resource ``GPU``."""
    return float(dask_worker.state.total_resources.get("GPU", 0))


def worker_fingerprint(job: Job, dask_worker: Worker) -> Fingerprint:
    """The worker's fingerprint, with its number of threads.

    Raises:
        DatasetError: the data set is not where the job says, on the worker's machine.
        BuildError: the device cannot be used there.
    """
    here = fingerprint(job.plan, _loaded(job.plan, job.data), find_device(job.device))
    return {**here, "nthreads": dask_worker.state.nthreads}


def run_on_worker(unit: Unit, job: Job) -> tuple[Shard, list[str]]:
    """A unit's shard, and the notices of its run.

    Raises:
        BuildError: the worker, named by its address, has another fingerprint than the job expects, or failed.
    """
    from distributed import get_worker

    worker, notices = get_worker(), list[str]()

    def report(what: str, done: int, of: int) -> None:
        worker.log_event(TOPIC, {"event": asdict(Event(round(time.time(), 3), worker.address, unit.key, what, done, of))})

    prepare_process()
    with errors_of(worker.address):
        # A worker may have joined after the others were checked.
        refuse_others(worker_fingerprint(job, worker), job.expected)
        dataset, device = _loaded(job.plan, job.data), find_device(job.device)
        dataset.corrupted.folder = Path(worker.local_directory) / CORRUPTED
        return run_unit(unit, dataset, device, weights=job.weights, notice=notices.append, progress=report), notices


@contextmanager
def errors_of(address: str) -> Iterator[None]:
    """Errors of ours that are raised within are those of the worker at this address, and say so."""
    try:
        yield
    except RobBenchError as error:
        raise BuildError(f"worker {address}: {error}") from error


@lru_cache(1)
def _loaded(plan: Plan, data: Path | None) -> Dataset:
    return plan.load(data)
