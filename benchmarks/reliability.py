"""What becomes of damaged files, and of imports that are killed?  Each is tried in a process with limits of time and memory.

    python benchmarks/reliability.py --stores 2000 --sources 300 --kills 40

Stores: mutations of one, each opened, asked and verified.  A mutation flips bits, zeroes or randomises a run of bytes, cuts the file, swaps two blocks, or
repeats one.  Each is tried twice: as it is, when the seal over all bytes (`robbench.store.seal`) tells; and sealed again, as a file made to harm would be, when
only what stands behind the seal can tell.

Sources: mutations of small made-up files in the published formats (`tests/sources/published.py`), each imported into a store.  Besides the above, a number
becomes another text, or a line or a member is doubled or left out.  A value in the store is wrong where it is no number of the file.

Kills: an import ended by SIGKILL at a random moment (of builds: `killed_builds.py`).  Right is the old store byte for byte, or all of the new one.

    right        stores: every answer is what it was, and verify passes or names the damage; sources: every value is the file's, and verify passes
    our error    a RobBenchError, nothing else; of an import, and the store is as it was
    wrong        an answer differs from what it was, or a value from the file, or the store was changed by an import that failed
    foreign      another exception
    crash, hang  the process died (of a signal or of its limit of memory), or took more than its time

About a minute per 1,000 stores, 100 sources, or 40 kills on one core.  n and the seed are printed.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from robbench import RobBench, RobBenchError
from robbench.sources import import_csv, import_source
from robbench.spaces.nb201 import NB201
from robbench.store import Store, verify
from robbench.store.arrays import Array, Header, Name
from robbench.store.rows import Rows
from robbench.store.seal import SIZE, seal
from robbench.store.writing import extend

SECONDS, MEGABYTES = 20, 700
"""Of each try: its time, and its process's memory above what it has when it begins."""
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


def judge(path: Path) -> str:
    """What becomes of one store."""
    expected, wrong = json.loads((path.parent / "expected.json").read_text()), False
    try:
        wrong = answers(path) != expected
        verify(path)
    except RobBenchError:
        return "wrong" if wrong else "our error"
    except Exception as error:  # noqa: BLE001 - which ones there are is the question
        return f"foreign: {type(error).__name__}"
    return "wrong" if wrong else "right"


