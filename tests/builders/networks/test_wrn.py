from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from robbench_builders.attacks.apgd import APGD
from robbench_builders.attacks.base import Attack
from robbench_builders.attacks.fgsm import FGSM
from robbench_builders.attacks.pgd import PGD
from robbench_builders.attacks.square import Square
from robbench_builders.errors import BuildError
from robbench_builders.evaluate import robust_outcomes
from robbench_builders.networks import families
from robbench_builders.networks.frozen import FrozenConv, FrozenStack
from robbench_builders.networks.layers import Stacked
from robbench_builders.networks.plain import Skeleton
from robbench_builders.networks.wrn import StackedWide, WideNetwork, WideSkeleton, flops, parameters
from robbench.spaces.wrn import WRN, WideResNet

torch.set_num_threads(1)

SKELETON = WideSkeleton(channels=1, stem_channels=3, image_channels=2, classes=4)
ARCHS = tuple(map(WRN.parse, ("d4w8-d5w10-d4w8", "d4w16-d5w8-d4w8", "d4w10-d5w8-d4w12")))
"""Of equal depths; one is widest in the first stage, whose channels the second then keeps, another in the third."""
NARROW = WRN.parse("d4w8-d5w8-d4w8")


def network(arch: WideResNet, seed: int, skeleton: WideSkeleton = SKELETON) -> WideNetwork:
    """In double precision, with batch norm statistics and scales that differ between networks and channels."""
    generator = torch.Generator().manual_seed(seed)
    plain = WideNetwork(arch, skeleton, [0.3, 0.6], [0.2, 0.4], generator=generator).double()
    with torch.no_grad():
        for name, tensor in plain.state_dict().items():
            if tensor.is_floating_point() and tensor.dim() == 1 and "classifier" not in name:
                tensor.uniform_(0.5, 1.5, generator=generator)
    return plain


def networks(archs: tuple[WideResNet, ...] = ARCHS) -> list[WideNetwork]:
    return [network(arch, seed) for seed, arch in enumerate(archs)]


def images(*lead: int, size: int = 8) -> Tensor:
    return torch.rand(*lead, 2, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(9))


# ---- the plain network


