"""`robbench import` and `verify`."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from robbench import RobBench
from robbench.store.locking import only_writer
from tests.cli.running import FIRST, Run, answer, refusal
from tests.sources.published import CELL, jung, write_csv
from tests.tampering import flip, tampered

IMPORT = "import sys; from robbench.cli import main; main()"


def test_import_makes_a_store_and_sums_up(run: Run, folder: Path, tmp_path: Path) -> None:
    store = tmp_path / "new.h5"
    lines = answer(run("import", "jung2023", folder, "--into", store)).splitlines()
    assert lines[0] == f"{store}: 1 arrays added, 0 filled, 0 already there"
    assert lines[1].startswith(
        "59 published files were not there: cifar10/clean_confidence.json, cifar10/clean_cm.json, cifar10/fgsm@Linf_"
    )
    assert lines[1].endswith(", …")
    assert len(lines) == 2
    assert answer(run("import", "jung2023", folder, "--into", store)).startswith(f"{store}: 0 arrays added, 0 filled, 1 already there")
    assert float(answer(run("query", FIRST, "clean", "--store", store))) == 0.5


def test_import_sums_up_what_it_filled_left_out_and_took_for_missing(run: Run, tmp_path: Path) -> None:
    store, file = tmp_path / "new.h5", tmp_path / "hw_cifar10.csv"
    nets = [str(CELL[index].to_naslib()) for index in (1, 2)]
    write_csv(file, ["net", "fpga_energy", "abacus"], [[nets[0], 0.5, 1], [nets[1], -1, 1]])
    assert answer(run("import", "hwnasbench", file, "--into", store)).splitlines() == [
        f"{store}: 1 arrays added, 0 filled, 0 already there",
        "published as failed or not measured, kept as missing: 1 of fpga_energy",
        "fields that are not metrics, left out: abacus",
    ]
    write_csv(file, ["net", "fpga_energy"], [[nets[0], 0.5], [nets[1], 0.25]])
    assert answer(run("import", "hwnasbench", file, "--into", store)) == f"{store}: 0 arrays added, 1 filled, 0 already there\n"


def test_import_under_another_training_keeps_both(run: Run, folder: Path, tmp_path: Path) -> None:
    store = tmp_path / "new.h5"
    answer(run("import", "jung2023", folder, "--into", store))
    jung(folder, {"cifar10/clean_accuracy": {FIRST: 0.75}})
    error = refusal(run("import", "jung2023", folder, "--into", store))
    assert error.startswith("Error: Contradiction: cifar10/standard/clean/accuracy in the store is from jung2023")
    assert "the store has 0.5, the new one 0.75" in error
    assert "(--training)" in error
    answer(run("import", "jung2023", folder, "--into", store, "--training", "again"))
    assert float(answer(run("query", FIRST, "clean", "--store", store))) == 0.5
    assert float(answer(run("query", FIRST, "clean", "--store", store, "--training", "again"))) == 0.75


def test_a_table_of_ones_own_is_imported_by_what_is_said_of_it(run: Run, tmp_path: Path) -> None:
    store, file, cell = tmp_path / "mine.h5", tmp_path / "mine.csv", CELL[int(FIRST)]
    write_csv(file, ["net", "notes", "trial", "clean", "pgd@1/255"], [[cell.to_naslib(), "good", 3, 93.5, 25]])
    options = [
        "--into",
        store,
        "--dataset",
        "cifar10",
        "--training",
        "standard",
        "--citation",
        "Doe 2024",
        "--arch",
        "net",
        "--seed",
        "trial",
    ]
    assert "(--percent)" in refusal(run("import", "csv", file, *options, "--skip", "notes"))
    assert "(--skip)" in refusal(run("import", "csv", file, *options, "--percent"))
    lines = answer(run("import", "csv", file, *options, "--percent", "--skip", "notes")).splitlines()
    assert lines[0] == f"{store}: 2 arrays added, 0 filled, 0 already there"
    assert float(answer(run("query", str(cell), "pgd@1/255", "--seed", "3", "--store", store))) == 0.25
    assert "Doe 2024" in answer(run("explain", str(cell), "clean", "--store", store))
    assert "Missing option '--citation'" in refusal(run("import", "csv", file, "--into", store, "--dataset", "cifar10"), 2)


def test_a_failed_import_is_one_line_and_makes_nothing(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "stores").mkdir()
    store = tmp_path / "stores" / "new.h5"
    whole = (folder / "cifar10" / "clean_accuracy.json").read_text()
    (folder / "cifar10" / "clean_accuracy.json").write_text(whole[:-4])
    assert "clean_accuracy.json is not whole, valid JSON" in refusal(run("import", "jung2023", folder, "--into", store))
    (folder / "meta.json").unlink()
    assert "SourceError: " in refusal(run("import", "jung2023", folder, "--into", store))
    assert "absent does not exist" in refusal(run("import", "jung2023", tmp_path / "absent", "--into", store))
    assert list(store.parent.iterdir()) == []


def test_verify_counts_what_it_checked(run: Run, small_store: Path) -> None:
    assert answer(run("verify", small_store)) == f"{small_store}: {18 + 5} datasets, all as they were written\n"


def test_verify_of_a_damaged_store_exits_with_1_and_names_the_array(run: Run, small_store: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.h5"
    shutil.copy(small_store, damaged)
    with tampered(damaged) as file:
        file["metrics/toy10/standard/clean/accuracy"][7] = 1
    assert "DamagedStore: " in refusal(run("verify", damaged))
    assert "/metrics/toy10/standard/clean/accuracy has changed since it was written" in refusal(run("verify", damaged))


def test_verify_of_a_flipped_bit_exits_with_1(run: Run, small_store: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.h5"
    content = bytearray(small_store.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    assert "DamagedStore: " in refusal(run("verify", damaged))
    assert "its bytes have changed since they were written" in refusal(run("verify", damaged))
    shutil.copy(small_store, damaged)
    flip(damaged, "/metrics/toy100/standard/pgd/accuracy")
    assert "/metrics/toy100/standard/pgd/accuracy cannot be read" in refusal(run("verify", damaged))


def test_verify_of_another_file_exits_with_1(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a store")
    assert refusal(run("verify", tmp_path / "notes.txt")).startswith("Error: NotAStore: ")


def test_import_is_silent_where_stderr_is_no_terminal(folder: Path, tmp_path: Path) -> None:
    command: list[str | Path] = [sys.executable, "-c", IMPORT, "import", "jung2023", folder, "--into", tmp_path / "new.h5"]
    quiet = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (quiet.returncode, quiet.stderr) == (0, "")


def test_import_shows_a_bar_that_gets_to_the_end_on_a_terminal(folder: Path, tmp_path: Path) -> None:
    pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")
    command: list[str | Path] = [sys.executable, "-c", IMPORT, "import", "jung2023", folder, "--into", tmp_path / "new.h5"]
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, text=True) as process:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 4096):
                shown += part
        except OSError:  # how Linux says that the other side has closed
            pass
        assert process.stdout is not None
        assert process.stdout.read().startswith(f"{tmp_path / 'new.h5'}: 1 arrays added")
    os.close(ours)
    assert process.returncode == 0
    assert b"jung:" in shown
    assert b"100%" in shown


def test_of_two_imports_into_one_store_one_waits_and_says_so(tmp_path: Path) -> None:
    """Real processes: while the first holds the lock, two imports wait; then both put their data into the one store."""
    store = tmp_path / "new.h5"
    jung(tmp_path / "jung", {"cifar10/clean_accuracy": {FIRST: 0.5}})
    write_csv(tmp_path / "hw_cifar10.csv", ["net", "fpga_energy"], [[str(CELL[int(FIRST)].to_naslib()), 0.25]])
    sources = {"jung2023": tmp_path / "jung", "hwnasbench": tmp_path / "hw_cifar10.csv"}
    notice = f"{store} is being written by another process; waiting for it to end.\n"
    with only_writer(store):
        started = [
            subprocess.Popen(
                [sys.executable, "-c", IMPORT, "import", source, str(path), "--into", str(store)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for source, path in sources.items()
        ]
        for process in started:
            assert process.stderr is not None
            assert select.select([process.stderr], [], [], 60)[0], "it neither waits nor ends"
            assert process.stderr.readline() == notice
        assert not store.exists()
    for process in started:
        output, rest = process.communicate(timeout=60)
        assert process.returncode == 0
        assert output.startswith(f"{store}: 1 arrays added")
        assert set(rest.splitlines(keepends=True)) <= {notice}  # whoever comes second may wait once more
    bench = RobBench(store)
    assert (bench.query(CELL[int(FIRST)], "clean"), bench.query(CELL[int(FIRST)], "fpga_energy")) == (0.5, 0.25)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
