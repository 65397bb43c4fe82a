"""What holds for every source: an import is whole or nothing, can be repeated, and adds up."""

from __future__ import annotations

import json
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from robbench import RobBench
from robbench.errors import Contradiction, DamagedStore, NotAStore, NotMeasured, StoreError
from robbench.sources import SOURCES, import_source
from robbench.spaces.nb201 import NB201
from robbench.store import Store, verify
from robbench.store.arrays import Name
from tests.sources.published import (
    CELL,
    EPSILONS,
    NATS_HEADER,
    evaluated,
    isomorphic,
    jung,
    nats_rows,
    of_source,
    refused,
    snapshot,
    write_csv,
)

FIRST, SECOND, THIRD = evaluated()[:3]


OF_NB201 = [name for name, source in SOURCES.items() if source.space is NB201]


def digests(store: Path) -> dict[str, str]:
    """What a store holds: the path of every array → a hash of its type, shape, attributes and values."""
    with h5py.File(store) as file:
        found: dict[str, str] = json.loads(file["manifest"][()])
    assert found.pop("/")  # of the root attributes, which say what was put in first
    return found


@pytest.mark.parametrize("source", OF_NB201)
def test_importing_the_same_files_twice_changes_nothing(source: str, store: Path, tmp_path: Path) -> None:
    path = of_source(source, tmp_path)
    first = import_source(source, path, store)
    assert first.changes.added
    before = snapshot(store.parent)
    again = import_source(source, path, store)
    assert (again.changes.added, again.changes.filled) == ([], [])
    assert again.changes.unchanged == first.changes.added
    assert (again.absent, again.sentinels, again.ignored) == (first.absent, first.sentinels, first.ignored)
    assert snapshot(store.parent) == before
    assert verify(store) == len(digests(store))


@pytest.mark.parametrize("source", OF_NB201)
def test_an_import_extends_a_store_and_keeps_what_was_there(source: str, store: Path, tmp_path: Path) -> None:
    before = digests(store)
    report = import_source(source, of_source(source, tmp_path), store)
    after = digests(store)
    added = {"/metrics/" + "/".join(part.replace("%", "%25").replace("/", "%2F") for part in name) for name in report.changes.added}
    assert after.keys() - before.keys() == added
    assert {path: after[path] for path in before} == before
    assert verify(store) == len(after)
    assert list(snapshot(store.parent)) == [store.name]


def test_sources_add_up_to_the_same_store_in_any_order(tmp_path: Path) -> None:
    files = {source: of_source(source, tmp_path) for source in OF_NB201}
    orders = [["jung2023", "natsbench", "nbsuite_zero", "nasrobbench201", "hwnasbench"]]
    orders.append(["hwnasbench", "nbsuite_zero", "natsbench", "nasrobbench201", "jung2023"])
    found = []
    for number, order in enumerate(orders):
        store = tmp_path / f"order{number}.h5"
        for source in order:
            import_source(source, files[source], store)
        found.append(digests(store))
        assert verify(store) == len(found[-1])
    assert found[0] == found[1]


def test_the_representative_of_a_class_is_the_evaluated_network(tmp_path: Path, new_store: Path) -> None:
    """Also where the numbering comes later than the first array."""
    import_source("hwnasbench", of_source("hwnasbench", tmp_path), new_store)
    assert RobBench(new_store).published_index(CELL[FIRST]) is None
    import_source("jung2023", of_source("jung2023", tmp_path), new_store)
    bench = RobBench(new_store)
    assert sorted(str(bench.published_index(cell)) for cell in bench.classes) == sorted(map(str, evaluated()))
    assert {bench.query(index, "clean") for index in isomorphic(FIRST)[:20]} == {0.5}


