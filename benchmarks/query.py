"""How fast is an answer?  Every figure beside a baseline, in one run.

The baseline is the least code that answers from the published JSON: files read into dicts, one method.  It knows no other spelling,
unit or isomorphism than the published ones.

Needs the published data (ROBBENCH_REFERENCE, or ../shared/reference beside the repository).  About one minute on one core.
Times are medians over repeated runs; ratios are within this run.  n is printed in each line.

    python benchmarks/query.py --against PATH       also beside another commit, checked out at PATH: the two in turn, in fresh processes
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from robbench import RobBench
from robbench.sources import import_source
from robbench.spaces import nb201
from robbench.spaces.nb201 import identity

REFERENCE = Path(os.environ.get("ROBBENCH_REFERENCE", Path(__file__).parents[2] / "shared" / "reference"))
EPS = 1 / 255
PROXIES = ("zc_nasbench201_cifar10.csv", "zc_nasbench201_ImageNet16-120.csv")
# Asked from inside: what a parent hears of a child's peak memory includes the parent's own at the fork.
PEAK = "\nprint(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"


class Baseline:
    """The published files in dicts."""

    def __init__(self, folder: str, keys: tuple[str, ...]) -> None:
        with Path(folder, "meta.json").open(encoding="utf-8") as file:
            meta = json.load(file)
        self.evaluated = {item["nb201-string"]: item["isomorph"] for item in meta["ids"].values()}
        self.epsilons = meta["epsilons"]
        self.accuracy = {}
        for key in keys:
            with Path(folder, "cifar10", f"{key}_accuracy.json").open(encoding="utf-8") as file:
                self.accuracy[key] = json.load(file)["cifar10"][key]["accuracy"]

    def query(self, arch: str, key: str, eps: float) -> float:
        """The published accuracy at eps, in units of 1/255."""
        value: float = self.accuracy[key][self.evaluated[arch]][self.epsilons[key].index(eps)]
        return value


def seconds(function: Callable[[], object], repeats: int = 7) -> float:
    """The median time of a call."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def processes(programs: dict[str, str], repeats: int = 15) -> dict[str, tuple[float, float]]:
    """Median seconds and peak MB of whole Python processes, run in turn so that a slow moment hits them all."""
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
    # As after any first run: with compiled modules, which some shells forbid Python to keep.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for program in programs.values():
        subprocess.run([sys.executable, "-c", program], stdout=subprocess.DEVNULL, check=True, env=environment)
    for _ in range(repeats):
        for name, program in programs.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", program], stdout=subprocess.DEVNULL, check=True, env=environment)
            elapsed = time.perf_counter() - start
            peak = subprocess.run([sys.executable, "-c", program + PEAK], capture_output=True, text=True, check=True).stdout.split()[-1]
            runs[name].append((elapsed, int(peak) / 1024))
    return {name: (statistics.median(run[0] for run in found), statistics.median(run[1] for run in found)) for name, found in runs.items()}


COMPARED = """
import json, statistics, sys, time
from robbench import RobBench
from robbench.papers import overview

path, archs = sys.argv[1], json.load(open(sys.argv[2]))
bench = RobBench(path)
measurements = bench.measurements if hasattr(bench, "measurements") else bench.columns
Question = sys.modules[type(measurements).resolve.__module__].Question

def seconds(function, repeats):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)

def each(function):
    def all_of_them():
        for arch in archs:
            function(arch)
    return all_of_them

oracle = bench.oracle("pgd", eps=1 / 255)
each(oracle)()
asked = [Question.of(name) for name in ("pgd@1/255", "fog@3", "mean_corruption", "synflow", "clean")]
found = {
    "query, each, ns": 1e9 * seconds(each(lambda arch: bench.query(arch, "pgd", eps=1 / 255)), 9) / len(archs),
    "oracle, each, ns": 1e9 * seconds(each(oracle), 9) / len(archs),
    "query_many, each, ns": 1e9 * seconds(lambda: bench.query_many(archs, "pgd", eps=1 / 255), 31) / len(archs),
    "resolving a question, µs": 1e6 * seconds(lambda: [measurements.resolve(one) for one in asked], 101) / len(asked),
    "papers overview, new bench, ms": 1e3 * seconds(lambda: overview(RobBench(path)), 5),
    "table() of everything, new bench, ms": 1e3 * seconds(lambda: RobBench(path).table(), 5),
}
print(json.dumps(found))
"""