def published(folder: Path) -> dict[str, Path]:
    """A small file, or folder of files, of each source, made up: source → what is imported."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.sources.published import CELL, NATS_HEADER, evaluated, jung, nats_rows, write_csv

    rng, networks = np.random.default_rng(0), evaluated()[:40]
    tuples = [str(CELL[index].to_naslib()) for index in networks]

    def accuracies(*shape: int) -> dict[int, object]:
        return {index: (rng.integers(0, 1001, shape) / 1000).tolist() for index in networks}

    matrices = {index: rng.integers(0, 900, (2, 10, 10)).tolist() for index in networks}
    jung(
        folder / "jung2023",
        {"cifar10/clean_accuracy": accuracies(), "cifar10/pgd@Linf_accuracy": accuracies(3), "cifar10/fgsm@Linf_cm": matrices},
    )
    seeds = {str(index): {"val_acc": {"0": 0.25, "1": 0.5}, "val_pgd_3.0_acc": {"0": 0.125, "1": 0.375}} for index in networks}
    (folder / "NAS-RobBench-201_all.json").write_text(json.dumps({"cifar10": seeds}))
    proxies = {net: {"synflow": {"score": float(rng.normal())}, "val_accuracy": 91.5} for net in tuples}
    (folder / "zc_nasbench201.json").write_text(json.dumps({"cifar10": proxies}))
    return {
        "jung2023": folder / "jung2023",
        "natsbench": write_csv(folder / "nats_bench.csv", NATS_HEADER, nats_rows()),
        "nbsuite_zero": folder / "zc_nasbench201.json",
        "nasrobbench201": folder / "NAS-RobBench-201_all.json",
        "hwnasbench": write_csv(folder / "hw_cifar10.csv", ["net", "fpga_latency"], [[net, rng.random()] for net in tuples]),
        "csv": write_csv(folder / "mine.csv", ["arch", "clean", "pgd@1/255"], [[CELL[index], *rng.random(2)] for index in networks]),
    }


_NUMBER = re.compile(rb"[-+]?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_NO_NUMBERS = (
    b"-5",
    b"8_5",
    b"true",
    b"null",
    b"NaN",
    b"1e999",
    b'""',
    b"[]",
    b"{}",
    b"0x1",
    b"1" * 5000,
    "\u0663".encode(),
    b"-1e8",
    b"1.5",
    b"",
)


def mutated_text(content: bytes, rng: np.random.Generator) -> bytes:
    """The content of a text file with one fault."""
    if rng.random() < 0.4:
        return mutated(content, rng)
    numbers = list(_NUMBER.finditer(content))
    match int(rng.integers(3)):
        case 0 if numbers:
            one = numbers[int(rng.integers(len(numbers)))]
            return content[: one.start()] + _NO_NUMBERS[int(rng.integers(len(_NO_NUMBERS)))] + content[one.end() :]
        case 1:
            separator = b"\n" if content.count(b"\n") > 3 else b", "
            parts = content.split(separator)
            at = int(rng.integers(len(parts)))
            parts[at : at + 1] = [] if rng.random() < 0.5 else [parts[at], parts[int(rng.integers(len(parts)))]]
            return separator.join(parts)
        case _:
            return mutated(content, rng)


def imported(source: str, path: Path, store: Path) -> list[np.ndarray]:
    """Import a file, and give the values of every array that is new in the store."""
    if source == "csv":
        report = import_csv(path, store, dataset="cifar10", training="standard", citation="made up", percent=False)
    else:
        report = import_source(source, path, store)
    verify(store)
    with Store(store) as opened:
        return [opened.read(name) for name in report.changes.added]


def judge_source(folder: Path) -> str:
    """What becomes of the import of what is in a folder, under the name of its source, into a store that has an index."""
    path = next(path for path in folder.iterdir() if path.name != "mutated")
    source = folder.name.partition("-")[2]
    store = folder / "store.h5"
    shutil.copy(folder.parent / "base.h5", store)
    before = store.read_bytes()
    try:
        found = imported(source, path, store)
    except RobBenchError:
        return "our error" if store.read_bytes() == before else "wrong"
    except Exception as error:  # noqa: BLE001 - which ones there are is the question
        return f"foreign: {type(error).__name__}"
    content = b" ".join(file.read_bytes() for file in ([path] if path.is_file() else path.rglob("*.json")))
    numbers = np.array([float(one[0]) for one in _NUMBER.finditer(content)])
    allowed = np.concatenate([numbers, numbers / 100])
    return "right" if all(np.isin(values[~np.isnan(values)], allowed).all() for values in found) else "wrong"


JUDGES: dict[str, Callable[[Path], str]] = {"stores": judge, "sources": judge_source}


def child(kind: str, folder: Path) -> None:
    """Judge what is in a folder, in order, and print each finding as soon as there is one."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    limit = used + MEGABYTES * 2**20 + 4 * 2**30  # address space: libraries take far more of it than of memory
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for path in todo(folder):
        resource.setrlimit(resource.RLIMIT_CPU, (int(resource.getrusage(resource.RUSAGE_SELF).ru_utime) + SECONDS, resource.RLIM_INFINITY))
        print(path.name, flush=True)
        print(JUDGES[kind](path), flush=True)


def todo(folder: Path) -> list[Path]:
    """The tries of a batch, each of which is named by its number."""
    return sorted(path for path in folder.iterdir() if path.name[:3].isdigit())


def judged(kind: str, folder: Path, keep: Path | None) -> list[str]:
    """What becomes of each try in a folder, whatever that does to the process; those that are neither right nor our error are moved to `keep`."""
    found: list[str] = []
    while left := todo(folder):
        command = [sys.executable, __file__, "--child", kind, str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS * BATCH, check=False)
            lines, fate = done.stdout.splitlines(), f"crash: {done.returncode}"
        except subprocess.TimeoutExpired as expired:
            lines, fate = (expired.stdout or b"").decode().splitlines(), "hang"
        results = lines[1::2]
        if len(results) < len(left):
            results.append("hang" if "-24" in fate else fate)
        found += results
        for path, result in zip(left, results, strict=False):
            if keep is not None and result not in ("right", "our error"):
                keep.mkdir(exist_ok=True)
                path.rename(keep / f"{len(list(keep.iterdir())):03}-{path.name}")
            elif path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    return found


def stores(count: int, rng: np.random.Generator, work: Path, keep: Path | None) -> dict[str, collections.Counter[str]]:
    """Of mutated stores: how → what became of them → how many."""
    counts = {"stores": collections.Counter[str](), "sealed again": collections.Counter[str]()}
    whole = work / "whole.h5"
    make(whole)
    content, expected = whole.read_bytes(), json.dumps(answers(whole))
    for start in range(0, count, BATCH):
        contents = [mutated(content, rng) for _ in range(min(BATCH, count - start))]
        for how, found in counts.items():
            folder = work / "batch"
            folder.mkdir()
            (folder / "expected.json").write_text(expected)
            for number, changed in enumerate(contents):
                path = folder / f"{number:03}.h5"
                path.write_bytes(changed)
                if how == "sealed again" and len(changed) > SIZE:
                    with path.open("r+b") as file:
                        seal(file)
            found.update(judged("stores", folder, keep))
            shutil.rmtree(folder)
        print(f"{start + len(contents)} of {count} stores", file=sys.stderr)
    return counts


