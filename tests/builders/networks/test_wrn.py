from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from robbench_builders.errors import BuildError
from robbench_builders.networks import families
from robbench_builders.networks.frozen import FrozenConv, FrozenStack
from robbench_builders.networks.plain import Skeleton
from robbench_builders.networks.wrn import StackedWide, WideNetwork, WideSkeleton, flops, parameters
from robbench.spaces.wrn import WRN, WideResNet
from tests.builders.networks.families import SKELETONS, WIDE, assert_equal, images, network, networks

torch.set_num_threads(1)

SKELETON = SKELETONS["wrn"]
NARROW = WRN.parse("d4w8-d5w8-d4w8")


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
    plain = network(WRN.parse("d4w8-d7w10-d5w14"), 0, SKELETON).eval()
    x = images(3, size=pixels)
    torch.testing.assert_close(plain(x), by_hand(plain.state_dict(), (4, 7, 5), x), rtol=1e-12, atol=1e-12)
    assert len([name for name in plain.state_dict() if "shortcut" in name]) == 3


@pytest.mark.parametrize("pixels", [32, 28])
def test_parameters_and_flops_are_those_of_the_layers_that_run(pixels: int) -> None:
    """A second witness: hooks on every layer; each batch norm is followed by a ReLU."""
    arch, skeleton, counted = WIDE[1], WideSkeleton(channels=1, stem_channels=4), 0

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
    for arch in (*WIDE, *WRN.members[::1111]):
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


@pytest.mark.parametrize("archs", [WIDE, (NARROW, NARROW), WIDE[:1]], ids=["widths differ", "the same", "one"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("own", [True, False])
def test_a_stack_knows_whether_its_networks_are_alike(archs: tuple[WideResNet, ...], own: bool, training: bool) -> None:
    plain = [network(arch, seed, SKELETON).train(training) for seed, arch in enumerate(archs)]
    stack = StackedWide(plain)
    assert stack.alike is (archs is not WIDE)
    assert_equal(stack, plain, images(len(archs), 4) if own else images(4), own)


def test_what_a_network_lacks_stays_zero_while_the_stack_is_trained() -> None:
    """After steps with momentum and weight decay, a stack is still its networks, trained alone."""
    plain = [one.train() for one in networks("wrn")]
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


def test_networks_of_other_depths_or_skeletons_are_not_stacked() -> None:
    with pytest.raises(BuildError, match=r"WideResNets of depths \(4, 5, 4\) and \(4, 4, 4\) cannot be stacked; expected the same in all"):
        StackedWide([network(WIDE[0], 0, SKELETON), network(WRN.members[0], 0, SKELETON)])
    with pytest.raises(BuildError, match=r"network 1 has the skeleton WideSkeleton\(channels=2"):
        StackedWide([network(NARROW, 0, SKELETON), network(NARROW, 0, WideSkeleton(2, 3, 2, 4))])
    assert families.alike([*WIDE, WRN.members[0], NARROW], SKELETON) == [[0, 1, 2, 4], [3]]


# ---- frozen


def test_a_frozen_stack_has_no_batch_norm_after_a_convolution() -> None:
    frozen = FrozenStack(StackedWide([one.eval() for one in networks("wrn")]).eval())
    assert sum(isinstance(module, FrozenConv) for module in frozen.modules()) == 1 + 2 * (4 + 5 + 4) + 3
    assert isinstance(frozen.get_submodule("_stack.stages.0.0.bn_2"), nn.Identity), "folded"


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
