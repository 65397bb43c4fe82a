"""The device that networks are trained on, and how many of them its memory holds."""

from __future__ import annotations

import os

import torch

from builders.datasets import Dataset
from builders.errors import BuildError
from builders.train import Recipe
from builders.units import BATCH


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


CACHED = 2**20
"""Bytes.  Up to here an activation stays in a core's cache, and small layers leave a core idle: stacking pays (benchmarks/stacked.py)."""
MOST = {"cpu": 16, "cuda": 512}


def stack_for(device: torch.device, dataset: Dataset, recipe: Recipe) -> int:
    """How many networks to stack: on a CPU 1 where a network's layers fill a core by themselves, else as many as memory is likely to hold.

    The same every time on the same machine: half of all its memory, not of what happens to be free.  A run halves what does not fit.
    A network's need is taken as that of its activations in one training step: all six edges of every cell keep three.  A step of an attack
    keeps half as many, of `BATCH` images.
    """
    _, height, width = dataset.image_shape
    images = max(recipe.batch_size, BATCH[device.type] // 2)
    activation = 4 * images * recipe.channels * height * width
    if device.type == "cpu" and activation > CACHED:
        return 1
    step = 3 * 6 * recipe.cells * activation * (1 + 1 / 2 + 1 / 4)
    return max(1, min(MOST[device.type], int(_memory(device) / 2 / step)))


def _memory(device: torch.device) -> int:
    """Of the device, free or not, in bytes."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[1])
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
