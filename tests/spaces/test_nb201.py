from __future__ import annotations

import copy
import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robbench import RobBenchError, UnknownArchitecture
from robbench.spaces.nb201 import EDGES, NB201, OPERATIONS, SIZE, Cell, cells, position
from robbench.spaces.nb201.cell import NASLIB_EDGES, NASLIB_OPERATIONS
from tests.strategies import any_cell, operations

ARCH = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|"
OPS = ("nor_conv_3x3", "none", "skip_connect", "avg_pool_3x3", "nor_conv_1x1", "skip_connect")
ALL = list(cells())


def test_operations_stand_in_the_order_of_the_arch_string() -> None:
    cell = Cell.parse(ARCH)
    assert cell.ops == OPS
    assert str(cell) == ARCH
    assert cell.inputs == (
        (("nor_conv_3x3", 0),),
        (("none", 0), ("skip_connect", 1)),
        (("avg_pool_3x3", 0), ("nor_conv_1x1", 1), ("skip_connect", 2)),
    )


def test_there_are_15625_cells_with_24_neighbors_each() -> None:
    assert len(ALL) == len(NB201.members or ()) == NB201.size == SIZE == 15625
    assert {len(NB201.neighbors(cell)) for cell in ALL[:: SIZE // 50]} == {24}


def test_an_independent_reader_finds_the_same_operations() -> None:
    """A second witness: every 'operation~source', in the order of the text, whatever separates them."""
    for cell in ALL[::17]:
        items = str(cell).replace("+", "").strip("|").replace("||", "|").split("|")
        assert tuple(item[:-2] for item in items) == cell.ops
        assert [int(item[-1]) for item in items] == [source for source, _ in EDGES]


def test_position_is_where_the_enumeration_yields_the_cell() -> None:
    assert [position(cell) for cell in ALL] == list(range(SIZE))


@given(any_cell)
def test_a_cell_survives_each_way_of_writing_it(cell: Cell) -> None:
    same = [
        Cell.parse(str(cell)),
        Cell(cell.ops),
        Cell(list(cell.ops)),
        Cell(tuple(map(np.str_, cell.ops))),
        Cell.from_naslib(cell.to_naslib()),
        copy.copy(cell),
        copy.deepcopy(cell),
    ]
    for other in same:
        assert other == cell
        assert hash(other) == hash(cell)
        assert str(other) == str(cell)
    assert repr(cell) == f"Cell.parse({str(cell)!r})"


@given(any_cell, any_cell)
def test_cells_are_equal_exactly_when_their_operations_are(one: Cell, other: Cell) -> None:
    assert (one == other) is (one.ops == other.ops)
    assert (one == other) is (str(one) == str(other))
    assert (one != other) is not (one == other)


def test_a_cell_is_equal_to_nothing_else() -> None:
    cell = Cell(OPS)
    assert cell != OPS
    assert cell != ARCH
    assert len({cell, OPS, ARCH}) == 3


@pytest.mark.parametrize("name", ["ops", "_hash", "anything"])
def test_a_cell_cannot_be_changed(name: str) -> None:
    cell = Cell(OPS)
    with pytest.raises(AttributeError, match=rf"a Cell is immutable: {name} cannot be set; make a new Cell"):
        setattr(cell, name, ())
    with pytest.raises(AttributeError, match=rf"a Cell is immutable: {name} cannot be deleted"):
        delattr(cell, name)
    assert cell == Cell(OPS)


def test_a_cell_does_not_follow_the_list_it_was_made_from() -> None:
    ops = list(OPS)
    cell = Cell(ops)
    ops[0] = "none"
    assert cell.ops == OPS


# Properties


def test_kernel_parameters_are_1_for_each_small_and_9_for_each_large_convolution() -> None:
    for cell in ALL:
        text = str(cell)
        assert cell.kernel_parameters == text.count("1x1") + 9 * text.count("nor_conv_3x3")
    assert Cell(["nor_conv_3x3"] * 6).kernel_parameters == 54
    assert Cell(["avg_pool_3x3"] * 6).kernel_parameters == 0


def test_the_output_of_15284_cells_depends_on_their_input() -> None:
    assert sum(cell.depends_on_input for cell in ALL) == 15284


@given(any_cell)
def test_the_output_depends_on_the_input_when_a_path_is_open(cell: Cell) -> None:
    """A second witness: the four paths from node 0 to node 3, each by its edges."""
    is_open = {edge: op != "none" for edge, op in zip(EDGES, cell.ops, strict=True)}
    paths = [[(0, 3)], [(0, 1), (1, 3)], [(0, 2), (2, 3)], [(0, 1), (1, 2), (2, 3)]]
    assert cell.depends_on_input is any(all(is_open[edge] for edge in path) for path in paths)


# Sampling


def test_sampling_is_uniform_over_operations_on_every_edge() -> None:
    rng = np.random.default_rng(0)
    drawn = [NB201.sample(rng).ops for _ in range(5000)]
    for edge in range(6):
        counts = np.array([sum(ops[edge] == op for ops in drawn) for op in OPERATIONS])
        assert (abs(counts - 1000) < 5 * np.sqrt(5000 * 0.2 * 0.8)).all()
    assert len(set(drawn)) > 3800  # 5,000 draws from 15,625 leave about 4,280 distinct ones


# NASLib


def test_a_naslib_tuple_has_its_own_order_of_operations_and_edges() -> None:
    assert Cell.from_naslib((4, 0, 3, 1, 4, 3)) == Cell.parse(
        "|avg_pool_3x3~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_1x1~2|"
    )


def test_naslib_tuples_and_cells_are_inverse_everywhere() -> None:
    tuples = [cell.to_naslib() for cell in ALL]
    assert len(set(tuples)) == SIZE
    assert [Cell.from_naslib(indices) for indices in tuples] == ALL


@given(st.tuples(*[st.integers(0, 4)] * 6))
def test_a_naslib_tuple_names_the_operation_of_each_of_its_edges(indices: tuple[int, ...]) -> None:
    cell = Cell.from_naslib(indices)
    for edge, index in zip(NASLIB_EDGES, indices, strict=True):
        assert cell.ops[EDGES.index(edge)] == NASLIB_OPERATIONS[index]


def test_naslib_tuples_are_those_that_naslib_published_beside_arch_strings(reference: Path) -> None:
    with (reference / "nbsuite_zero" / "zc_nasbench201_cifar10.csv").open(newline="") as file:
        records = [(record["net"], record["net_str"]) for record in csv.DictReader(file)]
    assert len(records) == 9445
    for net, net_str in records:
        indices = tuple(int(index) for index in net.strip("()").split(","))
        assert str(Cell.from_naslib(indices)) == net_str
        assert Cell.parse(net_str).to_naslib() == indices


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ((4, 0, 3, 1, 4), r"\(4, 0, 3, 1, 4\) is not a NASLib tuple; expected six integers from 0 to 4, such as \(4, 0, 3, 1, 4, 3\)"),
        ((4, 0, 3, 1, 4, 3, 0), "is not a NASLib tuple; expected six integers"),
        ("403143", "'403143' is not a NASLib tuple"),
        (403143, "403143 is not a NASLib tuple"),
        (None, "None is not a NASLib tuple"),
        (
            (4, 0, 5, 1, 4, 3),
            r"5 on edge 0→3 of the NASLib tuple .* is not an operation; expected an integer from 0 to 4 \(0 = skip_connect",
        ),
        ((4, 0, 3, -1, 4, 3), "-1 on edge 1→2 of the NASLib tuple"),
        ((4, 0, 3, 1, 4, True), "True on edge 2→3 of the NASLib tuple"),
        ((4, 0, 3, 1, 4.0, 3), "4.0 on edge 1→3 of the NASLib tuple"),
        (OPS, "'nor_conv_3x3' on edge 0→1 of the NASLib tuple"),
    ],
)
def test_what_is_not_a_naslib_tuple_is_refused(indices: Any, message: str) -> None:
    with pytest.raises(UnknownArchitecture, match=message):
        Cell.from_naslib(indices)


