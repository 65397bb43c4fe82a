"""Our attacks beside Foolbox's and torchattacks': how fast, and how strong.

    python benchmarks/attacks.py [--networks K] [--images N] [--repeats R] [--starts S] [--tables 1 2 3] [--attacks A …] [--large] [--device D]
    python benchmarks/attacks.py --published --dataset npz:FILE [--networks K] [--images N] [--starts S] [--attacks A …]

1. Images a second on one network, the same attack, the same steps, skipping nothing: ours do not stop early, and eps is so
   small that no image ever breaks for theirs to skip.
2. What leaving out broken images (and squares that move no pixel), sharing batches between eps, and stacking networks add, over a whole
   eps grid.
3. Robust accuracies over the eps grid: means over the networks and, for PGD, S random starts.  PGD by the libraries' rule counts the last
   iterate only; ours by default counts the first misclassified one, which is stronger: both are shown.
   With --stronger, only this, of the attacks beyond the published four, of 20 iterations each, at two eps.  With --published, only this, of every
   attack with its full number of steps and queries, AutoAttack and both schedules of Square among them, at 1, 2 and 4 grey levels: for images
   of 32×32, on which networks of 8 channels and one cell a stage are trained for 12 epochs.

Figures of table 3, 21 November 2026, 4 networks, 360 images: PGD by default, 16 random starts, minus Foolbox's, in points: 0.00 ± 0.01, 0.02 ± 0.05,
0.02 ± 0.05, −0.06 ± 0.12, 0.00 ± 0.14, −0.02 ± 0.16, 0.09 ± 0.08, 0.00 ± 0.01 from eps 0.01 to 0.3; FGSM equal.  Differences of a point that fewer images
and starts show are noise.

Networks: K cells of NAS-Bench-201 drawn at random (seed 0), trained with the recipe `digits` on the 8×8 digits that ship with
scikit-learn.  --large times table 1 on an untrained network of CIFAR's size instead (32×32×3, C=16, N=1).  Speeds are the best of R runs,
taken in turns; on a CPU they count the process's CPU seconds, so that a busy machine slows all alike: read the ratios.

Cost: about 10 minutes on one CPU core (OMP_NUM_THREADS=1: more threads only slow networks this small).  Needs foolbox and
torchattacks, whose pinned dependencies are not ours; both run without them:
``pip install --no-deps foolbox eagerpy gitpython gitdb smmap torchattacks requests urllib3 idna certifi charset-normalizer``.
"""

from __future__ import annotations

import argparse
import platform
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from robbench_builders.attacks import APGD, APGDDLR, APGDT, ATTACKS, FABT, FGSM, PGD, SPSA, DeepFool, SquareRescaled
from robbench_builders.attacks.streams import image_streams
from robbench_builders.datasets import load
from robbench_builders.evaluate import robust_outcomes
from robbench_builders.networks.plain import Network, Skeleton
from robbench_builders.networks.stacked import Stack
from robbench_builders.precision import exact_convolutions
from robbench_builders.recipes import RECIPES
from robbench_builders.train import train
from robbench.spaces.nb201 import NB201

with warnings.catch_warnings():  # Foolbox 3.3.4 imports names that SciPy has moved
    warnings.simplefilter("ignore")
    foolbox: Any = import_module("foolbox")
    torchattacks: Any = import_module("torchattacks")

GRID = [0.01, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3]
TINY = 1e-6
STEPS: dict[str, int] = {"fgsm": 1, "pgd": 40, "apgd-ce": 100, "square": 200}
OURS: dict[str, Any] = {"fgsm": FGSM(), "pgd": PGD(), "apgd-ce": APGD(), "square": SquareRescaled(queries=200)}
"""torchattacks rescales Square's schedule by default, and at 200 queries the published one would be hardly an attack."""


RANDOM = ("pgd", "spsa")
"""Attacks that start or step at random: they are run from several seeds."""
Theirs = dict[tuple[str, str], Callable[[nn.Module, Tensor, Tensor, float], Tensor]]
"""By our name for the attack, and the library."""


def with_foolbox(attack: Any) -> Callable[[nn.Module, Tensor, Tensor, float], Tensor]:
    def run(network: nn.Module, images: Tensor, labels: Tensor, eps: float) -> Tensor:
        _, found, _ = attack(foolbox.PyTorchModel(network, bounds=(0, 1), device=images.device), images, labels, epsilons=eps)
        inside: Tensor = found
        return inside

    return run


def with_torchattacks(attack: Any, **options: Any) -> Callable[[nn.Module, Tensor, Tensor, float], Tensor]:
    def run(network: nn.Module, images: Tensor, labels: Tensor, eps: float) -> Tensor:
        found: Tensor = attack(network, eps=eps, **options)(images, labels)
        return found

    return run


