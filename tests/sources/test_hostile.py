"""Files that nobody published: endless, deep, wide, huge, or pickles.  Each is refused by our error, soon, in bounded memory, and the store stays as it was."""

from __future__ import annotations

import bz2
import gzip
import itertools
import json
import lzma
import os
import pickle
import re
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from robbench.errors import SourceError
from robbench.sources import SOURCES, import_csv, import_source
from robbench.sources.members import KEYS, MEMBER_BYTES
from tests.sources.published import CELL, evaluated, jung, snapshot, write_csv

FIRST, SECOND = evaluated()[:2]
NET, OTHER = (str(CELL[index].to_naslib()) for index in (FIRST, SECOND))
MEMORY = 1 << 30
"""Of addresses, libraries included: numpy, h5py and OpenBLAS take half of it before anything is read."""
SECONDS = 120
"""Of a process that reads a dozen files; on an idle core it takes five."""
GIGABYTES = 3 << 30

GUARDED = """
import resource, sys
from robbench.errors import SourceError
from robbench.sources import import_csv, import_source
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), int(sys.argv[1])))
store, *files = sys.argv[2:]
for source, path in zip(files[::2], files[1::2], strict=True):
    try:
        if source == "csv":
            import_csv(path, store, dataset="cifar10", training="standard", citation="own", percent=False)
        else:
            import_source(source, path, store if source != "tiny_robustbench" else f"{store}.darts")
    except SourceError as error:
        print(error)
    else:
        print("TAKEN")
"""


def guarded(store: Path, files: Iterable[tuple[str, Path]]) -> list[str]:
    """What the errors say, in one process with limits of memory and time; asserts that all are ours, and that the store's folder is as it was."""
    before, files = snapshot(store.parent), list(files)
    command: list[str | Path] = [sys.executable, "-c", GUARDED, str(MEMORY), store, *(part for file in files for part in file)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONUTF8": "1"}
    ended = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, env=environment)
    said = ended.stdout.splitlines()
    assert ended.returncode == 0, f"{files[len(said)]}: {ended.stderr[-2000:]}"
    assert len(said) == len(files), "an error is one line"
    assert "TAKEN" not in said
    assert max(map(len, said)) < 2000, "a message is for people to read"
    assert snapshot(store.parent) == before
    return said


NAMES = {
    "jung2023": "jung/cifar10/fgsm@Linf_accuracy.json",
    "natsbench": "nats_bench.csv",
    "nbsuite_zero": "zc_nasbench201.json",
    "nasrobbench201": "NAS-RobBench-201_all.json",
    "hwnasbench": "hw_cifar10.csv",
    "tiny_robustbench": "robust_bench_seed_0_1000.json",
    "csv": "mine.csv",
}


def place(source: str, folder: Path) -> tuple[Path, Path]:
    """Where a source's file belongs, and what is to be imported."""
    if source == "jung2023":
        jung(folder / "jung", {"cifar10/clean_accuracy": {FIRST: 0.5}})
        return folder / NAMES[source], folder / "jung"
    return folder / NAMES[source], folder / NAMES[source]


def test_a_sparse_file_of_gigabytes_is_refused_at_once(tmp_path: Path, store: Path) -> None:
    paths = []
    for source in NAMES:
        file, path = place(source, tmp_path)
        file.touch()
        os.truncate(file, GIGABYTES)
        paths.append((source, path))
    assert len(guarded(store, paths)) == len(NAMES)


@pytest.mark.parametrize(
    ("kind", "source"), [*(("pipe", source) for source in NAMES), *((kind, "natsbench") for kind in ("device", "folder", "full device"))]
)
def test_what_is_no_file_is_neither_waited_for_nor_read(kind: str, source: str, tmp_path: Path, store: Path) -> None:
    file, path = place(source, tmp_path)
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    else:
        file.symlink_to("/dev/zero" if kind == "device" else "/dev/full")
    before, start = snapshot(store.parent), time.monotonic()
    with pytest.raises(SourceError, match=r"cannot be read: it is a (pipe|device|directory)|does not say its dataset in its name"):
        _import(source, path, store)
    assert time.monotonic() - start < 10
    assert snapshot(store.parent) == before


