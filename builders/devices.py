"""The device that networks are trained on, and how many of them its memory holds."""

from __future__ import annotations

import os

import torch

from builders.datasets import Dataset
from builders.errors import BuildError
from builders.measure import BATCH
from builders.train import Recipe


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
