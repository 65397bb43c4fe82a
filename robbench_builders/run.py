"""All units of a folder, in one process or several.

Every unit runs on one CPU thread (or one GPU), so that its bits do not depend on how many run beside it: use more workers, not more threads.

Several runs of one folder share its units: each unit is claimed by a lock, which the system lets go of when its holder ends, however it ends.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import torch

from robbench_builders.datasets import Dataset
from robbench_builders.devices import device_of_worker, find_device
from robbench_builders.differences import differences, listed
from robbench_builders.errors import BuildError
from robbench_builders.fingerprint import Fingerprint, conditions, of_shard
from robbench_builders.log import FAILED, NOTICE, UNIT, Event, Log
from robbench_builders.memory import keep_freed_memory
from robbench_builders.plan import Unit
from robbench_builders.plan_file import read_plan
from robbench_builders.results import shards
from robbench_builders.results.shards import Shard
from robbench_builders.units import Notice, run_unit
from robbench.store.locking import only_writer
from robbench.workers import end_with_parent

CORRUPTED = "corrupted"
"""In a build's folder, where its processes share corrupted images that are too many for memory; may be removed when no run goes on."""

POLL = 0.5
"""Seconds after which workers are looked at again."""


def todo(folder: Path, here: Fingerprint | None = None) -> list[Unit]:
    """The units of a folder's plan that have no whole shard yet.

    Arguments:
        folder: with a plan.
        here: `robbench_builders.fingerprint.conditions`, under which those without a shard are to be run; if left out, nothing is compared.

    Raises:
        BuildError: no plan, or shards of another one, or of other images, settings, library versions or another device than here.
    """
    units = read_plan(folder).units()
    if others := shards.outside_plan(folder, units):
        raise BuildError(f"{others[0]} and {len(others) - 1} more are not of the plan in {folder}; give each plan its own folder.")
    left = []
    for unit in units:
        shard = shards.found(folder, unit)
        if shard is None:
            left.append(unit)
        elif here is not None and (differing := differences(here, of_shard(shard))):
            raise BuildError(
                f"{folder} was begun under other conditions: here {listed(differing)} as in {unit.key}.npz. Go on where it was begun; or plan the other"
                " classes or seeds in a folder of their own (robbench build plan), and merge both into one store."
            )
    return left


