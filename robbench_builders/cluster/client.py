"""The process that runs a folder's plan on a Dask cluster: it hands out units, and is the only one that writes.

    todo ──Unit──▶ scheduler ──▶ a worker: run_unit ──Shard──▶ scheduler ──▶ here: shards.write

The unit of a worker that dies is run again, by Dask's own rescheduling.  Units are handed out two a worker, one to run and one to run next:
so results do not pile up, and deaths are not counted against thousands of units that only waited (Dask gives up a task whose workers keep
dying).  Each worker loads the data set for itself: a copy scattered over workers is lost with the last worker that held it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from robbench_builders.cluster import worker
from robbench_builders.cluster.worker import Job
from robbench_builders.errors import BuildError
from robbench_builders.fingerprint import Fingerprint, fingerprint, of_shard, refuse_others
from robbench_builders.log import UNIT, Event, Log
from robbench_builders.plan import Plan, Unit
from robbench_builders.plan_file import read_plan
from robbench_builders.results import shards
from robbench_builders.results.shards import Shard
from robbench_builders.run import claimed, put, todo
from robbench_builders.units import Notice
import robbench
from robbench.errors import MissingLibrary, RobBenchError

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_TIMEOUT = 5
"""Seconds in which a scheduler has to answer."""

POLL = 5
"""Seconds after which the number of workers is looked at again."""

_INSTALL = (
    f"install there what is here, robbench {robbench.__version__} with its libraries (pip install 'robbench[cluster]'), and start it again."
)
_NOT_UNDERSTOOD = "Error during deserialization of the task graph"
"""How the error begins that Dask raises of a scheduler that cannot import what it is sent."""

_Result = tuple[Shard, list[str]]
"""A unit's shard, and the notices of its run."""


def run(
    folder: Path,
    scheduler: str,
    *,
    device: str = "auto",
    weights: Path | None = None,
    data: Path | None = None,
    patience: float = 60,
    notice: Notice = lambda text: None,
    progress: Callable[[Event], None] = lambda event: None,
) -> Iterator[Unit]:
    """Run the units of a folder's plan that are not done, on a cluster; yields each when its shard is written, as `robbench_builders.run.run` does.

    Stop it at any moment: what was yielded is done, and the next run goes on from there, on a cluster or not.

    Arguments:
        folder: with a plan; workers need no access to it.
        scheduler: its address, as ``tcp://host:8786``.
        device: ``cpu``; ``cuda``, for workers that offer a resource ``GPU``; ``auto`` is ``cuda`` where a worker does.
        weights: a folder that keeps trained weights, at the same path for every worker; networks that it has are not trained.  Of a plan of
            weights, as for `robbench_builders.run.run`.
        data: the folder of the data set's published files, at the same path here and for every worker.
        patience: seconds to wait for the first worker.
        notice: called with what the user should know.
        progress: called with what workers report.

    Raises:
        BuildError: no scheduler, no worker that can be used, a worker of another version, a worker or a scheduler that lacks robbench or a
            module of one's own, a unit that killed its workers, a scheduler that went away.
        DatasetError: the data set is not here.
        MissingLibrary: distributed is not installed.
    """
    units, plan = todo(folder), read_plan(folder)
    weights = plan.weights_at(weights)
    if device not in ("auto", "cpu", "cuda"):
        raise BuildError(f"device {device!r} is one of this machine; on a cluster, expected cpu, cuda or auto.")
    if not units:
        return
    job = Job(
        plan,
        None if data is None else data.resolve(),
        device,
        _expected(folder, plan, data),
        None if weights is None else weights.resolve(),
    )
    log = Log(folder)
    with _connected(scheduler) as client:
        job = _check_workers(client, scheduler, job, patience)
        _listen(client, log, units)
        for unit, result in _results(client, scheduler, folder, units, job, notice, lambda: _tell(log, progress)):
            if result is not None:
                shard, notices = result
                for text in notices:
                    notice(text)
                put(folder, unit, shard)
            log.write(unit.key, UNIT)
            yield unit


def _listen(client: Client, log: Log, units: list[Unit]) -> None:
    """Write down what workers report of these units: they have no access to the folder."""
    keys = {unit.key for unit in units}

    def handle(message: tuple[float, Any]) -> None:
        said = Event(**message[1]["event"])
        if said.unit in keys:  # there may be other builds on this cluster
            log.append(said)

    client.subscribe_topic(worker.TOPIC, handle)


def _tell(log: Log, progress: Callable[[Event], None]) -> None:
    for event in log.news():
        progress(event)


