"""Networks, put through a whole evaluation: clean, under every attack, and under every corruption.

    measured = measure(network, dataset, EVALUATIONS["published"])
    measured.accuracy["pgd"]            (levels,), fractions in [0, 1]

A network is anything that `robbench_builders.evaluate` takes: any `torch.nn.Module` or function from images in [0, 1] to logits.  One that wants
normalised images is wrapped by `robbench_builders.classifiers.Normalised`, one that returns several outputs by `robbench_builders.classifiers.LogitsOf`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robbench_builders import evaluate
from robbench_builders.attacks.base import Attack, Classifier
from robbench_builders.confidences import summed_up
from robbench_builders.datasets import Dataset
from robbench_builders.errors import BuildError
from robbench_builders.evaluate import Answers, clean_answers, corruption_answers, robust_answers
from robbench_builders.evaluations import Evaluation
from robbench_builders.memory import halved
from robbench.store.arrays import MISSING

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
    summaries: dict[str, dict[str, NDArray[Any]]] = field(default_factory=dict)
    """For each measure of the evaluation, for each threat: ``(…, levels, *)``, as in `robbench_builders.confidences`."""

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

    What the evaluation measures besides is summed up of the same images.

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
        AttackError: the network is not fit for attacks, or has another number of classes; see `robbench_builders.classifiers`.
        BuildError: one image at a time does not fit into memory, or more images than a confusion matrix can count.
    """
    device = torch.device(device)
    images, labels = (torch.from_numpy(array).to(device) for array in (dataset.test_images, dataset.test_labels))
    few, few_labels = images[: evaluation.images], labels[: evaluation.images]
    outcomes, seconds = dict[str, NDArray[np.bool_]](), dict[str, float]()

    if "confusion" in evaluation.measures and len(images) >= MISSING:
        raise BuildError(
            f"{dataset.name} has {len(images)} test images, and a confusion matrix counts to {MISSING - 1}; leave it out, or take fewer images."
        )
    whole, summaries = bool(evaluation.measures), {measure: dict[str, NDArray[Any]]() for measure in evaluation.measures}

    def put_through(threat: str, compute: Callable[[int], Answers]) -> None:
        with timed(threat, seconds, progress):
            answers = halved(compute, batch_size or BATCH[device.type], threat, notice)
            outcomes[threat] = answers.outcomes
            if whole:
                for measure, found in summed_up(answers, labels[: answers.outcomes.shape[-1]], evaluation.measures).items():
                    summaries[measure][threat] = found

    put_through("clean", lambda batch: clean_answers(network, images, labels, batch_size=batch, whole=whole))
    for name, attack in evaluation.attacks.items():
        put_through(name, partial(_attacked, network, few, few_labels, attack, evaluation.levels(name), seed, whole))
    for name in evaluation.corruptions:
        put_through(name, partial(_corrupted, network, dataset, labels, name, evaluation.images, whole))
    return Measured(outcomes, seconds, summaries)


@contextmanager
def timed(what: str, seconds: dict[str, float], progress: Progress) -> Iterator[None]:
    """Tell of the beginning and the end of a part of the work, and note its seconds."""
    start = time.perf_counter()
    progress(what, 0, 1)
    yield
    seconds[what] = time.perf_counter() - start
    progress(what, 1, 1)


def _attacked(
    network: Classifier, images: Tensor, labels: Tensor, attack: Attack, eps: Sequence[float], seed: int, whole: bool, batch: int
) -> Answers:
    return robust_answers(network, images, labels, attack, eps, seed=seed, batch_size=batch, whole=whole)


def _corrupted(network: Classifier, dataset: Dataset, labels: Tensor, name: str, first: int | None, whole: bool, batch: int) -> Answers:
    return corruption_answers(network, dataset.corrupted, labels, name, first=first, batch_size=batch, whole=whole)
