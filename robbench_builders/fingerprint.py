"""What all results that are put together must have in common, as one flat dict, so that a difference has a name.

robbench, source            the version, and a checksum of the builders' source: of a process only
dataset                     a checksum of its images and labels
torch, numpy, python, device
recipe.epochs, attacks.pgd.steps, …     all settings of recipe and evaluation
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from robbench_builders.datasets import Dataset
from robbench_builders.differences import Settings, differences, flat, listed
from robbench_builders.environment import environment_of
from robbench_builders.errors import BuildError
from robbench_builders.plan import Plan
from robbench_builders.results.shards import Shard
from robbench_builders.units import settings_of
import robbench

Fingerprint = Settings

_SOURCE = Path(__file__).parent


def fingerprint(plan: Plan, dataset: Dataset, device: torch.device) -> Fingerprint:
    """The fingerprint of this process."""
    return {
        "robbench": robbench.__version__,
        "source": hashlib.sha256(b"".join(path.read_bytes() for path in sorted(_SOURCE.rglob("*.py")))).hexdigest()[:16],
        **conditions(plan, dataset, device),
    }


def conditions(plan: Plan, dataset: Dataset, device: torch.device) -> Fingerprint:
    """The part of this process's fingerprint that its shards will record."""
    return {**environment_of(device), **flat(settings_of(plan.recipe, plan.evaluation, dataset))}


def of_shard(shard: Shard) -> Fingerprint:
    """The part of the fingerprint that a shard has recorded of the process that made it; its kept weights may be from elsewhere."""
    return {**flat(shard.settings), **{name: value for name, value in shard.environment.items() if name not in ("stack", "trained")}}


def refuse_others(found: Fingerprint, expected: Fingerprint) -> None:
    """Do nothing if the two are the same.

    Raises:
        BuildError: they differ; names the first fields that do.
    """
    if differing := differences(found, expected):
        raise BuildError(
            f"{listed(differing)}; all results of a build come from one version of the code, its libraries, the data set and the device."
        )
