"""All units of a folder, in one process or several.

Every unit runs on one CPU thread (or one GPU), so that its bits do not depend on how many run beside it: use more workers, not more threads.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import torch

from builders.datasets import Dataset
from builders.devices import device_of_worker, find_device
from builders.errors import BuildError
from builders.memory import keep_freed_memory
from builders.plan import Unit, read_plan
from builders.results import shards
from builders.units import Notice, run_unit
from robbench.workers import end_with_parent

CORRUPTED = "corrupted"
"""In a build's folder, where its processes share corrupted images that are too many for memory; may be removed when no run goes on."""


def todo(folder: Path) -> list[Unit]:
    """The units of a folder's plan that have no whole shard yet.

    Raises:
        BuildError: no plan, or shards of another one.
    """
    units = read_plan(folder).units()
    if others := shards.outside_plan(folder, units):
        raise BuildError(f"{others[0]} and {len(others) - 1} more are not of the plan in {folder}; give each plan its own folder.")
    return [unit for unit in units if not shards.is_done(folder, unit)]


def run(
    folder: Path,
    *,
    device: str = "auto",
    workers: int = 1,
    weights: Path | None = None,
    data: Path | None = None,
    notice: Notice = lambda text: None,
) -> Iterator[Unit]:
    """Run the units of a folder's plan that are not done; yields each when its shard is written.

    Stop it at any moment: what was yielded is done, and the next run goes on from there.

    Arguments:
        folder: with a plan.
        device: as for `find_device`; workers take turns at the GPUs of ``cuda``.
        workers: processes; 1 runs in this one.
        weights: a folder that keeps trained weights; networks that it has are not trained.
        data: the folder of the data set's published files, for those that need one.
        notice: called with what the user should know.

    Raises:
        BuildError: the plan cannot be run here, or a worker died.
    """
    units = todo(folder)
    found = find_device(device)
    dataset = read_plan(folder).load(data)
    dataset.corrupted.folder = folder / CORRUPTED
    if workers == 1:
        prepare_process()
        for unit in units:
            shards.write(folder, run_unit(unit, dataset, found, weights=weights, notice=notice))
            yield unit
        return
    context = multiprocessing.get_context("spawn")
    numbers = context.SimpleQueue()
    for number in range(workers):
        numbers.put(number)
    start = dataset, str(found), folder, weights, numbers
    with ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=start) as pool:
        futures = {pool.submit(_run_in_worker, unit): unit for unit in units}
        try:
            for future in as_completed(futures):
                for text in future.result():
                    notice(text)
                yield futures[future]
        except BrokenProcessPool as error:
            raise BuildError(
                "a worker process died (out of memory, or killed); what was done is kept: run again, with fewer workers or a smaller stack."
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


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


def _run_in_worker(unit: Unit) -> list[str]:
    assert _worker is not None
    dataset, device, folder, weights = _worker
    notices: list[str] = []
    shards.write(folder, run_unit(unit, dataset, device, weights=weights, notice=notices.append))
    return notices
