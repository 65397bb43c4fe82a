from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from robbench import NotMeasured, UnknownArchitecture
from robbench.measurements.lookup import Lookup
from robbench.spaces.nb201 import SIZE, Cell, cells, position
from robbench.spaces.nb201.identity import class_partition
from robbench.store import Store
from robbench.store.writing import extend
from tests import synthetic
from tests.strategies import any_cell
from tests.synthetic import CLASSES, ROWS, array
from tests.tampering import tampered


@pytest.fixture(scope="module")
def lookup(small_store: Path) -> Iterator[Lookup]:
    with Store(small_store) as store:
        yield Lookup(store)


@pytest.fixture(scope="module")
def lookup_without_index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lookup]:
    path = tmp_path_factory.mktemp("lookup") / "plain.h5"
    extend(path, ROWS, [array("toy standard clean accuracy", np.zeros(CLASSES))])
    with Store(path) as store:
        yield Lookup(store)


def spellings(cell: Cell) -> list[Any]:
    index = int(synthetic.published_index()[position(cell)])
    return [str(cell), cell, cell.ops, np.str_(cell), index, np.int64(index), np.uint16(index)]


@given(any_cell)
def test_every_spelling_of_a_cell_has_its_rows(lookup: Lookup, cell: Cell) -> None:
    row = position(cell)
    for arch in spellings(cell):
        assert lookup.parse(arch) == cell
        for _ in range(2):  # the second time from what was kept
            assert lookup.row("exact", arch) == row
            assert lookup.row("class", arch) == class_partition().group[row]
    assert lookup.published_index(cell) == synthetic.published_index()[row]


def test_every_published_index_is_looked_up(lookup: Lookup) -> None:
    index = synthetic.published_index()
    assert [lookup.row("exact", int(number)) for number in index] == list(range(SIZE))


def test_a_list_of_operations_is_read_as_a_cell(lookup: Lookup) -> None:
    cell = next(cells())
    assert lookup.parse(list(cell.ops)) == cell


def test_cells_and_classes_stand_in_row_order(lookup: Lookup) -> None:
    assert lookup.exact == tuple(cells())
    assert [lookup.row("class", cell) for cell in lookup.classes] == list(range(CLASSES))


@pytest.mark.parametrize("rows", ["class", "exact"])
@pytest.mark.parametrize(
    ("arch", "message"),
    [
        (-1, "-1 is not a published index of NAS-Bench-201; expected an integer from 0 to 15624"),
        (SIZE, "15625 is not a published index"),
        (10**30, "is not a published index"),
        (True, "True is a bool; expected six operation names"),
        (np.True_, "expected six operation names"),
        (1.0, "1.0 is a float; expected six operation names"),
        (None, "None is a NoneType; expected six operation names"),
        ("15625", "15625 is not a published index"),
        ((4, 0, 3, 1, 4, 3), "looks like a NASLib tuple"),
        (b"x", "expected six"),
        (object(), "is a object; expected six operation names"),
    ],
)
def test_what_names_no_architecture_is_refused_every_time(lookup: Lookup, arch: Any, message: str, rows: str) -> None:
    assert lookup.row(rows, 1) == lookup.row(rows, 1)  # 1, 1.0 and True are one key to a dict
    for _ in range(2):
        with pytest.raises(UnknownArchitecture, match=message):
            lookup.row(rows, arch)


def test_an_index_in_a_store_that_carries_none_is_refused_with_what_to_do(lookup_without_index: Lookup) -> None:
    with pytest.raises(
        UnknownArchitecture,
        match=r"3456 cannot be looked up: plain\.h5 carries no published index. Name the architecture by its text, or import a source",
    ):
        lookup_without_index.parse(3456)
    cell = next(cells())
    assert lookup_without_index.published_index(cell) is None
    assert lookup_without_index.row("exact", str(cell)) == 0


def test_a_cell_that_a_store_does_not_have_was_not_measured(tmp_path: Path) -> None:
    """A store cut down by another hand: the rows are looked up, never computed."""

    path = tmp_path / "cut.h5"
    extend(path, ROWS, [array("toy standard clean accuracy", np.zeros(CLASSES))])
    with tampered(path) as file:
        for table in ("classes/key", "exact/spec"):
            kept = file[table][:10]
            del file[table]
            file[table] = kept
    with Store(path) as store:
        lookup = Lookup(store)
        last = list(cells())[-1]
        with pytest.raises(NotMeasured, match=r"no architecture of its class is among the 10 of cut\.h5"):
            lookup.row("class", last)
        with pytest.raises(NotMeasured, match=r"it is not among the 10 of cut\.h5"):
            lookup.row("exact", last)
