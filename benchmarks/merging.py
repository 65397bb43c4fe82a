"""How much memory merging takes, for networks by the hundred with outcomes of thousands of images: made-up shards, one at a time.

    python benchmarks/merging.py --networks 256 --images 10000
    python benchmarks/merging.py --networks 256 --images 100 --classes 120

Prints the size of all outcomes unpacked (a byte an image, as a shard has them when it is read) and packed, the peak of the process's memory before and after,
and the seconds that merging took.  With `--classes`, networks also have a matrix of confidences of so many classes, clean and at five eps of one attack;
their size is that of a store's arrays, which have a row for every class of the space.  Half a minute for the numbers above, on one core.
"""

from __future__ import annotations

import argparse
import math
import resource
import tempfile
import time
from functools import cache
from pathlib import Path

import numpy as np
import torch

from robbench_builders.attacks import FGSM
from robbench_builders.datasets import load
from robbench_builders.environment import environment_of
from robbench_builders.evaluations import Evaluation
from robbench_builders.plan import Plan, Unit
from robbench_builders.plan_file import read_plan, write_plan
from robbench_builders.results import shards
from robbench_builders.results.merge import merge
from robbench_builders.results.shards import Shard
from robbench_builders.units import settings_of
from robbench.measurements.metrics import CONFIDENCES
from robbench.store import Store

STACK = 16


MATRICES = Evaluation("matrices", {"fgsm": FGSM()}, tuple(eps / 255 for eps in range(1, 6)), measures=(CONFIDENCES["label"],))
_DIGITS = cache(lambda: load("digits"))


def made_up(unit: Unit, images: int, classes: int, rng: np.random.Generator) -> Shard:
    """A shard without training: what the evaluation has of attacks at five eps and corruptions at five severities, and matrices of so many classes."""
    settings = settings_of(unit.trained_by, unit.evaluated_by, _DIGITS())
    threats = {"clean": (), **dict.fromkeys([*settings["attacks"], *settings["corruptions"]], (5,))}
    outcomes = {threat: rng.integers(0, 2, (len(unit.archs), *levels, images), np.uint8).astype(bool) for threat, levels in threats.items()}
    trainings = [{"loss": 0.5, "accuracy": 0.9, "seconds": 1.0, "diverged": None} for _ in unit.archs]
    proxies = {name: rng.random(len(unit.archs)) for name in settings["proxies"]}
    environment = {**environment_of(torch.device("cpu")), "stack": len(unit.archs)}
    seconds = {"proxies": 1.0, **dict.fromkeys(threats, 1.0)}
    summaries = {
        measure: {threat: rng.random((len(unit.archs), *levels, classes, classes), np.float32) for threat, levels in threats.items()}
        for measure in settings.get("measures", ())
    }
    return Shard(unit, settings, environment, trainings, seconds, outcomes, proxies, {}, summaries)


def peak() -> float:
    """The peak of this process's memory so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=256)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--classes", type=int, default=0)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "build")
        write_plan(folder, Plan("digits", "digits", MATRICES if given.classes else "digits", given.networks, 0, (0,), STACK))
        size = 0
        for unit in read_plan(folder).units():
            shard = made_up(unit, given.images, given.classes, rng)
            size += sum(bits.size for bits in shard.outcomes.values())
            shards.write(folder, shard)
        before, begun = peak(), time.monotonic()
        merge(folder, Path(name, "store.h5"))
        print(
            f"{given.networks} networks in stacks of {STACK}, {given.images} images: outcomes of {size / 1e6:.0f} MB, packed {size / 8e6:.0f} MB"
        )
        if given.classes:
            with Store(Path(name, "store.h5")) as store:
                sizes = [4 * math.prod(store.shape(found)) for found in store.names() if found.measure in CONFIDENCES.values()]
            print(f"confidences of {given.classes} classes: {len(sizes)} arrays, the largest of {max(sizes) / 1e6:.0f} MB")
        print(f"peak of memory {before:.0f} MB before merging (one shard made and written), {peak():.0f} MB after")
        print(f"merged in {time.monotonic() - begun:.1f} s")


if __name__ == "__main__":
    main()