@pytest.mark.parametrize("measure", ["accuracy", "cm"])
def test_importing_a_part_and_then_the_whole_is_importing_the_whole(measure: str, tmp_path: Path) -> None:
    matrices = np.arange(200).reshape(2, 10, 10)
    values: dict[int, Any] = {FIRST: matrices.tolist(), SECOND: (matrices + 1000).tolist(), THIRD: (matrices[::-1]).tolist()}
    if measure == "accuracy":
        values = {FIRST: [0.5, 0.25], SECOND: [0.125, 0.001], THIRD: [1, 0]}
    file = f"cifar10/fgsm@Linf_{measure}"
    part = jung(tmp_path / "part", {file: {network: values[network] for network in (FIRST, THIRD)}})
    whole = jung(tmp_path / "whole", {file: values})
    filled, at_once = tmp_path / "filled.h5", tmp_path / "at_once.h5"
    import_source("jung2023", part, filled)
    with pytest.raises(NotMeasured, match="was not measured for"):
        RobBench(filled).query(SECOND, "fgsm", eps=1 / 255, measure=measure)
    report = import_source("jung2023", whole, filled)
    assert len(report.changes.filled) == 1
    assert (report.changes.added, report.changes.unchanged) == ([], [])
    import_source("jung2023", whole, at_once)
    assert digests(filled) == digests(at_once)
    assert import_source("jung2023", part, filled).changes.unchanged == report.changes.filled, "a part of what is there is no news"


def test_networks_of_two_parts_add_up(tmp_path: Path, new_store: Path) -> None:
    for network, value in ((FIRST, 0.5), (SECOND, 0.25)):
        import_source("jung2023", jung(tmp_path / "jung", {"cifar10/clean_accuracy": {network: value}}), new_store)
    assert RobBench(new_store).query_many([FIRST, SECOND], "clean").tolist() == [0.5, 0.25]


def test_contradicting_values_are_refused_naming_both(tmp_path: Path, new_store: Path) -> None:
    import_source("jung2023", jung(tmp_path / "jung", {"cifar10/pgd@Linf_accuracy": {FIRST: [0.5, 0.25, 0.125]}}), new_store)
    other = jung(tmp_path / "other", {"cifar10/clean_accuracy": {FIRST: 0.5}, "cifar10/pgd@Linf_accuracy": {FIRST: [0.5, 0.75, 0.125]}})
    refused(
        "jung2023",
        other,
        new_store,
        r"cifar10/standard/pgd/accuracy in the store is from jung2023 cifar10/pgd@Linf_accuracy\.json and differs from the one of jung2023"
        rf" cifar10/pgd@Linf_accuracy\.json: for {re.escape(str(CELL[FIRST]))} the store has 0\.25, the new one 0\.75\."
        r" To keep both, put the new one under another training protocol's name \(--training\)",
        Contradiction,
    )


def test_a_copy_with_another_grid_contradicts(tmp_path: Path, new_store: Path) -> None:
    import_source("jung2023", jung(tmp_path / "jung", {"cifar10/pgd@Linf_accuracy": {FIRST: [0.5, 0.25, 0.125]}}), new_store)
    epsilons = {**EPSILONS, "pgd@Linf": [0.1, 1.0, 8.0, 255.0]}
    copy = jung(tmp_path / "copy", {"cifar10/pgd@Linf_accuracy": {FIRST: [0.5, 0.25, 0.125, 0]}}, epsilons)
    message = r"the store's runs over class rows, eps \[.*\], the new one over class rows, eps \[.*1\.0\]\. To keep both, .*--training"
    refused("jung2023", copy, new_store, message, Contradiction)


def test_another_training_keeps_both(tmp_path: Path, new_store: Path) -> None:
    import_source("jung2023", jung(tmp_path / "jung", {"cifar10/clean_accuracy": {FIRST: 0.5}}), new_store)
    other = jung(tmp_path / "other", {"cifar10/clean_accuracy": {FIRST: 0.75}})
    report = import_source("jung2023", other, new_store, training="standard, again")
    assert report.changes.added == [Name("cifar10", "standard, again", "clean", "accuracy")]
    bench = RobBench(new_store)
    assert bench.query(FIRST, "clean") == bench.query(FIRST, "clean", training="standard") == 0.5
    assert bench.query(FIRST, "clean", training="standard, again") == 0.75
    assert verify(new_store) == len(digests(new_store))


@pytest.mark.parametrize("training", ["", ".", ".."])
def test_a_training_that_cannot_be_a_name_is_refused(training: str, tmp_path: Path, store: Path) -> None:
    path = jung(tmp_path / "jung", {"cifar10/clean_accuracy": {FIRST: 0.5}})
    before = snapshot(store.parent)
    with pytest.raises(StoreError, match="has an empty part, or a part that is only dots; each of its four parts needs a name"):
        import_source("jung2023", path, store, training=training)
    assert snapshot(store.parent) == before


