"""Where proxies look into a stack, by the family of its networks: ReLUs, features, and which feature a layer is compared by.

                        NAS-Bench-201                                   DARTS
    features            after the stem, after each stage with its       after the stem, after each cell,
                        reduction, the pooled vector: five              the pooled vector
    a layer's feature   that after so many stages as are complete       that after its own cell
                        with its own cell
    the classifier's    the pooled vector                               the pooled vector

Those of a WideResNet are as those of NAS-Bench-201: after the stem, after each stage, the pooled vector; a layer's is that after its own stage.

An auxiliary head is part of training, not of the network: proxies do not see it.

Source of the table: the released code of Ha, Kim and Hwang (2023), which tells these two spaces apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from torch import nn

from robbench_builders.networks.darts import StackedDarts
from robbench_builders.networks.darts.operations import StackedDepthwise, StackedFactorizedReduction
from robbench_builders.networks.layers import StackedConv, StackedReLUConvBN
from robbench_builders.networks.stacked import Stack, StackedNetwork
from robbench_builders.networks.wrn import StackedWide

AnyStack = Stack[Any]
RECTIFIED = (StackedReLUConvBN, StackedDepthwise, StackedFactorizedReduction)
"""Layers that begin with a ReLU, which takes what the layer takes."""


class Anatomy(NamedTuple):
    """Of one family."""

    features: Callable[[Any], list[nn.Module]]
    """The modules after which there is a feature, but for the pooled vector, which is the last."""
    pooled: Callable[[Any], nn.Module]
    """The module whose output is pooled."""
    feature_number: Callable[[Any, str], int]
    """Which feature belongs to a layer, by its path."""
    rectified: bool
    """Whether a ReLU comes before the pooling.  Where none does, and the last layers are batch norms, the batch's sum of the logits never changes."""


def _stages(stack: StackedNetwork) -> list[nn.Module]:
    stage = stack.skeleton.cells + 1  # the cells and the reduction after them
    return [stack.stem, stack.body[stage - 1], stack.body[2 * stage - 1], stack.body[-1]]


def _stage_of(stack: StackedNetwork, path: str) -> int:
    cells = stack.skeleton.cells
    if path == "classifier":
        return 4
    if not path.startswith("body."):
        return 0
    stage, place = divmod(int(path.split(".")[1]), cells + 1)
    return (stage * cells + min(place + 1, cells)) // cells


def _cell_of(stack: StackedDarts, path: str) -> int:
    if path == "classifier":
        return stack.skeleton.layers + 1
    return int(path.split(".")[1]) + 1 if path.startswith("body.") else 0


def _wide_stage_of(stack: StackedWide, path: str) -> int:
    if path == "classifier":
        return len(stack.stages) + 1
    return int(path.split(".")[1]) + 1 if path.startswith("stages.") else 0


_ANATOMIES: dict[type, Anatomy] = {
    StackedNetwork: Anatomy(_stages, lambda stack: stack.head, _stage_of, rectified=True),
    StackedDarts: Anatomy(lambda stack: [stack.stem, *stack.body], lambda stack: stack.body[-1], _cell_of, rectified=False),
    StackedWide: Anatomy(lambda stack: [stack.stem, *stack.stages], lambda stack: stack.head, _wide_stage_of, rectified=True),
}


def anatomy(stack: AnyStack) -> Anatomy:
    """That of the stack's family."""
    return _ANATOMIES[type(stack)]


def feature_number(stack: AnyStack, path: str) -> int:
    """Which of a record's features belongs to a layer."""
    return anatomy(stack).feature_number(stack, path)


def first_members(layer: nn.Module) -> tuple[int, ...]:
    """The networks of a stack that have a layer of `RECTIFIED`."""
    return next(module.members for module in layer.modules() if isinstance(module, StackedConv))


def without_auxiliary(stack: AnyStack) -> AnyStack:
    """The same stack without its auxiliary head, if it has one; changed in place."""
    if isinstance(stack, StackedDarts) and stack.skeleton.auxiliary:
        stack.skeleton = replace(stack.skeleton, auxiliary=False)
        del stack.auxiliary
    return stack
