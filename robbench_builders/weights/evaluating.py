"""Checkpoints, put through an evaluation, into a store: algorithm 1 of Jung et al. (2023).

    for each architecture: load its weights; attack or corrupt the images; classify them; store

Networks of one skeleton are evaluated as a stack.  What is stored is stored after each stack, and not done again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from robbench_builders.datasets import Dataset
from robbench_builders.environment import environment_of
from robbench_builders.evaluations import Evaluation
from robbench_builders.measure import measure
from robbench_builders.networks.families import alike, skeleton_from, stacked
from robbench_builders.networks.frozen import FrozenStack
from robbench_builders.results.storing import About, Origin, refuse_twice, store_measured, stored
from robbench_builders.weights.checkpoints import Checkpoint, Normalisation, common, loaded
from robbench.arguments import checked_count


def evaluate(
    checkpoints: Sequence[Checkpoint],
    into: Path,
    dataset: Dataset,
    evaluation: Evaluation,
    *,
    training: str = "published",
    normalisation: Normalisation | None = None,
    device: torch.device | str = "cpu",
    stack: int = 1,
    notice: Callable[[str], None] = lambda text: None,
) -> Iterator[Checkpoint]:
    """Put the networks of checkpoints through an evaluation's attacks and corruptions; yields each when the store has it.

    Every file is read, and compared with its architecture and the data set, before anything is measured.  Proxies of the evaluation are left
    out: they are of the weights that a training starts from.

    Arguments:
        into: the store, which is made or extended; what it has of a checkpoint is not measured again.
        training: what the store calls the networks' training.
        normalisation: as for `loaded`.
        device: where to evaluate.
        stack: networks at once.

    Raises:
        WeightsError: as `loaded`.
        BuildError, Contradiction, StoreError: as `robbench_builders.results.storing.store_measured`.
    """
    checked_count(stack, "stack", of="networks at once")
    device = torch.device(device)
    if not checkpoints:
        return
    settings = common(checkpoints, dataset, normalisation)
    about = About.of(dataset, evaluation, training, {**settings, "environment": environment_of(device)})
    origins = [_origin(one) for one in checkpoints]
    refuse_twice(origins)
    done = stored(into, origins, about)
    yield from (one for one, is_done in zip(checkpoints, done, strict=True) if is_done)
    skeleton = skeleton_from(settings["skeleton"])
    for some in _stacks([one for one, is_done in zip(checkpoints, done, strict=True) if not is_done], skeleton, stack):
        networks = stacked([loaded(one, dataset, normalisation) for one in some]).to(device).eval()
        measured = measure(FrozenStack(networks), dataset, evaluation, seed=some[0].seed, device=device, notice=notice)
        store_measured(into, measured, [_origin(one) for one in some], about)
        yield from some


def _stacks(checkpoints: Sequence[Checkpoint], skeleton: Any, stack: int) -> Iterator[list[Checkpoint]]:
    """In their order, those of one seed together that can be stacked: the seed draws the attacks' random numbers, too."""
    for seed in dict.fromkeys(one.seed for one in checkpoints):
        mine = [one for one in checkpoints if one.seed == seed]
        for group in alike([one.arch for one in mine], skeleton):
            yield from ([mine[k] for k in group[start : start + stack]] for start in range(0, len(group), stack))


def _origin(checkpoint: Checkpoint) -> Origin:
    return Origin(checkpoint.space, str(checkpoint.arch), checkpoint.seed, checkpoint.record)
