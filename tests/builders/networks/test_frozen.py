from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from robbench_builders.attacks.base import ascent
from robbench_builders.networks.frozen import FrozenConv, FrozenStack
from robbench_builders.networks.layers import StackedBatchNorm, StackedConv
from robbench_builders.networks.stacked import StackedNetwork
from robbench.spaces.nb201 import Cell
from tests.builders.networks.families import SKELETONS, images, network, networks
from tests.strategies import any_cell


@pytest.mark.parametrize("own", [True, False])
@settings(max_examples=12)
@given(cells=st.lists(any_cell, min_size=1, max_size=5))
def test_same_logits_and_input_gradients_as_the_stack_and_its_networks(cells: list[Cell], own: bool) -> None:
    plain = [network(cell, seed, SKELETONS["nb201"]).eval() for seed, cell in enumerate(cells)]
    stack = StackedNetwork(plain).eval()
    x = images(len(cells), 5) if own else images(5)
    found = FrozenStack(stack)(x)
    torch.testing.assert_close(found, stack(x), rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(found, torch.stack([one(x[k] if own else x) for k, one in enumerate(plain)]), rtol=1e-9, atol=1e-11)

    labels = torch.arange(5).remainder(4).expand(len(cells), -1)
    each = images(len(cells), 5)
    _, _, gradient = ascent(FrozenStack(stack), each, labels)
    _, _, expected = ascent(stack, each, labels)
    torch.testing.assert_close(gradient, expected, rtol=1e-8, atol=1e-11)
    torch.testing.assert_close(
        gradient, torch.stack([ascent(one, each[k], labels[k])[2] for k, one in enumerate(plain)]), rtol=1e-8, atol=1e-11
    )


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("inputs", [3, 16])
@given(sizes=st.lists(st.tuples(st.integers(1, 6), st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=3), normed=st.booleans())
def test_convolutions_are_the_same_in_every_form(kernel: int, inputs: int, sizes: list[tuple[int, int, int]], normed: bool) -> None:
    """Few images and many, smaller than the kernel and larger, one size after the other."""
    draw = torch.Generator().manual_seed(1)
    conv, norm = StackedConv((0, 2, 5), inputs, 4, kernel).double(), StackedBatchNorm((0, 2, 5), 4).double().eval()
    with torch.no_grad():
        for tensor in (conv.weight, *norm.state_dict().values()):
            tensor.uniform_(0.5, 1.5, generator=draw)
    frozen = FrozenConv(conv, norm if normed else None)
    for batch, height, width in sizes:
        x = torch.randn(batch, height, width, 3, inputs, dtype=torch.float64, generator=draw).requires_grad_()
        found, expected = frozen(x), norm(conv(x)) if normed else conv(x)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-10)
        weights = torch.randn(found.shape, dtype=torch.float64, generator=draw)
        gradients = (torch.autograd.grad((out * weights).sum(), x)[0] for out in (found, expected))
        torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-10)


def test_only_the_heads_batch_norm_is_left() -> None:
    frozen = FrozenStack(StackedNetwork([one.eval() for one in networks("nb201")]))
    assert [name for name, module in frozen.named_modules() if isinstance(module, StackedBatchNorm)] == ["_stack.head.0"]
