"""Stacked against one at a time: networks trained a second, and images a second forwards and back to the input.

Cost: about two minutes on one CPU core.  Run it as

    python benchmarks/stacked.py [--device cuda] [--recipe digits] [--data digits] [--path FOLDER] [--stack 32] [--epochs 1]

Networks: `--stack` neighbours of a sorted random sample of 512 cells (seed 0), which is what a build puts in a stack.  Both sides train the
same networks by the same recipe with `builders.train.fit`, for `--epochs`, which is then scaled to the recipe's epochs (each costs the same);
alone, a network is the plain one, channels last, which is its faster memory format.  Best of three, after a warm-up.

Time: on a CPU, one thread, and its CPU time, so that other work on the machine does not count: the figures are for one core.  A process for each
core with one thread each is the fastest way to run either side, so two cores do twice as much.  On a GPU, wall-clock time.

Figures, 20 November 2026: one AMD EPYC core of a machine busy with other work, torch 2.13, digits recipe (batches of 64), stack of 24, best of
3: training 0.37 networks a second alone, 0.69 stacked (1.86×); gradients 20,900 images a second alone, 19,900 stacked (0.95×): batches of 256 fill
a core without help, and the gain of stacking there is in small batches.  On a GPU, it also states the share of the device's peak:
twice the multiply-accumulates of forward and backward passes (backward counted as two forward passes) over seconds and peak.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from builders.attacks.base import ascent
from builders.datasets import Dataset, load
from builders.network import Network, flops
from builders.stacked import StackedNetwork
from builders.train import RECIPES, Recipe, fit, generator
from robbench.spaces.nb201 import Cell, sample

REPEATS = 3
# Dense peaks in float32 (TF32 off) of what people run this on; NVIDIA's data sheets.
PEAK_FLOPS = {"H200": 67e12, "H100": 67e12, "A100": 19.5e12, "L4": 30.3e12, "T4": 8.1e12}


def best(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of the fastest of some runs."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    seconds = []
    for _ in range(1 + REPEATS):
        _wait(device)
        started = clock()
        work()
        _wait(device)
        seconds.append(clock() - started)
    return min(seconds[1:])


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def plain_networks(cells: list[Cell], data: Dataset, recipe: Recipe, device: torch.device) -> list[Network]:
    networks = [Network(cell, recipe.skeleton(data), data.mean, data.std, generator=generator(0, f"weights/{cell}")) for cell in cells]
    for network in networks:
        network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return networks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--recipe", default="digits", choices=RECIPES)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--path")
    parser.add_argument("--stack", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(1)
    device, data = torch.device(given.device), load(given.data, given.path)
    recipe = replace(RECIPES[given.recipe], epochs=given.epochs)
    rng = np.random.default_rng(0)
    cells = sorted((sample(rng) for _ in range(512)), key=lambda cell: cell.ops)[100 : 100 + given.stack]

    alone = plain_networks(cells, data, recipe, device)
    stack = StackedNetwork(plain_networks(cells, data, recipe, device))
    train_alone = best(lambda: [fit(network, 1, data, recipe, 0) for network in alone], device)
    train_stack = best(lambda: fit(stack, len(stack), data, recipe, 0), device)

    images, labels = torch.from_numpy(data.test_images[:256]).to(device), torch.from_numpy(data.test_labels[:256]).to(device)
    own, truth = images.expand(len(stack), *images.shape), labels.expand(len(stack), -1)
    for network in (stack, *alone):
        network.eval().requires_grad_(False)
    attack_alone = best(lambda: [ascent(network, images, labels) for network in alone], device)
    attack_stack = best(lambda: ascent(stack, own, truth), device)

    hardware = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.processor() or platform.machine()}, one thread"
    networks = len(stack) * given.epochs / RECIPES[given.recipe].epochs
    passes = len(stack) * len(images)
    print(f"{hardware}; torch {torch.__version__}; recipe {given.recipe} on {data.name}; stack of {len(stack)}; best of {REPEATS}")
    print(f"{'':32}{'one at a time':>16}{'stacked':>16}{'gain':>8}")
    for what, amount, one, many in (
        ("networks trained a second", networks, train_alone, train_stack),
        ("gradient images a second", passes, attack_alone, attack_stack),
    ):
        print(f"{what:32}{amount / one:>16,.2f}{amount / many:>16,.2f}{one / many:>7.2f}×")
    if device.type == "cuda":
        peak = next((value for name, value in PEAK_FLOPS.items() if name in torch.cuda.get_device_name(device)), None)
        work = (
            sum(flops(cell, recipe.skeleton(data), data.image_shape[1:]) for cell in cells) * 2 * 3 * len(data.train_images) * given.epochs
        )
        share = "unknown" if peak is None else f"{work / train_stack / peak:.1%} of its float32 peak"
        print(
            f"training, stacked: {work / train_stack / 1e12:.2f} Tflop/s, {share}; memory {torch.cuda.max_memory_allocated(device) / 2**30:.1f} GiB"
        )


if __name__ == "__main__":
    main()
