from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from robbench.store.arrays import MISSING, Name, as_floats, pack, unpack

shapes = hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=6)


def bits(values: np.ndarray) -> np.ndarray:
    """The bits of floats, every NaN alike and zero without its sign."""
    return (np.where(np.isnan(values), np.nan, values.astype(np.float64)) + 0.0).view(np.uint64)


def multiples(denominator: int) -> st.SearchStrategy[float]:
    return st.integers(0, MISSING - 1).map(lambda code: code / denominator) | st.just(np.nan)


@given(hnp.arrays(np.float64, shapes))
def test_any_floats_come_back_bit_by_bit(values: np.ndarray) -> None:
    np.testing.assert_array_equal(bits(unpack(*pack(values, None))), bits(values))


@given(hnp.arrays(np.float64, shapes, elements=st.floats(0, 1) | st.just(np.nan)), st.none() | st.integers(1, 100_000))
def test_fractions_come_back_bit_by_bit_for_any_number_of_images(values: np.ndarray, images: int | None) -> None:
    np.testing.assert_array_equal(bits(unpack(*pack(values, images))), bits(values))


@example(np.array([1.9], np.float32))  # a multiple of 1/1000 only if that, too, is rounded to single precision
@given(hnp.arrays(np.float32, shapes))
def test_single_floats_come_back_bit_by_bit(values: np.ndarray) -> None:
    np.testing.assert_array_equal(bits(unpack(*pack(values, None))), bits(values))


@given(hnp.arrays(np.uint16, shapes))
def test_counts_are_kept_as_they_are_with_65535_for_missing(values: np.ndarray) -> None:
    stored, denominator = pack(values, 20)
    assert stored is values
    assert denominator == 1
    np.testing.assert_array_equal(unpack(stored, denominator), np.where(values == MISSING, np.nan, values))
    np.testing.assert_array_equal(as_floats(values), np.where(values == MISSING, np.nan, values))


@given(hnp.arrays(np.uint8, shapes))
def test_outcomes_are_kept_as_they_are(values: np.ndarray) -> None:
    stored, denominator = pack(values, 20)
    assert stored is values
    assert denominator is None
    assert unpack(stored, denominator) is values
    assert as_floats(values) is values


@pytest.mark.parametrize("denominator", [1000, 10000])
@given(data=st.data())
def test_rounded_accuracies_are_packed_into_two_bytes(denominator: int, data: st.DataObject) -> None:
    values = data.draw(hnp.arrays(np.float64, shapes, elements=multiples(denominator)))
    stored, found = pack(values, None)
    assert stored.dtype == np.uint16
    assert found in (1000, 10000)
    np.testing.assert_array_equal(bits(unpack(stored, found)), bits(values))


def test_every_multiple_of_a_thousandth_and_of_a_ten_thousandth_is_packed_exactly() -> None:
    for denominator in (1000, 10000):
        values = np.arange(denominator + 1) / denominator
        stored, found = pack(values, None)
        assert stored.dtype == np.uint16
        assert found == denominator
        assert (unpack(stored, found) == values).all()
        assert all(float(f"{value:.4f}") == value for value in unpack(stored, found))


def test_accuracies_over_an_odd_number_of_images_are_packed_with_that_number() -> None:
    values = np.arange(1018) / 1017
    assert pack(values, 1017)[0].dtype == np.uint16
    assert pack(values, 1017)[1] == 1017
    assert pack(values, None)[0].dtype == np.float64


def test_what_is_no_multiple_stays_a_float_and_single_precision_where_that_is_exact() -> None:
    assert pack(np.array([1 / 3]), None)[0].dtype == np.float64
    assert pack(np.array([0.375, 1 / 1024, np.nan]), None)[0].dtype == np.float32
    assert pack(np.array([-0.5]), None)[0].dtype == np.float32
    assert pack(np.array([np.nextafter(0.394, 1)]), None)[0].dtype == np.float64


def test_the_code_of_missing_is_never_given_to_a_value() -> None:
    values = np.array([MISSING / 10000])
    stored, denominator = pack(values, None)
    assert denominator is None
    assert unpack(stored, denominator) == values


def test_nothing_measured_stays_nothing_measured() -> None:
    stored, denominator = pack(np.full(4, np.nan), None)
    assert (stored == MISSING).all()
    assert np.isnan(unpack(stored, denominator)).all()


def test_a_name_is_written_as_its_path() -> None:
    assert str(Name("cifar10", "standard", "pgd", "accuracy")) == "cifar10/standard/pgd/accuracy"
