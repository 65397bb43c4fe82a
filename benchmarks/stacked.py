"""Stacked against one at a time: networks trained a second, gradient images a second, and images attacked a second.

    python benchmarks/stacked.py [--device cuda] [--recipe digits] [--data digits] [--path FOLDER] [--stack 16]
    python benchmarks/stacked.py --sizes

Networks: two stacks of `--stack` neighbours, units of the plan of all 6,466 classes a third and two thirds through.  Both sides

- train the same networks with `robbench_builders.train.fit` on ten batches by the same recipe, which is then scaled to its epochs and images;
- take the same gradients, in batches of several sizes;
- put the same trained networks through the same attacks of the evaluation `digits-light`, at every eps of its grid, with
  `robbench_builders.evaluate.robust_outcomes`: it begins with 400 rows a network, which become fewer as images break.

Alone, a network is the plain one, channels last, which is its faster memory format, and takes the 400 rows at once, which is its faster
batch; stacked, what is attacked is the frozen stack, in batches of `robbench_builders.measure.BATCH`, as in a build.  The best of three runs.

1. One core: one thread, CPU time, so that other work on the machine counts little.
2. Two cores, wall-clock time, which needs a quiet machine: one at a time as torch runs it by default, on two threads, against
   `robbench build run --workers 2`: two processes at once, a stack and a thread each.

3. (``--sizes``) Where it pays: layers from those of digits to those of CIFAR-10 at full size, whose activations no cache holds.  Stacks of one
   stand for one at a time, as in a build, which they cost no more than plain networks.  CPU time of one thread; both sides take turns.

On a GPU there is one table, in wall-clock time, with the share of the device's peak: twice the multiply-accumulates of forward and
backward passes (backward counted as two forward passes) over seconds and peak.

Cost: six minutes on two cores.  On a busy machine table 2 means nothing (two threads wait for each other), so it prints the load.

Figures, 21 November 2026, two AMD EPYC cores, no other work, torch 2.13, stacks of 16, all processes keeping the memory that they free.  On two cores:
training 5.3×; gradients 5.6× at batches of 32, 4.2× at 64, 3.5× at 128, 2.1× at 256; whole attacks FGSM 2.5×, PGD 2.1×, APGD-CE 2.4×, Square 2.6×, all of
them 2.4×.  On one core, one thread each: training 2.2×; gradients 2.9×, 2.3×, 2.0×, 1.5×; whole attacks 1.8×, 1.5×, 1.7×, 1.6×, 1.6×.  Runs differ by
10 to 20%.  Large batches fill a core without help: there, stacking gains least.

Table 3, 26 November 2026, the same processor, a busy machine (training, gradients): 8×8, C 8: 2.17×, 2.20×; 8×8, C 16: 1.12×, 1.17×; 16×16, C 8: 1.50×,
1.43×; with activations of 2 MiB, 32×32, C 8: 0.96×, 0.95×, and 16×16, C 16: 0.91×, 0.96×; of 16 MiB, CIFAR-10 at full size: 0.50×, 0.73×.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from threading import Barrier
from typing import Any

import numpy as np
import torch

from robbench_builders.attacks.base import ascent
from robbench_builders.datasets import Dataset, load
from robbench_builders.devices import stack_for
from robbench_builders.evaluate import robust_outcomes
from robbench_builders.evaluations import EVALUATIONS
from robbench_builders.measure import BATCH
from robbench_builders.networks.frozen import FrozenStack
from robbench_builders.networks.plain import Network, flops
from robbench_builders.networks.stacked import StackedNetwork
from robbench_builders.plan import Plan
from robbench_builders.recipes import RECIPES, Recipe
from robbench_builders.run import prepare_process
from robbench_builders.train import fit, generator, train
from robbench.spaces.nb201 import Cell

REPEATS = 3
STEPS = 10
IMAGES = 100
BATCHES = (32, 64, 128, 256)
FEW = 4
SIZES = ((8, 8, 1, 32), (8, 16, 5, 128), (16, 8, 1, 64), (32, 8, 1, 64), (16, 16, 5, 128), (32, 16, 5, 256))
"""Side of the images, channels, cells a stage, batch: from digits to CIFAR-10 at full size, by the size of an activation."""
EVALUATION = EVALUATIONS["digits-light"]
# Dense peaks in float32 (TF32 off) of what people run this on; NVIDIA's data sheets.
PEAK_FLOPS = {"H200": 67e12, "H100": 67e12, "A100": 19.5e12, "L4": 30.3e12, "T4": 8.1e12}

Tasks = dict[str, Callable[[], object]]


def plain_networks(cells: list[Cell], data: Dataset, recipe: Recipe, device: torch.device) -> list[Network]:
    networks = [Network(cell, recipe.skeleton(data), data.mean, data.std, generator=generator(0, f"weights/{cell}")) for cell in cells]
    for network in networks:
        network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return networks


def tasks(stacks: list[list[Cell]], data: Dataset, recipe: Recipe, device: torch.device, *, stacked: bool) -> Tasks:
    """What is timed, for all networks of the stacks."""
    size = STEPS * recipe.batch_size
    few = replace(data, train_images=data.train_images[:size], train_labels=data.train_labels[:size])
    once = replace(recipe, epochs=1)
    fresh: list[Network | StackedNetwork] = []
    attacked: list[Network | FrozenStack] = []
    for cells in stacks:
        plain = plain_networks(cells, data, recipe, device)
        fresh += [StackedNetwork(plain)] if stacked else plain
        trained, _ = train(cells, data, recipe, 0, device)
        attacked += [FrozenStack(trained)] if stacked else [_channels_last(trained.extract(k), device) for k in range(len(trained))]

    found: Tasks = {"networks trained": lambda: [fit(network, len(stacks[0]) if stacked else 1, few, once, 0) for network in fresh]}
    for batch in BATCHES:
        images, labels = (
            torch.from_numpy(np.resize(part, (batch, *part.shape[1:]))).to(device) for part in (data.test_images, data.test_labels)
        )
        if stacked:
            images, labels = images.expand(len(stacks[0]), *images.shape), labels.expand(len(stacks[0]), -1)
        found[f"gradient images, batches of {batch}"] = partial(_each, partial(_gradients, images, labels), attacked)
    images, labels = (torch.from_numpy(part[:IMAGES]).to(device) for part in (data.test_images, data.test_labels))
    for name, attack in EVALUATION.attacks.items():
        found[f"images attacked, {name}"] = partial(_each, partial(_outcomes, images, labels, attack, stacked), attacked)
    return found


def _channels_last(network: Network, device: torch.device) -> Network:
    network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.eval().requires_grad_(False)


def _each(work: Callable[[Any], object], networks: Sequence[Any]) -> None:
    for network in networks:
        work(network)


def _gradients(images: torch.Tensor, labels: torch.Tensor, network: Any) -> object:
    return ascent(network, images, labels)


def _outcomes(images: torch.Tensor, labels: torch.Tensor, attack: Any, stacked: bool, network: Any) -> object:
    batch_size = BATCH[images.device.type] if stacked else 512
    return robust_outcomes(network, images, labels, attack, EVALUATION.eps, batch_size=batch_size)


def seconds(work: Tasks, clock: Callable[[], float], meet: Callable[[], object] = lambda: None) -> dict[str, float]:
    """Of the fastest of some runs of each task; `meet` waits for whoever else runs it."""
    found = {}
    for name, task in work.items():
        times = []
        for _ in range(REPEATS):
            meet()
            started = clock()
            task()
            meet()
            times.append(clock() - started)
        found[name] = min(times)
    return found


_barrier: Barrier


def start_worker(barrier: Barrier) -> None:
    global _barrier
    prepare_process()
    _barrier = barrier


def worker_seconds(cells: list[Cell], data: Dataset, recipe: Recipe) -> dict[str, float]:
    return seconds(tasks([cells], data, recipe, torch.device("cpu"), stacked=True), time.perf_counter, _barrier.wait)


def with_all_attacks(of_each: dict[str, float]) -> dict[str, float]:
    """Amounts or seconds of tasks, and of all attacks together: a whole evaluation."""
    return of_each | {"images attacked, all of them": sum(value for name, value in of_each.items() if "attacked" in name)}


def table(title: str, amounts: dict[str, float], alone: dict[str, float], stacked: dict[str, float]) -> None:
    print(f"\n{title}\n\n| a second | one at a time | stacked | gain |\n|---|---|---|---|")
    amounts, alone, stacked = map(with_all_attacks, (amounts, alone, stacked))
    for name, amount in amounts.items():
        print(f"| {name} | {amount / alone[name]:,.2f} | {amount / stacked[name]:,.2f} | {alone[name] / stacked[name]:.2f}× |", flush=True)


def where_it_pays() -> None:
    """Table 3, printed line by line."""
    prepare_process()
    archs = Plan("digits", "digits", "digits-light", 6466, 0, (0,), FEW).units()[6466 // FEW // 3].archs
    cells = [Cell.parse(arch) for arch in archs]
    print(f"\n3. {FEW} similar networks, stacked and one at a time: one thread, CPU time, median of {REPEATS}\n")
    print("| images | C | N | batch | activation | training | gradients | stacked by default |\n|---|---|---|---|---|---|---|---|")
    for side, channels, a_stage, batch in SIZES:
        recipe = replace(RECIPES["nb201-12"], channels=channels, cells=a_stage, batch_size=batch, epochs=1)
        rng = np.random.default_rng(0)
        images, labels = rng.random((batch, 3, side, side), dtype=np.float32), np.arange(batch) % 10
        data = Dataset("noise", images, labels, images, labels, 10)
        x, y = torch.from_numpy(images), torch.from_numpy(labels)
        works: dict[str, list[Callable[[], object]]] = {"training": [], "gradients": []}
        for stacks in ([[cell] for cell in cells], [cells]):
            networks = [StackedNetwork(plain_networks(some, data, recipe, torch.device("cpu"))) for some in stacks]
            frozen = [FrozenStack(network.eval()) for network in networks]
            many = [(x.expand(len(some), *x.shape), y.expand(len(some), -1)) for some in stacks]
            works["training"].append(partial(_fit_all, networks, data, recipe))
            works["gradients"].append(partial(_gradients_of_all, frozen, many))
        gains = {what: [one / other for one, other in (map(_cpu_seconds, pair) for _ in range(REPEATS))] for what, pair in works.items()}
        shown = " | ".join(f"{sorted(found)[REPEATS // 2]:.2f}×" for found in gains.values())
        size = 4 * batch * channels * side**2 / 2**20
        default = "yes" if stack_for(torch.device("cpu"), data, recipe) > 1 else "no"
        print(f"| {side}×{side} | {channels} | {a_stage} | {batch} | {size:.2f} MiB | {shown} | {default} |", flush=True)


def _fit_all(networks: list[StackedNetwork], data: Dataset, recipe: Recipe) -> None:
    for network in networks:
        fit(network, len(network), data, recipe, 0)


def _gradients_of_all(networks: list[FrozenStack], batches: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
    for network, (images, labels) in zip(networks, batches, strict=True):
        ascent(network, images, labels)


def _cpu_seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--recipe", default="digits", choices=RECIPES)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--path")
    parser.add_argument("--stack", type=int, default=16)
    parser.add_argument("--sizes", action="store_true", help="table 3 only, in which the options above have no part")
    given = parser.parse_args()
    if given.sizes:
        where_it_pays()
        return
    device, data, recipe = torch.device(given.device), load(given.data, given.path), RECIPES[given.recipe]
    units = Plan(given.data, given.recipe, "digits-light", 6466, 0, (0,), given.stack).units()
    stacks = [[Cell.parse(arch) for arch in units[len(units) * third // 3].archs] for third in (1, 2)]
    networks = 2 * given.stack
    amounts = {"networks trained": networks * STEPS / (recipe.epochs * -(-len(data.train_images) // recipe.batch_size))}
    amounts |= {f"gradient images, batches of {batch}": networks * batch for batch in BATCHES}
    amounts |= {f"images attacked, {name}": networks * IMAGES * len(EVALUATION.eps) for name in EVALUATION.attacks}
    cuda = device.type == "cuda"
    hardware = torch.cuda.get_device_name(device) if cuda else platform.processor() or platform.machine()
    print(f"{hardware}; torch {torch.__version__}; recipe {recipe.name} on {data.name}; two stacks of {given.stack}; best of {REPEATS}")

    threads = torch.get_num_threads()
    prepare_process()
    each = [tasks(stacks, data, recipe, device, stacked=stacked) for stacked in (False, True)]
    if cuda:
        alone, stacked = (seconds(work, time.perf_counter, lambda: torch.cuda.synchronize(device)) for work in each)
        table("One GPU, wall-clock time", amounts, alone, stacked)
        macs = sum(flops(cell, recipe.skeleton(data), data.image_shape[1:]) for cells in stacks for cell in cells)
        rate = macs * 2 * 3 * STEPS * recipe.batch_size / stacked["networks trained"]
        peak = next((value for name, value in PEAK_FLOPS.items() if name in hardware), None)
        part = "unknown" if peak is None else f"{rate / peak:.1%} of its float32 peak"
        print(f"\ntraining, stacked: {rate / 1e12:.2f} Tflop/s, {part}; memory {torch.cuda.max_memory_allocated(device) / 2**30:.1f} GiB")
        return
    table("1. One core: one thread each, CPU time", amounts, *(seconds(work, time.process_time) for work in each))

    load_average = os.getloadavg()[0]
    torch.set_num_threads(2)
    alone = seconds(tasks(stacks, data, recipe, device, stacked=False), time.perf_counter)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, context, initializer=start_worker, initargs=(context.Barrier(2),)) as pool:
        both = list(pool.map(worker_seconds, stacks, [data] * 2, [recipe] * 2))
    slowest = {name: max(worker[name] for worker in both) for name in alone}
    title = (
        f"2. Two cores, wall clock: two threads (torch's default here: {threads}) against two processes; load before: {load_average:.1f}"
    )
    table(title, amounts, alone, slowest)


if __name__ == "__main__":
    main()
