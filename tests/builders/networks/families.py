"""Small networks of every family, with what a stack of them must equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from robbench_builders.networks import families
from robbench_builders.networks.darts import DartsSkeleton
from robbench_builders.networks.layers import Stacked
from robbench_builders.networks.plain import Skeleton
from robbench_builders.networks.wrn import WideSkeleton
from robbench.spaces.darts import DARTS
from robbench.spaces.nb201 import Cell
from robbench.spaces.wrn import WRN
from tests.genotypes import drawn

torch.set_num_threads(1)  # networks this small only lose by more

CONSTANT = Cell.parse("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|")
"""Its output ignores the input."""
MIXED = tuple(
    map(
        Cell.parse,
        (
            "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|",
            "|nor_conv_1x1~0|+|nor_conv_3x3~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|nor_conv_3x3~2|",
            "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_1x1~2|",
        ),
    )
)
WIDE = tuple(map(WRN.parse, ("d4w8-d5w10-d4w8", "d4w16-d5w8-d4w8", "d4w10-d5w8-d4w12")))
"""Of equal depths; one is widest in the first stage, whose channels the second then keeps, another in the third."""
SKELETONS: dict[str, Any] = {
    "nb201": Skeleton(channels=3, cells=1, image_channels=2, classes=4),
    "darts": DartsSkeleton(channels=2, layers=4, image_channels=2, classes=4),
    "wrn": WideSkeleton(channels=1, stem_channels=3, image_channels=2, classes=4),
}
ARCHS: dict[str, tuple[Any, ...]] = {
    "nb201": (*MIXED, CONSTANT),
    "darts": (*drawn(3, seed=3), DARTS.parse("lrnas")),  # the last is outside the space
    "wrn": WIDE,
}
"""Of every family, networks that go into one stack."""


def network(arch: Any, seed: int, skeleton: Any) -> Any:
    """In double precision, with batch norm statistics and scales that differ between networks and channels."""
    generator = torch.Generator().manual_seed(seed)
    plain = families.plain(arch, skeleton, [0.3, 0.6], [0.2, 0.4], generator=generator).double()
    with torch.no_grad():
        for name, tensor in plain.state_dict().items():
            if tensor.is_floating_point() and tensor.dim() == 1 and "classifier" not in name:
                tensor.uniform_(0.5, 1.5, generator=generator)
    return plain


def networks(family: str, first_seed: int = 0) -> list[Any]:
    return [network(arch, first_seed + place, SKELETONS[family]) for place, arch in enumerate(ARCHS[family])]


def images(*lead: int, size: int = 8) -> Tensor:
    return torch.rand(*lead, 2, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(9))


def members(stack: Any, parameter: str) -> tuple[int, ...]:
    """Which networks have a parameter."""
    layer = stack.get_submodule(parameter.rpartition(".")[0])
    assert isinstance(layer, Stacked)
    return layer.members


def assert_equal(stack: Any, plain: Sequence[Any], x: Tensor, own: bool) -> None:
    """Logits, statistics, and gradients for images and weights; channels that a network lacks beside others have no gradient."""
    x_stack, x_plain = x.clone().requires_grad_(), x.clone().requires_grad_()
    logits = stack(x_stack)
    expected = torch.stack([one(x_plain[k] if own else x_plain) for k, one in enumerate(plain)])
    torch.testing.assert_close(logits, expected, rtol=1e-9, atol=1e-11)
    # Unequal weights on the logits, so that no gradient is the same by symmetry.
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
        found = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        for gradient, k in zip(found, members(stack, name), strict=True):
            own_parameter = plain[k].get_parameter(name)
            mine = torch.zeros_like(own_parameter) if own_parameter.grad is None else own_parameter.grad
            here = tuple(map(slice, mine.shape))
            torch.testing.assert_close(gradient[here], mine, rtol=1e-7, atol=1e-9)
            assert gradient.count_nonzero() == gradient[here].count_nonzero()
