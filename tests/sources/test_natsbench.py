from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from robbench import RobBench
from robbench.errors import SourceError
from robbench.sources import import_source, natsbench
from robbench.sources.reading import Reading
from robbench.spaces import nb201
from robbench.store import Store
from robbench.store.arrays import Name
from tests.sources.published import CELL, NATS_HEADER, evaluated, isomorphic, nats_rows, refused, unreadable, write_csv

DATASETS = ("cifar10", "cifar100", "ImageNet16-120")
Rows = list[list[Any]]


def written(path: Path, change: Callable[[Rows], object]) -> Path:
    """The CSV file with its rows changed in place by `change`."""
    rows: Rows = nats_rows()
    change(rows)
    return write_csv(path, NATS_HEADER, rows)


def short(path: Path, change: Callable[[Rows], object]) -> Path:
    """As `written`, with four rows only: enough for `unreadable`, and quicker."""
    rows: Rows = nats_rows()[:4]
    change(rows)
    return write_csv(path, NATS_HEADER, rows)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "nats_bench.csv"


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with `nats_rows`.  Shared: not to be changed."""
    folder = tmp_path_factory.mktemp("nats")
    import_source("natsbench", write_csv(folder / "nats_bench.csv", NATS_HEADER, nats_rows()), folder / "store.h5")
    return folder / "store.h5"


def test_every_percent_comes_back_as_a_fraction_of_its_exact_cell(imported: Path) -> None:
    rows = nats_rows()
    bench = RobBench(imported)
    assert bench.default_dataset == "cifar10"
    for column, dataset in enumerate(DATASETS):
        expected = [float(str(row[column])) / 100 for row in rows]
        assert bench.query_many([str(row[3]) for row in rows], "clean", dataset=dataset).tolist() == expected
        assert [bench.query(index, "clean", dataset=dataset) for index in range(0, nb201.SIZE, 500)] == expected[::500]


def test_isomorphic_cells_keep_their_own_values(imported: Path) -> None:
    same_class = isomorphic(evaluated()[0])
    values = RobBench(imported).query_many(same_class, "clean")
    assert len(set(values)) == len(same_class) > 1


def test_the_row_number_is_the_published_index(imported: Path) -> None:
    bench = RobBench(imported)
    assert all(bench.published_index(CELL[index]) == index for index in range(0, nb201.SIZE, 100))
    with Store(imported) as store:
        assert store.names() == sorted(Name(dataset, "nb201-200", "clean", "accuracy") for dataset in DATASETS)
        assert {store.header(name).rows for name in store.names()} == {"cell"}


def test_columns_are_found_by_name(file: Path, new_store: Path) -> None:
    rows = [row[::-1] for row in nats_rows()]
    import_source("natsbench", write_csv(file, NATS_HEADER[::-1], rows), new_store)
    assert RobBench(new_store).query(7, "clean") == float(str(rows[7][4])) / 100


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (100.001, "is '100.001'; expected an accuracy, 0 to 100 percent"),
        (-0.5, "is '-0.5'; expected an accuracy, 0 to 100 percent"),
        ("nan", "is 'nan'; expected a number"),
        ("", "is ''; expected a number"),
        ("True", "is 'True'; expected a number"),
        ("many", "is 'many'; expected a number"),
    ],
)
def test_what_is_no_percentage_is_refused(value: object, message: str, file: Path) -> None:
    def change(rows: Rows) -> None:
        rows[3][1] = value

    unreadable("natsbench", short(file, change), rf"nats_bench\.csv: row 3, CIFAR100TestAccuracy200Epochs {message}")


def test_a_bad_value_leaves_the_store_as_it_was(file: Path, store: Path) -> None:
    def change(rows: Rows) -> None:
        rows[15000][0] = 101

    refused("natsbench", written(file, change), store, "row 15000, CIFAR10TestAccuracy200Epochs is '101'")


def test_a_csv_without_an_accuracy_column_is_refused(file: Path, store: Path) -> None:
    write_csv(file, NATS_HEADER[1:], (row[1:] for row in nats_rows()))
    refused("natsbench", file, store, r"has the columns CIFAR100.*; expected ArchitectureString, CIFAR100.*, CIFAR10Test.*, ImageNet")


def no_index(path: Path, message: str) -> None:
    """Assert that no numbering of the cells can be read."""
    with pytest.raises(SourceError, match=message):
        natsbench.index(path, Reading(path))


def test_a_csv_without_architectures_is_refused(file: Path) -> None:
    no_index(write_csv(file, NATS_HEADER[:3], []), r"has the columns CIFAR10.*; expected ArchitectureString")


def test_a_mangled_architecture_is_refused_with_its_row_and_edge(file: Path) -> None:
    def change(rows: Rows) -> None:
        rows[2][3] = "|avg_pool_3x3~0|+|none~0|none~1|+|none~0|none~1|nor_conv_5x5~2|"

    no_index(short(file, change), r"nats_bench\.csv, row 2: 'nor_conv_5x5' on edge 2→3 is not an operation")


def test_a_cell_that_is_there_twice_is_refused(file: Path) -> None:
    def change(rows: Rows) -> None:
        rows[3] = rows[1]

    no_index(short(file, change), r"nats_bench\.csv, row 3: \|.*\| is there twice")


@pytest.mark.parametrize(("kept", "found"), [(0, 0), (1, 1), (nb201.SIZE - 1, nb201.SIZE - 1)])
def test_a_wrong_number_of_rows_is_refused(kept: int, found: int, file: Path) -> None:
    no_index(write_csv(file, NATS_HEADER, nats_rows()[:kept]), rf"nats_bench\.csv has {found} rows; expected 15625, one for each cell")


@pytest.mark.parametrize("end", [0.001, 0.9999])
def test_a_csv_cut_short_is_refused(end: float, file: Path, store: Path) -> None:
    whole = written(file, lambda rows: rows).read_bytes()
    file.write_bytes(whole[: int(len(whole) * end)])
    refused("natsbench", file, store, r"nats_bench\.csv.*(cut short|Download it again|is not an operation|parts separated|begin and end)")


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path, store: Path) -> None:
    refused("natsbench", tmp_path, store, "cannot be read: .*directory")


def test_every_published_value_comes_back(reference: Path, published: RobBench, new_store: Path) -> None:
    path = reference / "natsbench" / "nats_bench.csv"
    import_source("natsbench", path, new_store)
    bench = RobBench(new_store)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    archs = [row["ArchitectureString"] for row in rows]
    for dataset, column in zip(DATASETS, NATS_HEADER, strict=False):
        assert bench.query_many(archs, "clean", dataset=dataset).tolist() == [float(row[column]) / 100 for row in rows]
    assert bench.query_many(range(100), "clean").tolist() == [float(row[NATS_HEADER[0]]) / 100 for row in rows[:100]]
    best = bench.top("clean", 3)
    assert {bench.published_index(arch) for arch in best["arch"][:2]} == {6111, 13714}
    assert best["clean"].round(6).tolist()[:2] == [0.943733, 0.943733]
    assert best["clean"][2] < 0.943733
    assert all(bench.parse(index) == published.parse(index) for index in range(nb201.SIZE)), "the numbering is that of jung2023"
