"""How fast are the searches?  What they find is in docs/papers.md.

A random search of 1,000,000 queries beside a bare loop of look-ups, the median of five.  The 800 searches of Table 1 of Jung et al. (2023),
4 searches × 2 objectives × 100 runs × 300 queries on cifar10, as `robbench papers jung2023-table1` runs them, in two processes: once, the start of
the processes included.  BANANAS comes last, so what is without it has the start in it, too.

Needs the published data (ROBBENCH_REFERENCE, or ../shared/reference beside the repository).  About half a minute on two cores, to stdout.
"""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from published import REFERENCE, row, table

from robbench import RobBench
from robbench.papers.entry import Setting, spread
from robbench.papers.jung2023 import OBJECTIVES, TABLE_1, searched
from robbench.search import ALGORITHMS
from robbench.sources import import_source

SEARCHES = ("random", "local", "evolution", "bananas")
SETTING = Setting(TABLE_1.runs, seed=0, workers=2)


def main() -> None:
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, numpy {np.__version__}\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "robust.h5")
        import_source("jung2023", REFERENCE / "jung2023", path)
        bench = RobBench(path, dataset="cifar10")
        print("\n".join([*table(["", "measured"]), *loops(bench), *table1(bench)]))


def loops(bench: RobBench, queries: int = 1_000_000) -> list[str]:
    """A random search of many queries, beside the same draws looked up and compared."""
    space, query = bench.space, bench.query
    bench.query_many(bench.architectures, "clean")

    def random_search() -> None:
        oracle = bench.oracle("clean", budget=queries, on_repeat="charge", history=False)
        ALGORITHMS["random"](oracle, space, np.random.default_rng(0))

    def bare() -> None:
        rng, best = np.random.default_rng(0), 0.0
        for _ in range(queries):
            value = query(space.sample(rng), "clean")
            if value > best:
                best = value

    ours, base = seconds(random_search), seconds(bare)
    return [
        row(f"bare loop of {queries:,} look-ups, seconds", [f"{base:.2f}"]),
        row(f"random search of {queries:,} queries, history off, seconds", [f"{ours:.2f}"]),
        row("the search, in times of the bare loop", [f"{ours / base:.2f}"]),
    ]


def seconds(function: Callable[[], object], repeats: int = 5) -> float:
    """The median time of a call."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def table1(bench: RobBench) -> list[str]:
    """The searches of Table 1, by algorithm and together."""
    taken = {}
    with spread(SETTING) as executor:
        for algorithm in SEARCHES:
            start = time.perf_counter()
            for objective in OBJECTIVES:
                list(searched(bench, algorithm, objective, SETTING, executor))
            taken[algorithm] = time.perf_counter() - start
    each = len(OBJECTIVES) * SETTING.runs
    whole = sum(taken.values())
    return [
        *(row(f"{each} searches by {algorithm}, seconds", [f"{spent:.1f}"]) for algorithm, spent in taken.items()),
        row(f"{each * (len(taken) - 1)} searches without BANANAS, seconds", [f"{whole - taken['bananas']:.1f}"]),
        row(f"{each * len(taken)} searches, seconds", [f"{whole:.1f}"]),
    ]


if __name__ == "__main__":
    main()
