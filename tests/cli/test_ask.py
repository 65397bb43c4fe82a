"""`robbench info`, `query`, `top`, `table`, `explain`."""

from __future__ import annotations

import errno
import io
import json
import re
from pathlib import Path
from typing import IO

import pandas as pd
import pytest

from robbench import RobBench
from tests.cli.running import ARCH, Run, answer, refusal


def test_info_lists_what_the_store_holds(run: Run, small_store: Path) -> None:
    text = answer(run("info", "--store", small_store))
    lines = text.splitlines()
    assert lines[0].startswith(f"{small_store}: 18 arrays, ")
    assert lines[0].endswith("default dataset toy10")
    assert lines[1] == "15625 architectures of NAS-Bench-201 in 6466 classes"
    assert lines[3].split()[:4] == ["dataset", "training", "metric", "measure"]
    assert len(lines) == 4 + 18
    assert re.search(r"toy10 +standard +pgd +accuracy +class +fraction +synthetic +0\.5/255, 1/255, 2/255, 8/255", text)
    assert re.search(r"toy10 +pgd-8/255 +clean +accuracy +class +fraction +synthetic +777, 888, 999", text)


def test_info_as_json_says_the_same(run: Run, small_store: Path) -> None:
    found = json.loads(answer(run("info", "--store", small_store, "--json")))
    assert (found["store"], found["space"], found["default_dataset"]) == (str(small_store), "nb201", "toy10")
    assert found["metrics"] == RobBench(small_store).metrics().to_dict("records")


def test_query_prints_the_number_that_the_library_gives(run: Run, small_store: Path, bench: RobBench) -> None:
    cases: list[tuple[list[str], float]] = [
        (["clean"], bench.query(ARCH, "clean")),
        (["pgd@1/255"], bench.query(ARCH, "pgd", eps=1 / 255)),
        (["fog@3"], bench.query(ARCH, "fog", severity=3)),
        (["pgd@1.5/255", "--interpolate"], bench.query(ARCH, "pgd", eps=1.5 / 255, interpolate=True)),
        (["worst_case@1.5/255", "--interpolate"], bench.query(ARCH, "worst_case", eps=1.5 / 255, interpolate=True)),
        (["clean", "--dataset", "toy100"], bench.query(ARCH, "clean", dataset="toy100")),
        (["clean", "--training", "pgd-8/255", "--seed", "888"], bench.query(ARCH, "clean", training="pgd-8/255", seed=888)),
        (["mean_corruption"], bench.query(ARCH, "mean_corruption")),
    ]
    for arguments, expected in cases:
        assert float(answer(run("query", ARCH, *arguments, "--store", small_store))) == pytest.approx(expected, rel=1e-7)
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
        ([ARCH, "pgd"], "LevelNotMeasured: pgd on toy10 needs a level, after an @. Measured: 0.5/255"),
        ([ARCH, "pgd@8"], "InvalidArgument: eps=8 is outside [0, 1]"),
        ([ARCH, "pgd@3/255"], "LevelNotMeasured: pgd on toy10 was not measured at eps 0.0117647 (= 3/255)"),
        ([ARCH, "snow@1"], "NotMeasured: snow (accuracy) of toy10 is not in small.h5"),
        ([ARCH, "clean", "--dataset", "toy1"], "NotMeasured: dataset 'toy1' is not in small.h5. Did you mean"),
        ([ARCH, "clean", "--training", "x"], "NotMeasured: training 'x' is not in small.h5"),
        ([ARCH, "clean", "--training", "pgd-8/255", "--seed", "5"], "NotMeasured: clean was not measured with seed 5"),
    ],
)
def test_a_question_without_an_answer_is_one_line_on_stderr(arguments: list[str], message: str, run: Run, small_store: Path) -> None:
    assert refusal(run("query", *arguments, "--store", small_store)).startswith(f"Error: {message}")
    assert refusal(run("explain", *arguments, "--store", small_store)).startswith(f"Error: {message}")


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
    expected = bench.table(["clean", "pgd@1/255"])
    text = answer(run("table", "clean", "pgd@1/255", "--store", small_store))
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(text), index_col="arch"), expected)
    assert answer(run("table", "clean", "pgd@1/255", "--store", small_store, "--out", tmp_path / "t.csv")) == ""
    assert (tmp_path / "t.csv").read_text() == text


