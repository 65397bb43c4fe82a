from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given

from robbench import InvalidArgument, NotMeasured, RobBench
from robbench.spaces.nb201 import NB201, SIZE, Cell, cells, position
from robbench.spaces.nb201.features import NETWORK, STRUCTURE, nodes, operations, paths, signal, wiring
from robbench.spaces.nb201.identity import INPUT, expression, twin_partition
from robbench.surrogates.features import PROXIES, parse_sets, proxies, table
from tests.strategies import any_cell

EVERY = tuple(cells())
SHAPES = {"operations": 6, "paths": 53, "nodes": 69, "signal": 27, "terms": 46, "wiring": 29}
PLAIN = Cell(["nor_conv_3x3", "none", "nor_conv_1x1", "skip_connect", "none", "avg_pool_3x3"])


@pytest.mark.parametrize("name", SHAPES)
def test_a_set_has_as_many_features_as_surrogates_were_fitted_on(name: str) -> None:
    [function] = {**STRUCTURE, **NETWORK}[name]
    assert function(EVERY[:3]).values.shape == (3, SHAPES[name])


def test_the_structure_tells_almost_all_functions_apart_in_well_under_a_second(bench: RobBench) -> None:
    start = time.process_time()
    found = table("structure", bench.measurements, "toy10")
    assert time.process_time() - start < 3  # half a second, on a machine that does nothing else
    assert found.values.shape == (4930, 128)
    assert len(set(found.names)) == 128
    assert len(np.unique(found.values, axis=0)) > 4850


@given(any_cell)
def test_an_expression_is_what_twins_share(cell: Cell) -> None:
    twins = twin_partition()
    assert expression(cell) == expression(EVERY[twins.representative[twins.group[position(cell)]]])
    assert (expression(cell) == ()) == (not cell.depends_on_input)


def test_a_cell_by_hand() -> None:
    """Input, plus the pooled 1×1 of the 3×3 of the input."""
    assert expression(PLAIN) == (INPUT, ("avg_pool_3x3", (("nor_conv_1x1", (("nor_conv_3x3", (INPUT,)),)),)))

    def of(function: object) -> dict[str, float]:
        names, values = function([PLAIN])  # type: ignore[operator]
        return {name: value for name, value in zip(names, values[0], strict=True) if value}

    assert of(operations) == dict.fromkeys([f"{how}:{op}" for how in ("computed", "applied") for op in "13p"], 1)
    assert of(paths) == {"path:": 1, "path:31p": 1, "length:0": 1, "length:3": 1, "subset:": 1, "subset:13p": 1, "ways": 2}
    assert of(nodes) == {
        "output:0": 1, "output:p": 1, "p(1": 1, "1(3": 1, "3(0": 1, "p:terms=1": 1, "1:terms=1": 1, "3:terms=1": 1,
        "stem:p": 1, "stem:p1": 1, "stem:p13": 1, "output:terms": 2, "depth": 3,
    }  # fmt: skip


def test_a_term_used_twice_is_computed_once() -> None:
    cell = Cell(["nor_conv_3x3", "none", "skip_connect", "none", "skip_connect", "skip_connect"])
    names, values = operations([cell])
    assert dict(zip(names, values[0], strict=True)) | {"computed:3": 1, "applied:3": 2} == dict(zip(names, values[0], strict=True))


def test_sets_are_joined_and_cells_that_differ_in_proxies_have_rows_of_their_own(bench: RobBench) -> None:
    found = table("operations+proxies", bench.measurements, "toy10")
    assert found.names[-1] == "synflow"
    assert found.values.shape == (SIZE, 7)
    assert np.isnan(found.values[::7, -1]).all()
    assert not np.isnan(found.values[:, :-1]).any()
    np.testing.assert_array_equal(found.row_of, np.arange(SIZE))
    np.testing.assert_array_equal(found.values[:, :6], operations(EVERY).values)


def test_of_the_network_a_row_is_that_of_the_class(bench: RobBench) -> None:
    found, lookup = table("operations+wiring", bench.measurements, "toy10"), bench.measurements.lookup
    np.testing.assert_array_equal(found.row_of, lookup.class_of)
    np.testing.assert_array_equal(found.values, np.column_stack([operations(lookup.classes).values, wiring(lookup.classes).values]))
    beside = table("wiring+proxies", bench.measurements, "toy10")
    np.testing.assert_array_equal(beside.values[:, :-1], found.values[lookup.class_of, 6:])
    assert [found.identity, beside.identity, table("operations", bench.measurements, "toy10").identity] == ["exact", "exact", "class"]


