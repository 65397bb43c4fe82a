"""How numbers and tables are printed and written."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robbench import RobBench
from robbench.cli.main import main
from robbench.cli.tables import as_measured, write_table
from tests.cli.running import Run, answer, refusal


@given(st.integers(1, 100_000))
def test_a_decimal_is_printed_as_it_was_written_whatever_its_precision(numerator: int) -> None:
    value = numerator / 100_000
    assert float(as_measured(value)) == value
    assert as_measured(float(np.float32(value))) == as_measured(value)
    assert as_measured(float(np.nextafter(value, 2))) == as_measured(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_no_more_is_rounded_than_single_precision_does(value: float) -> None:
    assert float(as_measured(value)) == pytest.approx(value, rel=2.0**-24, abs=0)


def test_other_numbers_keep_all_digits() -> None:
    assert as_measured(98 / 120) == "0.8166666666666667"
    assert as_measured(0.9409999847412109) == "0.941"


TABLE = pd.DataFrame({"arch": ["|none~0|"], "clean": [0.5], "n": [3], "cost_%": [1 / 3]})


def test_what_is_missing_is_a_dash_in_a_paper(tmp_path: Path) -> None:
    write_table(pd.DataFrame({"clean": [0.5, math.nan], "seed": ["a", None]}), tmp_path / "t.tex")
    assert (tmp_path / "t.tex").read_text().splitlines()[4:6] == [r"0.5 & a \\", r"-- & -- \\"]


def test_a_table_for_a_paper_is_escaped(tmp_path: Path) -> None:
    write_table(TABLE, tmp_path / "t.tex")
    assert (tmp_path / "t.tex").read_text().splitlines() == [
        r"\begin{tabular}{lrrr}",
        r"\toprule",
        r"{arch} & {clean} & {n} & {cost\_\%} \\",
        r"\midrule",
        r"\textbar{}none\textasciitilde{}0\textbar{} & 0.5 & 3 & 0.333333 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_a_workbook_holds_the_table(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    write_table(TABLE, tmp_path / "t.xlsx")
    pd.testing.assert_frame_equal(pd.read_excel(tmp_path / "t.xlsx"), TABLE, check_exact=True)


def test_in_a_workbook_text_is_no_formula_and_what_is_missing_is_empty(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    table = pd.DataFrame({"=source": ["=1+1", None, "0x1"], "value": [math.nan, math.inf, True]})
    write_table(table, tmp_path / "t.xlsx")
    rows = openpyxl.load_workbook(tmp_path / "t.xlsx").active.iter_rows()
    assert [[(cell.value, cell.data_type) for cell in row] for row in rows] == [
        [("=source", "s"), ("value", "s")],
        [("=1+1", "s"), (None, "n")],
        [(None, "n"), ("inf", "s")],
        [("0x1", "s"), (True, "b")],
    ]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pd.DataFrame({"source": ["a\x01b"]}), r"t\.xlsx cannot be written: 'a\\x01b' has characters that a cell cannot hold"),
        (pd.DataFrame({"source": ["a" * 32768]}), "is of 32,768 characters, and a cell holds 32,767"),
        (pd.DataFrame(index=[], columns=range(16385)), "the table has 0 rows and 16,385 columns, and a sheet at most 1,048,575 and 16,384"),
    ],
)
def test_what_a_workbook_cannot_hold_is_refused_and_not_cut(table: pd.DataFrame, message: str, tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    (tmp_path / "t.xlsx").write_text("older")
    with pytest.raises(click.ClickException, match=message):
        write_table(table, tmp_path / "t.xlsx")
    assert (tmp_path / "t.xlsx").read_text() == "older"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(("name", "library"), [("t.parquet", "pyarrow"), ("t.xlsx", "openpyxl"), ("t.csv.zst", "zstandard")])
def test_a_format_whose_library_is_missing_says_which(name: str, library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(click.UsageError, match=rf"writing \.\w+ needs {library}: pip install .*or give a name that ends in \.csv or \.tex"):
        write_table(TABLE, tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["t.png", "t", "t.csv.tex.gz", "t.gz"])
@pytest.mark.parametrize("command", [["top", "clean"], ["table"], ["pareto", "clean"], ["search", "random", "clean"]])
def test_another_ending_is_refused_before_anything_is_computed(name: str, command: list[str], run: Run, tmp_path: Path) -> None:
    error = refusal(run(*command, "--store", tmp_path / "absent.h5", "--out", tmp_path / name), 2)
    assert "does not end in one of .csv, .parquet, .xlsx, .tex (of CSV also .gz" in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "command",
    [
        ["info"],
        ["top", "clean"],
        ["table", "clean"],
        ["correlate", "clean", "pgd@1/255", "--resamples", "0"],
        ["pareto", "clean", "pgd@1/255"],
        ["best", "clean"],
        ["neighbors", "3456", "clean"],
        ["anomalies"],
        ["search", "random", "clean", "--budget", "3"],
        ["papers"],
    ],
    ids=lambda command: command[0],
)
def test_every_table_goes_to_a_file_and_to_programs(command: list[str], run: Run, few_store: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.CSV"
    found = json.loads(answer(run(*command, "--store", few_store, "--out", out, "--json")))
    rows = found if isinstance(found, list) else found[{"info": "metrics", "pareto": "front", "search": "found"}[command[0]]]
    written = pd.read_csv(out)
    assert len(written) == (3 if command[0] == "search" else len(rows))  # of a search the file has every query
    assert set(rows[0] if rows else []) <= {*written.columns, "arch"}


def test_a_workbook_has_the_benchs_table_to_16_digits(run: Run, few_bench: RobBench, tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    metrics, out = ["clean", "pgd@1/255", "synflow"], tmp_path / "t.xlsx"
    answer(run("table", *metrics, "--store", few_bench.path, "--out", out))
    pd.testing.assert_frame_equal(pd.read_excel(out), few_bench.table(metrics).reset_index(), rtol=0.5e-15, atol=0)


def test_every_command_speaks_to_programs() -> None:
    """But for one that runs for hours and whose result is a folder, and one whose result is a JSON file."""

    def leaves(group: click.Group) -> Iterator[tuple[str, click.Command]]:
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if isinstance(command, click.Group):
                yield from ((f"{name} {inner}", leaf) for inner, leaf in leaves(command))
            elif command is not None:
                yield name, command

    found = dict(leaves(main))
    assert len(found) > 40
    silent = {name for name, command in found.items() if not any("--json" in parameter.opts for parameter in command.params)}
    assert silent <= {"build run", "build transfer", "build search"}


def test_anomalies_print_a_page_and_say_how_to_get_the_rest(run: Run, few_store: Path, few_bench: RobBench, tmp_path: Path) -> None:
    every = few_bench.anomalies(threshold=0)
    assert len(every) > 30
    lines = answer(run("anomalies", "--threshold", 0, "--store", few_store)).splitlines()
    assert len(lines) == 1 + 20 + 2
    assert lines[-1] == f"and {len(every) - 20} more: -n {len(every)} prints all, --out FILE writes them, --counts says how many of what"
    assert len(answer(run("anomalies", "--threshold", 0, "-n", len(every), "--store", few_store)).splitlines()) == 1 + len(every)
    answer(run("anomalies", "--threshold", 0, "--out", tmp_path / "a.csv", "--store", few_store))
    assert len(pd.read_csv(tmp_path / "a.csv")) == len(every)
