"""What a stack must do whatever networks are in it, for every family."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from robbench_builders.attacks.apgd import APGD
from robbench_builders.attacks.base import Attack, ascent
from robbench_builders.attacks.fgsm import FGSM
from robbench_builders.attacks.pgd import PGD
from robbench_builders.attacks.square import Square
from robbench_builders.errors import BuildError
from robbench_builders.evaluate import robust_outcomes
from robbench_builders.networks import families
from robbench_builders.networks.frozen import FrozenStack
from tests.builders.networks.families import ARCHS, SKELETONS, assert_equal, images, members, networks

pytestmark = pytest.mark.parametrize("family", ARCHS)


def test_every_family_is_here(family: str) -> None:
    assert set(map(type, SKELETONS.values())) == set(families.FAMILIES)
    assert families.kind_of(family) is type(SKELETONS[family])


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("own", [True, False])
def test_stack_equals_its_networks_forwards_and_backwards(family: str, own: bool, training: bool) -> None:
    plain = [one.train(training) for one in networks(family)]
    assert_equal(families.stacked(plain), plain, images(len(plain), 3) if own else images(3), own)


@pytest.mark.parametrize("training", [True, False])
def test_gradients_never_mix(family: str, training: bool) -> None:
    stack = families.stacked(networks(family)).train(training)
    x = images(len(stack), 2).requires_grad_()
    (gradient,) = torch.autograd.grad(stack(x)[1].square().sum(), x)
    assert gradient[1].abs().max() > 0
    assert not gradient[[k for k in range(len(stack)) if k != 1]].any()


def test_a_network_that_is_not_finite_leaves_the_others_as_they_are(family: str) -> None:
    stack = families.stacked([one.float() for one in networks(family)])
    others = [k for k in range(len(stack)) if k != 2]
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
    assert torch.equal(logits[others], expected[others])
    logits.sum().backward()
    for (name, parameter), before in zip(stack.named_parameters(), gradients, strict=True):
        rows = [row for row, k in enumerate(members(stack, name)) if k != 2]
        assert (parameter.grad is None) == (before is None)
        if parameter.grad is not None and before is not None:
            assert torch.equal(parameter.grad[rows], before[rows])


def test_second_derivatives_are_right(family: str) -> None:
    plain = [one.eval() for one in networks(family)]

    def curvature(function: nn.Module) -> torch.Tensor:
        x = images(2).requires_grad_()
        (first,) = torch.autograd.grad(function(x).square().sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), x)
        return second

    class Apart(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.stack([one(x) for one in plain])

    torch.testing.assert_close(curvature(families.stacked(plain)), curvature(Apart()), rtol=1e-7, atol=1e-8)


def test_extract_and_insert_are_each_others_reverse(family: str) -> None:
    stack, other = (families.stacked(networks(family, seed)).eval() for seed in (0, 10))
    for k in range(len(stack)):
        taken = stack.extract(k)
        assert not taken.training
        torch.testing.assert_close(taken(images(3)), stack(images(3))[k], rtol=1e-9, atol=1e-11)
        other.insert(k, taken)
    assert torch.equal(other(images(3)), stack(images(3)))


def test_an_extracted_network_is_a_copy(family: str) -> None:
    stack = families.stacked(networks(family)).eval()
    before = stack(images(3))
    with torch.no_grad():
        for parameter in stack.extract(0).parameters():
            parameter.zero_()
    assert torch.equal(stack(images(3)), before)


def test_images_of_the_wrong_shape(family: str) -> None:
    stack = families.stacked(networks(family))
    wrong = len(stack) + 1
    with pytest.raises(BuildError, match=rf"\({wrong}, 5, 2, 8, 8\); expected \(batch, channels, h, w\) or \({len(stack)}, batch"):
        stack(images(wrong, 5))


# ---- frozen, and attacked


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("pixels", [8, 7])
def test_a_frozen_stack_has_the_same_logits_and_gradients(family: str, own: bool, pixels: int) -> None:
    plain = [one.eval() for one in networks(family)]
    frozen = FrozenStack(families.stacked(plain).eval())
    x = images(len(plain), 5, size=pixels) if own else images(5, size=pixels)
    x_frozen, x_plain = x.clone().requires_grad_(), x.clone().requires_grad_()
    found = frozen(x_frozen)
    expected = torch.stack([one(x_plain[k] if own else x_plain) for k, one in enumerate(plain)])
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)
    found.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(x_frozen.grad, x_plain.grad, rtol=1e-7, atol=1e-9)


def test_a_frozen_network_that_is_not_finite_leaves_the_others_as_they_are(family: str) -> None:
    stack = families.stacked([one.float().eval() for one in networks(family)])
    others = [k for k in range(len(stack)) if k != 2]
    x, labels = images(len(stack), 4).float(), torch.zeros(len(stack), 4, dtype=torch.int64)
    before, _, gradient_before = ascent(FrozenStack(stack), x, labels)
    with torch.no_grad():
        for tensor in stack.state(2).values():
            tensor.fill_(torch.nan)
    logits, _, gradient = ascent(FrozenStack(stack), x, labels)
    assert logits[2].isnan().all()
    assert torch.equal(logits[others], before[others])
    assert torch.equal(gradient[others], gradient_before[others])


def test_a_frozen_stack_is_a_copy_without_gradients(family: str) -> None:
    stack = families.stacked([one.eval() for one in networks(family)])
    frozen = FrozenStack(stack)
    before, unfrozen = frozen(images(3)), stack(images(3))
    assert not before.requires_grad
    assert all(parameter.requires_grad for parameter in stack.parameters())
    assert torch.equal(stack(images(3)), unfrozen)
    with torch.no_grad():
        for parameter in stack.parameters():
            parameter.zero_()
    assert torch.equal(frozen(images(3)), before)


def test_a_frozen_stack_goes_where_it_is_sent_as_a_whole(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = families.stacked([one.eval() for one in networks(family)])
    before = FrozenStack(stack)(images(3))
    torch.testing.assert_close(FrozenStack(stack).float()(images(3).float()), before.float(), rtol=1e-4, atol=1e-4)
    monkeypatch.setattr(torch, "autocast", lambda *given, **options: nullcontext())  # it knows no device without numbers
    assert FrozenStack(stack).to("meta")(images(3).to("meta")).shape == before.shape


def test_a_frozen_stack_has_no_training_mode(family: str) -> None:
    stack = families.stacked(networks(family)).train()
    with pytest.raises(BuildError, match=r"the stack is in training mode.*call stack\.eval\(\) first"):
        FrozenStack(stack)
    frozen = FrozenStack(stack.eval())
    with pytest.raises(BuildError, match="a frozen stack has no training mode"):
        frozen.train()
    assert not frozen.eval().training


@pytest.mark.parametrize("attack", [FGSM(), PGD(steps=5), APGD(steps=5), Square(queries=20)], ids=lambda attack: type(attack).__name__)
def test_the_same_attacks_run_on_a_stack_and_on_one_network(family: str, attack: Attack) -> None:
    plain = [one.eval() for one in networks(family)[:2]]
    x = images(6)
    labels = torch.stack([one(x).argmax(1) for one in plain]).mode(0).values
    of_stack = robust_outcomes(FrozenStack(families.stacked(plain).eval()), x, labels, attack, [8 / 255])
    for k, one in enumerate(plain):
        alone = robust_outcomes(FrozenStack(families.stacked([one]).eval()), x, labels, attack, [8 / 255])
        assert (of_stack[k] == alone[0]).all()
