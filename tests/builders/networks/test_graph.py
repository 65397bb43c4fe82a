from __future__ import annotations

import pytest

from robbench_builders.errors import BuildError
from robbench_builders.networks import cell_of, space_of
from robbench_builders.networks.graph import CellGraph
from robbench.spaces.nb201 import NB201, Cell
from tests.toy_space import register


def test_edges_are_ordered_by_target_and_none_is_left_out() -> None:
    cell = cell_of(Cell(("nor_conv_1x1", "none", "skip_connect", "avg_pool_3x3", "nor_conv_3x3", "none")))
    assert cell == CellGraph(4, ((0, 1, "nor_conv_1x1"), (1, 2, "skip_connect"), (0, 3, "avg_pool_3x3"), (1, 3, "nor_conv_3x3")))


@pytest.mark.parametrize("edge", [(1, 0), (1, 1), (0, 3), (-1, 1)])
def test_edges_lead_from_a_node_to_a_later_one(edge: tuple[int, int]) -> None:
    with pytest.raises(BuildError, match=r"of a cell of 3 nodes leads backwards, or to no node"):
        CellGraph.of(3, [(*edge, "skip_connect")])


def test_an_edge_twice_is_refused() -> None:
    with pytest.raises(BuildError, match="a cell has an edge twice"):
        CellGraph.of(3, [(0, 1, "skip_connect")] * 2)


def test_the_space_is_told_by_the_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = register(monkeypatch)
    assert space_of(toy.members[0]) is toy
    assert space_of(NB201.decode((0,) * 6)) is NB201
    with pytest.raises(
        BuildError, match=r"'\|none~0\|' is a str; expected an architecture of NAS-Bench-201, the toy space, DARTS, NARes, parsed by"
    ):
        space_of("|none~0|")