def test_another_numbering_of_the_cells_contradicts(tmp_path: Path, store: Path) -> None:
    rows = nats_rows()
    rows[3], rows[4] = rows[4], rows[3]
    path = write_csv(tmp_path / "nats_bench.csv", NATS_HEADER, rows)
    refused("natsbench", path, store, "the source numbers the architectures in another way than the store does", Contradiction)


@pytest.mark.parametrize(("name", "guess"), [("jung", "jung2023"), ("nats", "natsbench"), ("HWNASBENCH", "hwnasbench")])
def test_an_unknown_source_is_refused_with_a_suggestion(name: str, guess: str, tmp_path: Path, store: Path) -> None:
    refused(name, tmp_path, store, rf"'{name}' is not a source\. Did you mean .*'{guess}'.* Known: jung2023, natsbench, nbsuite_zero")


@pytest.mark.parametrize("source", SOURCES)
def test_a_path_that_is_not_there_is_refused(source: str, tmp_path: Path, store: Path) -> None:
    refused(source, tmp_path / "absent", store, f"absent does not exist; expected the published files of {source}")


def test_a_store_that_is_none_is_left_alone(tmp_path: Path, store: Path) -> None:
    path = of_source("hwnasbench", tmp_path)
    whole = store.read_bytes()
    for content, error, message in (
        (b"not a store", NotAStore, "is not an HDF5 file"),
        (b"", NotAStore, "is not an HDF5 file"),
        (whole[:-100], DamagedStore, "is cut short"),
    ):
        store.write_bytes(content)
        refused("hwnasbench", path, store, message, error)


def test_a_folder_in_place_of_the_store_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(StoreError, match=r"folder is (a folder|not a file)"):
        import_source("hwnasbench", of_source("hwnasbench", tmp_path), folder)
    assert list(folder.iterdir()) == []


def test_a_store_in_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="absent is not a folder; make it first"):
        import_source("hwnasbench", of_source("hwnasbench", tmp_path), tmp_path / "absent" / "store.h5")
    assert not (tmp_path / "absent").exists()