def run(
    folder: Path,
    *,
    device: str = "auto",
    workers: int = 1,
    weights: Path | None = None,
    data: Path | None = None,
    notice: Notice = lambda text: None,
    progress: Callable[[Event], None] = lambda event: None,
) -> Iterator[Unit]:
    """Run the units of a folder's plan that are not done; yields each when its shard is written, here or by another run of the folder.

    Stop it at any moment: what was yielded is done, and the next run goes on from there.

    Arguments:
        folder: with a plan.
        device: as for `find_device`; workers take turns at the GPUs of ``cuda``.
        workers: processes; 1 runs in this one.
        weights: a folder that keeps trained weights; networks that it has are not trained.  Of a plan of weights, where their files are, if no
            longer where the plan found them.
        data: the folder of the data set's published files, for those that need one.
        notice: called with what the user should know.
        progress: called with what all processes that work on the folder report.

    Raises:
        BuildError: the plan cannot be run here, or not be gone on with, or a worker died.
        WeightsError: files of a plan of weights are not there.
    """
    found, plan = find_device(device), read_plan(folder)
    weights = plan.weights_at(weights)
    dataset = plan.load(data)
    dataset.corrupted.folder = folder / CORRUPTED
    units = todo(folder, conditions(plan, dataset, found))
    _tidy(folder)
    log = Log(folder)
    if workers == 1:
        prepare_process()
        yield from _one_after_the_other(folder, units, dataset, found, weights, log, notice, progress)
        return
    context = multiprocessing.get_context("spawn")
    numbers = context.SimpleQueue()
    for number in range(workers):
        numbers.put(number)
    start = dataset, str(found), folder, weights, numbers
    with ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=start) as pool:
        try:
            yield from _in_workers(pool, units, log, notice, progress)
        except BrokenProcessPool as error:
            raise BuildError(
                "a worker process died (out of memory, or killed); what was done is kept: run again, with fewer workers or a smaller stack."
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _one_after_the_other(
    folder: Path,
    units: list[Unit],
    dataset: Dataset,
    device: torch.device,
    weights: Path | None,
    log: Log,
    notice: Notice,
    progress: Callable[[Event], None],
) -> Iterator[Unit]:
    def step(unit: Unit, what: str, done: int, of: int) -> None:
        log.step(unit.key, what, done, of)
        for event in log.news():
            progress(event)

    left = deque((unit, False) for unit in units)
    while left:
        unit, waiting = left.popleft()
        result = partial(run_unit, unit, dataset, device, weights=weights, notice=notice, progress=partial(step, unit))
        if run_claimed(folder, unit, log, waiting, result):
            yield unit
        else:
            left.append((unit, True))
        for event in log.news():
            progress(event)


def _in_workers(
    pool: ProcessPoolExecutor, units: list[Unit], log: Log, notice: Notice, progress: Callable[[Event], None]
) -> Iterator[Unit]:
    running: dict[Future[tuple[bool, list[str]]], Unit] = {pool.submit(_run_in_worker, unit, False): unit for unit in units}
    stopped: set[int] = set()
    while running:
        done = wait(running, POLL, FIRST_COMPLETED).done
        for event in log.news():
            progress(event)
        for pid in _stopped(pool) - stopped:
            notice(
                f"worker {pid} is stopped; `kill -CONT {pid}` lets it go on, and `kill -9 {pid}` ends this run, which can then be gone on with."
            )
            stopped.add(pid)
        for future in done:
            unit = running.pop(future)
            succeeded, notices = future.result()
            for text in notices:
                notice(text)
            if succeeded:
                yield unit
            else:
                running[pool.submit(_run_in_worker, unit, True)] = unit


def run_claimed(folder: Path, unit: Unit, log: Log, waiting: bool, result: Callable[[], Shard]) -> bool:
    """Compute a unit's shard and write it, as the only run of the folder that does; whether it is done now.

    Arguments:
        folder: where the shard goes.
        unit: which.
        log: what happens is written down there.
        waiting: while another run has the unit, wait for it, which may do it or end before; otherwise, do nothing then.
        result: computes the shard.

    Raises:
        BuildError: what came is another unit's shard.
        ShardError: the shard cannot be written.
    """
    with claimed(folder, unit, waiting=waiting) as mine:
        if not mine:
            log.write(unit.key, NOTICE, text="another run of this folder has the unit; this one takes others first, and then waits")
            return False
        if shards.is_done(folder, unit):  # by another run, meanwhile
            log.write(unit.key, UNIT)
            return True
        try:
            put(folder, unit, result())
        except BaseException as error:
            log.write(unit.key, FAILED, text=f"{type(error).__name__}: {error}")
            raise
        log.write(unit.key, UNIT)
        return True


def put(folder: Path, unit: Unit, shard: Shard) -> None:
    """Write the shard of a unit; raises BuildError where it is another's."""
    if shard.unit != unit:
        raise BuildError(f"unit {unit.key} was asked for, and {shard.unit.key} came; what ran it is of another version, or broken.")
    shards.write(folder, shard)


@contextmanager
def claimed(folder: Path, unit: Unit, *, waiting: bool) -> Iterator[bool]:
    """Have a unit for this run alone while the block runs; whether that is so: another run may have it, for whose end this one waits or not."""
    with ExitStack() as held:
        try:
            held.enter_context(only_writer(shards.path_of(folder, unit), wait=waiting))
        except BlockingIOError:
            yield False
            return
        except OSError as error:
            raise BuildError(f"{folder} cannot be written ({error}); expected a folder of yours, on a file system with locks.") from error
        yield True


def _tidy(folder: Path) -> None:
    """Remove locks that nobody holds: of runs that were killed after a shard was written."""
    for lock in folder.glob(".*.npz.lock"):
        with suppress(BlockingIOError), only_writer(lock.with_name(lock.name[1:].removesuffix(".lock")), wait=False):
            pass


def _stopped(pool: ProcessPoolExecutor) -> set[int]:
    """The workers that someone has stopped (SIGSTOP): they will not come back, nor end, by themselves."""
    return {pid for pid in list(pool._processes or ()) if _is_stopped(pid)}


def _is_stopped(pid: int) -> bool:
    try:
        return os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # it has ended
        return False


_worker: tuple[Dataset, torch.device, Path, Path | None] | None = None


def _start_worker(dataset: Dataset, device: str, folder: Path, weights: Path | None, numbers: SimpleQueue[int]) -> None:
    global _worker
    end_with_parent()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # It would end the unit, and not the worker, which would take the next from the queue and be waited for.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    prepare_process()
    _worker = dataset, device_of_worker(torch.device(device), numbers.get()), folder, weights


def prepare_process() -> None:
    """Set this process up to build: one thread, and memory that is freed stays with it."""
    torch.set_num_threads(1)
    keep_freed_memory()


def _run_in_worker(unit: Unit, waiting: bool) -> tuple[bool, list[str]]:
    assert _worker is not None
    dataset, device, folder, weights = _worker
    log, notices = Log(folder), list[str]()

    def result() -> Shard:
        return run_unit(unit, dataset, device, weights=weights, notice=notices.append, progress=partial(log.step, unit.key))

    return run_claimed(folder, unit, log, waiting, result), notices
