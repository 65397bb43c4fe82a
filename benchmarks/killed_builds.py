"""What becomes of builds that are killed and resumed.

    python benchmarks/killed_builds.py --kills 30

A small build is killed (SIGKILL) at random moments of training, evaluation and merging, and run again after each, three kills a build; then its store is
compared with that of a build which nobody disturbed.  Needs torch.  10 seconds a kill on one core.  n and the seed are printed.
"""

from __future__ import annotations

import argparse
import collections
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from robbench.store import Store


def kill_builds(number: int, seed: int) -> None:
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
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    kill_builds(given.kills, given.seed)


if __name__ == "__main__":
    main()
