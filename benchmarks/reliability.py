"""What becomes of damaged stores?  Thousands of mutations of one store, each opened, asked and verified in a process with limits of time and memory.

    python benchmarks/reliability.py --stores 2000

A mutation flips bits, zeroes or randomises a run of bytes, cuts the file, swaps two blocks, or repeats one.  Each is tried twice: as it is, when the seal over all
bytes (`robbench.store.seal`) tells; and sealed again, as a file made to harm would be, when only what stands behind the seal can tell.

    right        every answer is what it was, and verify passes or names the damage
    our error    a RobBenchError, nothing else
    wrong        an answer differs from what it was
    foreign      another exception
    crash, hang  the process died (of a signal or of its limit of memory), or took more than its time

About a minute per 1,000 stores on one core.  n and the seed are printed.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from robbench import RobBench, RobBenchError
from robbench.spaces.nb201 import NB201
from robbench.store import verify
from robbench.store.arrays import Array, Header, Name
from robbench.store.rows import Rows
from robbench.store.seal import SIZE, seal
from robbench.store.writing import extend

SECONDS, MEGABYTES = 20, 700
"""Of each store's process: its time, and its memory above what it has when it begins."""
BATCH = 40
QUESTIONS = ("clean", "pgd@1/255", "pgd@8/255", "worst_case@1/255", "fog@3", "mean_corruption", "synflow")


def make(path: Path) -> None:
    """A small store that has some of everything."""
    rows, rng = Rows.of(NB201, (NB201.members or ())[::40]), np.random.default_rng(0)
    classes, images = len(rows.keys), 20
    standing = rng.random((classes, 2, images)) < 0.6
    provenance = {"source": "benchmark", "images": images}
    extend(
        path,
        rows,
        [
            Array(Name("toy", "standard", "clean", "accuracy"), Header("class", {}, "fraction", provenance), rng.integers(0, 1001, classes) / 1000),
            Array(Name("toy", "standard", "pgd", "accuracy"), Header("class", {"eps": [1 / 255, 8 / 255]}, "fraction", provenance), standing.mean(axis=2)),
            Array(Name("toy", "standard", "pgd", "outcomes"), Header("class", {"eps": [1 / 255, 8 / 255], "image": []}, "bit", provenance), np.packbits(standing, axis=2)),
            Array(Name("toy", "standard", "fog", "accuracy"), Header("class", {"severity": [1, 2, 3, 4, 5]}, "fraction", provenance), rng.integers(0, 1001, (classes, 5)) / 1000),
            Array(Name("toy", "untrained", "synflow", "value"), Header("exact", {}, "1", {"source": "benchmark"}), rng.normal(size=len(rows.exact))),
        ],
    )  # fmt: skip


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """The content of a file with one fault."""
    found, size = bytearray(content), len(content)
    start = int(rng.integers(size))
    run = int(2 ** rng.integers(0, 13))
    match int(rng.integers(6)):
        case 0:
            for position in rng.integers(size, size=int(rng.integers(1, 9))):
                found[position] ^= 1 << int(rng.integers(8))
        case 1:
            found[start : start + run] = bytes(len(found[start : start + run]))
        case 2:
            found[start : start + run] = rng.bytes(len(found[start : start + run]))
        case 3:
            del found[start:]
        case 4:
            other = int(rng.integers(size))
            found[start : start + run], found[other : other + run] = found[other : other + run], found[start : start + run]
        case _:
            found[start:start] = found[start : start + run]
    return bytes(found)


def answers(path: Path) -> list[list[float]]:
    """What the store answers to every question."""
    bench = RobBench(path)
    return [np.nan_to_num(bench.query_many(bench.classes, question, missing="nan"), nan=-1.0).tolist() for question in QUESTIONS]


def judge(path: Path, expected: list[list[float]]) -> str:
    """What becomes of one store."""
    wrong = False
    try:
        wrong = answers(path) != expected
        verify(path)
    except RobBenchError:
        return "wrong" if wrong else "our error"
    except Exception as error:  # noqa: BLE001 - which ones there are is the question
        return f"foreign: {type(error).__name__}"
    return "wrong" if wrong else "right"


def child(folder: Path) -> None:
    """Judge the stores of a folder, in order, and print each finding as soon as there is one."""
    expected = json.loads((folder / "expected.json").read_text())
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    limit = used + MEGABYTES * 2**20 + 4 * 2**30  # address space: libraries take far more of it than of memory
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for path in sorted(folder.glob("*.h5")):
        resource.setrlimit(resource.RLIMIT_CPU, (int(resource.getrusage(resource.RUSAGE_SELF).ru_utime) + SECONDS, resource.RLIM_INFINITY))
        print(path.name, flush=True)
        print(judge(path, expected), flush=True)


def judged(folder: Path) -> list[str]:
    """What becomes of each store in a folder, whatever that does to the process."""
    found: list[str] = []
    while left := sorted(folder.glob("*.h5")):
        command = [sys.executable, __file__, "--child", str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS * BATCH, check=False)
            lines, fate = done.stdout.splitlines(), f"crash: {done.returncode}"
        except subprocess.TimeoutExpired as expired:
            lines, fate = (expired.stdout or b"").decode().splitlines(), "hang"
        results = lines[1::2]
        found += results
        if len(results) < len(left):
            found.append("hang" if "-24" in fate else fate)
        for path in left[: len(results) + (len(results) < len(left))]:
            path.unlink()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stores", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child is not None:
        child(given.child)
        return
    rng = np.random.default_rng(given.seed)
    counts: dict[str, collections.Counter[str]] = {"as it is": collections.Counter(), "sealed again": collections.Counter()}
    with tempfile.TemporaryDirectory() as name:
        whole = Path(name, "whole.h5")
        make(whole)
        content, expected = whole.read_bytes(), json.dumps(answers(whole))
        for start in range(0, given.stores, BATCH):
            contents = [mutated(content, rng) for _ in range(min(BATCH, given.stores - start))]
            for how, count in counts.items():
                folder = Path(name, "batch")
                folder.mkdir()
                (folder / "expected.json").write_text(expected)
                for number, changed in enumerate(contents):
                    path = folder / f"{number:03}.h5"
                    path.write_bytes(changed)
                    if how == "sealed again" and len(changed) > SIZE:
                        with path.open("r+b") as file:
                            seal(file)
                count.update(judged(folder))
                shutil.rmtree(folder)
            print(f"{start + len(contents)} of {given.stores}", file=sys.stderr)
    print(f"{given.stores} mutated stores, seed {given.seed}, {os.cpu_count()} cores\n")
    kinds = [
        "right",
        "our error",
        "wrong",
        *sorted({kind for count in counts.values() for kind in count} - {"right", "our error", "wrong"}),
    ]
    print(f"{'':<24}" + "".join(f"{how:>16}" for how in counts))
    for kind in kinds:
        print(f"{kind:<24}" + "".join(f"{count[kind]:>16}" for count in counts.values()))


if __name__ == "__main__":
    main()
