"""The embedded store: how much architectures differ, beside how much one architecture differs from seed to seed.

    python benchmarks/digits.py [--workers 2]

Builds 32 of the store's classes again with two more seeds (scratch/digits-seeds; stop and resume as you like), by the recipe and the evaluation
of the store, and prints a table for data/README.md.

Cost: about five minutes on two CPU cores.  n: 512 architectures with one seed; 32 architectures with three.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from builders.merge import merge
from builders.plan import EVALUATIONS, Plan, write_plan
from builders.run import run
from robbench import RobBench

CLASSES, SEEDS = 32, (1, 2)
FOLDER = Path(__file__).parents[1] / "scratch" / "digits-seeds"


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--workers", type=int, default=2)
    workers = arguments.parse_args().workers
    write_plan(FOLDER, Plan("digits", "digits", "digits-light", CLASSES, 0, SEEDS, stack=16))
    for _ in run(FOLDER, device="cpu", workers=workers):
        pass
    merge(FOLDER, FOLDER / "store.h5")
    store, again = RobBench(), RobBench(FOLDER / "store.h5")
    metrics = [
        "clean",
        *(f"{attack}@{eps * 255:g}/255" for attack in EVALUATIONS["digits-light"].attacks for eps in EVALUATIONS["digits-light"].eps),
    ]
    print("| metric | mean | lowest | highest | spread of architectures | spread of seeds | ratio | rank correlation of seeds |")
    print("|---|---|---|---|---|---|---|---|")
    for metric in metrics:
        print(row(metric, store, again))


def row(metric: str, store: RobBench, again: RobBench) -> str:
    """Spreads are standard deviations: over architectures with one seed; over the seeds of one architecture (root mean square)."""
    everyone = column(store, metric, 0)
    everyone = everyone[~np.isnan(everyone)]
    seeds = np.stack([column(store, metric, 0), *(column(again, metric, seed) for seed in SEEDS)], axis=1)
    seeds = seeds[~np.isnan(seeds).any(axis=1)]
    assert len(seeds) == CLASSES
    between, within = everyone.std(ddof=1), np.sqrt(seeds.var(axis=1, ddof=1).mean())
    ranks = (
        np.mean([spearmanr(seeds[:, a], seeds[:, b]).statistic for a, b in ((0, 1), (0, 2), (1, 2))]) if seeds.std(axis=0).all() else np.nan
    )
    numbers = (everyone.mean(), everyone.min(), everyone.max(), between, within)
    return f"| {metric} | {' | '.join(f'{number:.3f}' for number in numbers)} | {between / within:.1f} | {ranks:.2f} |"


def column(bench: RobBench, metric: str, seed: int) -> np.ndarray:
    """Of every class; NaN where it was not built."""
    return bench.query_many(bench.classes, metric, seed=seed, missing="nan")


if __name__ == "__main__":
    main()
