"""How fast, and how good, are the searches?  Figures beside what is wanted, and beside the papers'.

Table 1 of Jung et al. (2023): 4 searches × 2 objectives × 100 runs × 300 queries on cifar10, in two fresh processes; a random search of
1,000,000 queries beside a bare loop of look-ups; the multi-objective selection (MOS) of Yang et al. (2025), Table 7.

The setting of Table 1, where the paper leaves it open: networks are the 6,466 that were evaluated (a random search over all 15,625 cells, most of
which are isomorphic to others, would find 66.5 on FGSM and not 67.3: both are printed); a query is a step of NASLib, so repeats are charged.
The published accuracies are cut to 3 decimals, which costs a mean 0.05 points.

Needs the published data (ROBBENCH_REFERENCE, or ../shared/reference beside the repository) and the papers' tables (../shared/paper_tables).
About three minutes on two cores.  Searches are timed once; the loops have the median of five.
"""

from __future__ import annotations

import csv
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path

import numpy as np

from robbench import RobBench
from robbench.search import ALGORITHMS, Space
from robbench.search.bananas import NASLIB
from robbench.search.repeated import processes, repeat
from robbench.sources import import_source
from robbench.spaces.nb201 import Cell, cells

REFERENCE = Path(os.environ.get("ROBBENCH_REFERENCE", Path(__file__).parents[2] / "shared" / "reference"))
TABLES = REFERENCE.parent / "paper_tables"
SEARCHES = {"random": "random_search", "local": "local_search", "evolution": "regularized_evolution", "bananas": "bananas"}
OBJECTIVES = {"clean": "clean", "fgsm": "fgsm@1/255"}
COLUMNS = {"clean": "clean", "fgsm": "fgsm@1/255", "pgd": "pgd@1/255", "mean_corruption": "mean_corruption"}
ROBUST = {"clean": "clean", "fgsm_3": "fgsm@3/255", "pgd_3": "pgd@3/255", "fgsm_8": "fgsm@8/255", "pgd_8": "pgd@8/255"}
QUERIES, RUNS = 300, 100


def main() -> None:
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, numpy {np.__version__}"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "robust.h5")
        import_source("jung2023", REFERENCE / "jung2023", path)
        bench = RobBench(path, dataset="cifar10")
        loops(bench)
        with processes(2) as executor:
            table1(bench, executor)
        import_source("nasrobbench201", REFERENCE / "nasrobbench201" / "NAS-RobBench-201_html.json", path)
        import_source("nbsuite_zero", REFERENCE / "nbsuite_zero" / "zc_nasbench201_cifar10.csv", path)
        table7(RobBench(path, dataset="cifar10"))


def loops(bench: RobBench, queries: int = 1_000_000) -> None:
    """A random search of many queries, beside the same draws looked up and compared."""
    space, query = Space(), bench.query
    bench.query_many(space.cells, "clean")

    def searched() -> None:
        oracle = bench.oracle("clean", budget=queries, on_repeat="charge", history=False)
        ALGORITHMS["random"](oracle, space, np.random.default_rng(0))

    def bare() -> None:
        rng, best = np.random.default_rng(0), 0.0
        for _ in range(queries):
            value = query(space.sample(rng), "clean")
            if value > best:
                best = value

    ours, base = seconds(searched), seconds(bare)
    print(f"\nrandom search of {queries:,} queries, history off: {ours:.2f} s; bare look-ups {base:.2f} s; {ours / base:.2f}×, wanted ≤ 2")


def seconds(function: Callable[[], object], repeats: int = 5) -> float:
    """The median time of a call."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def table1(bench: RobBench, executor: Executor) -> None:
    """Every legible cell beside ours; the time of all."""
    paper = {(row["searched_on"], row["method"]): row for row in rows_of(TABLES / "jung2023_table1.csv")}
    space = Space(bench.classes, radius=1)
    taken: dict[str, float] = {}
    worst: list[str] = []
    print(
        f"\nTable 1: accuracies of the best network in percent, n={RUNS} runs of {QUERIES} queries: ours (paper) difference; ± of the objective"
    )
    for objective, metric in OBJECTIVES.items():
        for name, method in SEARCHES.items():
            start = time.perf_counter()
            runs = repeat(name, bench, metric, budget=QUERIES, runs=RUNS, space=space, on_repeat="charge", executor=executor)
            best = [run.best for run in runs]
            taken[name] = taken.get(name, 0) + time.perf_counter() - start
            worst += row(f"{objective:<6}{method}", bench, best, paper[objective, method], metric)
        naslib = repeat(
            "bananas", bench, metric, budget=QUERIES, runs=RUNS, space=space, options=NASLIB, on_repeat="charge", executor=executor
        )
        row(f"{objective:<6}bananas, as NASLib", bench, [run.best for run in naslib], paper[objective, "bananas"], metric)
    print(f"more than 1.0 from the paper: {'; '.join(worst) or 'none'}")
    whole, without = sum(taken.values()), sum(taken.values()) - taken["bananas"]
    print(f"800 searches: {whole:.0f} s, wanted < 300; without BANANAS {without:.1f} s, wanted < 20")
    for over, archs in (("classes", bench.classes), ("cells", tuple(cells()))):
        expected = [expected_best(bench.query_many(archs, metric), QUERIES) for metric in OBJECTIVES.values()]
        print(f"random search over all {len(archs):,} {over}, in closed form: clean {100 * expected[0]:.2f}, fgsm {100 * expected[1]:.2f}")


def row(title: str, bench: RobBench, best: list[Cell], paper: dict[str, str], objective: str) -> list[str]:
    """Print one line; the cells of it that are far from the paper's."""
    found, far = [], []
    for column, metric in COLUMNS.items():
        ours = 100 * float(bench.query_many(best, metric).mean())
        theirs = float(paper[column]) if paper[column] else float("nan")
        found.append(f"{column} {ours:.2f} " + (f"({theirs:.2f}) {ours - theirs:+.2f}" if paper[column] else "(–)"))
        if abs(ours - theirs) > 1:
            far.append(f"{' '.join(title.split())} {column} {ours - theirs:+.2f}")
    error = 100 * float(bench.query_many(best, objective).std()) / len(best) ** 0.5
    print(f"  {title:<30}{'   '.join(found)}   ±{error:.2f}")
    return far


def expected_best(values: np.ndarray, draws: int) -> float:
    """The expected maximum of draws with replacement."""
    ordered = np.sort(values)
    return float(ordered @ np.diff((np.arange(len(ordered) + 1) / len(ordered)) ** draws))


def table7(bench: RobBench, runs: int = 20) -> None:
    """MOS by proxies, and by what they stand for, beside the published figures."""
    print(f"\nTable 7, NAS-RobBench-201: the network that is best in the first objective, mean of n={runs} runs")
    for line in rows_of(TABLES / "yang2025_table7.csv"):
        print(f"  paper: {line['method']:<30}{'   '.join(f'{column} {line[column]}' for column in ROBUST)}")
    for budget in (130, 1000):
        for first in ("pgd@3/255", "synflow", "nwot", "flops", "jacov", "snip"):
            found = repeat("trnas", bench, [first, "params"], budget=budget, runs=runs, training="pgd-8/255", directions={"params": "min"})
            best = [run.best for run in found]
            ours = [
                f"{column} {100 * float(bench.query_many(best, metric, training='pgd-8/255').mean()):.1f}"
                for column, metric in ROBUST.items()
            ]
            print(f"  MOS, {first + ' and params':<22}{budget:>5} queries  {'   '.join(ours)}")


def rows_of(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


if __name__ == "__main__":
    main()