def by_hand(state: dict[str, Tensor], depths: tuple[int, ...], x: Tensor) -> Tensor:
    """The forward pass of the paper, in eval mode, from a state dict; the mean of (x - mean) / std included."""

    def normalised(name: str, x: Tensor) -> Tensor:
        mean, var, weight, bias = (state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return F.relu(F.batch_norm(x, mean, var, weight, bias))

    x = F.conv2d((x - state["mean"]) / state["std"], state["stem.0.weight"], padding=1)
    for stage, depth in enumerate(depths):
        for block in range(depth):
            at, stride = f"stages.{stage}.{block}", 2 if stage and not block else 1
            active = normalised(f"{at}.bn_1", x)
            out = F.conv2d(active, state[f"{at}.conv_1.weight"], stride=stride, padding=1)
            out = F.conv2d(normalised(f"{at}.bn_2", out), state[f"{at}.conv_2.weight"], padding=1)
            x = out + (x if block else F.conv2d(active, state[f"{at}.shortcut.weight"], stride=stride))
    return F.linear(normalised("head.0", x).mean((2, 3)), state["classifier.weight"], state["classifier.bias"])


@pytest.mark.parametrize("pixels", [8, 7])
def test_the_network_is_that_of_the_paper(pixels: int) -> None:
    plain = network(WRN.parse("d4w8-d7w10-d5w14"), 0).eval()
    x = images(3, size=pixels)
    torch.testing.assert_close(plain(x), by_hand(plain.state_dict(), (4, 7, 5), x), rtol=1e-12, atol=1e-12)
    assert len([name for name in plain.state_dict() if "shortcut" in name]) == 3


@pytest.mark.parametrize("pixels", [32, 28])
def test_parameters_and_flops_are_those_of_the_layers_that_run(pixels: int) -> None:
    """A second witness: hooks on every layer; each batch norm is followed by a ReLU."""
    arch, skeleton, counted = ARCHS[1], WideSkeleton(channels=1, stem_channels=4), 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        nonlocal counted
        match module:
            case nn.Conv2d():
                counted += out.numel() * module.weight[0].numel()
            case nn.Linear():
                counted += module.weight.numel()
            case nn.BatchNorm2d():
                counted += 3 * out.numel()

    plain = WideNetwork(arch, skeleton).eval()
    for module in plain.modules():
        module.register_forward_hook(count)
    plain(torch.rand(1, 3, pixels, pixels))
    pooled = skeleton.widths(arch)[-1] * (pixels // 4 + 1) ** 2
    assert flops(arch, skeleton, pixels) == flops(arch, skeleton, (pixels, pixels)) == counted + pooled
    assert parameters(arch, skeleton) == sum(parameter.numel() for parameter in plain.parameters())


@pytest.mark.parametrize("classes", [10, 100])
def test_at_the_published_size_the_space_knows_what_they_cost(classes: int) -> None:
    costs = WRN.costs(f"cifar{classes}")
    for arch in (*ARCHS, *WRN.members[::1111]):
        skeleton = WideSkeleton(classes=classes)
        assert costs["params"](arch) == parameters(arch, skeleton) / 1e6
        assert costs["flops"](arch) == flops(arch, skeleton, 32) / 1e6
    with torch.device("meta"):
        assert sum(one.numel() for one in WideNetwork(WRN.parse("WRN-34-10"), WideSkeleton()).parameters()) == 46_160_474


def test_weights_are_drawn_by_the_generator_alone() -> None:
    one, same, other = (WideNetwork(NARROW, SKELETON, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert all(torch.equal(tensor, same.state_dict()[name]) for name, tensor in one.state_dict().items())
    assert not torch.equal(one.classifier.weight, other.classifier.weight)
    with pytest.raises(BuildError, match="mean has 3 values; expected 2, one for each image channel"):
        WideNetwork(NARROW, SKELETON, [0.1, 0.2, 0.3])


# ---- stacked


@pytest.mark.parametrize("archs", [ARCHS, (NARROW, NARROW), ARCHS[:1]], ids=["widths differ", "the same", "one"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("own", [True, False])
def test_stack_equals_its_networks_forwards_and_backwards(archs: tuple[WideResNet, ...], own: bool, training: bool) -> None:
    plain = [one.train(training) for one in networks(archs)]
    stack = StackedWide(plain)
    assert stack.alike is (archs is not ARCHS)
    x = images(len(archs), 4) if own else images(4)
    x_stack, x_plain = x.clone().requires_grad_(), x.clone().requires_grad_()
    logits = stack(x_stack)
    expected = torch.stack([one(x_plain[k] if own else x_plain) for k, one in enumerate(plain)])
    torch.testing.assert_close(logits, expected, rtol=1e-9, atol=1e-11)
    weights = torch.randn(logits.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    (logits * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(x_stack.grad, x_plain.grad, rtol=1e-7, atol=1e-9)
    for k, one in enumerate(plain):
        state = stack.state(k)
        for name, tensor in one.state_dict().items():  # the statistics have moved by the same amount
            if "tracked" not in name and name not in ("mean", "std"):
                torch.testing.assert_close(state[name], tensor, rtol=1e-9, atol=1e-11)
    for name, parameter in stack.named_parameters():
        layer = stack.get_submodule(name.rpartition(".")[0])
        assert isinstance(layer, Stacked)
        assert parameter.grad is not None
        for gradient, k in zip(parameter.grad, layer.members, strict=True):
            mine = plain[k].get_parameter(name).grad
            assert mine is not None
            here = tuple(map(slice, mine.shape))
            torch.testing.assert_close(gradient[here], mine, rtol=1e-7, atol=1e-9)
            assert gradient.count_nonzero() == gradient[here].count_nonzero(), "channels that a network lacks stay as they are"


def test_what_a_network_lacks_stays_zero_while_the_stack_is_trained() -> None:
    """After steps with momentum and weight decay, a stack is still its networks, trained alone."""
    plain = [one.train() for one in networks()]
    stack = StackedWide(plain).train()
    for module in (stack, *plain):
        optimizer = torch.optim.SGD(module.parameters(), 0.05, momentum=0.9, weight_decay=5e-3, nesterov=True)
        for step in range(3):
            optimizer.zero_grad()
            labels = torch.arange(6).add(step).remainder(4)
            logits = module(images(6)).view(-1, 6, 4)
            F.cross_entropy(logits.flatten(0, 1), labels.repeat(len(logits)), reduction="none").view(-1, 6).mean(1).sum().backward()
            optimizer.step()
    for k, one in enumerate(plain):
        found = stack.extract(k).state_dict()
        for name, tensor in one.state_dict().items():
            if "tracked" not in name:
                torch.testing.assert_close(found[name], tensor, rtol=1e-6, atol=1e-8)
    alone = {name: sum(int(one.get_parameter(name).count_nonzero()) for one in plain) for name, _ in stack.named_parameters()}
    assert {name: int(parameter.count_nonzero()) for name, parameter in stack.named_parameters()} == alone


def test_gradients_never_mix() -> None:
    stack = StackedWide(networks())
    x = images(3, 2).requires_grad_()
    (gradient,) = torch.autograd.grad(stack(x)[1].square().sum(), x)
    assert gradient[1].abs().max() > 0
    assert not gradient[[0, 2]].any()


def test_extract_and_insert_are_each_others_reverse() -> None:
    stack, other = (StackedWide([network(arch, seed + add) for seed, arch in enumerate(ARCHS)]).eval() for add in (0, 10))
    for k in range(len(stack)):
        taken = stack.extract(k)
        torch.testing.assert_close(taken(images(3)), stack(images(3))[k], rtol=1e-9, atol=1e-11)
        other.insert(k, taken)
    assert torch.equal(other(images(3)), stack(images(3)))


def test_networks_of_other_depths_or_skeletons_are_not_stacked() -> None:
    with pytest.raises(BuildError, match=r"WideResNets of depths \(4, 5, 4\) and \(4, 4, 4\) cannot be stacked; expected the same in all"):
        StackedWide([network(ARCHS[0], 0), network(WRN.members[0], 0)])
    with pytest.raises(BuildError, match=r"network 1 has the skeleton WideSkeleton\(channels=2"):
        StackedWide([network(NARROW, 0), network(NARROW, 0, WideSkeleton(2, 3, 2, 4))])
    assert families.alike([*ARCHS, WRN.members[0], NARROW], SKELETON) == [[0, 1, 2, 4], [3]]


# ---- frozen, and attacked


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("pixels", [8, 7])
def test_a_frozen_stack_has_the_same_logits_and_gradients(own: bool, pixels: int) -> None:
    plain = [one.eval() for one in networks()]
    frozen = FrozenStack(StackedWide(plain).eval())
    assert sum(isinstance(module, FrozenConv) for module in frozen.modules()) == 1 + 2 * (4 + 5 + 4) + 3
    assert isinstance(frozen.get_submodule("_stack.stages.0.0.bn_2"), nn.Identity), "folded"
    x = images(len(plain), 5, size=pixels) if own else images(5, size=pixels)
    x_frozen, x_plain = x.clone().requires_grad_(), x.clone().requires_grad_()
    found = frozen(x_frozen)
    expected = torch.stack([one(x_plain[k] if own else x_plain) for k, one in enumerate(plain)])
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)
    found.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(x_frozen.grad, x_plain.grad, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("attack", [FGSM(), PGD(steps=5), APGD(steps=5), Square(queries=20)], ids=lambda attack: type(attack).__name__)
def test_the_same_attacks_run_on_a_stack_and_on_one_network(attack: Attack) -> None:
    plain = [one.eval() for one in networks(ARCHS[:2])]
    x = images(6)
    labels = torch.stack([one(x).argmax(1) for one in plain]).mode(0).values
    of_stack = robust_outcomes(FrozenStack(StackedWide(plain).eval()), x, labels, attack, [8 / 255])
    for k, one in enumerate(plain):
        alone = robust_outcomes(FrozenStack(StackedWide([one]).eval()), x, labels, attack, [8 / 255])
        assert (of_stack[k] == alone[0]).all()


# ---- beside other networks


def test_a_skeleton_says_which_networks_belong_to_it() -> None:
    found: Any = families.plain(NARROW, SKELETON, generator=torch.Generator().manual_seed(0))
    assert (type(found), type(families.stacked([found]))) == (WideNetwork, StackedWide)
    assert families.parameters(NARROW, SKELETON) == sum(parameter.numel() for parameter in found.parameters())
    assert families.kind_of("wrn") is WideSkeleton
    assert families.spaces_of(SKELETON) == [WRN]
    assert families.skeleton_from({"channels": 1, "stem_channels": 3, "image_channels": 2, "classes": 4}) == SKELETON
    with pytest.raises(BuildError, match=r"\(.*\) is no skeleton of networks of NARes; expected a WideSkeleton\."):
        families.alike([NARROW, NARROW], Skeleton())