def test_a_set_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"'path' is not a feature set. Did you mean 'paths'\? Known: operations, paths, nodes"):
        parse_sets(NB201, "path")
    assert parse_sets(NB201, "structure+proxies") == ("structure", PROXIES)


def test_proxies_of_a_dataset_without_any_are_refused(bench: RobBench) -> None:
    with pytest.raises(NotMeasured, match=r"small.h5 holds no proxies of toy100.*`robbench import nbsuite_zero` brings some"):
        proxies(bench.measurements, "toy100")


def test_a_signal_by_hand() -> None:
    """The input and the 3×3 of it: every cell adds a variance of 1 from a convolution, and the gradient's square grows as it does."""
    found = signal(
        [
            Cell(["none", "none", "none", "skip_connect", "none", "none"]),
            Cell(["nor_conv_3x3", "none", "none", "skip_connect", "skip_connect", "none"]),
        ]
    )
    skip, both = (dict(zip(found.names, row, strict=True)) for row in found.values)
    assert {value for name, value in skip.items() if not name.endswith("linear")} == {0}
    assert {skip[f"signal{cell}:linear"] for cell in (1, 2, 5)} == {1}
    for cell in (1, 2, 5):
        assert both[f"signal{cell}:variance"] == pytest.approx(np.log(cell + 1))
        assert both[f"signal{cell}:gradient"] == pytest.approx(0)
        assert both[f"signal{cell}:linear"] == pytest.approx(1 / (cell + 1))
        assert both[f"signal{cell}:3"] == both[f"signal{cell}:reach"] == both[f"signal{cell}:length"]
    assert both["signal1:3"] == 1 / 2
    assert both["signal2:3"] == pytest.approx((2 * 1 / 2 + (1 / 2 + 1)) / 3)


def test_a_pooling_halves_the_variance() -> None:
    [row] = signal([Cell(["none", "none", "none", "avg_pool_3x3", "none", "none"])]).values
    found = dict(zip(signal([PLAIN]).names, row, strict=True))
    assert [found[f"signal{cell}:variance"] for cell in (1, 2, 5)] == pytest.approx([cell * np.log(0.5) for cell in (1, 2, 5)])
    assert (found["signal5:p"], found["signal5:reach"], found["signal5:spread"], found["signal5:linear"]) == (5, 5, 0, 1)


def test_convolutions_computed_again_are_independent_and_one_passed_on_twice_is_not() -> None:
    """Twice the 3×3 of the input; then twice a pooling of it, which has no weights."""
    again, twice, pooled = (dict(zip(wiring([]).names, row, strict=True)) for row in wiring(DOUBLED).values)
    assert [one["doubled:3"] for one in (again, twice, pooled)] == [1, 0, 0]
    assert [one["doubled:1"] for one in (again, twice, pooled)] == [0, 0, 0]
    assert [one["wired signal1:variance"] for one in (again, twice)] == pytest.approx(np.log([2, 4]))
    np.testing.assert_array_equal(wiring(DOUBLED[2:]).values[0, 2:], np.round(signal(DOUBLED[2:]).values[0], 9))
    assert len(np.unique(signal(DOUBLED[:2]).values, axis=0)) == 1


DOUBLED = [
    Cell(["nor_conv_3x3", "none", "none", "nor_conv_3x3", "skip_connect", "none"]),
    Cell(["nor_conv_3x3", "none", "skip_connect", "none", "skip_connect", "skip_connect"]),
    Cell(["avg_pool_3x3", "none", "none", "avg_pool_3x3", "skip_connect", "none"]),
]


def test_the_wiring_is_equal_for_cells_that_differ_in_labels_alone() -> None:
    """The two inner nodes change places, where no edge is between them."""
    ops = [cell.ops for cell in EVERY if cell.ops[2] == "none"]
    changed = [(b, a, none, d, f, e) for a, b, none, d, e, f in ops]
    found, again = (wiring([Cell(one) for one in those]).values for those in (ops, changed))
    np.testing.assert_array_equal(found, again)


def test_where_nothing_is_doubled_the_wiring_is_the_signal() -> None:
    found, whole = wiring(EVERY[::9]).values, signal(EVERY[::9]).values
    once = (found[:, :2] == 0).all(axis=1)
    np.testing.assert_allclose(found[once, 2:], whole[once], rtol=0, atol=1e-8)
    assert 0.2 < once.mean() < 0.9
