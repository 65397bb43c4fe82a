from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from robbench import RobBench, __version__
from robbench.cli import main
from robbench.spaces.nb201 import Cell
from robbench.spaces.nb201.identity import class_key, twin_key
from robbench.store.arrays import Array
from robbench.store.writing import extend
from tests.sources.published import CELL, evaluated, isomorphic, jung, write_csv

Run = Callable[..., Result]
FIRST = evaluated()[0]
ARCH = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"
COMMANDS = [
    "import",
    "info",
    "query",
    "top",
    "table",
    "explain",
    "fit",
    "predict",
    "verify",
    "cell",
    "correlate",
    "pareto",
    "best",
    "neighbors",
    "anomalies",
    "search",
    "papers",
    "plot",
]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """`robbench` with these arguments, in this process."""
    monkeypatch.delenv("ROBBENCH_STORE", raising=False)

    def robbench(*arguments: object) -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return robbench


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return jung(tmp_path / "jung", {"cifar10/clean_accuracy": {FIRST: 0.5}})


def answer(result: Result) -> str:
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return result.stdout


def refusal(result: Result, code: int = 1) -> str:
    """The error of a failed command: on stderr, in one line if the data is at fault, and no traceback."""
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    if code == 1:
        assert result.stderr.count("\n") == 1
        assert result.stderr.startswith("Error: ")
    return result.stderr


def test_the_version_is_the_packages(run: Run) -> None:
    assert answer(run("--version")) == f"robbench, version {__version__}\n"


def test_every_command_explains_itself(run: Run) -> None:
    overview = answer(run("--help"))
    assert sorted(main.commands) == sorted(COMMANDS)
    for command in COMMANDS:
        assert f"\n  {command} " in overview
        assert answer(run(command, "--help")).startswith("Usage: ")


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


def test_info_lists_what_the_store_holds(run: Run, small_store: Path) -> None:
    text = answer(run("info", "--store", small_store))
    lines = text.splitlines()
    assert lines[0].startswith(f"{small_store}: 18 arrays, ")
    assert lines[0].endswith("default dataset toy10")
    assert lines[2].split()[:4] == ["dataset", "training", "metric", "measure"]
    assert len(lines) == 3 + 18
    assert re.search(r"toy10 +standard +pgd +accuracy +class +fraction +synthetic +0\.5/255, 1/255, 2/255, 8/255", text)
    assert re.search(r"toy10 +pgd-8/255 +clean +accuracy +class +fraction +synthetic +777, 888, 999", text)


def test_info_as_json_says_the_same(run: Run, small_store: Path) -> None:
    found = json.loads(answer(run("info", "--store", small_store, "--json")))
    assert (found["store"], found["default_dataset"]) == (str(small_store), "toy10")
    assert found["metrics"] == RobBench(small_store).metrics().to_dict("records")


def test_query_prints_the_number_that_the_library_gives(run: Run, small_store: Path, bench: RobBench) -> None:
    cases: list[tuple[list[str], float]] = [
        (["clean"], bench.query(ARCH, "clean")),
        (["pgd@1/255"], bench.query(ARCH, "pgd", eps=1 / 255)),
        (["fog@3"], bench.query(ARCH, "fog", severity=3)),
        (["pgd@1.5/255", "--interpolate"], bench.query(ARCH, "pgd", eps=1.5 / 255, interpolate=True)),
        (["clean", "--dataset", "toy100"], bench.query(ARCH, "clean", dataset="toy100")),
        (["clean", "--training", "pgd-8/255", "--seed", "888"], bench.query(ARCH, "clean", training="pgd-8/255", seed=888)),
        (["mean_corruption"], bench.query(ARCH, "mean_corruption")),
    ]
    for arguments, expected in cases:
        assert float(answer(run("query", ARCH, *arguments, "--store", small_store))) == expected
        found = json.loads(answer(run("query", ARCH, *arguments, "--store", small_store, "--json")))
        assert found == {"arch": ARCH, "metric": arguments[0], "value": expected}


def test_query_takes_a_published_index(run: Run, small_store: Path, bench: RobBench) -> None:
    assert float(answer(run("query", "3456", "clean", "--store", small_store))) == bench.query(3456, "clean")