def test_a_full_disk_leaves_the_store_as_it_was(tmp_path: Path, store: Path) -> None:
    """A limit on the size of files stands for the full disk."""
    path = of_source("natsbench", tmp_path)
    before = snapshot(store.parent)
    script = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000));"
        "from robbench.sources import import_source; import_source('natsbench', sys.argv[1], sys.argv[2])"
    )
    run = subprocess.run([sys.executable, "-c", script, path, store], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 1
    assert "StoreError" in run.stderr
    assert "could not be written" in run.stderr
    assert snapshot(store.parent) == before


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of jung2023 with one file of some 14 MB: confusion matrices under FGSM, of counts with three digits."""
    rng = np.random.default_rng(5)
    pool = [rng.integers(257, 1000, (2, 10, 10)).tolist() for _ in range(20)]
    values = {network: pool[position % 20] for position, network in enumerate(evaluated())}
    folder = jung(tmp_path_factory.mktemp("large") / "jung", {"cifar10/fgsm@Linf_cm": values, "cifar10/clean_cm": {FIRST: pool[0][0]}})
    epsilons = [float(k) for k in range(1, 8)]
    (folder / "meta.json").write_text((folder / "meta.json").read_text().replace(json.dumps(EPSILONS["fgsm@Linf"]), json.dumps(epsilons)))
    text = json.dumps({str(network): [*value, *value, *value, value[0]] for network, value in list(values.items())[::2]})
    (folder / "cifar10" / "fgsm@Linf_cm.json").write_text(f'{{"cifar10": {{"fgsm@Linf": {{"cm": {text}}}}}}}')
    return folder


IMPORT = "import sys; from robbench.sources import import_source; import_source('jung2023', sys.argv[1], sys.argv[2])"


PEAK = "; import re; print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
def test_a_large_file_is_read_in_far_less_memory_than_it_would_fill(large: Path, tmp_path: Path, new_store: Path) -> None:
    """Parsed at once, each count is a pointer of 8 bytes to an int of 28, and the text is held beside them; nor is the array of all of them held."""
    text = (large / "cifar10" / "fgsm@Linf_cm.json").stat().st_size
    counts = len(evaluated()) // 2 * 7 * 100
    array = len(evaluated()) * 7 * 100 * 2
    small = jung(tmp_path / "small", {"cifar10/clean_cm": {FIRST: [[1] * 10] * 10}})
    peaks = []
    for folder, into in ((small, new_store.with_name("small.h5")), (large, new_store)):
        command: list[str | Path] = [sys.executable, "-c", IMPORT + PEAK, folder, into]
        peaks.append(1024 * int(subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout))
    assert text > 11_000_000
    assert peaks[1] - peaks[0] < 8_000_000 < array < (text + 36 * counts) / 3
    with Store(new_store) as store:
        assert store.shape(Name("cifar10", "standard", "fgsm", "confusion")) == (6466, 7, 10, 10)


def without_lock(store: Path) -> dict[str, tuple[int, int, bytes]]:
    """What a store's folder holds but for the empty file that a killed process leaves: it stops nobody, and the next import removes it."""
    found = snapshot(store.parent)
    assert found.pop(f".{store.name}.lock", (0, 0, b""))[2] == b""
    return found


STEPS = """
import os, pathlib, sys
import h5py
from robbench.sources import import_source
step, number = sys.argv[3], int(sys.argv[4])

def dying(function):
    def wrapper(*arguments, **options):
        os.kill(os.getpid(), number)
        return function(*arguments, **options)
    return wrapper

if step == "write":
    h5py.Group.create_dataset = dying(h5py.Group.create_dataset)
if step == "close":
    h5py.File.close = dying(h5py.File.close)
if step == "sync":
    os.fsync = dying(os.fsync)
if step == "name":
    os.link = dying(os.link)
if step == "rename":
    pathlib.Path.replace = dying(pathlib.Path.replace)
import_source("jung2023", sys.argv[1], sys.argv[2])
"""


@pytest.mark.parametrize(
    ("step", "number"),
    [
        ("write", signal.SIGKILL),
        ("write", signal.SIGTERM),
        ("close", signal.SIGKILL),
        ("sync", signal.SIGTERM),
        ("name", signal.SIGKILL),
    ],
)
def test_an_import_killed_at_any_step_leaves_the_old_store(step: str, number: int, tmp_path: Path, store: Path) -> None:
    path = of_source("jung2023", tmp_path)
    before = snapshot(store.parent)
    run = subprocess.run([sys.executable, "-c", STEPS, path, store, step, str(int(number))], timeout=60, check=False)
    assert run.returncode == -number
    assert without_lock(store) == before
    assert import_source("jung2023", path, store).changes.added
    assert list(snapshot(store.parent)) == [store.name]


def test_what_an_import_killed_before_its_last_step_left_goes_with_the_next_one(tmp_path: Path, store: Path) -> None:
    """Between getting its first name and its last, the new file can be seen; nothing can clean up after SIGKILL but the next import."""
    path = of_source("jung2023", tmp_path)
    before = snapshot(store.parent)
    run = subprocess.run([sys.executable, "-c", STEPS, path, store, "rename", str(int(signal.SIGKILL))], timeout=60, check=False)
    assert run.returncode == -signal.SIGKILL
    assert snapshot(store.parent)[store.name] == before[store.name]
    assert import_source("jung2023", path, store).changes.added
    assert list(snapshot(store.parent)) == [store.name]


def test_an_import_killed_at_random_moments_leaves_the_old_store_or_all_of_the_new(large: Path, store: Path) -> None:
    command: list[str | Path] = [sys.executable, "-c", IMPORT, large, store]
    copy = store.parent.parent / "copy" / store.name
    copy.parent.mkdir()
    shutil.copy(store, copy)
    start = time.monotonic()
    subprocess.run([*command[:-1], copy], timeout=120, check=True)
    duration = time.monotonic() - start
    before = snapshot(store.parent)
    chance = random.Random(time.time_ns())
    moments = [duration * chance.uniform(0.1, 0.9) for _ in range(3)]
    for moment, number in zip(moments, (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL), strict=True):
        with subprocess.Popen(command) as process:
            time.sleep(moment)
            process.send_signal(number)
            process.wait(60)
        if process.returncode == 0 or without_lock(store) != before:  # it was quicker than the first time: then all of it is there
            assert digests(store) == digests(copy)
            break
        assert process.returncode == -number
    assert list(without_lock(store)) == [store.name]
    assert verify(store) == len(digests(store))
