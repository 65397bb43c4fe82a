"""Networks, put through a whole evaluation: clean, under every attack, and under every corruption.

    measured = measure(network, dataset, EVALUATIONS["published"])
    measured.accuracy["pgd"]            (levels,), fractions in [0, 1]

A network is anything that `builders.evaluate` takes: any `torch.nn.Module` or function from images in [0, 1] to logits.  One that wants
normalised images is wrapped by `builders.classifiers.Normalised`, one that returns several outputs by `builders.classifiers.LogitsOf`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from builders import evaluate
from builders.attacks.base import Attack, Classifier
from builders.datasets import Dataset
from builders.evaluate import clean_outcomes, corruption_outcomes, robust_outcomes
from builders.evaluations import Evaluation
from builders.memory import halved

Progress = Callable[[str, int, int], None]
"""Called with a part of the work (training, proxies, or the name of a threat), how many of its steps are done, and how many there are: epochs, or one."""

BATCH = {"cpu": 200, "cuda": 512}
"""Images at a time, for each network of a stack: on a CPU, few enough that its caches hold much of the activations."""


@dataclass(frozen=True, eq=False)
class Measured:
    """What networks were put through; ``…`` is the stack, absent for a plain network."""

    outcomes: dict[str, NDArray[np.bool_]]
    """For each threat, whether each image is classified correctly: ``(…, levels, images)``; ``(…, images)`` for clean."""
    seconds: dict[str, float]
    """For each threat, of all networks together."""

    @property
    def accuracy(self) -> dict[str, NDArray[np.float64]]:
        """For each threat, the share of images classified correctly: ``(…, levels)``; ``(…)`` for clean."""
        return {threat: evaluate.accuracy(outcomes) for threat, outcomes in self.outcomes.items()}


def measure(
    network: Classifier,
    dataset: Dataset,
    evaluation: Evaluation,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    batch_size: int | None = None,
    notice: Callable[[str], None] = lambda text: None,
    progress: Progress = lambda part, done, total: None,
) -> Measured:
    """Clean outcomes of all test images, and those of the evaluation's attacks and corruptions; its proxies are of untrained networks.

    Where the device's memory does not hold a batch of an attack, the attack is run again with half of it.

    Arguments:
        network: in eval mode, on the device.
        dataset: whose test images are classified.
        seed: of the attacks' random numbers.
        device: where the images are put.
        batch_size: images at a time, for each network of a stack; by default as for `BATCH`.
        notice: called when a batch is halved.
        progress: called when a threat's evaluation begins and ends.

    Raises:
        AttackError: the network is not fit for attacks, or has another number of classes; see `builders.classifiers`.
        BuildError: one image at a time does not fit into memory.
    """
    device = torch.device(device)
    images, labels = (torch.from_numpy(array).to(device) for array in (dataset.test_images, dataset.test_labels))
    few, few_labels = images[: evaluation.images], labels[: evaluation.images]
    outcomes, seconds = dict[str, NDArray[np.bool_]](), dict[str, float]()

    def put_through(threat: str, compute: Callable[[int], NDArray[np.bool_]]) -> None:
        with timed(threat, seconds, progress):
            outcomes[threat] = halved(compute, batch_size or BATCH[device.type], threat, notice)

    put_through("clean", lambda batch: clean_outcomes(network, images, labels, batch_size=batch))
    for name, attack in evaluation.attacks.items():
        put_through(name, partial(_attacked, network, few, few_labels, attack, evaluation.levels(name), seed))
    for name in evaluation.corruptions:
        put_through(name, partial(_corrupted, network, dataset, labels, name, evaluation.images))
    return Measured(outcomes, seconds)


@contextmanager
def timed(what: str, seconds: dict[str, float], progress: Progress) -> Iterator[None]:
    """Tell of the beginning and the end of a part of the work, and note its seconds."""
    start = time.perf_counter()
    progress(what, 0, 1)
    yield
    seconds[what] = time.perf_counter() - start
    progress(what, 1, 1)


def _attacked(
    network: Classifier, images: Tensor, labels: Tensor, attack: Attack, eps: Sequence[float], seed: int, batch: int
) -> NDArray[np.bool_]:
    return robust_outcomes(network, images, labels, attack, eps, seed=seed, batch_size=batch)


def _corrupted(network: Classifier, dataset: Dataset, labels: Tensor, name: str, first: int | None, batch: int) -> NDArray[np.bool_]:
    return corruption_outcomes(network, dataset.corrupted, labels, name, first=first, batch_size=batch)
