"""Seconds a network for each proxy alone, and for all in one pass; one network at a time, and stacked.

    python benchmarks/proxies.py [--space nb201] [--stack 4] [--batch 64] [--together] [--reference ../shared/reference]

Networks of NAS-Bench-201: full size (C=16, N=5, 32×32 images), `--stack` neighbours of a sorted random sample of 512 cells (seed 0), which is what a build
puts in a stack.  Networks of DARTS (`--space darts`): of the size of searches (C=16, 8 layers), `--stack` genotypes drawn at random (seed 0), which is what
a search asks for; ZCPRob, SWAP and Φ with its pairing as meant are among the proxies there.  Batch: the first 64 images of CIFAR-10's first training batch; croze and r_score take the first 8 and 16 of it, as
released, and hessian the first 16.  "Nothing shared" is the sum of the column; "all" is `robbench_builders.proxies.score` with all names.

Time: CPU seconds of the process, one thread, divided by the networks; each figure is one run after a warm-up, so read them to 10 %.

Cost: about four minutes of one CPU core.

Figures, 21 November 2026, an AMD EPYC core, torch 2.13, a test suite on the other core, seconds a network: sizes and norms 0.02 to 0.04, synflow 0.1,
proxies of one backward pass 0.25 to 0.35, croze and its forms 0.37 to 0.47, zen 0.45, grasp 1.3, Ψ 2.8, hessian 3.2.  All: 9.4 in one pass, 17.9 with
nothing shared; in stacks of four 12.1 and 21.1: full-size networks gain nothing by being stacked on a CPU.

DARTS, 26 November 2026, the same processor, a busy machine: sizes and norms 0.05 to 0.1, synflow 0.4, proxies of one backward pass 1.5, ZCPRob 1.6, croze 4.3, grasp 6.8,
Ψ 8.1, SWAP 9.9, hessian 16.9; stacked by two, as much.  All: 129.2 with nothing shared, 50.0 in one pass (``--stack 1 --together``).
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from robbench_builders.networks.darts import DartsSkeleton
from robbench_builders.networks.plain import Skeleton
from robbench_builders.proxies import PROXIES, initialised, score
from robbench.spaces.darts import DARTS, Genotype
from robbench.spaces.nb201 import NB201, Cell

YOUNGER = ("zcprob", "zcprob_equations", "swap", "swap_regularised", "r_score_phi_cells")
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="nb201", choices=["nb201", "darts"])
    parser.add_argument("--stack", type=int, default=4)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--together", action="store_true", help="only all in one pass")
    parser.add_argument("--reference", type=Path, default=Path(__file__).parents[2] / "shared" / "reference")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with np.load(given.reference / "cifar10" / "cifar10_prefix.npz", allow_pickle=False) as file:
        images = torch.from_numpy(file["data_batch_1_images"][: given.batch]).permute(0, 3, 1, 2).float() / 255
        labels = torch.from_numpy(file["data_batch_1_labels"][: given.batch]).long()
    rng = np.random.default_rng(0)
    archs: Sequence[Cell | Genotype]
    skeleton: Skeleton | DartsSkeleton
    if given.space == "darts":
        archs, skeleton, proxies = [DARTS.sample(rng) for _ in range(given.stack)], DartsSkeleton(), [*PROXIES, *YOUNGER]
    else:
        archs = sorted((NB201.sample(rng) for _ in range(512)), key=lambda cell: cell.ops)[100 : 100 + given.stack]
        skeleton, proxies = Skeleton(), list(PROXIES)
    stack = initialised(archs, skeleton, MEAN, STD)
    alone = [initialised([arch], skeleton, MEAN, STD) for arch in archs]

    def seconds(names: list[str]) -> list[float]:
        """A network's, one at a time and stacked, if it is with others."""
        found = []
        for networks in (alone, [stack]) if given.stack > 1 else (alone,):
            started = time.process_time()
            for network in networks:
                score(network, images, labels, names)
            found.append((time.process_time() - started) / given.stack)
        return found

    def row(title: str, found: Sequence[float]) -> None:
        print(f"| {title} | {' | '.join(f'{one:.2f}' for one in found)} |", flush=True)

    seconds(["grad_norm"])  # warm-up
    print(
        f"{platform.processor() or platform.machine()}, one thread, torch {torch.__version__}; {given.stack} networks of {given.space}, {given.batch} images"
    )
    columns = 2 if given.stack > 1 else 1
    print("\n| proxy | one network, s |" + " stacked, s |" * (columns - 1) + "\n|---|" + "---|" * columns)
    total = np.zeros(columns)
    for name in () if given.together else proxies:
        found = seconds([name])
        total += found
        row(name, found)
    if not given.together:
        row("nothing shared", total.tolist())
    for title, names in (("all", proxies), ("all but hessian", [name for name in proxies if name != "hessian"])):
        row(title, seconds(names))


if __name__ == "__main__":
    main()
