from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from robbench import RobBench
from robbench.errors import NotMeasured
from robbench.sources import import_source
from robbench.spaces.nb201 import Cell
from robbench.store import Store
from robbench.store.arrays import Name
from tests.sources.published import refused, unreadable, write_csv

TUPLE = "(4, 0, 3, 1, 4, 3)"
ARCH = "|avg_pool_3x3~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_1x1~2|"
OTHER = "(2, 2, 2, 2, 2, 2)"
OTHER_ARCH = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
COSTS = ["edgegpu_latency", "edgegpu_energy", "raspi4_latency", "edgetpu_latency", "pixel3_latency"]
COSTS += ["eyeriss_latency", "eyeriss_energy", "eyeriss_arithmetic_intensity", "fpga_latency", "fpga_energy"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "hw_cifar100.csv"


def test_every_cost_comes_back_of_the_right_cell(file: Path, new_store: Path) -> None:
    values = [0.1 * i for i in range(len(COSTS))]
    report = import_source("hwnasbench", write_csv(file, ["net", *COSTS], [[TUPLE, *values], [OTHER, *values[::-1]]]), new_store)
    bench = RobBench(new_store)
    assert bench.datasets == ["cifar100"]
    assert [bench.query(ARCH, cost) for cost in COSTS] == values
    assert [bench.query(OTHER_ARCH, cost) for cost in COSTS] == values[::-1]
    assert (report.sentinels, report.ignored, report.absent) == ({}, [], [])
    with Store(new_store) as store:
        assert store.header(Name("cifar100", "untrained", "fpga_energy", "value")).unit == "mJ"
        assert store.header(Name("cifar100", "untrained", "pixel3_latency", "value")).unit == "ms"


def test_what_was_not_measured_is_missing_and_counted(file: Path, new_store: Path) -> None:
    write_csv(file, ["net", "pixel3_latency", "fpga_energy"], [[TUPLE, -1, "-1.0"], [OTHER, 0.5, -1]])
    report = import_source("hwnasbench", file, new_store)
    assert report.sentinels == {"pixel3_latency": 1, "fpga_energy": 2}
    bench = RobBench(new_store)
    assert bench.query(OTHER_ARCH, "pixel3_latency") == 0.5
    for arch, cost in ((ARCH, "pixel3_latency"), (ARCH, "fpga_energy"), (OTHER_ARCH, "fpga_energy")):
        with pytest.raises(NotMeasured, match=f"{cost} of cifar100"):
            bench.query(arch, cost)


def test_columns_that_are_no_costs_we_know_are_reported(file: Path, new_store: Path) -> None:
    report = import_source("hwnasbench", write_csv(file, ["abacus_latency", "net", "fpga_energy"], [[9, TUPLE, 1]]), new_store)
    assert report.ignored == ["abacus_latency"]


@pytest.mark.parametrize("name", ["hw.csv", "hw_cifar11.csv", "costs.csv", "hw_cifar10_copy.csv"])
def test_a_file_of_another_name_is_refused(name: str, tmp_path: Path, store: Path) -> None:
    path = write_csv(tmp_path / name, ["net", "fpga_energy"], [[TUPLE, 1]])
    refused("hwnasbench", path, store, rf"{name} does not say its dataset in its name; expected one of hw_cifar10\.csv, hw_cifar100\.csv")


def test_a_csv_without_tuples_is_refused(file: Path) -> None:
    unreadable("hwnasbench", write_csv(file, ["arch", "fpga_energy"], [[TUPLE, 1]]), "has the columns arch, fpga_energy; expected net")


def test_what_is_no_tuple_is_refused(file: Path) -> None:
    unreadable("hwnasbench", write_csv(file, ["net", "fpga_energy"], [[ARCH, 1]]), r"hw_cifar100\.csv: '.*' is not a NASLib tuple")


def test_a_cell_that_is_there_twice_is_refused(file: Path, store: Path) -> None:
    write_csv(file, ["net", "fpga_energy"], [[TUPLE, 1], [OTHER, 1], [TUPLE, 1]])
    refused("hwnasbench", file, store, r"hw_cifar100\.csv: \(4, 0, 3, 1, 4, 3\) is there twice")


@pytest.mark.parametrize("value", ["nan", "inf", "", "many", "8_5", " 1", "1 ", "٣", "True", "0x1", "1e999"])
def test_what_is_no_number_is_refused(value: str, file: Path, store: Path) -> None:
    write_csv(file, ["net", "fpga_energy"], [[OTHER, 1], [TUPLE, value]])
    refused("hwnasbench", file, store, r"hw_cifar100\.csv: fpga_energy of \(4, 0, 3, 1, 4, 3\) is '.*'; expected a number")


@pytest.mark.parametrize("value", ["-5", "-0.001", "-1.5", "-1e8"])
def test_a_negative_latency_is_refused_but_for_the_sentinel(value: str, file: Path, store: Path) -> None:
    write_csv(file, ["net", "pixel3_latency"], [[OTHER, -1], [TUPLE, value]])
    message = rf"pixel3_latency of .* is '{re.escape(value)}'; expected at least 0 \(its unit is ms\), or -1 for what is missing"
    refused("hwnasbench", file, store, message)


def test_a_column_that_is_there_twice_is_refused(file: Path, store: Path) -> None:
    write_csv(file, ["net", "fpga_energy", "fpga_energy"], [[TUPLE, 1, 2]])
    refused("hwnasbench", file, store, "has the column 'fpga_energy' twice; expected each once")


@pytest.mark.parametrize("column", ["clean", "pgd", "fog", "mean_corruption", "kernel_parameters"])
def test_a_threat_is_no_cost(column: str, file: Path, new_store: Path) -> None:
    report = import_source("hwnasbench", write_csv(file, ["net", column, "fpga_energy"], [[TUPLE, 1, 2]]), new_store)
    assert (len(report.changes.added), report.ignored) == (1, [column])


def test_a_file_without_a_single_value_is_refused(file: Path, store: Path) -> None:
    for header, rows in ((["net", "fpga_energy"], []), (["net"], [[TUPLE]]), (["net", "abacus_latency"], [[TUPLE, 1]])):
        refused("hwnasbench", write_csv(file, header, rows), store, r"hw_cifar100\.csv holds no")


def test_a_csv_cut_short_is_refused(file: Path, store: Path) -> None:
    whole = write_csv(file, ["net", "fpga_latency", "fpga_energy"], [[TUPLE, 1.25, 1.25], [OTHER, 1.25, 1.25]]).read_text()
    for end in (whole.rindex("1.25,1.25"), whole.rindex(",1.25"), len(whole) - 3):
        file.write_text(whole[:end])
        refused("hwnasbench", file, store, "the file is cut short")


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path, store: Path) -> None:
    (tmp_path / "hw_cifar10.csv").mkdir()
    refused("hwnasbench", tmp_path / "hw_cifar10.csv", store, "cannot be read: .*directory")


def test_every_published_value_comes_back(reference: Path, new_store: Path) -> None:
    path = reference / "hwnasbench" / "hw_cifar10.csv"
    report = import_source("hwnasbench", path, new_store)
    bench = RobBench(new_store)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    archs = [Cell.from_naslib(json.loads(f"[{row['net'][1:-1]}]")) for row in rows]
    assert len(set(archs)) == 15625
    missing = {}
    for cost in COSTS:
        published = [float(row[cost]) for row in rows]
        answers = bench.query_many(archs, cost, missing="nan")
        missing[cost] = published.count(-1)
        assert [answer for answer in answers.tolist() if answer == answer] == [value for value in published if value != -1]
        assert [answer != answer for answer in answers] == [value == -1 for value in published]
    assert report.sentinels == {cost: count for cost, count in missing.items() if count}
    assert report.ignored == []
