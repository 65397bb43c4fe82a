"""A unit, end to end: train a stack of networks, evaluate them, score their proxies; and what its result depends on."""

from __future__ import annotations

import json
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from builders.code import code_of
from builders.datasets import Dataset
from builders.errors import BuildError
from builders.evaluate import clean_outcomes, corruption_outcomes, robust_outcomes
from builders.evaluations import Evaluation, find_evaluation
from builders.networks.frozen import FrozenStack
from builders.own import OwnAttack
from builders.plan import Unit
from builders.proxies import Scores, score_untrained
from builders.recipes import Recipe, find_recipe
from builders.results.shards import Shard
from builders.train import exact_convolutions, train
from robbench.spaces import space_named

Notice = Callable[[str], None]
"""Called with a sentence for the user, such as that a stack was halved."""

Progress = Callable[[str, int, int], None]
"""Called with a part of the work (training, proxies, or the name of a threat), how many of its steps are done, and how many there are: epochs, or one."""

SCORING: dict[str, Any] = {"init": "random", "batch_size": 64}
"""How proxies are measured in a build: on the weights that training starts from, and on training images drawn by the unit's seed."""

BATCH = {"cpu": 200, "cuda": 512}
"""Images at a time in an evaluation, for each network of a stack: on a CPU, few enough that its caches hold much of the activations."""


def run_unit(
    unit: Unit,
    dataset: Dataset,
    device: torch.device,
    *,
    notice: Notice = lambda text: None,
    progress: Progress = lambda part, done, total: None,
) -> Shard:
    """Train and evaluate a unit's networks.

    Where the device's memory does not hold the stack, its halves are run one after the other; the shard's environment says so.

    Arguments:
        unit: which networks, how they are trained, and on what they are evaluated.
        dataset: the unit's data set, loaded.
        device: where to train and evaluate.
        notice: called when a stack is halved.
        progress: called when a part begins, after each epoch, and when a part ends.

    Raises:
        BuildError: one network alone does not fit into memory.
    """
    try:
        return _run_stack(unit, dataset, device, progress)
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        if len(unit.archs) == 1:
            raise BuildError(f"{unit.archs[0]} alone does not fit into the memory of {device}: {error}.") from error
    if device.type == "cuda":
        torch.cuda.empty_cache()
    half = len(unit.archs) // 2
    notice(f"{len(unit.archs)} networks do not fit into the memory of {device}; going on with {half} at a time.")
    parts = [
        run_unit(replace(unit, archs=archs), dataset, device, notice=notice, progress=progress)
        for archs in (unit.archs[:half], unit.archs[half:])
    ]
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


def _run_stack(unit: Unit, dataset: Dataset, device: torch.device, progress: Progress) -> Shard:
    archs = [space_named(unit.space).parse(arch) for arch in unit.archs]
    recipe, evaluation = unit.trained_by, unit.evaluated_by
    images, labels = (torch.from_numpy(array).to(device) for array in (dataset.test_images, dataset.test_labels))
    few, few_labels = images[: evaluation.images], labels[: evaluation.images]
    scores, outcomes, seconds = Scores({}, {}, {}), {}, dict[str, float]()
    with exact_convolutions():
        if evaluation.proxies:
            with _timed("proxies", seconds, progress):
                scores = score_untrained(
                    archs, dataset, proxies=evaluation.proxies, seed=unit.seed, channels=recipe.channels, cells_a_stage=recipe.cells,
                    normalisation=recipe.normalisation(dataset), device=device, **SCORING,
                )  # fmt: skip
        progress("training", 0, recipe.epochs)
        stack, trainings = train(archs, dataset, recipe, unit.seed, device, progress=partial(progress, "training"))
        network, batch = FrozenStack(stack), BATCH[device.type]
        with _timed("clean", seconds, progress):
            outcomes["clean"] = clean_outcomes(network, images, labels, batch_size=batch)
        for name, attack in evaluation.attacks.items():
            with _timed(name, seconds, progress):
                outcomes[name] = robust_outcomes(
                    network, few, few_labels, attack, evaluation.levels(name), seed=unit.seed, batch_size=batch
                )
        for name in evaluation.corruptions:
            with _timed(name, seconds, progress):
                outcomes[name] = corruption_outcomes(network, dataset.corrupted, labels, name, first=evaluation.images, batch_size=batch)
    settings = settings_of(recipe, evaluation, dataset)
    environment = {**environment_of(device), "stack": len(unit.archs)}
    trained = [asdict(training) for training in trainings]
    return Shard(unit, settings, environment, trained, seconds, outcomes, scores.values, scores.failures)


@contextmanager
def _timed(what: str, seconds: dict[str, float], progress: Progress) -> Iterator[None]:
    start = time.perf_counter()
    progress(what, 0, 1)
    yield
    seconds[what] = time.perf_counter() - start
    progress(what, 1, 1)


def settings_of(recipe: str | Recipe, evaluation: str | Evaluation, dataset: Dataset) -> dict[str, Any]:
    """All settings that a recipe, an evaluation and a data set, or their names in this version, stand for, as JSON has them."""
    trained_by, found = find_recipe(recipe), find_evaluation(evaluation)
    stands_for = found.settings()
    settings: dict[str, Any] = {
        "dataset": dataset.checksum,
        "recipe": trained_by.settings(),
        **stands_for,
        "code": {
            name: code_of(attack) for name, attack in found.attacks.items() if not isinstance(attack, OwnAttack)
        },  # those say their source
        "corruptions": {name: dataset.corrupted.settings(name) for name in found.corruptions},
        "proxies": {name: {**SCORING, **proxy} for name, proxy in stands_for["proxies"].items()},
        "skeleton": asdict(trained_by.skeleton(dataset)),
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
