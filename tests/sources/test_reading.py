from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robbench.errors import SourceError
from robbench.sources.cells import CellReading, naslib_row
from robbench.sources.reading import Reading, fraction, number
from robbench.spaces import nb201
from tests.sources.published import CELL, INDEX, evaluated, isomorphic

HERE = Path("file.json")


def document(path: Path) -> Any:
    return {key: value for (key,), value in Reading(path).members(path, 1)}


def items(path: Path) -> Any:
    return [(keys[1], value) for keys, value in Reading(path).members(path, 2) if keys[0] == "a"]


def records(path: Path) -> Any:
    return list(Reading(path).records(path, {"net"}))


@pytest.fixture(params=["whole", "in parts"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short JSON file read whole, as it is, and in parts, as a long one is."""
    if request.param == "in parts":
        monkeypatch.setattr("robbench.sources.members.WHOLE", 0)


@pytest.fixture
def numbered() -> CellReading:
    reading = CellReading(HERE)
    reading.published_index = INDEX
    return reading


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("read", [document, items])
def test_json_cut_short_anywhere_is_an_error_that_names_the_file(read: Callable[[Path], Any], tmp_path: Path) -> None:
    whole = json.dumps({"a": {str(i): [0.125 * i, [i]] for i in range(40)}, "b": {"c": "d"}})
    path = tmp_path / "cut.json"
    path.write_text(whole)
    assert read(path)
    for end in [0, 1, len(whole) - 1, *random.Random(0).sample(range(len(whole)), 40)]:
        path.write_text(whole[:end])
        with pytest.raises(SourceError, match=r"cut\.json is not whole, valid JSON: .*Download it again") as caught:
            read(path)
        assert "\n" not in str(caught.value), "an error is one line"


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("read", [document, items])
@pytest.mark.parametrize("content", [b'{"a": {"1": 0.5}} x', b'{"a": {"1": \xff\xfe}}', b'{"a": {"\xff": 1}}', b"\x00"])
def test_what_is_not_json_is_an_error(read: Callable[[Path], Any], content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "wrong.json"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"wrong\.json is not whole, valid JSON"):
        read(path)


@pytest.mark.usefixtures("either_way")
def test_json_nested_beyond_reason_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    path.write_text("[" * 100_000)
    with pytest.raises(SourceError, match=r"deep\.json is not whole, valid JSON"):
        document(path)


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize(("content", "found"), [("[1]", "list"), ('"text"', "str"), ("null", "NoneType"), ("3", "int")])
def test_what_is_no_object_comes_whole_and_without_keys(content: str, found: str, tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    path.write_text(content)
    for depth in (1, 4):
        ((keys, value),) = Reading(path).members(path, depth)
        assert (keys, type(value).__name__) == ((), found)


@pytest.mark.parametrize("read", [document, items, records])
def test_a_folder_in_place_of_a_file_is_an_error(read: Callable[[Path], Any], tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"cannot be read: .*directory"):
        read(tmp_path)


@pytest.mark.parametrize("read", [document, items, records])
def test_a_file_that_is_not_there_is_an_error(read: Callable[[Path], Any], tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"absent cannot be read: .*No such file"):
        read(tmp_path / "absent")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that opens and cannot be read: /proc/self/mem")
@pytest.mark.parametrize("read", [document, items, records])
def test_a_disk_that_fails_in_the_middle_is_an_error(read: Callable[[Path], Any]) -> None:
    with pytest.raises(SourceError, match="/proc/self/mem cannot be read"):
        read(Path("/proc/self/mem"))


@pytest.mark.usefixtures("either_way")
def test_items_come_one_by_one_and_exactly(tmp_path: Path) -> None:
    values = {"3": 0.1, "x": [1, [2, 0.30000000000000004]], "": 12345678901}
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"before": {"a": {"1": 1}}, "a": values, "after": {}}))
    assert dict(items(path)) == values
    assert document(path)["a"] == values


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("content", ['{"a": 1, "b": {}, "a": 2}', '{"a": {"1": 0.5, "1": 0.5}}', '{"a": [{"1": {"k": 1, "k": 2}}]}'])
def test_a_key_that_is_there_twice_is_an_error(content: str, tmp_path: Path) -> None:
    path = tmp_path / "twice.json"
    path.write_text(content)
    for depth in (1, 2, 4):
        with pytest.raises(SourceError, match="is there twice"):
            list(Reading(path).members(path, depth))


@pytest.mark.usefixtures("either_way")
def test_a_document_may_have_something_before_it(tmp_path: Path) -> None:
    path = tmp_path / "page.js"
    path.write_text('acc={"a": [NaN, -Infinity]}')
    ((keys, value),) = Reading(path).members(path, 1, skip=4)
    assert keys == ("a",)
    assert np.array_equal(value, [np.nan, -np.inf], equal_nan=True)


def test_records_are_read_by_column_name(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('other,net\n1,"(4, 0)"\n\n2,b\n')
    assert records(path) == [{"other": "1", "net": "(4, 0)"}, {"other": "2", "net": "b"}]


@pytest.mark.parametrize(("content", "columns"), [("a,b\n1,2\n", "a, b"), ("", r"\(none\)")])
def test_a_csv_without_the_needed_columns_is_an_error(content: str, columns: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(SourceError, match=rf"a\.csv has the columns {columns}; expected net\."):
        records(path)


@pytest.mark.parametrize(("content", "line"), [("net,b\n1,2\n3\n", 3), ("net,b\n1,2,3\n4,5\n", 2)])
def test_a_csv_with_a_short_or_long_row_is_an_error(content: str, line: int, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(SourceError, match=rf"a\.csv, line {line}, does not have one field for each column; the file is cut short"):
        records(path)


def test_a_csv_cut_short_anywhere_is_an_error(tmp_path: Path) -> None:
    """Cut inside its last field, a row still has all its fields, and a wrong number in the last one: 18.0 for 18.01."""
    whole = "net,a,b\n" + "".join(f"cell{i},{i}.25,18.01\n" for i in range(30))
    path = tmp_path / "cut.csv"
    starts_of_rows = {match.end() for match in re.finditer("\n", whole)}
    for end in sorted(set(range(8, len(whole))) - starts_of_rows)[::7]:
        path.write_text(whole[:end])
        with pytest.raises(SourceError, match="is cut short"):
            records(path)


@pytest.mark.parametrize("content", [b"net,a\n\xff\xfe,1\n", b"\xff\xfe", b"net,a\n" + b"9" * 200_000 + b",1\n"])
def test_what_is_not_csv_is_an_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "wrong.csv"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"wrong\.csv is not"):
        records(path)


def test_each_index_is_the_row_of_its_cell(numbered: CellReading) -> None:
    assert [numbered.cell_row(HERE, str(index)) for index in range(nb201.SIZE)] == [nb201.position(CELL[i]) for i in range(nb201.SIZE)]


@pytest.mark.parametrize("index", ["15625", "-1", "1.0", "x", "", " 1", "٣", "²", pytest.param("9" * 5000, id="5000 digits")])
def test_what_is_not_an_index_is_an_error(numbered: CellReading, index: str) -> None:
    with pytest.raises(SourceError, match=r"file\.json: '.* is not a published index; expected 0 to 15624"):
        numbered.cell_row(HERE, index)


def test_only_the_lowest_index_of_a_class_was_evaluated(numbered: CellReading) -> None:
    network = evaluated()[0]
    first, *others = isomorphic(network)
    assert network == first
    assert numbered.evaluated(HERE, str(network)) >= 0
    for other in others[:20]:
        with pytest.raises(SourceError, match=rf": {other} is not an evaluated network; its class was evaluated as {network}\."):
            numbered.evaluated(HERE, str(other))


def test_an_index_without_numbering_is_an_error() -> None:
    with pytest.raises(SourceError, match="the store does not carry that index; import jung2023 or natsbench into it first"):
        CellReading(HERE).cell_row(HERE, "1")


def test_every_naslib_tuple_is_the_row_of_its_cell() -> None:
    assert [naslib_row(HERE, str(cell.to_naslib())) for cell in nb201.cells()] == list(range(nb201.SIZE))


def test_a_naslib_tuple_has_its_own_order_of_operations_and_edges() -> None:
    """As published beside each other in NAS-Bench-Suite-Zero: the columns net and net_str."""
    arch = "|avg_pool_3x3~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_1x1~2|"
    assert naslib_row(HERE, "(4, 0, 3, 1, 4, 3)") == nb201.position(nb201.Cell.parse(arch))


@pytest.mark.parametrize("text", ["(4, 0, 3, 1, 4)", "4, 0, 3, 1, 4, 3", "(4,0,3,1,4,3)", "[4, 0, 3, 1, 4, 3]", "", "(4, 0, 3, 1, 4, 3) "])
def test_what_is_not_a_naslib_tuple_is_an_error(text: str) -> None:
    with pytest.raises(SourceError, match=r"file\.json: '.*' is not a NASLib tuple; expected one such as '\(4, 0, 3, 1, 4, 3\)'"):
        naslib_row(HERE, text)


def test_a_naslib_tuple_of_an_unknown_operation_is_an_error() -> None:
    with pytest.raises(SourceError, match=r"file\.json: 5 on edge 0→3 of the NASLib tuple"):
        naslib_row(HERE, "(4, 0, 5, 1, 4, 3)")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_comes_back_exactly_as_json_and_as_csv(value: float) -> None:
    assert number(HERE, "x", value) == value
    assert number(HERE, "x", repr(value)) == value


@pytest.mark.parametrize("value", [-1, -1.0, "-1", "-1.0", "-1e0"])
def test_a_sentinel_is_missing_in_every_spelling(value: object) -> None:
    assert np.isnan(number(HERE, "x", value, sentinels=(-1.0,)))
    assert number(HERE, "x", value) == -1


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        float("-inf"),
        "nan",
        "inf",
        "",
        "many",
        "1,5",
        "8_5",
        " 1",
        "٣",
        "0x1",
        "1e",
        True,
        None,
        [1],
        {},
        pytest.param(10**400, id="10**400"),
    ],
)
def test_what_is_not_a_finite_number_is_an_error(value: object) -> None:
    with pytest.raises(SourceError, match=r"file\.json: fog of 3 is .*; expected a number\."):
        number(HERE, "fog of 3", value)


@given(st.floats(0, 1))
def test_a_fraction_comes_back_exactly(value: float) -> None:
    assert fraction(HERE, "x", value) == value
    assert fraction(HERE, "x", value * 100, percent=True) == value * 100 / 100


@pytest.mark.parametrize(
    ("value", "percent", "expected"),
    [
        (1.001, False, r"a fraction in \[0, 1\]"),
        (-0.001, False, r"a fraction in \[0, 1\]"),
        (93.5, False, r"a fraction in \[0, 1\]"),
        (100.5, True, "0 to 100 percent"),
        (-1e8, True, "0 to 100 percent"),
    ],
)
def test_what_is_not_an_accuracy_is_an_error(value: float, percent: bool, expected: str) -> None:
    with pytest.raises(SourceError, match=rf"file\.json: clean of 3 is {re.escape(repr(value))}; expected an accuracy, {expected}\."):
        fraction(HERE, "clean of 3", value, percent=percent)