def base_of(files: dict[str, Path], work: Path) -> Path:
    """A store that has a published index, and nothing else of the sources."""
    path = work / "base.h5"
    import_source("natsbench", files["natsbench"], path, training="earlier")
    return path


def sources(count: int, rng: np.random.Generator, work: Path, keep: Path | None) -> dict[str, collections.Counter[str]]:
    """Of mutated files: what became of them → how many."""
    found = collections.Counter[str]()
    (work / "published").mkdir(exist_ok=True)
    files = published(work / "published")
    base = base_of(files, work)
    for start in range(0, count, BATCH):
        folder = work / "batch"
        folder.mkdir()
        shutil.copy(base, folder / "base.h5")
        for number in range(start, min(start + BATCH, count)):
            source = list(files)[number % len(files)]
            one = folder / f"{number - start:03}-{source}" / files[source].name
            one.parent.mkdir()
            shutil.copytree(files[source], one) if files[source].is_dir() else shutil.copy(files[source], one)
            inside = sorted(one.rglob("*.json")) if one.is_dir() else [one]
            chosen = inside[int(rng.integers(len(inside)))]
            chosen.write_bytes(mutated_text(chosen.read_bytes(), rng))
        found.update(judged("sources", folder, keep))
        shutil.rmtree(folder)
        print(f"{min(start + BATCH, count)} of {count} sources", file=sys.stderr)
    return {"sources": found}


def kills(count: int, rng: np.random.Generator, work: Path) -> dict[str, collections.Counter[str]]:
    """Of imports that were killed: what became of the store → how many."""
    found = collections.Counter[str]()
    (work / "published").mkdir(exist_ok=True)
    files = published(work / "published")
    base = base_of(files, work)
    folder = work / "killed"
    folder.mkdir()
    store = folder / "store.h5"
    code = "import sys; from robbench.sources import import_source; import_source('jung2023', *sys.argv[1:])"
    seconds, wanted = 0.0, {"cifar10/standard/clean/accuracy", "cifar10/standard/pgd/accuracy", "cifar10/standard/fgsm/confusion"}
    for number in range(count + 1):
        shutil.copy(base, store)
        start = time.monotonic()
        with subprocess.Popen([sys.executable, "-c", code, files["jung2023"], store]) as process:
            if not number:  # the first one shows how long it takes
                process.wait()
                seconds = time.monotonic() - start
                continue
            try:
                process.wait(seconds * rng.uniform(0.3, 1.05))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
        found[_after_a_kill(store, base, wanted)] += 1
    return {"kills": found}


def _after_a_kill(store: Path, base: Path, wanted: set[str]) -> str:
    try:
        if store.read_bytes() == base.read_bytes():
            return "right"
        verify(store)
        with Store(store) as opened:
            return "right" if wanted <= set(map(str, opened.names())) else "wrong"
    except RobBenchError:
        return "wrong"
    except Exception as error:  # noqa: BLE001 - which ones there are is the question
        return f"foreign: {type(error).__name__}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stores", type=int, default=400)
    parser.add_argument("--sources", type=int, default=100)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for what is neither right nor our error")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child is not None:
        child(given.child[0], Path(given.child[1]))
        return
    counts: dict[str, collections.Counter[str]] = {}
    with tempfile.TemporaryDirectory() as name:
        for kind, try_all in (("stores", stores), ("sources", sources)):
            (work := Path(name, kind)).mkdir()
            counts |= try_all(getattr(given, kind), np.random.default_rng(given.seed), work, given.keep)
        (work := Path(name, "kills")).mkdir()
        counts |= kills(given.kills, np.random.default_rng(given.seed), work)
    print(
        f"{given.stores} mutated stores, {given.sources} mutated sources, {given.kills} killed imports, seed {given.seed}, {os.cpu_count()} cores\n"
    )
    known = ["right", "our error", "wrong"]
    print(f"{'':<24}" + "".join(f"{how:>16}" for how in counts))
    for kind in [*known, *sorted({kind for count in counts.values() for kind in count} - set(known))]:
        print(f"{kind:<24}" + "".join(f"{count[kind]:>16}" for count in counts.values()))


if __name__ == "__main__":
    main()
