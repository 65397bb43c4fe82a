"""What must be the same on every machine that runs units of a build, as one flat dict, so that a difference has a name.

robbench, code              the version, and a checksum of the builders' source
dataset                     a checksum of its images and labels
torch, numpy, python, device
recipe.epochs, attacks.pgd.steps, …     all settings of recipe and evaluation
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch

import robbench
from builders.datasets import Dataset
from builders.errors import BuildError
from builders.plan import Plan
from builders.results.shards import Shard
from builders.units import environment_of, settings_of

Fingerprint = dict[str, Any]

_SOURCE = Path(__file__).parents[1]


def fingerprint(plan: Plan, dataset: Dataset, device: torch.device) -> Fingerprint:
    """The fingerprint of this process."""
    return {
        "robbench": robbench.__version__,
        "code": hashlib.sha256(b"".join(path.read_bytes() for path in sorted(_SOURCE.rglob("*.py")))).hexdigest()[:16],
        **environment_of(device),
        **_flat(settings_of(plan.recipe, plan.evaluation, dataset)),
    }


def of_shard(shard: Shard) -> Fingerprint:
    """The part of the fingerprint that a shard has recorded of the process that made it."""
    return {**_flat(shard.settings), **{name: value for name, value in shard.environment.items() if name != "stack"}}


def refuse_others(found: Fingerprint, expected: Fingerprint) -> None:
    """Do nothing if the two are the same.

    Raises:
        BuildError: they differ; names the first fields that do.
    """
    absent = "absent"
    differing = [
        f"{name} is {found.get(name, absent)}, not {expected.get(name, absent)}"
        for name in {**expected, **found}
        if found.get(name, absent) != expected.get(name, absent)
    ]
    if differing:
        more = f" (and {len(differing) - 4} more)" if len(differing) > 4 else ""
        raise BuildError(
            f"{', '.join(differing[:4])}{more}; all results of a build come from one version of the code, its libraries, the data set and the device."
        )


def _flat(settings: dict[str, Any], under: str = "") -> Fingerprint:
    flat: Fingerprint = {}
    for name, value in settings.items():
        flat.update(_flat(value, f"{under}{name}.") if isinstance(value, dict) else {under + name: value})
    return flat
