from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from robbench_builders.errors import BuildError
from robbench_builders.networks.plain import Network, Skeleton
from robbench_builders.networks.stacked import StackedNetwork
from robbench.spaces.nb201 import EDGES, Cell
from tests.builders.networks.families import MIXED, SKELETONS, assert_equal, images, network, networks
from tests.strategies import any_cell

SKELETON = SKELETONS["nb201"]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("own", [True, False])
@settings(max_examples=12)
@given(cells=st.lists(any_cell, min_size=1, max_size=5))
def test_stack_equals_its_networks_forwards_and_backwards(cells: list[Cell], own: bool, training: bool) -> None:
    plain = [network(cell, seed, SKELETON).train(training) for seed, cell in enumerate(cells)]
    assert_equal(StackedNetwork(plain), plain, images(len(cells), 5) if own else images(5), own)


@settings(max_examples=12)
@given(any_cell)
def test_swapping_unconnected_nodes_with_their_weights_leaves_logits(cell: Cell) -> None:
    """Nodes 1 and 2 are equivalent where no edge joins them: 0→1 changes places with 0→2, and 1→3 with 2→3."""
    ops = dict(zip(EDGES, cell.ops, strict=True)) | {(1, 2): "none"}
    moved = {(0, 1): (0, 2), (0, 2): (0, 1), (1, 3): (2, 3), (2, 3): (1, 3)}
    here = network(Cell([ops[edge] for edge in EDGES]), 0, SKELETON)
    there = network(Cell([ops[moved.get(edge, edge)] for edge in EDGES]), 1, SKELETON)
    renamed = {f"_{a}{b}.": f"_{c}{d}." for (a, b), (c, d) in moved.items()}
    there.load_state_dict(
        {
            next((name.replace(old, new) for old, new in renamed.items() if old in name), name): tensor
            for name, tensor in here.state_dict().items()
        }
    )
    one, other = StackedNetwork([here, there]).eval()(images(3))
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_output_that_ignores_the_input_is_constant() -> None:
    stack = StackedNetwork(networks("nb201")).eval()
    logits = stack(images(5))
    assert torch.equal(logits[3], logits[3, :1].expand(5, -1))
    assert (logits[:3].std(1) > 0).all()


def test_nothing_to_stack() -> None:
    with pytest.raises(BuildError, match="expected at least one"):
        StackedNetwork([])


def test_networks_that_do_not_go_together() -> None:
    generator = torch.Generator().manual_seed(0)
    one = Network(MIXED[0], SKELETON, generator=generator)
    with pytest.raises(BuildError, match=r"network 1 has the skeleton .*channels=8.*expects .*channels=3"):
        StackedNetwork([one, Network(MIXED[0], Skeleton(8, 1, 2, 4), generator=generator)])
    with pytest.raises(BuildError, match="network 1 has the mean"):
        StackedNetwork([one, Network(MIXED[0], SKELETON, [0.1, 0.2], generator=generator)])
    with pytest.raises(BuildError, match="network 0 has the architecture"):
        StackedNetwork([one]).insert(0, Network(MIXED[1], SKELETON, generator=generator))