THEIRS: Theirs = {
    ("fgsm", "foolbox"): with_foolbox(foolbox.attacks.LinfFastGradientAttack()),
    ("fgsm", "torchattacks"): with_torchattacks(torchattacks.FGSM),
    ("pgd", "foolbox"): with_foolbox(foolbox.attacks.LinfPGD(rel_stepsize=1 / 30, steps=40)),
    ("apgd-ce", "torchattacks"): with_torchattacks(torchattacks.APGD, steps=100),
    ("square", "torchattacks"): with_torchattacks(torchattacks.Square, n_queries=200),
}

STRONGER: Theirs = {
    ("apgd-dlr", "torchattacks"): with_torchattacks(torchattacks.APGD, steps=20, loss="dlr"),
    ("apgd-t", "torchattacks"): with_torchattacks(torchattacks.APGDT, steps=20),
    ("fab-t", "torchattacks"): with_torchattacks(torchattacks.FAB, steps=20, multi_targeted=True),
    ("spsa", "torchattacks"): with_torchattacks(torchattacks.SPSA, nb_iter=20, nb_sample=32),
    ("deepfool", "foolbox"): with_foolbox(foolbox.attacks.LinfDeepFoolAttack(steps=20)),
}
GREY_LEVELS = [1 / 255, 2 / 255, 4 / 255]
PUBLISHED: Theirs = {
    ("fgsm", "foolbox"): with_foolbox(foolbox.attacks.LinfFastGradientAttack()),
    ("pgd", "foolbox"): with_foolbox(foolbox.attacks.LinfPGD(rel_stepsize=1 / 30, steps=40)),
    ("apgd-ce", "torchattacks"): with_torchattacks(torchattacks.APGD, steps=100),
    ("square", "torchattacks"): with_torchattacks(torchattacks.Square, n_queries=5000, resc_schedule=False),
    ("square-rescaled", "torchattacks"): with_torchattacks(torchattacks.Square, n_queries=5000, resc_schedule=True),
    ("apgd-dlr", "torchattacks"): with_torchattacks(torchattacks.APGD, steps=100, loss="dlr"),
    ("apgd-t", "torchattacks"): with_torchattacks(torchattacks.APGDT, steps=100),
    ("fab-t", "torchattacks"): with_torchattacks(torchattacks.FAB, steps=100, multi_targeted=True),
    ("deepfool", "foolbox"): with_foolbox(foolbox.attacks.LinfDeepFoolAttack(steps=50)),
    ("autoattack", "torchattacks"): with_torchattacks(torchattacks.AutoAttack, n_classes=10),
}
"""Theirs with the settings of `robbench_builders.attacks.ATTACKS`; torchattacks' AutoAttack, APGD, FAB and Square are the authors' code."""
OUR_STRONGER: dict[str, Any] = {
    "apgd-dlr": APGDDLR(steps=20),
    "apgd-t": APGDT(steps=20),
    "fab-t": FABT(steps=20),
    "spsa": SPSA(steps=20, samples=32),
    "deepfool": DeepFool(steps=20),
}


def now() -> float:
    """On a GPU the wall clock; on a CPU the process's own time, which other processes on the machine hardly touch."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def seconds(repeats: int, *runs: Callable[[], object]) -> list[float]:
    """Least seconds of each run, taken in turns."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(repeats):
        for run, found in zip(runs, times, strict=True):
            start = now()
            run()
            found.append(now() - start)
    return [min(found) for found in times]


def speed(network: nn.Module, images: Tensor, repeats: int) -> None:
    with torch.no_grad():
        labels = network(images).argmax(1)
    n = len(images)
    print(f"\n1. Images a second, skipping nothing ({n} images {tuple(images.shape[1:])}, one network)\n")
    print("| attack | steps | other | other, images/s | ours, images/s | ratio |")
    print("| --- | --- | --- | --- | --- | --- |")
    for (name, library), theirs in THEIRS.items():
        attack = OURS[name] if name == "fgsm" else replace(OURS[name], early_stop=False)
        ours_s, theirs_s = seconds(
            repeats * (10 if name == "fgsm" else 1),  # one step is over too soon to be timed by few runs
            partial(attack, network, images, labels, TINY, streams=image_streams(0, torch.arange(n, device=images.device))),
            partial(theirs, network, images, labels, TINY),
        )
        print(f"| {name} | {STEPS[name]} | {library} | {n / theirs_s:.0f} | {n / ours_s:.0f} | {theirs_s / ours_s:.2f} |", flush=True)


