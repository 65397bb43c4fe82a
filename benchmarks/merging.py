"""How much memory merging takes, for networks by the hundred with outcomes of thousands of images: made-up shards, one at a time.

    python benchmarks/merging.py --networks 256 --images 10000

Prints the size of all outcomes unpacked (a byte an image, as a shard has them when it is read) and packed, the peak of the process's memory before and after,
and the seconds that merging took.  Half a minute for the numbers above, on one core.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from builders.datasets import load
from builders.plan import Plan, Unit
from builders.plan_file import read_plan, write_plan
from builders.results import shards
from builders.results.merge import merge
from builders.results.shards import Shard
from builders.units import environment_of, settings_of

STACK = 16


def made_up(unit: Unit, images: int, rng: np.random.Generator) -> Shard:
    """A shard without training: four attacks at five eps, fifteen corruptions at five severities."""
    settings = settings_of(unit.recipe, unit.evaluation, load(unit.dataset))
    threats = {"clean": (), **dict.fromkeys([*settings["attacks"], *settings["corruptions"]], (5,))}
    outcomes = {threat: rng.integers(0, 2, (len(unit.archs), *levels, images), np.uint8).astype(bool) for threat, levels in threats.items()}
    trainings = [{"loss": 0.5, "accuracy": 0.9, "seconds": 1.0, "diverged": None} for _ in unit.archs]
    proxies = {name: rng.random(len(unit.archs)) for name in settings["proxies"]}
    environment = {**environment_of(torch.device("cpu")), "stack": len(unit.archs)}
    return Shard(unit, settings, environment, trainings, {"proxies": 1.0, **dict.fromkeys(threats, 1.0)}, outcomes, proxies, {})


def peak() -> float:
    """The peak of this process's memory so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=256)
    parser.add_argument("--images", type=int, default=10_000)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "build")
        write_plan(folder, Plan("digits", "digits", "digits", given.networks, 0, (0,), STACK))
        size = 0
        for unit in read_plan(folder).units():
            shard = made_up(unit, given.images, rng)
            size += sum(bits.size for bits in shard.outcomes.values())
            shards.write(folder, shard)
        before, begun = peak(), time.monotonic()
        merge(folder, Path(name, "store.h5"))
        print(
            f"{given.networks} networks in stacks of {STACK}, {given.images} images: outcomes of {size / 1e6:.0f} MB, packed {size / 8e6:.0f} MB"
        )
        print(f"peak of memory {before:.0f} MB before merging (one shard made and written), {peak():.0f} MB after")
        print(f"merged in {time.monotonic() - begun:.1f} s")


if __name__ == "__main__":
    main()
