from __future__ import annotations

import csv
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from robbench import RobBench
from robbench.errors import NotMeasured
from robbench.sources import import_source
from robbench.spaces import nb201
from robbench.spaces.nb201 import Cell
from robbench.store import Store
from robbench.store.arrays import Name
from tests.sources.published import CELL, evaluated, isomorphic, refused, unreadable, write_csv

TUPLE = "(4, 0, 3, 1, 4, 3)"
ARCH = "|avg_pool_3x3~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_1x1~2|"
OTHER = "(2, 2, 2, 2, 2, 2)"
OTHER_ARCH = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
PROXIES = ["epe_nas", "fisher", "flops", "grad_norm", "grasp", "jacov", "l2_norm", "nwot", "params", "plain", "snip", "synflow"]


def written(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def proxies(path: Path, cells: dict[str, dict[str, Any]]) -> Path:
    return written(path, {"cifar10": cells})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "zc_nasbench201.json"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "zc_nasbench201_cifar100.csv"


def test_plain_values_and_scores_come_back_of_the_right_cell(file: Path, new_store: Path) -> None:
    cells = {
        TUPLE: {"synflow": {"score": 46.62853848216368, "time": 0.5}, "snip": -35.541744232177734, "idx": "3", "arch": TUPLE},
        OTHER: {"synflow": 0, "snip": {"score": 1e-30}},
    }
    written(file, {"cifar10": cells, "ImageNet16-120": {TUPLE: {"synflow": 7}}})
    import_source("nbsuite_zero", file, new_store)
    bench = RobBench(new_store)
    assert bench.query(ARCH, "synflow") == 46.62853848216368
    assert bench.query(ARCH, "snip") == -35.541744232177734
    assert bench.query(OTHER_ARCH, "synflow") == 0
    assert bench.query(OTHER_ARCH, "snip") == 1e-30
    assert bench.query(ARCH, "synflow", dataset="ImageNet16-120") == 7


def test_a_csv_names_its_dataset_in_its_own_name(table: Path, new_store: Path) -> None:
    write_csv(table, ["net", "net_str", "synflow", "jacov"], [[TUPLE, ARCH, 46.5, -0.1], [OTHER, OTHER_ARCH, 1e300, 2]])
    report = import_source("nbsuite_zero", table, new_store)
    bench = RobBench(new_store)
    assert bench.datasets == ["cifar100"]
    assert [bench.query(arch, proxy) for arch in (ARCH, OTHER_ARCH) for proxy in ("synflow", "jacov")] == [46.5, -0.1, 1e300, 2]
    assert report.ignored == []


def test_a_proxy_belongs_to_the_exact_cell(file: Path, new_store: Path) -> None:
    one, other = isomorphic(evaluated()[0])[:2]
    proxies(file, {str(CELL[one].to_naslib()): {"params": 0.5}})
    import_source("nbsuite_zero", file, new_store)
    bench = RobBench(new_store)
    assert bench.query(CELL[one], "params") == 0.5
    with pytest.raises(NotMeasured, match="params of cifar10"):
        bench.query(CELL[other], "params")


def test_validation_accuracy_is_kept_as_a_fraction_beside_the_proxies(file: Path, new_store: Path) -> None:
    import_source("nbsuite_zero", proxies(file, {TUPLE: {"val_accuracy": 86.06, "zen": 1}}), new_store)
    bench = RobBench(new_store)
    assert bench.query(ARCH, "clean", measure="validation_accuracy") == 86.06 / 100
    with Store(new_store) as store:
        assert store.names() == [
            Name("cifar10", "nb201-200", "clean", "validation_accuracy"),
            Name("cifar10", "untrained", "zen", "value"),
        ]


@pytest.mark.parametrize("failed", [-1e8, -100000000, float("-inf"), {"score": -1e8, "time": 3}])
def test_a_failed_proxy_is_missing_and_counted(failed: object, file: Path, new_store: Path) -> None:
    report = import_source("nbsuite_zero", proxies(file, {TUPLE: {"grasp": failed}, OTHER: {"grasp": -1.0}}), new_store)
    bench = RobBench(new_store)
    assert report.sentinels == {"grasp": 1}
    assert bench.query(OTHER_ARCH, "grasp") == -1
    with pytest.raises(NotMeasured, match="grasp of cifar10"):
        bench.query(ARCH, "grasp")


@pytest.mark.parametrize("failed", ["-1e8", "-100000000.0", "-inf", "-Infinity"])
def test_a_failed_proxy_of_a_csv_is_missing_and_counted(failed: str, table: Path, new_store: Path) -> None:
    report = import_source("nbsuite_zero", write_csv(table, ["net", "grasp", "zen"], [[TUPLE, failed, 1], [OTHER, 2, failed]]), new_store)
    assert report.sentinels == {"grasp": 1, "zen": 1}
    assert RobBench(new_store).query(ARCH, "zen") == 1
    with pytest.raises(NotMeasured, match="grasp of cifar100"):
        RobBench(new_store).query(ARCH, "grasp")


def test_fields_that_are_no_proxies_we_know_are_reported(file: Path, new_store: Path) -> None:
    report = import_source("nbsuite_zero", proxies(file, {TUPLE: {"zen": 1, "zico": 2, "arch": TUPLE, "idx": 3}}), new_store)
    assert report.ignored == ["zico"]


@pytest.mark.parametrize("net", ["(4, 0, 3, 1, 4)", "x", ARCH, "(4,0,3,1,4,3)", ""])
def test_what_is_no_tuple_is_refused(net: str, file: Path, table: Path) -> None:
    unreadable("nbsuite_zero", proxies(file, {net: {"zen": 1}}), r"zc_nasbench201\.json: '.*' is not a NASLib tuple")
    unreadable("nbsuite_zero", write_csv(table, ["net", "zen"], [[net, 1]]), r"zc_nasbench201_cifar100\.csv: '.*' is not a NASLib tuple")


def test_an_operation_out_of_range_is_refused(file: Path) -> None:
    unreadable(
        "nbsuite_zero", proxies(file, {"(4, 0, 5, 1, 4, 3)": {"zen": 1}}), "5 on edge 0→3 of the NASLib tuple .* is not an operation"
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True, "many", None, [1], {}, {"time": 1}, {"score": None}])
def test_what_is_no_number_is_refused(value: object, file: Path) -> None:
    cells: dict[str, dict[str, Any]] = {OTHER: {"zen": 1}, TUPLE: {"zen": value}}
    unreadable("nbsuite_zero", proxies(file, cells), r"zc_nasbench201\.json: zen of \(4, 0, 3, 1, 4, 3\) is .*; expected a number")


