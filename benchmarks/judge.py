"""Report cards of the methods in examples/methods.py on the embedded store, as docs/judge.md shows them; and how long reports take.

With the path of a store as its argument: how long `judge proxy` takes there for a CSV file of all scores of synflow, with what it adds to predictors, and `judge search`
for eight searches, 20 seeds and six objectives; in seconds of a core, whatever else runs.

With the published folder robustbench_darts as its argument: a search on two stores, the embedded one and that of this folder.

Cost: three minutes on two cores; of two stores ten seconds.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from robbench import RobBench
from robbench.judge import from_csv, judge_proxy, judge_search
from robbench.judge.asking import one_level_each
from robbench.measurements.metrics import parse
from robbench.search import ALGORITHMS

COMMANDS = (
    "judge proxy methods:convolutions --metric clean --metric pgd@16/255 --metric mean_corruption",
    "judge search methods:climb --objective pgd@16/255 --objective clean+pgd@16/255 --budget 50 --runs 10"
    " --beside random --beside evolution --beside warmup --beside nsga2",
    "judge search methods:climb --objective pgd@16/255 --budget 50 --runs 10 --beside random --beside evolution --noise twin",
    "judge predictor methods:Nearest --metric clean --metric pgd@16/255",
    "judge predictor methods:Nearest --metric pgd@16/255 --size 200 --intervals",
)
TWO_STORES = (
    "import tiny_robustbench {published} --into tiny.h5",
    "copy digits.h5",
    "judge search methods:climb --store digits.h5 --store tiny.h5 --objective clean --objective pgd@8/255 --budget 50 --runs 10 --beside random",
)
METHODS = Path(__file__).parents[1] / "examples" / "methods.py"


def main() -> None:
    """Print Markdown."""
    if len(sys.argv) > 1 and Path(sys.argv[1]).is_dir():
        print(on_two_stores(Path(sys.argv[1]).resolve()))
        return
    if len(sys.argv) > 1:
        print(from_a_file(Path(sys.argv[1])), all_searches(Path(sys.argv[1])), sep="\n\n")
        return
    for command in COMMANDS:
        start = time.perf_counter()
        said = robbench(command.split(), METHODS.parent)
        seconds = time.perf_counter() - start
        print(f"```console\n$ robbench {command}\n{said}```\n\n{seconds:.0f} s.\n")


def robbench(command: Sequence[str], folder: Path) -> str:
    """What a command prints there."""
    asked = [sys.executable, "-m", "robbench", *command]
    return subprocess.run(asked, cwd=folder, capture_output=True, text=True, check=True).stdout


def on_two_stores(published: Path) -> str:
    """The commands that make two stores, and what a search on both is told of."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(METHODS, folder)
        said = [
            robbench([str(published) if word == "{published}" else word for word in command.split()], Path(folder))
            for command in TWO_STORES
        ]
    lines = [f"$ robbench {command.format(published=f'path/to/{published.name}')}" for command in TWO_STORES]
    return "\n".join(["```console", *lines, f"{said[-1]}```"])


def from_a_file(store: Path) -> str:
    """One sentence."""
    bench = RobBench(store)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scores.csv"
        values = bench.query_many(bench.architectures, "synflow", missing="nan")
        pd.DataFrame({"arch": list(map(str, bench.architectures)), "synflow": values}).to_csv(path, index=False)
        wall, cpu = time.perf_counter(), time.process_time()
        report = judge_proxy(bench, from_csv(bench, path))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    rows = len(report.section("ranking"))
    return (
        f"{len(values)} scores of a CSV file, judged by {rows} metrics of {bench.default_dataset}: {wall:.1f} s, {cpu:.1f} s of one core."
    )


def all_searches(store: Path) -> str:
    """One sentence."""
    bench = RobBench(store)
    names = one_level_each(bench, bench.default_dataset, "standard")
    objectives = [*(name for name in names if parse(name).entry.kind != "corruption"), "mean_corruption"][:6]
    beside = [name for name in ALGORITHMS if name != "tuned-random"][:8]
    wall, cpu = time.perf_counter(), time.process_time()
    report = judge_search(bench, beside[0], objectives=objectives, beside=beside, runs=20, training="standard")
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    runs = int(report.section("results")["runs"].sum())
    return f"{runs} runs of {', '.join(beside)} under {', '.join(objectives)}, 100 queries each: {wall:.0f} s, {cpu:.0f} s of one core."


if __name__ == "__main__":
    main()
