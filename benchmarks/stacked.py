"""Stacked against one at a time: networks trained a second, and images a second forwards and back to the input.

    python benchmarks/stacked.py [--device cuda] [--recipe digits] [--data digits] [--path FOLDER] [--stack 16]

Networks: two stacks of `--stack` neighbours, units of the plan of all 6,466 classes a third and two thirds through.  Both sides train the
same networks with `builders.train.fit` on ten batches by the same recipe, which is then scaled to its epochs and images, and take the
same gradients, in batches of several sizes (an evaluation begins with 512, and broken images leave).  Alone, a network is the plain
one, channels last, which is its faster memory format; stacked, gradients are those of the frozen stack, as in a build.  Best of three, after a warm-up.

1. One core: one thread, CPU time, so that other work on the machine counts little.
2. Two cores, wall-clock time, which needs a quiet machine: one at a time as torch runs it by default, on two threads, against
   `robbench build run --workers 2`: two processes at once, a stack and a thread each.

On a GPU there is one table, in wall-clock time, with the share of the device's peak: twice the multiply-accumulates of forward and
backward passes (backward counted as two forward passes) over seconds and peak.

Cost: not yet timed on two free cores.  On a busy machine table 2 means nothing (two threads wait for each other), so it prints the load.

Figures, 21 November 2026, table 1 only, on a machine of two AMD EPYC cores with a load of 13, torch 2.13, stacks of 16: training 0.63 networks a
second alone, 1.55 stacked (2.46×); gradients at batches of 32: 5,300 images a second alone, 14,100 stacked (2.68×); 64: 7,900, 15,700 (1.98×);
128: 11,100, 16,700 (1.50×); 256: 13,700, 18,700 (1.36×).  Large batches fill a core without help: there, stacking gains less than 2×.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from threading import Barrier

import numpy as np
import torch

from builders.attacks.base import ascent
from builders.datasets import Dataset, load
from builders.frozen import FrozenStack
from builders.network import Network, flops
from builders.plan import Plan
from builders.stacked import StackedNetwork
from builders.train import RECIPES, Recipe, fit, generator
from robbench.spaces.nb201 import Cell

REPEATS = 3
STEPS = 10
BATCHES = (32, 64, 128, 256)
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

    def networks() -> list[Network | StackedNetwork]:
        if stacked:
            return [StackedNetwork(plain_networks(cells, data, recipe, device)) for cells in stacks]
        return [network for cells in stacks for network in plain_networks(cells, data, recipe, device)]

    def number(network: Network | StackedNetwork) -> int:
        return len(network) if isinstance(network, StackedNetwork) else 1

    trained = networks()
    found: Tasks = {"training": lambda: [fit(network, number(network), few, once, 0) for network in trained]}
    evaluated = [network.eval().requires_grad_(False) for network in networks()]
    attacked = [FrozenStack(network) if isinstance(network, StackedNetwork) else network for network in evaluated]
    for batch in BATCHES:
        images, labels = (
            torch.from_numpy(np.resize(part, (batch, *part.shape[1:]))).to(device) for part in (data.test_images, data.test_labels)
        )
        if stacked:
            images, labels = images.expand(len(stacks[0]), *images.shape), labels.expand(len(stacks[0]), -1)

        def gradients(images: torch.Tensor = images, labels: torch.Tensor = labels) -> object:
            return [ascent(network, images, labels) for network in attacked]

        found[f"gradients, batches of {batch}"] = gradients
    return found


def seconds(work: Tasks, clock: Callable[[], float], meet: Callable[[], object] = lambda: None) -> dict[str, float]:
    """Of the fastest of some runs of each task; `meet` waits for whoever else runs it."""
    found = {}
    for name, task in work.items():
        task()
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
    torch.set_num_threads(1)
    _barrier = barrier


def worker_seconds(cells: list[Cell], data: Dataset, recipe: Recipe) -> dict[str, float]:
    return seconds(tasks([cells], data, recipe, torch.device("cpu"), stacked=True), time.perf_counter, _barrier.wait)


def table(title: str, networks: int, share: float, alone: dict[str, float], stacked: dict[str, float]) -> None:
    """A row a task: a second; `share` of the recipe's batches were trained on."""
    print(f"\n{title}\n\n| a second | one at a time | stacked | gain |\n|---|---|---|---|")
    for name in alone:
        amount, what = (
            (networks * share, "networks trained") if name == "training" else (networks * int(name.split()[-1]), f"images: {name}")
        )
        print(f"| {what} | {amount / alone[name]:,.2f} | {amount / stacked[name]:,.2f} | {alone[name] / stacked[name]:.2f}× |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--recipe", default="digits", choices=RECIPES)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--path")
    parser.add_argument("--stack", type=int, default=16)
    given = parser.parse_args()
    device, data, recipe = torch.device(given.device), load(given.data, given.path), RECIPES[given.recipe]
    units = Plan(given.data, given.recipe, "digits-light", 6466, 0, (0,), given.stack).units()
    stacks = [[Cell.parse(arch) for arch in units[len(units) * third // 3].archs] for third in (1, 2)]
    networks = 2 * given.stack
    share = STEPS / (recipe.epochs * -(-len(data.train_images) // recipe.batch_size))
    cuda = device.type == "cuda"
    hardware = torch.cuda.get_device_name(device) if cuda else platform.processor() or platform.machine()
    print(f"{hardware}; torch {torch.__version__}; recipe {recipe.name} on {data.name}; two stacks of {given.stack}; best of {REPEATS}")

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    each = [tasks(stacks, data, recipe, device, stacked=stacked) for stacked in (False, True)]
    if cuda:
        alone, stacked = (seconds(work, time.perf_counter, lambda: torch.cuda.synchronize(device)) for work in each)
        table("One GPU, wall-clock time", networks, share, alone, stacked)
        macs = sum(flops(cell, recipe.skeleton(data), data.image_shape[1:]) for cells in stacks for cell in cells)
        rate = macs * 2 * 3 * STEPS * recipe.batch_size / stacked["training"]
        peak = next((value for name, value in PEAK_FLOPS.items() if name in hardware), None)
        part = "unknown" if peak is None else f"{rate / peak:.1%} of its float32 peak"
        print(f"\ntraining, stacked: {rate / 1e12:.2f} Tflop/s, {part}; memory {torch.cuda.max_memory_allocated(device) / 2**30:.1f} GiB")
        return
    table("1. One core: one thread each, CPU time", networks, share, *(seconds(work, time.process_time) for work in each))

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
    table(title, networks, share, alone, slowest)


if __name__ == "__main__":
    main()
