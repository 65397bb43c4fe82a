"""What is given in blocks is the same as what is given whole, and takes memory for a few of them only."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from robbench import Contradiction, StoreError
from robbench.store import Store, verify
from robbench.store.arrays import MISSING, Array, Header, Name
from robbench.store.blockwise import Blocks, OnDisk, placed
from robbench.store.rows import Rows
from robbench.store.writing import extend
from tests.toy_space import TOY, register
from tests.toy_store import CLASSES, ROWS


@pytest.fixture(autouse=True)
def _toy(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)


COUNTS = Name("toy10", "standard", "clean", "confusion")
LARGE = (CLASSES, 1 << 18)
"""As float64, 16 MiB in all, 2 a row."""
MEMORY = 26 << 20
"""Of a few rows; a second and a third copy of all of them would not fit."""


def in_blocks(array: Array) -> Array:
    """The same array, given in blocks."""
    return array._replace(values=Blocks(array.values.shape, array.values.dtype, array.values.__getitem__))


def outcomes(seed: int, rows: Rows = ROWS, lacking: int | None = None) -> list[Array]:
    """Accuracy and outcomes of the clean images; those of one class are missing."""
    standing = np.random.default_rng(seed).random((len(rows.keys), 20)) < 0.5
    accuracy, bits = standing.mean(axis=1), np.packbits(standing, axis=1)
    if lacking is not None:
        accuracy[lacking], bits[lacking] = np.nan, 0
    name, provenance = Name("toy10", "standard", "clean", "accuracy"), {"source": "test", "images": 20}
    header = Header("class", {}, "fraction", provenance)
    return [
        Array(name, header, accuracy),
        Array(name._replace(measure="outcomes"), Header("class", {"image": []}, "bit", provenance), bits),
    ]


def counts(rows: Rows, seed: int = 0) -> Array:
    values = np.random.default_rng(seed).integers(0, 9, (CLASSES, 2, 2)).astype(np.uint16)[[ROWS.class_row[key] for key in rows.keys]]
    return Array(COUNTS, Header("class", {"label": [], "prediction": []}, "count", {"source": "test"}), values)


def test_a_store_of_blocks_is_that_of_arrays(tmp_path: Path) -> None:
    """Made, filled where outcomes were missing, with rows added in another order, and compared."""
    first, second = Rows.of(TOY, TOY.members[:7]), Rows.of(TOY, TOY.members[::-1])
    for path, given in ((tmp_path / "whole.h5", lambda array: array), (tmp_path / "blocks.h5", in_blocks)):
        accuracy, bits = outcomes(1, first, lacking=2)
        extend(path, first, [accuracy, given(bits), given(counts(first))])
        accuracy, bits = outcomes(1, first)
        assert extend(path, first, [accuracy, given(bits)]).filled == [accuracy.name, bits.name]
        assert extend(path, second, [given(counts(second))]).filled == [COUNTS]
        assert extend(path, second, [given(counts(second))]).unchanged == [COUNTS]
        with pytest.raises(Contradiction, match="differs from the one of"):
            extend(path, second, [given(counts(second, seed=1))])
        verify(path)
    assert (tmp_path / "whole.h5").read_bytes() == (tmp_path / "blocks.h5").read_bytes()
    with Store(tmp_path / "blocks.h5") as store:
        expected = counts(store.rows).values
        np.testing.assert_array_equal(store.read(COUNTS), expected)


@pytest.mark.parametrize(
    ("dtype", "value", "unit"), [(np.uint16, 7, "count"), (np.float32, np.float32(1 / 3), "fraction"), (np.float64, 0.123, "1")]
)
def test_what_is_large_is_written_filled_and_compared_in_little_memory(tmp_path: Path, dtype: Any, value: Any, unit: str) -> None:
    missing, filled = (MISSING if dtype == np.uint16 else np.nan), CLASSES // 2

    def given(count: int) -> Array:
        def read(rows: slice) -> np.ndarray:
            found = np.full((len(range(*rows.indices(CLASSES))), LARGE[1]), value, dtype)
            found[max(0, count - rows.start) :] = missing
            return found

        return Array(COUNTS, Header("class", {"label": []}, unit, {"source": "test"}), Blocks(LARGE, np.dtype(dtype), read))

    tracemalloc.start()
    try:
        assert extend(tmp_path / "store.h5", ROWS, [given(filled)]).added == [COUNTS]
        assert extend(tmp_path / "store.h5", ROWS, [given(CLASSES)]).filled == [COUNTS]
        assert extend(tmp_path / "store.h5", ROWS, [given(CLASSES)]).unchanged == [COUNTS]
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()
    with Store(tmp_path / "store.h5") as store:
        assert (store.read(COUNTS, CLASSES - 1) == value).all()


@pytest.mark.parametrize("values", [[0.25, np.nan, 0.5], [0.125, 0.5, 1 / 3], [np.float32(1 / 3), np.nan, 2 / 7], [np.nan] * 3])
def test_floats_in_blocks_are_stored_in_the_form_of_those_given_whole(tmp_path: Path, values: list[float]) -> None:
    """The form is seen from all of them, and of rows of a megabyte each block is one row."""
    whole = np.full((CLASSES, 1 << 17), 0.5)
    whole[1:4] = np.array(values)[:, None]
    array = Array(COUNTS, Header("class", {"label": []}, "fraction", {"source": "test", "images": 24}), whole)
    for name, given in (("whole", array), ("blocks", in_blocks(array))):
        extend(tmp_path / f"{name}.h5", ROWS, [given])
    assert (tmp_path / "whole.h5").read_bytes() == (tmp_path / "blocks.h5").read_bytes()


def test_fractions_in_blocks_are_compared_with_their_header(tmp_path: Path) -> None:
    accuracy = outcomes(1)[0]
    with pytest.raises(StoreError, match=r"clean/accuracy is not what its header says: its fractions are not in \[0, 1\]"):
        extend(tmp_path / "store.h5", ROWS, [in_blocks(accuracy._replace(values=accuracy.values[:] + 1))])
    assert not (tmp_path / "store.h5").exists()


def test_rows_placed_from_blocks_and_from_an_array_are_the_same() -> None:
    values, place = np.arange(12, dtype=np.uint16).reshape(6, 2), np.array([7, 0, 1, 4, 2, 3])
    expected = np.full((9, 2), MISSING, np.uint16)
    expected[place] = values
    for given in (values, Blocks(values.shape, values.dtype, values.__getitem__)):
        found = placed(given, place, 9, MISSING)
        assert found.shape == (9, 2)
        assert found.dtype == np.uint16
        for block in (slice(0, 9), slice(0, 4), slice(4, 8), slice(8, 9), slice(5, 7)):
            np.testing.assert_array_equal(found[block], expected[block])


def test_rows_on_disk_come_back_in_order_whatever_order_they_came_in() -> None:
    kept = OnDisk((5, 2, 3), np.uint16, MISSING)
    for row in (3, 0, 4, 3):
        kept[row] = np.full((2, 3), row)
    found = kept.blocks()
    assert found[1:3].tolist() == [[[MISSING] * 3] * 2] * 2
    assert [found[row : row + 1].max() for row in (0, 3, 4)] == [0, 3, 4]
    np.testing.assert_array_equal(found[0:5], np.concatenate([found[row : row + 1] for row in range(5)]))


def test_accuracies_that_are_filled_are_packed_as_they_would_have_been_at_once(tmp_path: Path) -> None:
    accuracy, _ = outcomes(1)
    part = accuracy._replace(values=np.where(np.arange(CLASSES) < 4, accuracy.values[:], np.nan))
    extend(tmp_path / "parts.h5", ROWS, [part])
    assert extend(tmp_path / "parts.h5", ROWS, [accuracy]).filled == [accuracy.name]
    extend(tmp_path / "whole.h5", ROWS, [accuracy])
    with h5py.File(tmp_path / "parts.h5") as parts, h5py.File(tmp_path / "whole.h5") as whole:
        assert parts["manifest"][()] == whole["manifest"][()]
        assert parts["metrics/toy10/standard/clean/accuracy"].dtype == np.uint16
