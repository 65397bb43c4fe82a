from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from robbench_builders.errors import BuildError
from robbench_builders.networks.layers import Stacked
from robbench_builders.networks.plain import Network, Skeleton
from robbench_builders.networks.stacked import StackedNetwork
from robbench.spaces.nb201 import EDGES, Cell
from tests.strategies import any_cell

SKELETON = Skeleton(channels=3, cells=1, image_channels=2, classes=4)
MIXED = tuple(
    map(
        Cell.parse,
        (
            "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|",
            "|nor_conv_1x1~0|+|nor_conv_3x3~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|nor_conv_3x3~2|",
            "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_1x1~2|",
            "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|",
        ),
    )
)


def network(cell: Cell, seed: int) -> Network:
    """In double precision, with batch norm statistics and scales that differ between networks and channels."""
    generator = torch.Generator().manual_seed(seed)
    plain = Network(cell, SKELETON, [0.3, 0.6], [0.2, 0.4], generator=generator).double()
    with torch.no_grad():
        for name, tensor in plain.state_dict().items():
            if tensor.is_floating_point() and tensor.dim() == 1 and "classifier" not in name:
                tensor.uniform_(0.5, 1.5, generator=generator)
    return plain


def members(stack: StackedNetwork, parameter: str) -> tuple[int, ...]:
    layer = stack.get_submodule(parameter.rpartition(".")[0])
    assert isinstance(layer, Stacked)
    return layer.members


def images(*lead: int) -> torch.Tensor:
    return torch.rand(*lead, 2, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(9))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("own", [True, False])
@settings(max_examples=12)
@given(cells=st.lists(any_cell, min_size=1, max_size=5))
def test_stack_equals_its_networks_forwards_and_backwards(cells: list[Cell], own: bool, training: bool) -> None:
    plain = [network(cell, seed).train(training) for seed, cell in enumerate(cells)]
    stack = StackedNetwork(plain)
    x = images(len(cells), 5) if own else images(5)
    x_stack, x_plain = x.clone().requires_grad_(), x.clone().requires_grad_()
    logits = stack(x_stack)
    expected = torch.stack([one(x_plain[k] if own else x_plain) for k, one in enumerate(plain)])
    assert logits.shape == (len(cells), 5, 4)
    torch.testing.assert_close(logits, expected, rtol=1e-10, atol=1e-12)

    # Unequal weights on the logits, so that no gradient is the same by symmetry.
    weights = torch.randn(logits.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    (logits * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(x_stack.grad, x_plain.grad, rtol=1e-9, atol=1e-11)
    for k, one in enumerate(plain):
        state = stack.state(k)
        for name, tensor in one.state_dict().items():  # the statistics have moved by the same amount
            if "tracked" not in name and name not in ("mean", "std"):
                torch.testing.assert_close(state[name], tensor, rtol=1e-10, atol=1e-12)
    for name, parameter in stack.named_parameters():
        for row, k in enumerate(members(stack, name)):
            mine = plain[k].get_parameter(name).grad
            gradient = parameter.grad[row] if parameter.grad is not None else torch.zeros_like(parameter[row])
            torch.testing.assert_close(gradient, torch.zeros_like(gradient) if mine is None else mine, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("training", [True, False])
def test_gradients_never_mix(training: bool) -> None:
    stack = StackedNetwork([network(cell, seed) for seed, cell in enumerate(MIXED)]).train(training)
    x = images(len(MIXED), 3).requires_grad_()
    (gradient,) = torch.autograd.grad(stack(x)[1].square().sum(), x)
    assert gradient[1].abs().max() > 0
    assert all(not gradient[k].any() for k in (0, 2, 3))


def test_a_network_that_is_not_finite_leaves_the_others_as_they_are() -> None:
    plain = [network(cell, seed).float() for seed, cell in enumerate(MIXED)]
    stack = StackedNetwork(plain)
    x = images(4).float()
    expected = stack(x)
    expected.sum().backward()
    gradients = [parameter.grad for parameter in stack.parameters()]
    with torch.no_grad():
        for tensor in stack.state(2).values():
            tensor.fill_(torch.nan)
    stack.zero_grad()
    logits = stack(x)
    assert logits[2].isnan().all()
    assert torch.equal(logits[[0, 1, 3]], expected[[0, 1, 3]])
    logits.sum().backward()
    for (name, parameter), before in zip(stack.named_parameters(), gradients, strict=True):
        others = [row for row, k in enumerate(members(stack, name)) if k != 2]
        assert parameter.grad is not None
        assert before is not None
        assert torch.equal(parameter.grad[others], before[others])


def test_second_derivatives_are_right() -> None:
    plain = [network(cell, seed).eval() for seed, cell in enumerate(MIXED)]
    stack = StackedNetwork(plain)

    def curvature(function: torch.nn.Module) -> torch.Tensor:
        x = images(2).requires_grad_()
        (first,) = torch.autograd.grad(function(x).square().sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), x)
        return second

    class Apart(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.stack([one(x) for one in plain])

    torch.testing.assert_close(curvature(stack), curvature(Apart()), rtol=1e-8, atol=1e-9)


def test_extract_and_insert_are_each_others_reverse() -> None:
    stack = StackedNetwork([network(cell, seed) for seed, cell in enumerate(MIXED)]).eval()
    other = StackedNetwork([network(cell, seed + 10) for seed, cell in enumerate(MIXED)]).eval()
    for k in range(len(stack)):
        taken = stack.extract(k)
        assert not taken.training
        torch.testing.assert_close(taken(images(3)), stack(images(3))[k], rtol=1e-10, atol=1e-12)
        other.insert(k, taken)
    assert torch.equal(other(images(3)), stack(images(3)))


def test_an_extracted_network_is_a_copy() -> None:
    stack = StackedNetwork([network(cell, seed) for seed, cell in enumerate(MIXED)]).eval()
    before = stack(images(3))
    with torch.no_grad():
        for parameter in stack.extract(0).parameters():
            parameter.zero_()
    assert torch.equal(stack(images(3)), before)


@settings(max_examples=12)
@given(any_cell)
def test_swapping_unconnected_nodes_with_their_weights_leaves_logits(cell: Cell) -> None:
    """Nodes 1 and 2 are equivalent where no edge joins them: 0→1 changes places with 0→2, and 1→3 with 2→3."""
    ops = dict(zip(EDGES, cell.ops, strict=True)) | {(1, 2): "none"}
    moved = {(0, 1): (0, 2), (0, 2): (0, 1), (1, 3): (2, 3), (2, 3): (1, 3)}
    here = network(Cell([ops[edge] for edge in EDGES]), 0)
    there = network(Cell([ops[moved.get(edge, edge)] for edge in EDGES]), 1)
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
    stack = StackedNetwork([network(cell, seed) for seed, cell in enumerate(MIXED)]).eval()
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


def test_images_of_the_wrong_shape() -> None:
    stack = StackedNetwork([network(cell, seed) for seed, cell in enumerate(MIXED)])
    with pytest.raises(BuildError, match=r"\(3, 5, 2, 8, 8\); expected \(batch, channels, h, w\) or \(4, batch"):
        stack(images(3, 5))
