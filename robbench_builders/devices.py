"""The device that networks are trained on, and how many of them its memory holds."""

from __future__ import annotations

import torch

from robbench_builders.datasets import Dataset
from robbench_builders.errors import BuildError
from robbench_builders.measure import BATCH
from robbench_builders.networks.families import FAMILIES
from robbench_builders.weights.planned import Source


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


def device_of_worker(device: torch.device, worker: int) -> torch.device:
    """The device of one of several processes, numbered from 0: on ``cuda`` without a number, GPUs are dealt out in turn."""
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", worker % torch.cuda.device_count())
    return device


MEMORY = {"cpu": 4 << 30, "cuda": 32 << 30}
"""Bytes that a stack may take, by the kind of device; one that has less halves the stack when it runs."""

MOST = {"cpu": 16, "cuda": 512}
"""Networks in a stack: more gain nothing."""

CACHED = 1 << 20
"""Bytes of an activation.  Larger ones leave a CPU core's cache, and layers that give such fill a core: there, stacking costs time
(`benchmarks/stacked.py`)."""


def stack_for(device: torch.device, dataset: Dataset, recipe: Source) -> int:
    """How many networks to stack by default: a number of the kind of device, the recipe and the size of images, and of nothing else.

    On a CPU one, where a network's layers are large enough by themselves.  A network's need is taken as that of its activations in one
    training step (`robbench_builders.networks.families`).  A step of an attack keeps half as many, of `BATCH` images.
    """
    _, height, width = dataset.image_shape
    images = max(recipe.batch_size, BATCH[device.type] // 2)
    skeleton = recipe.skeleton(dataset)
    activation = 4 * images * skeleton.channels * height * width
    if device.type == "cpu" and activation > CACHED:
        return 1
    activations = FAMILIES[type(skeleton)].activations(skeleton) * activation * (1 + 1 / 2 + 1 / 4)
    return max(1, min(MOST[device.type], int(MEMORY[device.type] / activations)))
