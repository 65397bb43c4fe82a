"""What becomes of damaged stores, and of builds that are killed.

    python benchmarks/reliability.py --stores 2000
    python benchmarks/reliability.py --stores 0 --kills 30

Stores: thousands of mutations of one store, each opened, asked and verified in a process with limits of time and memory.

A mutation flips bits, zeroes or randomises a run of bytes, cuts the file, swaps two blocks, or repeats one.  Each is tried twice: as it is, when the seal over all
bytes (`robbench.store.seal`) tells; and sealed again, as a file made to harm would be, when only what stands behind the seal can tell.

    right        every answer is what it was, and verify passes or names the damage
    our error    a RobBenchError, nothing else
    wrong        an answer differs from what it was
    foreign      another exception
    crash, hang  the process died (of a signal or of its limit of memory), or took more than its time

Builds: a small one is killed (SIGKILL) at random moments of training, evaluation and merging, and run again after each, three kills a build; then
its store is compared with that of a build which nobody disturbed.  Needs torch.

About a minute per 1,000 stores on one core, and 10 seconds a kill.  n and the seed are printed.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from robbench import RobBench, RobBenchError
from robbench.spaces.nb201 import NB201
from robbench.store import Store, verify
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


def kills(number: int, seed: int) -> None:
    """Kill builds so many times, and print at what they were and what became of them."""
    rng = np.random.default_rng(seed)
    at, fates = collections.Counter[str](), collections.Counter[str]()
    with tempfile.TemporaryDirectory() as name:
        planned = Path(name, "planned")
        plan_small_build(planned, Path(name, "images.npz"), rng)
        undisturbed = Path(shutil.copytree(planned, Path(name, "undisturbed")))
        seconds = {command: _seconds(command, undisturbed) for command in ("run", "merge")}
        while at.total() < number:
            folder = Path(shutil.copytree(planned, Path(name, f"build{at.total()}")))
            at.update(_killed("run", folder, rng.uniform(*seconds["run"])) for _ in range(2))
            _start("run", folder).wait()
            at[_killed("merge", folder, rng.uniform(*seconds["merge"]))] += 1
            _start("merge", folder).wait()
            fates[_fate(folder, undisturbed)] += 1
            print(f"{at.total()} of {number}", file=sys.stderr)
    print(f"{at.total()} kills, seed {seed}, {os.cpu_count()} cores\n")
    for title, counts in (("killed at", at), ("builds", fates)):
        print(title)
        for what, count in counts.most_common():
            print(f"    {what:<24}{count:>8}")


def plan_small_build(folder: Path, images: Path, rng: np.random.Generator) -> None:
    """Three units of one network, on 8×8 images that are bright or dark."""
    arrays = {}
    for part, n in (("train", 64), ("test", 24)):
        arrays[f"{part}_images"] = rng.random((n, 1, 8, 8)).astype(np.float32)
        arrays[f"{part}_labels"] = (arrays[f"{part}_images"].mean((1, 2, 3)) > 0.5).astype(np.int64)
    np.savez(images, **arrays)  # type: ignore[arg-type]
    options = ["--recipe", "digits", "--evaluation", "digits-light", "--classes", "3", "--stack", "1", "--device", "cpu"]
    _build("plan", folder, "--dataset", f"npz:{images}", *options).wait()


def _seconds(command: str, folder: Path) -> tuple[float, float]:
    """From what second on a command works, after its imports, and when it ends."""
    begun = time.monotonic()
    process = _start(command, folder)
    while process.poll() is None and not (folder / "log.jsonl").exists():
        time.sleep(0.01)
    works = time.monotonic() - begun
    process.wait()
    return works if command == "run" else 0.0, time.monotonic() - begun


def _killed(command: str, folder: Path, seconds: float) -> str:
    """Kill a command after so many seconds; at what it was."""
    from builders.log import events

    process = _start(command, folder)
    time.sleep(seconds)
    process.kill()
    if process.wait() != -signal.SIGKILL:
        return "(it had ended)"
    last = events(folder)[-1:]
    return "merge" if command == "merge" else last[0].what if last else "start"


def _fate(folder: Path, undisturbed: Path) -> str:
    from builders.results.status import Status

    if damaged := Status.of(folder).damaged:
        return f"damaged: {damaged}"
    if litter := {path.name for path in folder.iterdir()} ^ {path.name for path in undisturbed.iterdir()}:
        return f"litter: {litter}"
    return "the same store" if _same(folder / "store.h5", undisturbed / "store.h5") else "another store"


def _build(*arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "builders", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _start(command: str, folder: Path) -> subprocess.Popen[bytes]:
    return _build(command, folder, *(["--into", folder / "store.h5"] if command == "merge" else ["--device", "cpu"]))


def _same(one: Path, other: Path) -> bool:
    """Whether two stores hold the same, but for what a clock said."""
    with Store(one) as first, Store(other) as second:
        return first.names() == second.names() and all(
            np.array_equal(first.read(name), second.read(name), equal_nan=True)
            for name in first.names()
            if name.metric != "training_seconds"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stores", type=int, default=400)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child is not None:
        child(given.child)
        return
    if given.kills:
        kills(given.kills, given.seed)
    if not given.stores:
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
