"""A folder's plan on a Dask cluster: workers compute, and the process that asks is the only one that writes.

    todo ──Unit──▶ scheduler ──▶ a worker: run_unit ──Shard──▶ scheduler ──▶ here: shards.write

A worker's death costs its unit another try, by Dask's own rescheduling.  Units are handed out two a worker, one to do and one to go on with:
so results do not pile up, and deaths are not counted against thousands of units that only waited (Dask gives up a task whose workers keep
dying).  Each worker loads the data set for itself: a copy scattered over workers is lost with the last worker that held it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from builders import shards, workers
from builders.datasets import load
from builders.errors import BuildError
from builders.fingerprint import Fingerprint, fingerprint, of_shard, refuse_others
from builders.plan import Plan, Unit, read_plan
from builders.run import Notice, todo
from builders.shards import Shard
from builders.workers import Job
from robbench.errors import MissingLibrary

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT = 5
"""Seconds in which a scheduler has to answer."""

LOOK = 5
"""Seconds between looks at how many workers there are."""

_Result = tuple[Shard, list[str]]
"""And what a person should know of how it came about."""


def run(
    folder: Path,
    scheduler: str,
    *,
    device: str = "auto",
    data: Path | None = None,
    patience: float = 60,
    notice: Notice = lambda text: None,
) -> Iterator[Unit]:
    """Do what is left of a folder's plan on a cluster; yields each unit when its shard is written, as `builders.run.run` does.

    Stop it at any moment: what was yielded is done, and the next run goes on from there, on a cluster or not.

    Arguments:
        folder: with a plan; workers need not see it.
        scheduler: its address, as ``tcp://host:8786``.
        device: ``cpu``; ``cuda``, for workers that offer a resource ``GPU``; ``auto`` is ``cuda`` where a worker does.
        data: the folder of the data set's published files, at the same path here and for every worker.
        patience: seconds to wait for the first worker.
        notice: told what a person should know.

    Raises:
        BuildError: no scheduler, no fit worker, a worker of another version, a unit that killed its workers, a scheduler that went away.
        DatasetError: the data set is not here.
        MissingLibrary: distributed is not installed.
    """
    units, plan = todo(folder), read_plan(folder)
    if device not in ("auto", "cpu", "cuda"):
        raise BuildError(f"device {device!r} is one of this machine; on a cluster, expected cpu, cuda or auto.")
    if not units:
        return
    job = Job(plan, None if data is None else data.resolve(), device, _expected(folder, plan, data))
    with _connected(scheduler) as client:
        job = _agreed(client, scheduler, job, patience)
        for shard, notices in _results(client, scheduler, units, job, notice):
            for text in notices:
                notice(text)
            shards.write(folder, shard)
            yield shard.unit


def _expected(folder: Path, plan: Plan, data: Path | None) -> Fingerprint:
    """The fingerprint that workers must have: that of what the folder holds and of this process, but for the device, which may be theirs alone."""
    here = fingerprint(plan, load(plan.dataset, data), torch.device("cpu"))
    del here["device"]
    done = next((unit for unit in plan.units() if shards.is_done(folder, unit)), None)
    return {**here, **(of_shard(shards.read(shards.path_of(folder, done))) if done else {}), "nthreads": 1}


@contextmanager
def _connected(scheduler: str) -> Iterator[Client]:
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingLibrary(f"a build on a cluster needs distributed: pip install 'robbench[cluster]' ({error}).") from error
    try:
        client = Client(scheduler, timeout=CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise BuildError(
            f"no scheduler at {scheduler!r} ({error}); expected an address as tcp://host:8786: `dask scheduler` starts one and says its address."
        ) from error
    with client:
        yield client


@contextmanager
def _kept(client: Client, scheduler: str) -> Iterator[None]:
    """Within, what fails since the scheduler went away says so."""
    try:
        if client.status != "running":
            raise CancelledError("connection lost")
        yield
    except (CancelledError, OSError) as error:
        raise BuildError(
            f"the scheduler at {scheduler} went away; what was done is kept. Start it and its workers again, and run again: it goes on from there."
        ) from error


def _agreed(client: Client, scheduler: str, job: Job, patience: float) -> Job:
    """The job on the device that workers have, once every worker that could take part was found fit."""
    start = f"`dask worker {scheduler} --nthreads 1"
    with _kept(client, scheduler):
        try:
            client.wait_for_workers(1, timeout=patience)
        except TimeoutError as error:
            raise BuildError(f"no worker came to {scheduler} within {patience:g} s; start some, each with {start}`.") from error
        gpus = [address for address, number in _asked(client, None, workers.gpus).items() if number]
        if job.device == "cuda" and not gpus:
            raise BuildError(
                f"no worker at {scheduler} offers a GPU; start some, each with {start} --resources GPU=1`, or ask for --device cpu."
            )
        job = replace(job, device="cuda" if gpus and job.device != "cpu" else "cpu")
        found = _asked(client, gpus if job.device == "cuda" else None, workers.found, job)
    # Which device it is does not matter where nothing is done yet, only that there is one kind.
    expected = dict(job.expected)
    for address, there in found.items():
        expected.setdefault("device", there["device"])
        with workers.named(address):
            refuse_others(there, expected)
    return replace(job, expected=expected)


def _asked(client: Client, addresses: list[str] | None, function: Callable[..., Any], *arguments: Job) -> dict[str, Any]:
    """What a function returns on each worker, by address."""
    answers = sorted(client.run(function, *arguments, workers=addresses, on_error="return").items())
    for address, answer in answers:
        if isinstance(answer, Exception):
            raise BuildError(f"worker {address}: {answer}") from answer
    return dict(answers)


def _results(client: Client, scheduler: str, units: list[Unit], job: Job, notice: Notice) -> Iterator[_Result]:
    """What workers return, as they do."""
    from distributed import wait

    resources = {"GPU": 1} if job.device == "cuda" else None
    left, running, waiting = iter(units), dict["Future[_Result]", Unit](), False
    while True:
        done: set[Future[_Result]] = set()
        with _kept(client, scheduler):
            present = len(client.nthreads())
            for unit in islice(left, max(0, 2 * max(1, present) - len(running))):
                running[client.submit(workers.work, unit, job, resources=resources, pure=False)] = unit
            if not running:
                return
            with client.as_current(), suppress(TimeoutError):
                done = wait(list(running), timeout=LOOK, return_when="FIRST_COMPLETED").done
        if not present and not waiting:
            notice("no worker is left; waiting for new ones.")
        waiting = not present
        # What succeeded is written before an error ends it all.
        for future in sorted(done, key=lambda future: future.status == "error"):
            unit = running.pop(future)
            if future.status == "error":
                raise _failure(future.exception(), unit)
            with _kept(client, scheduler):
                result = future.result()
            yield result


def _failure(error: BaseException, unit: Unit) -> BaseException:
    """What to raise where a worker did, or died once too often."""
    from distributed import KilledWorker

    if not isinstance(error, KilledWorker):
        return error
    return BuildError(
        f"unit {unit.key} was given up: the workers that took it died, the last of them {error.last_worker.address} (its log may say of what;"
        " often memory). What was done is kept; run again with more memory a worker, or plan a smaller stack."
    )