def _expected(folder: Path, plan: Plan, data: Path | None) -> Fingerprint:
    """The fingerprint that workers must have: that of the folder's shards and of this process, without this process's device."""
    here = fingerprint(plan, plan.load(data), torch.device("cpu"))
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
        client = Client(scheduler, timeout=CONNECT_TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise BuildError(
            f"no scheduler at {scheduler!r} ({error}); expected an address as tcp://host:8786: `dask scheduler` starts one and says its address."
        ) from error
    with client:
        yield client


@contextmanager
def _scheduler_errors(client: Client, scheduler: str) -> Iterator[None]:
    """Within, what fails because the scheduler went away is a BuildError that says so."""
    try:
        if client.status != "running":
            raise CancelledError("connection lost")
        yield
    except (CancelledError, OSError) as error:
        raise BuildError(
            f"the scheduler at {scheduler} went away; what was done is kept. Start it and its workers again, and run again: it goes on from there."
        ) from error


def _check_workers(client: Client, scheduler: str, job: Job, patience: float) -> Job:
    """The job, with the device that workers have, once every worker that can take part has the expected fingerprint."""
    start = f"`dask worker {scheduler} --nthreads 1"
    with _scheduler_errors(client, scheduler):
        try:
            client.wait_for_workers(1, timeout=patience)
        except TimeoutError as error:
            raise BuildError(f"no worker came to {scheduler} within {patience:g} s; start some, each with {start}`.") from error
        gpus = [address for address, number in _on_each_worker(client, None, worker.gpu_count).items() if number]
        if job.device == "cuda" and not gpus:
            raise BuildError(
                f"no worker at {scheduler} offers a GPU; start some, each with {start} --resources GPU=1`, or ask for --device cpu."
            )
        job = replace(job, device="cuda" if gpus and job.device != "cpu" else "cpu")
        found = _on_each_worker(client, gpus if job.device == "cuda" else None, worker.worker_fingerprint, job)
    # Which device it is does not matter where nothing is done yet, only that there is one kind.
    expected = dict(job.expected)
    for address, there in found.items():
        expected.setdefault("device", there["device"])
        with worker.errors_of(address):
            refuse_others(there, expected)
    return replace(job, expected=expected)


def _on_each_worker(client: Client, addresses: list[str] | None, function: Callable[..., Any], *arguments: Job) -> dict[str, Any]:
    """What a function returns on each worker, by address."""
    answers = sorted(client.run(function, *arguments, workers=addresses, on_error="return").items())
    for address, answer in answers:
        if isinstance(answer, RobBenchError):
            raise BuildError(f"worker {address}: {answer}") from answer
        if isinstance(answer, Exception):
            raise BuildError(f"worker {address} cannot take part ({answer}); {_INSTALL}") from answer
    return dict(answers)


def _results(
    client: Client, scheduler: str, folder: Path, units: list[Unit], job: Job, notice: Notice, tell: Callable[[], None]
) -> Iterator[tuple[Unit, _Result | None]]:
    """The results of the units, in the order in which workers return them; None of those that another run of the folder has done."""
    from distributed import wait

    resources = {"GPU": 1} if job.device == "cuda" else None
    running: dict[Future[_Result], tuple[Unit, ExitStack]] = {}
    left, waiting = deque(units), False
    with ExitStack() as claims:
        while True:
            done: set[Future[_Result]] = set()
            with _scheduler_errors(client, scheduler):
                present = len(client.nthreads())
            for _ in range(min(len(left), max(0, 2 * max(1, present) - len(running)))):
                unit = left.popleft()
                claim = claims.enter_context(ExitStack())
                if not claim.enter_context(claimed(folder, unit, waiting=False)):
                    left.append(unit)
                elif shards.is_done(folder, unit):
                    claim.close()
                    yield unit, None
                else:
                    with _scheduler_errors(client, scheduler):
                        running[client.submit(worker.run_on_worker, unit, job, resources=resources, pure=False)] = unit, claim
            if not running and not left:
                return
            with _scheduler_errors(client, scheduler), client.as_current(), suppress(TimeoutError):
                if running:
                    done = wait(list(running), timeout=POLL, return_when="FIRST_COMPLETED").done
            if not running:  # all that is left is with another run
                time.sleep(POLL)
            tell()
            if not present and not waiting:
                notice("no worker is left; waiting for new ones.")
            waiting = not present
            # What succeeded is written before an error ends it all.
            for future in sorted(done, key=lambda future: future.status == "error"):
                unit, claim = running.pop(future)
                if future.status == "error":
                    raise _failure(future.exception(), unit, scheduler)
                with _scheduler_errors(client, scheduler):
                    result = future.result()
                yield unit, result
                claim.close()


def _failure(error: BaseException, unit: Unit, scheduler: str) -> BaseException:
    """What to raise: the error that a worker raised, that scheduler or worker lack what they need, or that the unit's workers keep dying."""
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return BuildError(
            f"unit {unit.key} was given up: the workers that took it died, the last of them {error.last_worker.address} (its log may say of what;"
            " often memory). What was done is kept; run again with more memory a worker, or plan a smaller stack."
        )
    if isinstance(error, RuntimeError) and str(error).startswith(_NOT_UNDERSTOOD):
        failed = BuildError(f"the scheduler at {scheduler} cannot take part, for it lacks robbench or a library; {_INSTALL}")
    elif isinstance(error, ImportError):
        failed = BuildError(f"a worker that took unit {unit.key} cannot take part ({error}); {_INSTALL}")
    else:
        return error
    failed.__cause__ = error
    return failed