@pytest.mark.parametrize("value", ["nan", "inf", "", "many", "True", "8_5", " 1"])
def test_what_is_no_number_in_a_csv_is_refused(value: str, table: Path) -> None:
    unreadable("nbsuite_zero", write_csv(table, ["net", "zen"], [[TUPLE, value]]), r"zen of \(4, .*\) is '.*'; expected a number")


def test_a_proxy_that_counts_is_not_negative(file: Path) -> None:
    unreadable(
        "nbsuite_zero", proxies(file, {TUPLE: {"params": -3}}), r"params of .* is -3; expected at least 0 \(its unit is 10\^6\), or -1e\+08"
    )
    unreadable("nbsuite_zero", proxies(file, {TUPLE: {"flops": True}}), "flops of .* is True; expected a number")


@pytest.mark.parametrize("value", [100.1, -1, -1e8])
def test_a_validation_accuracy_is_a_percentage(value: float, file: Path) -> None:
    unreadable("nbsuite_zero", proxies(file, {TUPLE: {"val_accuracy": value}}), "val_accuracy of .* expected an accuracy, 0 to 100 percent")


def test_a_cell_that_is_there_twice_is_refused(table: Path, file: Path, store: Path) -> None:
    write_csv(table, ["net", "zen"], [[TUPLE, 1], [OTHER, 1], [TUPLE, 2]])
    refused("nbsuite_zero", table, store, r"cifar100 \(4, 0, 3, 1, 4, 3\) is there twice")
    file.write_text(f'{{"cifar10": {{"{TUPLE}": {{"zen": 1}}, "{TUPLE}": {{"zen": 2}}}}}}')
    refused("nbsuite_zero", file, store, r"\(4, 0, 3, 1, 4, 3\)'? is there twice")


@pytest.mark.parametrize("content", [[], "x", 3])
def test_a_file_that_is_no_object_is_refused(content: object, file: Path) -> None:
    unreadable("nbsuite_zero", written(file, content), r"zc_nasbench201\.json holds a .*; expected an object")


def test_a_dataset_that_is_no_object_is_refused(file: Path) -> None:
    unreadable("nbsuite_zero", written(file, {"cifar10": [1]}), r"'cifar10' holds \[1\]; expected an object of cells")


def test_a_cell_that_is_no_object_is_refused(file: Path) -> None:
    unreadable("nbsuite_zero", written(file, {"cifar10": {TUPLE: 3}}), r"cifar10 \(4, .*\) is there twice, or is not an object of proxies")


def test_an_unknown_dataset_is_refused(file: Path) -> None:
    unreadable("nbsuite_zero", written(file, {"cifar11": {TUPLE: {"zen": 1}}}), "'cifar11' .*expected .*cifar10, cifar100, ImageNet16-120")