def _import(source: str, path: Path, store: Path) -> Any:
    if source == "csv":
        return import_csv(path, store, dataset="cifar10", training="standard", citation="own", percent=False)
    return import_source(source, path, store if source != "tiny_robustbench" else store.with_suffix(".darts"))


def at_the_top(member: str) -> dict[str, str]:
    """A JSON text for each source that reads JSON, with `member` where the values of one network belong."""
    return {
        "jung2023": f'{{"cifar10": {{"fgsm@Linf": {{"accuracy": {{"{FIRST}": {member}}}}}}}}}',
        "nbsuite_zero": f'{{"cifar10": {{"{NET}": {{"zen": {member}}}}}}}',
        "nasrobbench201": f'{{"cifar10": {{"{FIRST}": {{"val_acc": {{"0": {member}}}}}}}}}',
        "tiny_robustbench": f"[{member}]",
    }


JSON_BOMBS: dict[str, tuple[Callable[[], str], str]] = {
    "deep lists": (lambda: "[" * 1_000_000, "is not whole, valid JSON: it is nested deeper than 32"),
    "deep objects": (lambda: '{"a":' * 500_000, "nested deeper than 32"),
    "deep and closed": (lambda: "[" * 500_000 + "]" * 500_000, "nested deeper than 32"),
    "many lists": (lambda: "[" + "[]," * (MEMBER_BYTES // 3 + 10) + "[]]", f"longer than {MEMBER_BYTES} bytes"),
    "a long text": (lambda: '"' + "a" * (MEMBER_BYTES + 10) + '"', f"longer than {MEMBER_BYTES} bytes"),
    "a text without end": (lambda: '"' + "a" * (MEMBER_BYTES + 10), f"longer than {MEMBER_BYTES} bytes"),
    "a number of 5,000 digits": (lambda: "9" * 5_000, ""),
    "a number of 4,000 digits": (lambda: "9" * 4_000, ""),
    "a number of 4,000 digits in a list": (lambda: f"[[{'9' * 4_000}]]", ""),
    "a number of a million digits": (lambda: "9" * 1_000_000, "is not whole, valid JSON"),
    "a number of millions of digits": (lambda: "9" * (MEMBER_BYTES + 10), f"longer than {MEMBER_BYTES} bytes"),
    "matrices of 1500 by 1500": (lambda: json.dumps([[[1] * 1500] * 1500] * 2), f"longer than {MEMBER_BYTES} bytes"),
    "half of a surrogate pair": (lambda: '"\\ud800"', "half of a surrogate pair"),
    "half of a surrogate pair as a key": (lambda: '{"\\udfff": 1}', "half of a surrogate pair"),
}


def test_a_json_that_would_take_all_memory_is_refused(tmp_path: Path, store: Path) -> None:
    """All importers read JSON by the same function, so each bomb goes into a file of one of them; but what a number is, each of them says."""
    sources, paths, tried = itertools.cycle(["nbsuite_zero", "nasrobbench201"]), [], []
    for bomb, (make, message) in JSON_BOMBS.items():
        of_numbers = "number" in bomb and not message
        for source in at_the_top("") if of_numbers else ["jung2023"] if "matrices" in bomb else [next(sources)]:
            (tmp_path / bomb / source).mkdir(parents=True)
            file, path = place(source, tmp_path / bomb / source)
            file.write_text(at_the_top(make())[source])
            paths.append((source, path))
            tried.append((bomb, message))
    for (bomb, message), said in zip(tried, guarded(store, paths), strict=True):
        assert message in said, bomb


def test_matrices_of_other_classes_than_the_datasets_ask_for_no_memory(tmp_path: Path, store: Path) -> None:
    """A thousand classes are 4 MB of text, and 26 GB of matrices."""
    wide = [[0] * 800] * 800
    wide_path = jung(tmp_path / "wide", {"cifar10/clean_cm": {FIRST: wide}})
    path = jung(tmp_path / "jung", {"cifar10/clean_confidence": {FIRST: {"label": [[0.5] * 700] * 700}}})
    first, second = guarded(store, [("jung2023", wide_path), ("jung2023", path)])
    assert "has matrices of 800 classes; expected 10, those of cifar10" in first
    assert "label, has values of shape (700, 700); expected (10, 10)" in second


@pytest.mark.parametrize("count", [1001, 30_000])
def test_a_grid_of_too_many_levels_is_refused(count: int, tmp_path: Path, store: Path) -> None:
    epsilons = {"fgsm@Linf": [k / count for k in range(count)], "pgd@Linf": [1], "aa_apgd-ce@Linf": [1], "aa_square@Linf": [1]}
    path = jung(tmp_path / "jung", {"cifar10/fgsm@Linf_accuracy": {FIRST: [0.5] * count}}, epsilons)
    levels, seeds = tmp_path / "levels.json", tmp_path / "seeds.json"
    levels.write_text(json.dumps({"cifar10": {FIRST: {f"val_pgd_{k / 1000:.3f}_acc": {"0": 0.5} for k in range(count)}}}))
    seeds.write_text(json.dumps({"cifar10": {FIRST: {"val_acc": {str(seed): 0.5 for seed in range(count)}}}}))
    mine = write_csv(tmp_path / "mine.csv", ["arch", "seed", "clean"], [[CELL[FIRST], seed, 0.5] for seed in range(count)])
    said = guarded(store, [("jung2023", path), ("nasrobbench201", levels), ("nasrobbench201", seeds), ("csv", mine)])
    assert f"epsilons of fgsm@Linf has {count} levels; expected 1000 at the most" in said[0]
    assert f"pgd has {count} levels; expected 1000 at the most" in said[1]
    assert f"clean of cifar10 has {count} seeds" in said[2]
    assert "expected up to 1000000 lines, 20000000 values, 1000 seeds" in said[3]


def test_an_object_of_too_many_keys_is_refused(tmp_path: Path, store: Path) -> None:
    many = '{"cifar10": {' + "".join(f'"{key}": 1,\n' for key in range(KEYS + 2)) + '"x": 1}}'
    (tmp_path / "zc_nasbench201.json").write_text(many)
    files = [("nbsuite_zero", tmp_path / "zc_nasbench201.json")]
    for number, content in enumerate((many, f'{{"{"k" * 5_000_000}": 1}}', " " * 5_000_000)):
        folder = jung(tmp_path / str(number), {"cifar10/clean_accuracy": {FIRST: 0.5}})
        (folder / "cifar10" / "clean_accuracy.json").write_text(content)
        files.append(("jung2023", folder))
    said = guarded(store, files)
    assert f"an object has more than {KEYS} keys" in said[0]
    assert f"an object has more than {KEYS} keys" in said[1]
    assert "is longer than 256 bytes" in said[2]
    assert "it ends too early" in said[3]


CSV_BOMBS: dict[str, tuple[Callable[[str], str], str]] = {
    "a line without end": (lambda net: f"{net},{'1' * 2_000_000}", "a row of more than 1048576 characters|field larger than field limit"),
    "a row of many lines": (lambda net: net + ',"a\n"' * 400_000, "a row of more than 1048576 characters"),
    "a quote without end": (lambda net: f'{net},"' + "1\n" * 600_000, "field larger than field limit"),
    "blank lines": (lambda net: "\n" * 100_000, "more than 1000 blank lines"),
    "many columns": (lambda net: f"{net}" + ",1" * 300_000 + "\n", "does not have one field for each column"),
    "a number of 5,000 digits": (lambda net: f"{net},{'9' * 5000}\n", "expected a number"),
    "a number of 100,000 digits": (lambda net: f"{net},0.{'9' * 100_000}x\n", "expected a number"),
}


def test_a_csv_that_would_take_all_memory_is_refused(tmp_path: Path, store: Path) -> None:
    """All importers read lines by the same function, so each bomb goes into a file of one of them; but what a number is, each of them says."""
    headers = {"hwnasbench": "net,fpga_energy", "csv": "arch,fpga_energy", "nbsuite_zero": "net,zen"}
    sources, paths, tried = itertools.cycle(headers), [], []
    for bomb, (make, message) in CSV_BOMBS.items():
        for source in headers if "number" in bomb else [next(sources)]:
            (tmp_path / bomb / source).mkdir(parents=True)
            file = tmp_path / bomb / source / {**NAMES, "nbsuite_zero": "zc_nasbench201_cifar10.csv"}[source]
            written = make(f'"{NET}"')
            file.write_text(f"{headers[source]}\n{written}")
            paths.append((source, file))
            tried.append((bomb, message))
    for (bomb, message), said in zip(tried, guarded(store, paths), strict=True):
        assert re.search(message, said), bomb


def test_the_limit_of_memory_is_one(tmp_path: Path) -> None:
    """Else the tests above would show nothing."""
    script = GUARDED.split("store, *files")[0] + "import numpy; numpy.ones(1 << 27)"
    ended = subprocess.run([sys.executable, "-c", script, str(MEMORY)], capture_output=True, text=True, check=False)
    assert "MemoryError" in ended.stderr


class Runs:
    """What a hostile pickle does: it makes a file when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def official(kind: str, folder: Path, trace: Path) -> Path:
    """An official file: a pickle under a name of its own, which says so if it is ever opened."""
    content = pickle.dumps({"hw": Runs(trace)}, protocol=0 if kind == "protocol 0" else 1 if kind == "protocol 1" else 4)
    if kind == "natsbench":
        (folder / "000000.pickle.pbz2").write_bytes(bz2.compress(content))
        return folder / "000000.pickle.pbz2"
    if kind == "zip checkpoint":
        with zipfile.ZipFile(folder / "arch-000000-seed-0777.pth", "w") as archive:
            archive.writestr("archive/data.pkl", content)
        return folder / "arch-000000-seed-0777.pth"
    if kind == "legacy checkpoint":
        path = folder / "arch-000000-seed-0888.pth"
        path.write_bytes(pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2) + content)
        return path
    path = folder / "HW-NAS-Bench-v1_0.pickle"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("disguise", [False, True])
@pytest.mark.parametrize("source", [*SOURCES, "csv"])
@pytest.mark.parametrize("kind", ["natsbench", "hwnasbench", "protocol 0", "protocol 1", "zip checkpoint", "legacy checkpoint"])
def test_an_official_pickle_is_refused_by_name_and_never_opened(
    kind: str, source: str, disguise: bool, tmp_path: Path, store: Path
) -> None:
    path = official(kind, tmp_path, tmp_path / "trace")
    if disguise:  # under the name of the source's own file, it is known by its first bytes
        path = path.rename(tmp_path / Path({**NAMES, "nares": "cifar10.jsonl"}[source]).name)
    before = snapshot(store.parent)
    with pytest.raises(SourceError) as caught:
        _import(source, path, store)
    message = str(caught.value)
    if not (disguise and kind == "natsbench"):
        assert "opening one can run code, so it is never opened" in message
    assert path.name in message
    assert (SOURCES[source].file if source in SOURCES else "a CSV file") in message
    assert "ownload it again" not in message
    assert not (tmp_path / "trace").exists()
    assert snapshot(store.parent) == before


@pytest.mark.parametrize("kind", ["zip", "tar", "gz", "xz", "hdf5"])
def test_an_archive_is_to_be_unpacked_first(kind: str, tmp_path: Path, small_store: Path, store: Path) -> None:
    inner = write_csv(tmp_path / "inner.csv", ["net", "fpga_energy"], [[NET, 1]])
    path = tmp_path / "hw_cifar10.csv"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(inner)
    elif kind == "tar":
        with tarfile.open(path, "w") as archive:
            archive.add(inner)
    else:
        content = inner.read_bytes()
        path.write_bytes({"gz": gzip.compress(content), "xz": lzma.compress(content), "hdf5": small_store.read_bytes()}[kind])
    message = "an HDF5 file, by its first bytes" if kind == "hdf5" else "archive, by its first bytes, .*unpack it first"
    with pytest.raises(SourceError, match=message):
        import_source("hwnasbench", path, store)


def test_names_of_files_that_cannot_be_are_refused(tmp_path: Path, store: Path) -> None:
    for path in ("a\0b", "x" * 5000, tmp_path / ("y" * 300)):
        for source in SOURCES:
            with pytest.raises(SourceError, match="does not exist"):
                import_source(source, path, store)
