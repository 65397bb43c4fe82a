"""What the embedded store says of levels that it does not hold, beside measurements of them.  Writes a section of docs/levels.md.

Trains some of the store's networks again, in the stacks that they were trained in, and attacks them at levels between the store's four, and at one of these to see
that the networks are the same.  Kept in scratch/between/, or in the folder that ROBBENCH_SCRATCH names: stop and go on as you like.

    python benchmarks/between.py [--workers 2]

Cost: ten minutes of two cores.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import published
from published import ROOT, row, table

from robbench_builders.evaluations import EVALUATIONS
from robbench_builders.plan import Plan
from robbench_builders.plan_file import write_plan
from robbench_builders.results.merge import merge
from robbench_builders.run import run
from robbench import RobBench
from robbench.measurements.metrics import level_text
from robbench.surrogates.fitting import scores

FOLDER = Path(os.environ.get("ROBBENCH_SCRATCH", ROOT / "scratch")) / "between"
STACK, EVERY = 16, 10
"""Of the store's stacks, one in so many."""
HELD, BETWEEN = 16 / 255, (12 / 255, 24 / 255, 48 / 255)
THREATS = (*EVALUATIONS["digits-light"].attacks, "worst_case")
LEVEL = 0.9

TEXT = """
## Between the levels of the embedded store

Produced by `benchmarks/between.py`.  {networks} of the store's networks, in whole stacks, were trained again and attacked at levels between those that the store holds.  At
{held}, which it holds, they have the store's accuracies: {same:.1%} of these are equal to the last image.  Interpolated is `query(…, interpolate=True)`, from what the store
holds of the same network; predicted is `predict`, of the {tested} networks that its surrogate has not learned from, nor from a twin.  Bias is the mean of either minus what was
measured.

Where accuracies are well above 0, what is interpolated between levels a factor of two apart is close to what is measured.  Near 0, R² says little, since hardly an image
is left to differ in, and intervals reach to 0.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    store, measured = RobBench(), RobBench(built(parser.parse_args().workers))
    found = measured.query_many(measured.classes, "pgd", eps=HELD, missing="nan")
    archs = [arch for arch, value in zip(measured.classes, found, strict=True) if not np.isnan(value)]
    held_out = {str(arch) for arch in store.split_of("pgd").held_out}
    tested = np.array([str(arch) in held_out for arch in archs])
    same = np.mean([store.query_many(archs, name, eps=HELD) == measured.query_many(archs, name, eps=HELD) for name in THREATS])
    held = level_text("pgd", HELD)
    lines = [TEXT.format(networks=len(archs), held=held, same=same, tested=int(tested.sum()))]
    heads = ("mean", "interpolated: R²", "bias", "predicted: R²", "bias", f"coverage of {LEVEL:.0%} intervals")
    lines += table(["", *heads])
    for name in THREATS:
        for eps in BETWEEN:
            truth = measured.query_many(archs, name, eps=eps)
            drawn = store.query_many(archs, name, eps=eps, interpolate=True)
            means, low, high = store.predict_many(
                [arch for arch, one in zip(archs, tested, strict=True) if one], name, eps=eps, level=LEVEL
            ).T
            asked = truth[tested]
            cells = [
                f"{truth.mean():.3f}",
                *fit_of(truth, drawn),
                *fit_of(asked, means),
                f"{((low <= asked) & (asked <= high)).mean():.3f}",
            ]
            lines.append(row(f"{name}@{level_text(name, eps)}", cells))
    document = ROOT / "docs" / "levels.md"
    there = document.read_text(encoding="utf-8")
    head, _, _ = there.partition("\n## ")
    document.write_text(published.merged(there, "\n".join([head, *lines])), encoding="utf-8")


def fit_of(measured: np.ndarray, found: np.ndarray) -> tuple[str, str]:
    """R² and bias."""
    return f"{scores(measured, found)['r2']:.3f}", f"{(found - measured).mean():+.4f}"


def built(workers: int) -> Path:
    """A store of the networks at the levels between, and at one that the embedded store holds."""
    units = Plan("digits", "digits", "digits-light", 6466, 0, (0,), stack=STACK).units()[::EVERY]
    archs = tuple(arch for unit in units if len(unit.archs) == STACK for arch in unit.archs)
    evaluation = replace(EVALUATIONS["digits-light"], name="digits-between", eps=(HELD, *BETWEEN), corruptions=(), proxies={})
    write_plan(FOLDER, Plan("digits", "digits", evaluation, None, 0, (0,), stack=STACK, archs=archs))
    for _ in run(FOLDER, device="cpu", workers=workers):
        pass
    merge(FOLDER, FOLDER / "store.h5")
    return FOLDER / "store.h5"


if __name__ == "__main__":
    main()