def test_naslib_tuples_of_numpy_integers_are_understood() -> None:
    assert Cell.from_naslib(tuple(np.array([4, 0, 3, 1, 4, 3]))) == Cell.from_naslib((4, 0, 3, 1, 4, 3))


# What is refused


@pytest.mark.parametrize(
    ("ops", "message"),
    [
        (ARCH, r"is a string, not six operation names; use Cell\.parse"),
        (OPS[:5], "has 5 operations; expected six, one for each of the edges 0→1, 0→2, 1→2, 0→3, 1→3, 2→3"),
        ((*OPS, "none"), "has 7 operations; expected six"),
        ((), r"\(\) has 0 operations"),
        (
            (*OPS[:5], "nor_conv_5x5"),
            "'nor_conv_5x5' on edge 2→3 is not an operation of NAS-Bench-201; expected one of none, skip_connect, nor",
        ),
        ((OPS[0], "skip", *OPS[2:]), "'skip' on edge 0→2 is not an operation"),
        ((OPS[0], None, *OPS[2:]), "None on edge 0→2 is not an operation"),
        (([], *OPS[1:]), r"\[\] on edge 0→1 is not an operation"),
        ((np.arange(2), *OPS[1:]), "on edge 0→1 is not an operation"),
        ((4, 0, 3, 1, 4, 3), r"looks like a NASLib tuple, whose operations and edges are ordered differently; use Cell\.from_naslib"),
        (tuple(np.array([4, 0, 3, 1, 4, 3])), r"looks like a NASLib tuple.*use Cell\.from_naslib"),
        (None, "None is a NoneType; expected six operation names, one for each of the edges 0→1"),
        (1.0, "1.0 is a float; expected six operation names"),
        (set(OPS), "is a set; expected six operation names"),
    ],
)
def test_what_is_not_six_operations_is_refused(ops: Any, message: str) -> None:
    with pytest.raises(UnknownArchitecture, match=message):
        Cell(ops)


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        (
            ARCH.replace("skip_connect~2", "nor_conv_5x5~2"),
            "'nor_conv_5x5' on edge 2→3 is not an operation of NAS-Bench-201; expected one of",
        ),
        (ARCH.replace("|none~0|", "|~0|"), "'' on edge 0→2 is not an operation"),
        (ARCH.rpartition("+")[0], "has 2 parts separated by '\\+'; expected three, one for each node, such as"),
        (ARCH + "+|none~0|none~1|none~2|none~3|", "has 4 parts"),
        ("", "'' has 1 parts? separated"),
        (
            ARCH.replace("skip_connect~1", "skip_connect~0"),
            "'skip_connect~0' on edge 1→2 of .* is not 'operation~1': inputs are listed in the",
        ),
        (ARCH.replace("~2|", "|"), "'skip_connect' on edge 2→3 of .* is not 'operation~2'"),
        (ARCH.replace("~2|", "~2 |"), "'skip_connect~2 ' on edge 2→3 of .* is not 'operation~2'"),
        (ARCH.replace("~2|", "~²|"), "is not 'operation~2'"),
        (ARCH.replace("|nor_conv_1x1~1", ""), "for node 3 of .* has 2 inputs; expected 3, one from each earlier node"),
        (ARCH + " ", "' for node 3 of .* does not begin and end with '\\|'; expected, for example"),
        (ARCH + "\n", "does not begin and end with"),
        (" " + ARCH, "for node 1 of .* does not begin and end with"),
        ("++", "'' for node 1 of '\\+\\+' does not begin and end with"),
        ("|+|+|", "'\\|' for node 1 of .* does not begin and end with"),
        (ARCH.upper(), "'NOR_CONV_3X3' on edge 0→1 is not an operation"),
        (OPS, r"is a tuple; expected an arch string such as '\|nor_conv_3x3~0\|"),
        (ARCH.encode(), "is a bytes; expected an arch string"),
        (3456, "3456 is a int; expected an arch string"),
        (None, "None is a NoneType; expected an arch string"),
    ],
)
def test_what_is_not_an_arch_string_is_refused_and_told_where(arch: Any, message: str) -> None:
    with pytest.raises(UnknownArchitecture, match=message):
        Cell.parse(arch)


@given(st.text() | st.text("|+~0123" + "".join(OPERATIONS)) | st.none() | st.integers() | st.binary() | st.lists(operations | st.text()))
def test_anything_else_gets_our_error(thing: Any) -> None:
    for make in (Cell.parse, Cell, Cell.from_naslib):
        try:
            cell = make(thing)
        except RobBenchError as error:
            assert isinstance(error, UnknownArchitecture)  # noqa: PT017
        else:
            assert cell.ops == tuple(thing)