@pytest.mark.parametrize("content", [{}, {"cifar10": {}}, {"cifar10": {TUPLE: {}}}, {"cifar10": {TUPLE: {"zico": 1}}}])
def test_a_file_without_a_single_value_is_refused(content: object, file: Path, store: Path) -> None:
    refused("nbsuite_zero", written(file, content), store, r"zc_nasbench201\.json holds no")


def test_a_csv_without_a_single_value_is_refused(table: Path, store: Path) -> None:
    refused("nbsuite_zero", write_csv(table, ["net", "zen"], []), store, r"zc_nasbench201_cifar100\.csv holds no")


@pytest.mark.parametrize("name", ["zc_nasbench201.csv", "zc_nasbench201_cifar11.csv", "cifar10.txt", "zc_nasbench201_cifar10"])
def test_a_csv_of_another_name_is_refused(name: str, tmp_path: Path, store: Path) -> None:
    path = write_csv(tmp_path / name, ["net", "zen"], [[TUPLE, 1]])
    refused("nbsuite_zero", path, store, f"{name} does not say its dataset in its name; expected a .json file, or one of zc_nasbench201_c")


def test_a_csv_without_tuples_is_refused(table: Path) -> None:
    unreadable("nbsuite_zero", write_csv(table, ["arch", "zen"], [[TUPLE, 1]]), "has the columns arch, zen; expected net")


@pytest.mark.parametrize("end", [0.001, 0.5, 0.999])
def test_a_json_cut_short_is_refused(end: float, file: Path, store: Path) -> None:
    whole = proxies(file, {str(cell.to_naslib()): {"zen": 0.5} for cell in list(nb201.cells())[:300]}).read_text()
    file.write_text(whole[: int(len(whole) * end)])
    refused("nbsuite_zero", file, store, r"zc_nasbench201\.json is not whole, valid JSON")


def test_a_csv_cut_short_is_refused(table: Path, store: Path) -> None:
    whole = write_csv(table, ["net", "zen", "jacov"], [[TUPLE, 1.25, 1.25], [OTHER, 1.25, 1.25]]).read_text()
    for end in (whole.rindex("1.25,1.25"), whole.rindex(",1.25"), len(whole) - 3):
        table.write_text(whole[:end])
        refused("nbsuite_zero", table, store, "the file is cut short")


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path, store: Path) -> None:
    (tmp_path / "proxies.json").mkdir()
    refused("nbsuite_zero", tmp_path / "proxies.json", store, "cannot be read: .*directory")
    refused("nbsuite_zero", tmp_path, store, "does not say its dataset in its name")


def test_every_published_score_of_the_json_comes_back(reference: Path, new_store: Path) -> None:
    path = reference / "nbsuite_zero" / "zc_nasbench201.json"
    report = import_source("nbsuite_zero", path, new_store)
    bench = RobBench(new_store)
    checked = Counter[str]()
    for dataset, cells in json.loads(path.read_text()).items():
        archs = [Cell.from_naslib(json.loads(f"[{key[1:-1]}]")) for key in cells]
        for proxy in PROXIES:
            items = [cell.get(proxy) for cell in cells.values()]
            published = [item["score"] if isinstance(item, dict) else item for item in items]
            answers = bench.query_many(archs, proxy, dataset=dataset, missing="nan")
            for expected, answer in zip(published, answers, strict=True):
                kind = "absent" if expected is None else "failed" if expected in (-1e8, -math.inf) else "measured"
                assert answer == expected if kind == "measured" else math.isnan(answer)
                checked[kind] += 1
        accuracies = [cell["val_accuracy"] / 100 for cell in cells.values()]
        assert bench.query_many(archs, "clean", measure="validation_accuracy", dataset=dataset).tolist() == accuracies
    assert (checked.total(), checked["absent"]) == (12 * (724 + 725 + 724), 0)
    assert sum(report.sentinels.values()) == checked["failed"]


@pytest.mark.parametrize("dataset", ["cifar10", "ImageNet16-120"])
def test_every_published_value_of_the_csv_comes_back(dataset: str, reference: Path, new_store: Path) -> None:
    path = reference / "nbsuite_zero" / f"zc_nasbench201_{dataset}.csv"
    report = import_source("nbsuite_zero", path, new_store)
    bench = RobBench(new_store)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9445
    archs = [str(Cell.from_naslib(json.loads(f"[{row['net'][1:-1]}]"))) for row in rows]
    if "net_str" in rows[0]:
        assert [row["net_str"] for row in rows] == archs, "a second witness for the order of NASLib's tuples"
    failed = Counter[str]()
    for proxy in [*PROXIES, "zen"]:
        for row, answer in zip(rows, bench.query_many(archs, proxy, missing="nan"), strict=True):
            expected = float(row[proxy])
            if expected in (-1e8, -math.inf):
                failed[proxy] += 1
                assert math.isnan(answer)
            else:
                assert answer == expected
    assert report.sentinels == dict(failed)
    assert report.ignored == []