def beside(other: Path, path: str, archs: list[str], folder: str, rounds: int = 3) -> None:
    """The same measurements by this commit and by another, in turn."""
    listed = Path(folder, "archs.json")
    listed.write_text(json.dumps(archs))
    found: dict[Path, list[dict[str, float]]] = {Path(__file__).parents[1]: [], other: []}
    for _ in range(rounds):
        for tree, runs in found.items():
            environment = {**os.environ, "PYTHONPATH": str(tree)}
            command = [sys.executable, "-c", COMPARED, path, str(listed)]
            runs.append(json.loads(subprocess.run(command, env=environment, cwd=tree, capture_output=True, text=True, check=True).stdout))
    print()
    line(f"medians of {rounds} processes each", "this commit", "the other", "ratio", "")
    for what in next(iter(found.values()))[0]:
        ours, theirs = (statistics.median(run[what] for run in runs) for runs in found.values())
        line(what, f"{ours:.4g}", f"{theirs:.4g}", f"{ours / theirs:.2f}", "")


def line(what: str, ours: str, theirs: str, ratio: str, wanted: str) -> None:
    print(f"{what:<58}{ours:>16}{theirs:>16}{ratio:>9}   {wanted}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, help="a checkout of another commit")
    given = parser.parse_args()
    source = str(REFERENCE / "jung2023")
    attacks = ("clean", "fgsm@Linf", "pgd@Linf", "aa_apgd-ce@Linf", "aa_square@Linf")
    with tempfile.TemporaryDirectory() as folder:
        path, accuracies = f"{folder}/jung2023.h5", f"{folder}/accuracies.h5"
        import_source("jung2023", source, path)
        import_source("jung2023", accuracies_of(source, f"{folder}/accuracies"), accuracies)
        bench, baseline = RobBench(path), Baseline(source, attacks)
        rng = random.Random(0)
        archs = [str(cell) for cell in nb201.cells()]
        rng.shuffle(archs)
        print(
            f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, h5py {h5py.__version__}, numpy {np.__version__}\n"
        )
        line("", "RobBench", "baseline", "ratio", "wanted")
        whole_process(path, accuracies, source, archs[0])
        hot(bench, baseline, archs)
        size(accuracies, source)
        if given.against is not None:
            for name in PROXIES:
                import_source("nbsuite_zero", REFERENCE / "nbsuite_zero" / name, path)
            old = f"{folder}/other.h5"  # made by the other commit, since it need not read what this one writes
            imports = [("jung2023", source), *(("nbsuite_zero", str(REFERENCE / "nbsuite_zero" / name)) for name in PROXIES)]
            program = f"from robbench.sources import import_source\nfor name, path in {imports!r}: import_source(name, path, {old!r})"
            subprocess.run(
                [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(given.against)}, cwd=given.against, check=True
            )
            beside(given.against, old, archs, folder)


def accuracies_of(source: str, folder: str) -> str:
    """A folder with the published files but for the confusion matrices."""
    for file in Path(source).rglob("*.json"):
        if "_cm" not in file.name:
            link = Path(folder, file.relative_to(source))
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file.resolve())
    return folder


