"""Rows are what a store holds: imports add some, and what was there is padded with "not measured"."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robbench import Contradiction, NotMeasured, RobBench
from robbench.spaces.nb201 import NB201, Cell
from robbench.store import Store, verify
from robbench.store.arrays import MISSING, Array, Fitted, Header, Name
from robbench.store.rows import Rows
from robbench.store.writing import extend, put_surrogate
from tests.strategies import any_cell

CLEAN = Name("digits", "standard", "clean", "accuracy")
PROXY = Name("digits", "untrained", "synflow", "value")
COUNTS = Name("digits", "standard", "clean", "confusion")
OUTCOMES = Name("digits", "standard", "clean", "outcomes")
FIRST, SECOND = NB201.members[100:140], NB201.members[120:180]


def accuracy(cell: Cell) -> float:
    return int(NB201.key(cell)[:4], 16) % 1000 / 1000


def proxy(cell: Cell) -> float:
    return float(sum(NB201.encode(cell))) + 0.125


def arrays(rows: Rows) -> list[Array]:
    by_class = [accuracy(Cell.parse(spec)) for spec in rows.classes]
    counts = np.arange(4, dtype=np.uint16).reshape(1, 2, 2).repeat(len(rows.keys), axis=0)
    bits = np.full((len(rows.keys), 1), 0b10100000, np.uint8)
    images = {"source": "test", "images": 3}
    return [
        Array(CLEAN, Header("class", {}, "fraction", images), np.array(by_class)),
        Array(COUNTS, Header("class", {"label": [], "prediction": []}, "count", {"source": "test"}), counts),
        Array(OUTCOMES, Header("class", {"image": []}, "bit", images), bits),
        Array(PROXY, Header("exact", {}, "1", {"source": "test"}), np.array([proxy(Cell.parse(spec)) for spec in rows.exact])),
    ]


def test_rows_of_architectures_are_grouped_by_key() -> None:
    rows = Rows.of(NB201, FIRST)
    assert rows.exact == tuple(map(str, FIRST))
    assert [rows.keys[row] for row in rows.class_of] == [NB201.key(cell) for cell in FIRST]
    assert len(set(rows.keys)) == len(rows.keys) < len(rows.exact)
    assert [NB201.key(Cell.parse(spec)) for spec in rows.classes] == list(rows.keys)


@given(st.lists(any_cell, min_size=1, max_size=12), st.lists(any_cell, min_size=1, max_size=12))
def test_joined_rows_are_the_rows_of_both(one: list[Cell], other: list[Cell]) -> None:
    """A second witness: as if all had come at once.  Rows that were there keep their numbers."""
    joined, whole = Rows.of(NB201, one).joined(Rows.of(NB201, other)), Rows.of(NB201, [*one, *other])
    assert (joined.exact, joined.keys, joined.classes) == (whole.exact, whole.keys, whole.classes)
    np.testing.assert_array_equal(joined.class_of, whole.class_of)


@pytest.mark.parametrize("archs", [SECOND, SECOND[::-1], FIRST[5:9]])
def test_an_import_adds_its_rows_and_pads_what_was_there(tmp_path: Path, archs: tuple[Cell, ...]) -> None:
    path, first = tmp_path / "store.h5", Rows.of(NB201, FIRST)
    extend(
        path,
        first,
        [*arrays(first), Array(CLEAN._replace(metric="pgd"), Header("class", {}, "fraction", {}), np.full(len(first.keys), 0.5))],
    )
    rows = Rows.of(NB201, archs)
    changes = extend(path, rows, arrays(rows))
    new = [cell for cell in archs if cell not in FIRST]
    assert changes.rows == len(new)
    assert set(changes.filled) == ({CLEAN, COUNTS, OUTCOMES, PROXY} if new else set())
    assert verify(path) == 9
    bench = RobBench(path)
    assert bench.architectures == (*FIRST, *new)
    for cell in (*FIRST, *archs):
        assert bench.query(cell, "clean") == accuracy(Cell.parse(str(bench.classes[bench.measurements.lookup.row("class", cell)])))
        assert bench.query(cell, "synflow") == proxy(cell)
        assert bench.query(cell, "clean:confusion").tolist() == [[0, 1], [2, 3]]
        assert bench.query(cell, "clean:outcomes").tolist() == [True, False, True]
    held = {NB201.key(cell) for cell in FIRST}
    for cell in new:
        if NB201.key(cell) not in held:
            with pytest.raises(NotMeasured):
                bench.query(cell, "pgd:accuracy", eps=None)
            with Store(path) as store:
                assert np.isnan(store.read(CLEAN._replace(metric="pgd"))[store.rows.class_row[NB201.key(cell)]])
    again = extend(path, rows, arrays(rows))
    assert (again.added, again.filled, again.rows) == ([], [], 0)


def test_counts_of_rows_that_were_added_later_are_missing(tmp_path: Path) -> None:
    path, first, second = tmp_path / "store.h5", Rows.of(NB201, FIRST), Rows.of(NB201, SECOND)
    extend(path, first, arrays(first))
    extend(path, second, arrays(second)[:1])
    with h5py.File(path) as file:
        counts = file["metrics/digits/standard/clean/confusion"][()]
        assert (counts[len(first.keys) :] == MISSING).all()
        assert len(counts) == len(first.joined(second).keys)


def test_rows_that_disagree_are_a_contradiction_and_nothing_is_added(tmp_path: Path) -> None:
    path, first, second = tmp_path / "store.h5", Rows.of(NB201, FIRST), Rows.of(NB201, SECOND)
    extend(path, first, arrays(first))
    before = path.read_bytes()
    clean = arrays(second)[0]
    with pytest.raises(Contradiction, match=r"for \|none~0\|.* the store has"):
        extend(path, second, [clean._replace(values=1 - clean.values[:])])
    assert path.read_bytes() == before


def test_a_surrogate_keeps_its_training_rows_when_rows_are_added(tmp_path: Path) -> None:
    path, first, second = tmp_path / "store.h5", Rows.of(NB201, FIRST), Rows.of(NB201, SECOND)
    extend(path, first, arrays(first))
    fitted = Fitted(
        "digits", "standard", "clean", np.array([3, 7], np.uint32), np.zeros((2, 2), np.float32), {"model.a": np.arange(4.0)}, {}
    )
    put_surrogate(path, fitted)
    before = [first.classes[row] for row in fitted.training_rows]
    extend(path, second, arrays(second))
    with Store(path) as store:
        kept = store.surrogate("digits", "standard", "clean")
        assert [store.rows.classes[row] for row in kept.training_rows] == before
    verify(path)


def test_what_a_store_has_no_row_of_was_not_measured(tmp_path: Path) -> None:
    path, rows = tmp_path / "store.h5", Rows.of(NB201, FIRST)
    extend(path, rows, arrays(rows))
    bench, absent = RobBench(path), NB201.members[-1]
    with pytest.raises(
        NotMeasured, match=r"nothing was measured of \|avg_pool_3x3~0\|.*: no architecture of its class is among the 40 of store\.h5"
    ):
        bench.query(absent, "clean")
    with pytest.raises(NotMeasured, match="it is not among the 40 of"):
        bench.query(absent, "synflow")
    assert np.isnan(bench.query_many([absent, FIRST[0]], "clean", missing="nan")).tolist() == [True, False]
