"""What becomes of builds that are killed and resumed.

    python benchmarks/killed_builds.py --kills 30

A small build is killed (SIGKILL) twice while it runs and once while it is merged, at random moments, and run again after each; then its store is compared
with that of a build which nobody disturbed.  Runs are killed inside proxies, training, each attack and a corruption in turn: at a moment drawn from the whole
run, few would be inside an attack.  (Of imports: `reliability.py`.)  Needs torch.  10 seconds a kill on one core.  n and the seed are printed.
"""

from __future__ import annotations

import argparse
import collections
import itertools
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

PARTS = ("training", "pgd", "proxies", "square", "fog", "apgd-ce", "fgsm")
"""Of a unit's work, as the log calls them."""


def kill_builds(number: int, seed: int) -> None:
    """Kill builds so many times, and print at what they were and what became of them."""
    rng, parts = np.random.default_rng(seed), itertools.cycle(PARTS)
    at, fates = collections.Counter[str](), collections.Counter[str]()
    with tempfile.TemporaryDirectory() as name:
        planned = Path(name, "planned")
        plan_small_build(planned, Path(name, "images.npz"), rng)
        undisturbed = Path(shutil.copytree(planned, Path(name, "undisturbed")))
        _start("run", undisturbed).wait()
        begun = time.monotonic()
        _start("merge", undisturbed).wait()
        merging, seconds = time.monotonic() - begun, _seconds(undisturbed)
        while at.total() < number:
            folder = Path(shutil.copytree(planned, Path(name, f"build{at.total()}")))
            for part in itertools.islice(parts, 2):
                at[_killed_in(part, folder, rng.uniform(0, seconds[part]))] += 1
            _start("run", folder).wait()
            at[_killed_in_merge(folder, rng.uniform(0.3, 1) * merging)] += 1
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


def _seconds(folder: Path) -> dict[str, float]:
    """How long each part of a unit's work takes: the shortest, so that a kill is inside it."""
    from robbench_builders.log import events

    begun, found = dict[str, float](), dict[str, float]()
    for event in events(folder):
        if event.done < event.of:
            begun.setdefault(event.unit + event.what, event.time)
        elif event.unit + event.what in begun:
            found[event.what] = min(event.time - begun[event.unit + event.what], found.get(event.what, np.inf))
    return found


def _killed_in(part: str, folder: Path, seconds: float) -> str:
    """Kill a run so many seconds after a part of its work has begun; at what it was."""
    from robbench_builders.log import Log, events

    log = Log(folder)
    process = _start("run", folder)
    while process.poll() is None and not any(event.what == part and event.done < event.of for event in log.news()):
        time.sleep(0.002)
    time.sleep(seconds)
    process.kill()
    if process.wait() != -signal.SIGKILL:
        return "(it had ended)"
    last = events(folder)[-1]
    return last.what if last.done < last.of else f"after {last.what}"


def _killed_in_merge(folder: Path, seconds: float) -> str:
    process = _start("merge", folder)
    time.sleep(seconds)
    process.kill()
    return "merge" if process.wait() == -signal.SIGKILL else "(it had ended)"


def _fate(folder: Path, undisturbed: Path) -> str:
    from robbench_builders.results.status import Status

    if damaged := Status.of(folder).damaged:
        return f"damaged: {damaged}"
    if litter := {path.name for path in folder.iterdir()} ^ {path.name for path in undisturbed.iterdir()}:
        return f"litter: {litter}"
    return "the same store" if _same(folder / "store.h5", undisturbed / "store.h5") else "another store"


def _build(*arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "robbench_builders", *map(str, arguments)]
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