def test_table_is_parquet_where_the_name_says_so(run: Run, small_store: Path, bench: RobBench, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    assert answer(run("table", "--store", small_store, "--dataset", "toy100", "--out", tmp_path / "t.parquet")) == ""
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet"), bench.table(dataset="toy100").reset_index())


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_full_disk_leaves_the_table_that_was_there(
    name: str, run: Run, few_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: pd.DataFrame, file: IO[bytes], **__: object) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / name).write_bytes(b"old")
    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    error = refusal(run("table", "clean", "--store", few_store, "--out", tmp_path / name), 1)
    assert "cannot be written: [Errno 28] No space left on device" in error
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(name, b"old")]


def test_a_table_is_packed_as_its_name_says(run: Run, few_store: Path, tmp_path: Path) -> None:
    for name in ("t.csv", "t.csv.gz", "t.csv.zip"):
        assert answer(run("table", "clean", "--store", few_store, "--out", tmp_path / name)) == ""
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "t.csv.gz"), pd.read_csv(tmp_path / "t.csv"))
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "t.csv.zip"), pd.read_csv(tmp_path / "t.csv"))


def test_parquet_without_pyarrow_is_wrong_usage(run: Run, small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(*_: object, **__: object) -> None:
        raise ImportError("no pyarrow")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", without)
    error = refusal(run("table", "clean", "--store", small_store, "--out", tmp_path / "t.parquet"), 2)
    assert "writing .parquet needs pyarrow: pip install 'robbench[parquet]'" in error


@pytest.mark.parametrize("name", ["absent/t.csv", "absent/t.parquet", "."])
def test_a_table_that_cannot_be_written_is_an_error_of_one_line(name: str, run: Run, small_store: Path, tmp_path: Path) -> None:
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    result = run("table", "clean", "--store", small_store, "--out", tmp_path / name)
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    assert str(tmp_path) in result.stderr


def test_explain_says_where_a_number_comes_from(run: Run, small_store: Path, bench: RobBench) -> None:
    expected = bench.explain(ARCH, "mean_corruption")
    found = json.loads(answer(run("explain", ARCH, "mean_corruption", "--store", small_store, "--json")))
    assert found == json.loads(json.dumps(expected._asdict()))
    assert found["how"] == "derived"
    assert found["formula"] == "mean of 10 accuracies, each with weight 1/10: fog at 1, 2, 3, 4, 5; contrast at 1, 2, 3, 4, 5"
    assert found["weights"] == {f"{name}@{severity}": 0.1 for name in ("fog", "contrast") for severity in range(1, 6)}
    text = answer(run("explain", ARCH, "mean_corruption", "--store", small_store))
    assert f"value        {expected.value:.4f}\n" in text
    assert "how          derived\n" in text
    assert "from         toy10/standard/fog/accuracy\n               citation: made up\n" in text
    assert "from         toy10/standard/contrast/accuracy\n" in text


def test_explain_of_an_array_is_json_too(run: Run, small_store: Path, bench: RobBench) -> None:
    found = json.loads(answer(run("explain", ARCH, "clean:confusion", "--store", small_store, "--json")))
    assert found["value"] == bench.query(ARCH, "clean", measure="confusion").tolist()


def test_a_store_of_any_space_answers(run: Run, toy_store: Path, toy_bench: RobBench) -> None:
    assert "\n12 architectures of the toy space in 8 classes\n" in answer(run("info", "--store", toy_store))
    arch = str(toy_bench.architectures[7])
    assert float(answer(run("query", arch, "edgegpu_latency", "--store", toy_store))) == toy_bench.query(arch, "edgegpu_latency")
    assert len(answer(run("top", "synflow", "-n", 12, "--store", toy_store)).splitlines()) == 13
    text = answer(run("table", "--store", toy_store))
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(text), index_col="arch"), toy_bench.table())


def test_an_architecture_of_another_space_is_named_so(run: Run, toy_store: Path) -> None:
    error = refusal(run("query", ARCH, "clean", "--store", toy_store))
    assert error == f"Error: UnknownArchitecture: {ARCH} is an architecture of NAS-Bench-201; expected one of the toy space.\n"


def test_top_and_table_interpolate_where_they_are_told(run: Run, small_store: Path, bench: RobBench) -> None:
    expected = bench.top("pgd@1.5/255", 1, interpolate=True)
    assert json.loads(answer(run("top", "pgd@1.5/255", "-n", 1, "--interpolate", "--store", small_store, "--json"))) == expected.to_dict(
        "records"
    )
    assert len(answer(run("table", "pgd@1.5/255", "--interpolate", "--store", small_store)).splitlines()) == 1 + len(bench.classes)
