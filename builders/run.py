"""A unit, end to end: train a stack of networks, evaluate them, score their proxies; and all units of a folder, in one process or several.

Every unit runs on one CPU thread (or one GPU), so that its bits do not depend on how many run beside it: use more workers, not more threads.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from builders.datasets import Dataset, load
from builders.errors import BuildError
from builders.evaluate import clean_outcomes, corruption_outcomes, robust_outcomes
from builders.memory import keep_freed_memory
from builders.networks.frozen import FrozenStack
from builders.plan import EVALUATIONS, Unit, read_plan
from builders.proxies import Scores, score_untrained
from builders.results import shards
from builders.results.shards import Shard
from builders.train import RECIPES, Recipe, exact_convolutions, train
from robbench.spaces import space_named
from robbench.workers import end_with_parent

Notice = Callable[[str], None]
"""Called with a sentence for the user, such as that a stack was halved."""

SCORING: dict[str, Any] = {"init": "random", "batch_size": 64}
"""How proxies are measured in a build: on the weights that training starts from, and on training images drawn by the unit's seed."""

BATCH = {"cpu": 200, "cuda": 512}
"""Images at a time in an evaluation, for each network of a stack: on a CPU, few enough that its caches hold much of the activations."""


def run_unit(unit: Unit, dataset: Dataset, device: torch.device, *, notice: Notice = lambda text: None) -> Shard:
    """Train and evaluate a unit's networks.

    Where the device's memory does not hold the stack, its halves are run one after the other; the shard's environment says so.

    Arguments:
        unit: which networks, how they are trained, and on what they are evaluated.
        dataset: the unit's data set, loaded.
        device: where to train and evaluate.
        notice: called when a stack is halved.

    Raises:
        BuildError: one network alone does not fit into memory.
    """
    try:
        return _run_stack(unit, dataset, device)
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        if len(unit.archs) == 1:
            raise BuildError(f"{unit.archs[0]} alone does not fit into the memory of {device}: {error}.") from error
    if device.type == "cuda":
        torch.cuda.empty_cache()
    half = len(unit.archs) // 2
    notice(f"{len(unit.archs)} networks do not fit into the memory of {device}; going on with {half} at a time.")
    parts = [run_unit(replace(unit, archs=archs), dataset, device, notice=notice) for archs in (unit.archs[:half], unit.archs[half:])]
    return Shard(
        unit,
        parts[0].settings,
        {**parts[0].environment, "stack": max(part.environment["stack"] for part in parts)},
        [training for part in parts for training in part.trainings],
        {what: sum(part.seconds[what] for part in parts) for what in parts[0].seconds},
        {threat: np.concatenate([part.outcomes[threat] for part in parts]) for threat in parts[0].outcomes},
        {proxy: np.concatenate([part.proxies[proxy] for part in parts]) for proxy in parts[0].proxies},
        {proxy: dict(sum((Counter(part.failures.get(proxy)) for part in parts), Counter())) for part in parts for proxy in part.failures},
    )


def _out_of_memory(error: MemoryError | RuntimeError) -> bool:
    """Torch has an exception for a GPU's caching allocator only; a CPU's allocator and CUDA's libraries say it in words."""
    words = "can't allocate memory", "out of memory", "ALLOC_FAILED"
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(said in str(error) for said in words)


def _run_stack(unit: Unit, dataset: Dataset, device: torch.device) -> Shard:
    archs = [space_named(unit.space).parse(arch) for arch in unit.archs]
    recipe, evaluation = RECIPES[unit.recipe], EVALUATIONS[unit.evaluation]
    images, labels = (torch.from_numpy(array).to(device) for array in (dataset.test_images, dataset.test_labels))
    few, few_labels = images[: evaluation.images], labels[: evaluation.images]
    scores, outcomes, seconds = Scores({}, {}, {}), {}, dict[str, float]()
    with exact_convolutions():
        if evaluation.proxies:
            with _timed("proxies", seconds):
                scores = score_untrained(
                    archs, dataset, proxies=evaluation.proxies, seed=unit.seed, channels=recipe.channels, cells_a_stage=recipe.cells,
                    device=device, **SCORING,
                )  # fmt: skip
        stack, trainings = train(archs, dataset, recipe, unit.seed, device)
        network, batch = FrozenStack(stack), BATCH[device.type]
        with _timed("clean", seconds):
            outcomes["clean"] = clean_outcomes(network, images, labels, batch_size=batch)
        for name, attack in evaluation.attacks.items():
            with _timed(name, seconds):
                outcomes[name] = robust_outcomes(network, few, few_labels, attack, evaluation.eps, seed=unit.seed, batch_size=batch)
        for name in evaluation.corruptions:
            with _timed(name, seconds):
                outcomes[name] = corruption_outcomes(network, dataset.corrupted, labels, name, first=evaluation.images, batch_size=batch)
    settings = settings_of(unit.recipe, unit.evaluation, dataset)
    environment = {**environment_of(device), "stack": len(unit.archs)}
    trained = [asdict(training) for training in trainings]
    return Shard(unit, settings, environment, trained, seconds, outcomes, scores.values, scores.failures)


