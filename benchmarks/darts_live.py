"""DARTS, live: searches that score untrained networks when they are asked for, and what a stack's training spends its time on.

    python benchmarks/darts_live.py searches [--keep FILE]          a few minutes of one core
    python benchmarks/darts_live.py stacks                          two minutes of one core

Tables are printed as docs/darts.md shows them.  One thread, CPU time, so that other work on the machine counts little.

searches    networks of 5 cells and C = 4, untrained, on digits, Ψ of 4 initialisations; started again with the same FILE, it goes on
stacks      16 genotypes drawn at random, of the recipe darts-digits, trained for some steps one at a time and as one stack; profiled by torch
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch.profiler import ProfilerActivity, profile

from robbench_builders.datasets import load
from robbench_builders.networks.darts import DartsNetwork, DartsSkeleton, StackedDarts
from robbench_builders.proxies import KNOWN, objectives
from robbench_builders.proxies.rscore import Psi
from robbench_builders.recipes import find_recipe
from robbench_builders.run import prepare_process
from robbench_builders.train import fit, generator
from robbench_builders.watching import Searching
from robbench.search import ALGORITHMS, oracle_of
from robbench.spaces.darts import DARTS

Searches = dict[str, tuple[str, tuple[str, ...], int, dict[str, Any]]]
SEARCHES: Searches = {
    "random search by ZCPRob": ("random", ("zcprob",), 100, {}),
    "NSGA-II by R-Score and parameters": ("nsga2", ("r_score", "params"), 48, {"population": 12}),
    "AE + warm-up + move by CRoZe": ("warmup-move", ("croze",), 22, {"warmup": 100, "population": 16, "sample": 8}),
}
"""Algorithm, objectives, budget, options; the last one is guided by what it is judged by, so that it scores more than its budget."""
REPEATS = 4
"""Draws of noise of R-Score's Ψ; 32 as released."""
NETWORKS, STEPS = 16, 4
KINDS = {
    "convolutions": ("convolution", "mkldnn"),
    "batch norms": ("batch_norm",),
    "pooling": ("pool",),
    "gathered, added and copied": ("copy_", "cat", "add", "index", "fill_", "zero_", "sum", "mul", "contiguous", "clone"),
}
"""Operators of torch, by parts of their names; the first that fits counts."""


def searches(keep: Path) -> None:
    """Each search once, from seed 0."""
    dataset, skeleton = load("digits"), DartsSkeleton(4, 5, 1, 10)
    psi = {"r_score_psi": replace(KNOWN["r_score_psi"], compute=Psi(repeats=REPEATS))}
    print("| search | genotypes scored | with a score | found | of score | CPU s a genotype |\n|---|---|---|---|---|---|")
    for title, (algorithm, names, budget, options) in SEARCHES.items():
        bar, computed, started = Searching(budget + options.get("warmup", 0), title), 0, time.process_time()
        show = bar.of(title)

        def tell(now: int, read: int) -> None:
            nonlocal computed
            computed = now
            show(now, read)  # noqa: B023

        proxies = objectives(names, dataset, skeleton, proxies=psi, keep=keep, progress=tell)
        given = {**options, **({"proxy": proxies[0]} if "warmup" in options else {})}
        directions = {"params": "min"} if "params" in names else None
        oracle = oracle_of("darts", list(proxies) if len(proxies) > 1 else proxies[0], budget=budget, directions=directions, missing="nan")
        front = ALGORITHMS[algorithm](oracle, DARTS, np.random.default_rng(0), **given).front
        bar.close()
        first = front[0].value[0] if isinstance(front[0].value, tuple) else front[0].value
        spec = str(front[0].arch).replace("|", "\\|")  # of a table in Markdown
        found = f"`{spec}`" + (f", and {len(front) - 1} more" if len(front) > 1 else "")
        scored = len(proxies[0].scores.kept)
        seconds = f"{(time.process_time() - started) / scored:.2f}" if computed == scored else "some were in the file"
        print(f"| {title} | {scored} | {proxies[0].effective_rate:.0%} | {found} | {first:.5g} | {seconds} |", flush=True)


def stacks() -> None:
    """Training, one at a time and stacked, and by kinds of operators."""
    dataset, rng = load("digits"), np.random.default_rng(0)
    recipe = replace(find_recipe("darts-digits"), epochs=1)
    size = STEPS * recipe.batch_size
    few = replace(dataset, train_images=dataset.train_images[:size], train_labels=dataset.train_labels[:size])
    archs = [DARTS.sample(rng) for _ in range(NETWORKS)]
    networks = [
        DartsNetwork(arch, recipe.skeleton(dataset), dataset.mean, dataset.std, generator=generator(0, f"weights/{arch}")) for arch in archs
    ]
    stack = StackedDarts(networks)
    works: dict[str, Callable[[], object]] = {
        "one at a time": lambda: [fit(network, 1, few, recipe, 0) for network in networks],
        "stacked": lambda: fit(stack, NETWORKS, few, recipe, 0),
    }
    seconds = {title: min(_cpu_seconds(work) for _ in range(3)) for title, work in works.items()}
    one, many = seconds.values()
    print(f"{NETWORKS} networks, {STEPS} steps: {one:.2f} s one at a time, {many:.2f} s stacked: {one / many:.2f} times as fast\n")
    print("| | operators | convolutions forward | " + " | ".join([*KINDS, "other"]) + " |\n|---|---|---|" + "---|" * (len(KINDS) + 1))
    for title, work in works.items():
        with profile(activities=[ProfilerActivity.CPU]) as found:
            work()
        events = found.key_averages()
        spent: Counter[str] = Counter()
        for event in events:
            spent[_kind(event.key)] += event.self_cpu_time_total
        whole, calls = sum(spent.values()), sum(event.count for event in events)
        forward = sum(event.count for event in events if event.key == "aten::convolution")
        print(f"| {title} | {calls:,} | {forward:,} | " + " | ".join(f"{spent[kind] / whole:.0%}" for kind in [*KINDS, "other"]) + " |")


def _kind(operator: str) -> str:
    return next((kind for kind, parts in KINDS.items() if any(part in operator for part in parts)), "other")


def _cpu_seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("searches", "stacks"))
    parser.add_argument("--keep", type=Path, help="of searches: the file of their scores")
    options = parser.parse_args()
    prepare_process()
    if options.what == "stacks":
        stacks()
        return
    with tempfile.TemporaryDirectory() as folder:
        searches(options.keep or Path(folder) / "scores.jsonl")


if __name__ == "__main__":
    main()
