"""The embedded store: what is noise in it, what it says about CIFAR-10, and how well its surrogate predicts.

    python benchmarks/digits.py [--only seeds cifar10 proxies surrogate] [--workers 2] [--reference ../shared/reference]

1. How much architectures differ, beside how much one architecture differs from seed to seed, for data/README.md.  Builds 32 of the store's classes
   again with two more seeds (scratch/digits-seeds; stop and resume as you like), by the recipe and the evaluation of the store.
2. Rank correlations between the store's metrics and the published ones on cifar10 (Jung et al., 2023), over all classes, for docs/fidelity.md;
   beside each, the most that the noise of the two leaves room for: the root of the product of their noise ceilings, from twins.
3. Rank correlations of the store's proxies with its accuracies, over the cells that were built.
4. Scores of the store's surrogate on architectures that it has not seen, nor a twin of theirs, beside the noise ceiling from twins, for data/README.md.

Cost: two minutes on two CPU cores, the last part ten seconds.  n: 6,466 architectures with one seed; 32 architectures with three; 1,302 that the surrogate
has not seen.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from robbench_builders.evaluations import EVALUATIONS
from robbench_builders.plan import Plan
from robbench_builders.plan_file import write_plan
from robbench_builders.proxies import PROXIES
from robbench_builders.results.merge import merge
from robbench_builders.run import run
from robbench import RobBench
from robbench.analysis import noise_ceiling
from robbench.measurements.rscore import r_scores
from robbench.sources import import_source

CLASSES, SEEDS = 32, (1, 2)
HERE = ("clean", "fgsm@16/255", "pgd@16/255", "apgd-ce@16/255", "square@32/255", "mean_corruption")
PARTS = ("seeds", "cifar10", "proxies", "surrogate")
PUBLISHED = ("clean", "fgsm@1/255", "pgd@1/255", "apgd-ce@1/255", "square@1/255", "mean_corruption")
FOLDER = Path(__file__).parents[1] / "scratch" / "digits-seeds"


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--reference", type=Path, default=Path(__file__).parents[2] / "shared" / "reference")
    given = arguments.parse_args()
    store = RobBench()
    if "seeds" in given.only:
        seeds_table(store, given.workers)
    if "cifar10" in given.only:
        with tempfile.TemporaryDirectory() as folder:
            import_source("jung2023", given.reference / "jung2023", Path(folder, "published.h5"))
            cifar10_table(store, RobBench(Path(folder, "published.h5"), dataset="cifar10"))
    if "proxies" in given.only:
        proxies_table(store)
    if "surrogate" in given.only:
        surrogate_table(store)


def seeds_table(store: RobBench, workers: int) -> None:
    write_plan(FOLDER, Plan("digits", "digits", "digits-light", CLASSES, 0, SEEDS, stack=16))
    for _ in run(FOLDER, device="cpu", workers=workers):
        pass
    merge(FOLDER, FOLDER / "store.h5")
    again = RobBench(FOLDER / "store.h5")
    metrics = [
        "clean",
        *(f"{attack}@{eps * 255:g}/255" for attack in EVALUATIONS["digits-light"].attacks for eps in EVALUATIONS["digits-light"].eps),
        "mean_corruption",
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


def cifar10_table(store: RobBench, published: RobBench) -> None:
    print("\n| digits \\ cifar10 | noise ceiling (R²) |", " | ".join(PUBLISHED), "|")
    print("|---|---|" + "---|" * len(PUBLISHED))
    ceilings = {metric: noise_ceiling(published, metric).r2 for metric in PUBLISHED}
    print("| *noise ceiling (R²)* | |", " | ".join(f"*{ceilings[metric]:.2f}*" for metric in PUBLISHED), "|")
    for metric in HERE:
        ours, ceiling = store.query_many(store.classes, metric), noise_ceiling(store, metric).r2
        cells = [
            f"{spearmanr(ours, published.query_many(store.classes, other)).statistic:.2f} of {(max(ceiling, 0) * ceilings[other]) ** 0.5:.2f}"
            for other in PUBLISHED
        ]
        print(f"| {metric} | {ceiling:.2f} | {' | '.join(cells)} |")


def proxies_table(store: RobBench) -> None:
    print("\n| proxy |", " | ".join(HERE), "|")
    print("|---|" + "---|" * len(HERE))
    found = {name: store.query_many(store.classes, name, missing="nan") for name in PROXIES}
    found |= {name: r_scores(*(found[f"r_score_{part}{name[7:]}"] for part in ("psi", "phi"))) for name in ("r_score", "r_score_equations")}
    accuracies = [store.query_many(store.classes, metric) for metric in HERE]
    for name, values in found.items():
        there = ~np.isnan(values)
        print(f"| {name} |", " | ".join(f"{spearmanr(values[there], other[there]).statistic:.2f}" for other in accuracies), "|")


def surrogate_table(store: RobBench) -> None:
    print("\n| output | mean measured | R² | noise ceiling of R², 95% interval | Kendall τ |")
    print("|---|---|---|---|---|")
    for output, r2, kendall in store.surrogates()[["output", "r2", "kendall"]].to_numpy().tolist():
        ceiling, mean = noise_ceiling(store, output), store.query_many(store.classes, output).mean()
        print(f"| {output} | {mean:.3f} | {r2:.2f} | {ceiling.r2:.2f} [{ceiling.low:.2f}, {ceiling.high:.2f}] | {kendall:.2f} |")


def column(bench: RobBench, metric: str, seed: int) -> np.ndarray:
    """Of every class; NaN where it was not built."""
    return bench.query_many(bench.classes, metric, seed=seed, missing="nan")


if __name__ == "__main__":
    main()