def test_query_prints_arrays_too(run: Run, small_store: Path, bench: RobBench) -> None:
    found = json.loads(answer(run("query", ARCH, "clean:confusion", "--store", small_store, "--json")))
    assert found["value"] == bench.query(ARCH, "clean", measure="confusion").tolist()
    assert len(answer(run("query", ARCH, "clean:confusion", "--store", small_store)).splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["|none~0|", "clean"], "UnknownArchitecture: '|none~0|' has 1 parts"),
        (["15625", "clean"], "UnknownArchitecture: 15625 is not a published index"),
        ([ARCH, "pdg"], "UnknownMetric: 'pdg' is not a metric. Did you mean 'pgd'"),
        ([ARCH, "pgd"], "LevelNotMeasured: pgd on toy10 needs a level: eps=…. Measured: 0.5/255"),
        ([ARCH, "pgd@8"], "UnknownMetric: eps=8 is outside [0, 1]"),
        ([ARCH, "pgd@3/255"], "LevelNotMeasured: pgd on toy10 was not measured at eps 0.0117647 (= 3/255)"),
        ([ARCH, "snow@1"], "NotMeasured: snow (accuracy) of toy10 is not in small.h5"),
        ([ARCH, "clean", "--dataset", "toy1"], "UnknownMetric: dataset 'toy1' is not in small.h5. Did you mean"),
        ([ARCH, "clean", "--training", "x"], "UnknownMetric: training 'x' is not in small.h5"),
        ([ARCH, "clean", "--training", "pgd-8/255", "--seed", "5"], "NotMeasured: clean was not measured with seed 5"),
    ],
)
def test_a_question_without_an_answer_is_one_line_on_stderr(arguments: list[str], message: str, run: Run, small_store: Path) -> None:
    assert refusal(run("query", *arguments, "--store", small_store)).startswith(f"Error: {message}")
    assert refusal(run("explain", *arguments, "--store", small_store)).startswith(f"Error: {message}")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["query", ARCH],
        ["query", ARCH, "clean", "--store", "x.h5", "--seed", "first"],
        ["query", ARCH, "clean", "--store", "x.h5", "--eps", "1"],
        ["top", "clean", "--store", "x.h5", "-n", "0"],
        ["import", "jung2023", "folder"],
        ["import", "jung", "folder", "--into", "x.h5"],
        ["verify"],
        ["cell"],
    ],
)
def test_wrong_usage_exits_with_2_and_says_how(arguments: list[str], run: Run) -> None:
    assert "Usage: " in refusal(run(*arguments), 2)


def test_a_missing_store_is_named(run: Run, tmp_path: Path) -> None:
    for command in (["info"], ["query", ARCH, "clean"], ["top", "clean"], ["table"], ["explain", ARCH, "clean"], ["cell", ARCH]):
        error = refusal(run(*command, "--store", tmp_path / "absent.h5"))
        assert error.startswith(f"Error: NotAStore: {tmp_path / 'absent.h5'} does not exist")
    assert refusal(run("verify", tmp_path / "absent.h5")).startswith("Error: NotAStore: ")


def test_the_environment_names_a_default_store(run: Run, small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = answer(run("query", ARCH, "clean", "--store", small_store))
    monkeypatch.setenv("ROBBENCH_STORE", str(small_store))
    assert answer(run("query", ARCH, "clean")) == expected
    for command in (["info"], ["top", "clean"], ["table", "clean"], ["explain", ARCH, "clean"], ["cell", "3456"]):
        answer(run(*command))
    assert "absent.h5 does not exist" in refusal(run("query", ARCH, "clean", "--store", tmp_path / "absent.h5"))


def test_top_lists_the_best_first(run: Run, small_store: Path, bench: RobBench) -> None:
    expected = bench.top("pgd@1/255", 4)
    assert json.loads(answer(run("top", "pgd@1/255", "-n", 4, "--store", small_store, "--json"))) == expected.to_dict("records")
    lines = answer(run("top", "pgd@1/255", "-n", 4, "--store", small_store)).splitlines()
    assert lines[0].split() == ["arch", "class_key", "pgd@1/255"]
    assert [line.split()[0] for line in lines[1:]] == expected["arch"].tolist()
    assert len(answer(run("top", "clean", "--dataset", "toy100", "--store", small_store)).splitlines()) == 11


def test_top_as_json_gives_values_to_the_last_digit(run: Run, small_store: Path, bench: RobBench) -> None:
    found = json.loads(answer(run("top", "synflow", "-n", 3, "--store", small_store, "--json")))
    assert [row["synflow"] for row in found] == bench.top("synflow", 3)["synflow"].tolist()


def test_table_is_csv_on_stdout_or_in_a_file(run: Run, small_store: Path, bench: RobBench, tmp_path: Path) -> None:
    expected = bench.table(metrics=["clean", "pgd@1/255"])
    text = answer(run("table", "clean", "pgd@1/255", "--store", small_store))
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(text), index_col="arch"), expected)
    assert answer(run("table", "clean", "pgd@1/255", "--store", small_store, "--out", tmp_path / "t.csv")) == ""
    assert (tmp_path / "t.csv").read_text() == text