def whole_process(path: str, accuracies: str, source: str, arch: str) -> None:
    answer = "from robbench import RobBench; print(RobBench({!r}).query({!r}, 'pgd', eps=1/255))"
    loader = f"""
import json
meta = json.load(open({source + "/meta.json"!r}))
ids = {{item["nb201-string"]: item["isomorph"] for item in meta["ids"].values()}}
table = json.load(open({source + "/cifar10/pgd@Linf_accuracy.json"!r}))["cifar10"]["pgd@Linf"]["accuracy"]
print(table[ids[{arch!r}]][meta["epsilons"]["pgd@Linf"].index(1.0)])
"""
    found = processes(
        {"h5py": "import h5py", "ours": answer.format(accuracies, arch), "confusion": answer.format(path, arch), "baseline": loader}
    )
    h5py_seconds = found["h5py"][0]
    line("first answer, whole process, against `import h5py`, n=15", f"{found['ours'][0] * 1e3:.0f} ms", f"{h5py_seconds * 1e3:.0f} ms",
         f"{found['ours'][0] / h5py_seconds:.2f}", "≤ 1.2")  # fmt: skip
    line("  the dict loader's first answer, against `import h5py`", f"{found['baseline'][0] * 1e3:.0f} ms", f"{h5py_seconds * 1e3:.0f} ms",
         f"{found['baseline'][0] / h5py_seconds:.2f}", "")  # fmt: skip
    line("peak memory of that process, against the dict loader's", f"{found['ours'][1]:.0f} MB", f"{found['baseline'][1]:.0f} MB",
         f"{found['ours'][1] / found['baseline'][1]:.2f}", "< 60 MB")  # fmt: skip
    line("  the same with confusion matrices in the store", f"{found['confusion'][1]:.0f} MB", f"{found['ours'][1]:.0f} MB",
         f"{found['confusion'][1] / found['ours'][1]:.2f}", "no more")  # fmt: skip


def hot(bench: RobBench, baseline: Baseline, archs: list[str]) -> None:
    query, ask, oracle = bench.query, baseline.query, bench.oracle("pgd", eps=EPS)
    assert all(query(arch, "pgd", eps=1 / 255) == ask(arch, "pgd@Linf", 1.0) == oracle(arch) for arch in archs)

    def ours() -> None:
        for arch in archs:
            query(arch, "pgd", eps=1 / 255)

    def theirs() -> None:
        for arch in archs:
            ask(arch, "pgd@Linf", 1.0)

    def bound() -> None:
        for arch in archs:
            oracle(arch)

    n = len(archs)
    each, base, single = (seconds(function, 15) / n for function in (ours, theirs, bound))
    line(f"query(arch, 'pgd', eps=1/255), each of n={n:,}", f"{each * 1e9:.0f} ns", f"{base * 1e9:.0f} ns", f"{each / base:.2f}", "≤ 2")
    line(f"oracle(arch), each of n={n:,}", f"{single * 1e9:.0f} ns", f"{base * 1e9:.0f} ns", f"{single / base:.2f}", "≤ 0.7")
    many = seconds(lambda: bench.query_many(archs, "pgd", eps=EPS), 31) / n
    line(f"query_many, arch strings, n={n:,}", f"{1e-6 / many:.0f} M/s", f"{1e-6 / base:.1f} M/s", f"{base / many:.0f}×", "≥ 20 M/s")
    classes = bench.classes
    rows = seconds(lambda: bench.query_many(classes, "pgd", eps=EPS), 101) / len(classes)
    line(
        f"query_many, class rows, n={len(classes):,}",
        f"{1e-6 / rows:.0f} M/s",
        f"{1e-6 / base:.1f} M/s",
        f"{base / rows:.0f}×",
        "≥ 200 M/s",
    )

    def keys() -> None:
        for cached in (identity.class_partition, identity._key, identity._class_term):
            cached.cache_clear()
        identity.class_partition()

    line(f"class keys of all cells, n={n:,}", f"{seconds(keys) * 1e3:.0f} ms", "", "", "< 150 ms")


def size(accuracies: str, source: str) -> None:
    ours = Path(accuracies).stat().st_size
    theirs = sum(file.stat().st_size for file in Path(source).rglob("*.json") if "_cm" not in file.name)
    line(
        "size of the accuracies of cifar10 and cifar100",
        f"{ours / 1e6:.2f} MB",
        f"{theirs / 1e6:.1f} MB",
        f"{ours / theirs:.2f}",
        "≤ 2.5 MB",
    )


if __name__ == "__main__":
    main()
