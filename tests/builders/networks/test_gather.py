from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch
from hypothesis import example, given
from hypothesis import strategies as st

from robbench_builders.networks.gather import StackIndex

STACK = 6
EVERYONE = list(range(STACK))
some_members = st.lists(st.sets(st.integers(0, STACK - 1), min_size=1).map(sorted), min_size=1, max_size=5)


def activation(stack: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(2, 3, 3, stack, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@example([EVERYONE])
@example([EVERYONE, EVERYONE, [0, 2]])
@given(some_members)
def test_parts_are_gathered_and_summed(members: list[list[int]]) -> None:
    subsets, x = StackIndex(STACK, members), activation(STACK)
    parts = subsets.gather(x)
    assert len(parts) == len(subsets) == len(members)
    expected = torch.zeros_like(x)
    for part, who in zip(parts, members, strict=True):
        assert torch.equal(part, x[:, :, :, who])
        expected[:, :, :, who] += part
    assert torch.equal(subsets.scatter_add(*parts), expected)


@example([EVERYONE])
@example([EVERYONE, EVERYONE, [0, 2]])
@given(some_members)
def test_each_is_the_others_derivative(members: list[list[int]]) -> None:
    subsets, x = StackIndex(STACK, members), activation(STACK).requires_grad_()
    parts = [activation(len(who), seed).requires_grad_() for seed, who in enumerate(members)]
    (gradient,) = torch.autograd.grad(subsets.gather(x), x, [part.detach() for part in parts])
    assert torch.equal(gradient, subsets.scatter_add(*parts))
    gradients = torch.autograd.grad(subsets.scatter_add(*parts), parts, x.detach())
    assert all(torch.equal(mine, part) for mine, part in zip(gradients, subsets.gather(x), strict=True))


@example([EVERYONE])
@example([EVERYONE, EVERYONE])
@given(some_members)
def test_a_total_is_contiguous_whatever_its_parts_are(members: list[list[int]]) -> None:
    """Layers round otherwise when memory is laid out otherwise."""
    parts = [activation(len(who)).transpose(0, 3).contiguous().transpose(0, 3) for who in members]
    assert StackIndex(STACK, members).scatter_add(*parts).is_contiguous()


def test_parts_given_are_left_as_they_are() -> None:
    subsets = StackIndex(STACK, [range(STACK), [0, 2], range(STACK)])
    parts = [activation(n, seed) for seed, n in enumerate((STACK, 2, STACK))]
    before = [part.clone() for part in parts]
    subsets.scatter_add(*parts)
    assert all(map(torch.equal, parts, before))


def test_nowhere() -> None:
    assert StackIndex(STACK, []).gather(activation(STACK)) == ()