def test_table_is_parquet_where_the_name_says_so(run: Run, small_store: Path, bench: RobBench, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    assert answer(run("table", "--store", small_store, "--dataset", "toy100", "--out", tmp_path / "t.parquet")) == ""
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet"), bench.table("toy100"))


def test_parquet_without_pyarrow_is_wrong_usage(run: Run, small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(*_: object, **__: object) -> None:
        raise ImportError("no pyarrow")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", without)
    error = refusal(run("table", "clean", "--store", small_store, "--out", tmp_path / "t.parquet"), 2)
    assert "writing Parquet needs pyarrow: pip install 'robbench[parquet]'" in error


@pytest.mark.parametrize("name", ["absent/t.csv", "absent/t.parquet", "."])
def test_a_table_that_cannot_be_written_is_an_error_of_one_line(name: str, run: Run, small_store: Path, tmp_path: Path) -> None:
    result = run("table", "clean", "--store", small_store, "--out", tmp_path / name)
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    assert str(tmp_path) in result.stderr


def test_explain_says_where_a_number_comes_from(run: Run, small_store: Path, bench: RobBench) -> None:
    expected = bench.explain(ARCH, "mean_corruption")
    found = json.loads(answer(run("explain", ARCH, "mean_corruption", "--store", small_store, "--json")))
    assert found == json.loads(json.dumps(expected._asdict()))
    assert found["how"] == "derived"
    text = answer(run("explain", ARCH, "mean_corruption", "--store", small_store))
    assert f"value        {expected.value}\n" in text
    assert "how          derived\n" in text
    assert "from         toy10/standard/fog/accuracy\n               citation: made up\n" in text
    assert "from         toy10/standard/contrast/accuracy\n" in text


def test_explain_of_an_array_is_json_too(run: Run, small_store: Path, bench: RobBench) -> None:
    found = json.loads(answer(run("explain", ARCH, "clean:confusion", "--store", small_store, "--json")))
    assert found["value"] == bench.query(ARCH, "clean", measure="confusion").tolist()


def test_verify_counts_what_it_checked(run: Run, small_store: Path) -> None:
    assert answer(run("verify", small_store)) == f"{small_store}: {18 + 5} datasets, all as they were written\n"


def test_verify_of_a_damaged_store_exits_with_1_and_names_the_array(run: Run, small_store: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.h5"
    shutil.copy(small_store, damaged)
    with h5py.File(damaged, "r+") as file:
        file["metrics/toy10/standard/clean/accuracy"][7] = 1
    assert "DamagedStore: " in refusal(run("verify", damaged))
    assert "/metrics/toy10/standard/clean/accuracy has changed since it was written" in refusal(run("verify", damaged))


def test_verify_of_a_flipped_bit_exits_with_1(run: Run, small_store: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.h5"
    with h5py.File(small_store) as file:
        chunk = file["metrics/toy100/standard/pgd/accuracy"].id.get_chunk_info(0)
    content = bytearray(small_store.read_bytes())
    content[chunk.byte_offset + chunk.size // 2] ^= 1
    damaged.write_bytes(content)
    error = refusal(run("verify", damaged))
    assert error.startswith("Error: DamagedStore: ")
    assert "/metrics/toy100/standard/pgd/accuracy" in error


def test_verify_of_another_file_exits_with_1(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a store")
    assert refusal(run("verify", tmp_path / "notes.txt")).startswith("Error: NotAStore: ")


def facts(run: Run, *arguments: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer(run("cell", *arguments, "--json")))
    return found


@pytest.fixture
def store_without_index(synthetic_arrays: list[Array], tmp_path: Path) -> Path:
    extend(tmp_path / "plain.h5", synthetic_arrays[:1])
    return tmp_path / "plain.h5"


def test_cell_draws_and_names_an_architecture(run: Run, small_store: Path, bench: RobBench) -> None:
    text = answer(run("cell", ARCH, "--store", small_store))
    assert text.startswith("from \\ to        node 1           node 2           node 3 (output)\nnode 0 (input)   conv 3×3")
    assert f"\narch                {ARCH}\n" in text
    assert f"\npublished index     {bench.published_index(ARCH)}\n" in text
    assert f"\nclass key           {class_key(Cell.parse(ARCH))}\n" in text
    assert f"\ntwin key            {twin_key(Cell.parse(ARCH))}\n" in text


def test_cell_in_a_store_without_index_says_so(run: Run, store_without_index: Path) -> None:
    assert facts(run, ARCH, "--store", store_without_index)["published index"] is None
    assert "\npublished index     unknown without a store that carries it\n" in answer(run("cell", ARCH, "--store", store_without_index))
    assert "plain.h5 carries no published index" in refusal(run("cell", "3456", "--store", store_without_index))


def test_cell_knows_its_class_and_twins(run: Run, small_store: Path) -> None:
    found = facts(run, FIRST, "--store", small_store)
    assert found["published index"] == FIRST
    assert found["cells of the class"] == len(isomorphic(FIRST))
    assert found["representative"] == str(CELL[isomorphic(FIRST)[0]])
    assert found["naslib"] == str(CELL[FIRST].to_naslib())
    mine = twin_key(CELL[FIRST])
    twins = [str(CELL[index]) for index in evaluated() if twin_key(CELL[index]) == mine and index != FIRST]
    assert sorted(found["twins"]) == sorted(twins)
    assert len(twins) > 3
    text = answer(run("cell", FIRST, "--store", small_store))
    assert all(twin in text for twin in twins)


def test_cell_of_every_spelling_has_one_class_and_its_own_index(run: Run, small_store: Path) -> None:
    found = [facts(run, CELL[index], "--store", small_store) for index in isomorphic(FIRST)[:4]]
    assert [fact["published index"] for fact in found] == isomorphic(FIRST)[:4]
    assert len({(fact["class key"], fact["representative"], tuple(fact["twins"])) for fact in found}) == 1


def test_cell_without_twins_says_none(run: Run, small_store: Path) -> None:
    alone = "|nor_conv_3x3~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|avg_pool_3x3~0|nor_conv_3x3~1|nor_conv_1x1~2|"
    assert facts(run, alone, "--store", small_store)["twins"] == []
    assert "\ntwins               none\n" in answer(run("cell", alone, "--store", small_store))


def test_cell_of_nonsense_is_refused(run: Run, small_store: Path) -> None:
    assert "UnknownArchitecture: '|x~0|' has 1 parts" in refusal(run("cell", "|x~0|", "--store", small_store))
    assert "UnknownArchitecture: 99999 is not a published index" in refusal(run("cell", "99999", "--store", small_store))


def test_the_installed_command_answers_on_stdout_and_errs_on_stderr(small_store: Path, bench: RobBench) -> None:
    installed = shutil.which("robbench", path=str(Path(sys.executable).parent))
    if installed is None:
        pytest.skip("the command robbench is not installed beside this Python")
    environment = {**os.environ, "ROBBENCH_STORE": str(small_store)}
    good = subprocess.run([installed, "query", ARCH, "pgd@1/255"], env=environment, capture_output=True, text=True, check=False)
    assert (good.returncode, good.stdout, good.stderr) == (0, f"{bench.query(ARCH, 'pgd', eps=1 / 255)}\n", "")
    bad = subprocess.run([installed, "query", ARCH, "pgd@8"], env=environment, capture_output=True, text=True, check=False)
    assert (bad.returncode, bad.stdout, bad.stderr.count("\n")) == (1, "", 1)
    assert bad.stderr.startswith("Error: UnknownMetric: eps=8 is outside [0, 1]")


IMPORT = "import sys; from robbench.cli import main; main()"


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


def test_json_never_holds_what_json_cannot(run: Run, small_store: Path) -> None:
    """NaN and Infinity are not JSON, whatever Python's own reader takes."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    for command in (["info"], ["top", "synflow", "-n", "3"], ["query", ARCH, "clean"], ["explain", ARCH, "pgd@1/255"]):
        json.loads(answer(run(*command, "--store", small_store, "--json")), parse_constant=refuse)
    assert np.isfinite(json.loads(answer(run("query", ARCH, "clean", "--store", small_store, "--json")))["value"])