@contextmanager
def _timed(what: str, seconds: dict[str, float]) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[what] = time.perf_counter() - start


def settings_of(recipe: str, evaluation: str, dataset: Dataset) -> dict[str, Any]:
    """All settings that the names of a recipe, an evaluation and a data set stand for in this version, as JSON has them."""
    found = EVALUATIONS[evaluation]
    settings: dict[str, Any] = {
        "dataset": dataset.checksum,
        "recipe": asdict(RECIPES[recipe]),
        "attacks": {name: attack.settings() for name, attack in found.attacks.items()},
        "eps": found.eps,
        "corruptions": {name: dataset.corrupted.settings(name) for name in found.corruptions},
        "images": found.images,
        "proxies": {name: {**SCORING, **proxy.settings()} for name, proxy in found.proxies.items()},
        "skeleton": asdict(RECIPES[recipe].skeleton(dataset)),
        "image_size": dataset.image_shape[1:],
    }
    plain: dict[str, Any] = json.loads(json.dumps(settings))
    return plain


def environment_of(device: torch.device) -> dict[str, Any]:
    """Library versions and the device: what the last bits of a result depend on besides the unit."""
    return {
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "device": torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
    }


def find_device(name: str) -> torch.device:
    """The device of that name; ``auto`` is the GPU where there is one.

    Raises:
        BuildError: no such device, or not on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise BuildError(f"device {name!r} cannot be used: {str(error).splitlines()[0]} Expected cpu, cuda, cuda:1, …, or auto.") from error
    if device.type not in ("cpu", "cuda"):
        raise BuildError(
            f"device {name!r} cannot be used: it computes nothing, or was never tried. Expected cpu, cuda, cuda:1, …, or auto."
        )
    return device


def stack_for(device: torch.device, dataset: Dataset, recipe: Recipe) -> int:
    """How many networks to stack: as many as half of the free memory holds, at most 16 on a CPU, where more gain nothing.

    A network's need is taken as that of its activations in one training step: all six edges of every cell keep three.  A step of an attack
    keeps half as many, of `BATCH` images.
    """
    _, height, width = dataset.image_shape
    images = max(recipe.batch_size, BATCH[device.type] // 2)
    activations = 3 * 6 * recipe.cells * images * recipe.channels * height * width * (1 + 1 / 2 + 1 / 4)
    if device.type == "cuda":
        free, most = torch.cuda.mem_get_info(device)[0], 512
    else:
        free, most = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), 16
    return max(1, min(most, int(free / 2 / (4 * activations))))


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
    folder: Path, *, device: str = "auto", workers: int = 1, data: Path | None = None, notice: Notice = lambda text: None
) -> Iterator[Unit]:
    """Run the units of a folder's plan that are not done; yields each when its shard is written.

    Stop it at any moment: what was yielded is done, and the next run goes on from there.

    Arguments:
        folder: with a plan.
        device: as for `find_device`.
        workers: processes; 1 runs in this one.
        data: the folder of the data set's published files, for those that need one.
        notice: called with what the user should know.

    Raises:
        BuildError: the plan cannot be run here, or a worker died.
    """
    units = todo(folder)
    found = find_device(device)
    dataset = load(read_plan(folder).dataset, data)
    if workers == 1:
        prepare_process()
        for unit in units:
            shards.write(folder, run_unit(unit, dataset, found, notice=notice))
            yield unit
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(dataset, str(found), folder)) as pool:
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


_worker: tuple[Dataset, torch.device, Path] | None = None


def _start_worker(dataset: Dataset, device: str, folder: Path) -> None:
    global _worker
    end_with_parent()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # It would end the unit, and not the worker, which would take the next from the queue and be waited for.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    prepare_process()
    _worker = dataset, torch.device(device), folder


def prepare_process() -> None:
    """Set this process up to build: one thread, and memory that is freed stays with it."""
    torch.set_num_threads(1)
    keep_freed_memory()


def _run_in_worker(unit: Unit) -> list[str]:
    assert _worker is not None
    dataset, device, folder = _worker
    notices: list[str] = []
    shards.write(folder, run_unit(unit, dataset, device, notice=notices.append))
    return notices