def gains(stack: Stack[Any], images: Tensor, labels: Tensor, repeats: int) -> None:
    networks = [stack.extract(k) for k in range(len(stack))]
    n = len(stack) * len(images) * len(GRID)

    def alone(attack: Any, *grids: list[float]) -> None:
        for network in networks:
            for grid in grids:
                robust_outcomes(network, images, labels, attack, grid)

    print(f"\n2. Images a second over the grid {GRID} ({len(stack)} networks, {len(images)} images)\n")
    print("| attack | all images, eps by eps | broken leave, eps by eps | broken leave, whole grid | and stacked | gain |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in ("pgd", "apgd-ce", "square"):
        attack = OURS[name]

        one_by_one = [[eps] for eps in GRID]
        found = seconds(
            repeats,
            partial(alone, replace(attack, early_stop=False), *one_by_one),
            partial(alone, attack, *one_by_one),
            partial(alone, attack, GRID),
            partial(robust_outcomes, stack, images, labels, attack, GRID),
        )
        print(f"| {name} | " + " | ".join(f"{n / s:.0f}" for s in found) + f" | {found[0] / found[-1]:.1f} |", flush=True)


@exact_convolutions()
def strength(
    stack: Stack[Any], images: Tensor, labels: Tensor, theirs: Theirs, ours: dict[str, Any], grid: list[float], starts: int
) -> None:
    networks = [stack.extract(k) for k in range(len(stack))]

    def judged(network: nn.Module, adversarial: Tensor) -> Any:
        with torch.no_grad():
            return (network(adversarial).argmax(1) == labels).numpy(force=True)

    print(f"\n3. Robust accuracy in per cent, mean of {len(stack)} networks, {len(images)} images; ours − theirs ± standard error\n")
    print("| attack | by | starts | " + " | ".join(f"eps {eps:g}" for eps in grid) + " |")
    print("| --- " * (3 + len(grid)) + "|")
    for (name, library), attacked in theirs.items():
        seeds = range(starts if name in RANDOM else 1)
        their = []
        for seed in seeds:
            torch.manual_seed(seed)
            their.append([[judged(network, attacked(network, images, labels, eps)) for eps in grid] for network in networks])
        row(name, library, len(seeds), 100 * np.mean(their, (0, 1, 3)))
        for who, attack in {**({"ours, last iterate": PGD(early_stop=False)} if name == "pgd" else {}), "ours": ours[name]}.items():
            our = [robust_outcomes(stack, images, labels, attack, grid, seed=seed) for seed in seeds]
            # Networks and starts see the same images, so the images are what is independent.
            difference = 100 * (np.mean(our, (0, 1)) - np.mean(their, (0, 1)))
            row(name, who, len(seeds), 100 * np.mean(our, (0, 1, 3)))
            row(name, f"{who} − theirs", len(seeds), difference.mean(1), difference.std(1, ddof=1) / np.sqrt(len(images)))


def row(name: str, who: str, starts: int, values: Any, errors: Any = None) -> None:
    cells = [f"{value:.1f}" for value in values] if errors is None else [f"{v:+.2f} ± {e:.2f}" for v, e in zip(values, errors, strict=True)]
    print(f"| {name} | {who} | {starts} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=4)
    parser.add_argument("--images", type=int, default=360)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--starts", type=int, default=8)
    parser.add_argument("--attacks", nargs="+", choices=sorted({name for name, _ in [*THEIRS, *STRONGER, *PUBLISHED]}), help="of table 3")
    parser.add_argument("--tables", nargs="+", choices="123", default="123")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--stronger", action="store_true")
    parser.add_argument("--published", action="store_true")
    parser.add_argument("--dataset", default="digits", help="as for robbench_builders.datasets.load")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    print(
        f"{time.strftime('%Y-%m-%d %H:%M')}, {platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__},", end=" "
    )
    print(f"foolbox {foolbox.__version__}, torchattacks {torchattacks.__version__}")
    rng = np.random.default_rng(0)
    cells = [NB201.sample(rng) for _ in range(options.networks)]
    if options.large:
        generator = torch.Generator().manual_seed(0)
        network = Network(cells[0], Skeleton(cells=1), [0.5] * 3, [0.25] * 3, generator=generator).eval().to(options.device)
        speed(network, torch.rand(options.images, 3, 32, 32, generator=generator).to(options.device), options.repeats)
        return
    dataset = load(options.dataset)
    small = replace(RECIPES["nb201-12"], channels=8, cells=1, batch_size=64)
    stack, _ = train(cells, dataset, small if options.published else RECIPES["digits"], 0, options.device)
    images, labels = (torch.tensor(part[: options.images], device=options.device) for part in (dataset.test_images, dataset.test_labels))

    def chosen(known: Theirs) -> Theirs:
        return {key: attack for key, attack in known.items() if options.attacks is None or key[0] in options.attacks}

    if options.published:
        strength(stack, images, labels, chosen(PUBLISHED), ATTACKS, GREY_LEVELS, options.starts)
        return
    if options.stronger:
        strength(stack, images, labels, chosen(STRONGER), OUR_STRONGER, GRID[2:5:2], options.starts)
        return
    if "1" in options.tables:
        speed(stack.extract(0), images, options.repeats)
    if "2" in options.tables:
        gains(stack, images, labels, 1)
    if "3" in options.tables:
        strength(stack, images, labels, chosen(THEIRS), OURS, GRID, options.starts)


if __name__ == "__main__":
    main()
