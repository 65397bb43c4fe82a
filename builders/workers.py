"""What a Dask worker runs of a build: units, after a look at whether it is one that may."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from builders.datasets import Dataset, load
from builders.errors import BuildError
from builders.fingerprint import Fingerprint, fingerprint, refuse_others
from builders.plan import Plan, Unit
from builders.run import find_device, run_unit, settle
from builders.shards import Shard
from robbench.errors import RobBenchError

if TYPE_CHECKING:
    from distributed import Worker


@dataclass(frozen=True)
class Job:
    """What workers are told besides a unit."""

    plan: Plan
    data: Path | None
    device: str
    expected: Fingerprint


def gpus(dask_worker: Worker) -> float:
    """How many the worker offers."""
    return float(dask_worker.state.total_resources.get("GPU", 0))


def found(job: Job, dask_worker: Worker) -> Fingerprint:
    """The worker's fingerprint, and its threads.

    Raises:
        DatasetError: the data set is not where the job says, on the worker's machine.
        BuildError: the device cannot be used there.
    """
    here = fingerprint(job.plan, _loaded(job.plan.dataset, job.data), find_device(job.device))
    return {**here, "nthreads": dask_worker.state.nthreads}


def work(unit: Unit, job: Job) -> tuple[Shard, list[str]]:
    """A unit's result, and what a person should know of how it came about.

    Raises:
        BuildError: the worker, named by its address, is not one that may, or failed.
    """
    from distributed import get_worker

    worker, notices = get_worker(), list[str]()
    settle()
    with named(worker.address):
        # A worker may have come after the others were asked.
        refuse_others(found(job, worker), job.expected)
        return run_unit(unit, _loaded(unit.dataset, job.data), find_device(job.device), notice=notices.append), notices


@contextmanager
def named(address: str) -> Iterator[None]:
    """Errors within are those of a worker, and say of which."""
    try:
        yield
    except RobBenchError as error:
        raise BuildError(f"worker {address}: {error}") from error


@lru_cache(1)
def _loaded(name: str, data: Path | None) -> Dataset:
    return load(name, data)
