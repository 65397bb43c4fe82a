"""Many cells → one module that runs them all at once.

All networks of a benchmark share one macro skeleton, so `stack` of them run as one whose layers are grouped.  Between layers an
activation is one contiguous tensor

    (batch, height, width, stack, channels)

which is at the same time, without a copy, the channels-last image `(batch, stack·channels, height, width)` that grouped convolutions,
batch norm and pooling want, and one whose networks can be gathered along an axis: on each edge of a cell, the networks with
the same operation there are gathered, run as one grouped convolution, and added back to their places.

A weight is the plain network's (`network.py`) with the networks that have it as a leading axis, under the same name:

    plain     body.0.edges.nor_conv_3x3_12.conv.weight    (outputs, inputs, 3, 3)
    stacked   body.0.edges.nor_conv_3x3_12.conv.weight    (members, outputs, inputs, 3, 3)    members: who has a 3×3 on edge 1→2

Networks never see one another: batch norm's statistics are per channel, so per network, and so are gradients of summed losses.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from builders.errors import BuildError
from builders.network import KERNEL, Network, Skeleton, edge_name
from robbench.spaces.nb201 import EDGES, OPERATIONS, Cell


class StackedNetwork(nn.Module):
    """Networks of one skeleton and one normalisation, run at once; starts with their weights, batch norm statistics, mode and device.

    Arguments:
        networks: at least one; `stack` is their number.

    Raises:
        BuildError: no networks, or networks that differ in skeleton or normalisation.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, networks: Sequence[Network]) -> None:
        super().__init__()
        if not networks:
            raise BuildError("there are no networks to stack; expected at least one.")
        first = networks[0]
        self.skeleton: Skeleton = first.skeleton
        self.cells: tuple[Cell, ...] = tuple(network.cell for network in networks)
        self.register_buffer("mean", first.mean.clone())
        self.register_buffer("std", first.std.clone())
        everyone = tuple(range(len(networks)))
        stem, _, last = self.skeleton.widths
        self.stem = nn.Sequential(StackedConv(everyone, self.skeleton.image_channels, stem, 3), StackedBatchNorm(everyone, stem))
        self.body = nn.Sequential()
        for stage, width in enumerate(self.skeleton.widths):
            if stage > 0:
                self.body.append(StackedReduction(everyone, width))
            self.body.extend(StackedCell(self.cells, width) for _ in range(self.skeleton.cells))
        self.head = nn.Sequential(StackedBatchNorm(everyone, last), nn.ReLU())
        self.classifier = StackedLinear(everyone, last, self.skeleton.classes)
        self.to(first.mean.device, first.classifier.weight.dtype).train(first.training)
        for k, network in enumerate(networks):
            self.insert(k, network)

    def __len__(self) -> int:
        """How many networks: `stack`."""
        return len(self.cells)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(stack, batch, classes)`` of all networks.

        Arguments:
            images: in [0, 1]; ``(batch, channels, h, w)``, the same for all, or ``(stack, batch, channels, h, w)``, each its own.

        Raises:
            BuildError: neither shape.
        """
        own = images.dim() == 5 and len(images) == len(self)
        if images.dim() != 4 and not own:
            raise BuildError(
                f"images have shape {tuple(images.shape)}; expected (batch, channels, h, w) or ({len(self)}, batch, channels, h, w)."
            )
        x = (images - self.mean) / self.std
        x = x.permute(1, 3, 4, 0, 2) if own else x.permute(0, 2, 3, 1).unsqueeze(3)
        x = self.head(self.body(self.stem(x)))
        logits: Tensor = self.classifier(x.mean((1, 2)))
        return logits

    def extract(self, k: int) -> Network:
        """The k-th network, with copies of its weights and batch norm statistics, in the stack's mode and on its device."""
        network = Network(self.cells[k], self.skeleton, self.mean.flatten().tolist(), self.std.flatten().tolist())
        network.to(self.mean.device, self.classifier.weight.dtype).train(self.training)
        _copy(self.state(k), network.state_dict())
        return network

    def insert(self, k: int, network: Network) -> None:
        """Overwrite the k-th network's weights and batch norm statistics.

        Raises:
            BuildError: `network` has another cell, skeleton or normalisation.
        """
        for what, given, expected in (
            ("cell", network.cell, self.cells[k]),
            ("skeleton", network.skeleton, self.skeleton),
            ("mean", network.mean.tolist(), self.mean.tolist()),
            ("std", network.std.tolist(), self.std.tolist()),
        ):
            if given != expected:
                raise BuildError(f"network {k} has the {what} {given}; this place of the stack expects {expected}.")
        _copy(network.state_dict(), self.state(k))

    def state(self, k: int) -> dict[str, Tensor]:
        """The k-th network's weights and batch norm statistics: views into the stack, under the plain network's names."""
        return {
            f"{path}.{name}": tensor.detach()[module.members.index(k)]
            for path, module in self.named_modules()
            if isinstance(module, Stacked) and k in module.members
            for name, tensor in chain(module.named_parameters(), module.named_buffers())
        }


def _copy(source: dict[str, Tensor], target: dict[str, Tensor]) -> None:
    for name in source.keys() & target.keys():
        target[name].copy_(source[name])


class Stacked(nn.Module):
    """A layer of several networks: every parameter and buffer has one row for each of its `members`, positions in the stack."""

    def __init__(self, members: Sequence[int]) -> None:
        super().__init__()
        self.members = tuple(members)

    def add_parameter(self, name: str, *shape: int) -> None:
        self.register_parameter(name, nn.Parameter(torch.zeros(len(self.members), *shape)))


class StackedConv(Stacked):
    """Convolutions without bias, as one grouped convolution; one input for all is convolved with all kernels, without a copy."""

    weight: Tensor

    def __init__(self, members: Sequence[int], inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(members)
        self.stride, self.padding = stride, kernel // 2
        self.add_parameter("weight", outputs, inputs, kernel, kernel)

    def forward(self, x: Tensor) -> Tensor:
        return _networks(F.conv2d(_image(x), self.weight.flatten(0, 1), None, self.stride, self.padding, 1, x.shape[3]), len(self.members))


class StackedBatchNorm(Stacked):
    """Batch norms, as one over all channels."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, members: Sequence[int], channels: int) -> None:
        super().__init__(members)
        self.add_parameter("weight", channels)
        self.add_parameter("bias", channels)
        self.register_buffer("running_mean", torch.zeros(len(self.members), channels))
        self.register_buffer("running_var", torch.ones(len(self.members), channels))

    def forward(self, x: Tensor) -> Tensor:
        # Flattening a contiguous tensor gives a view, so the running statistics are updated in place.
        mean, var, weight, bias = (t.flatten() for t in (self.running_mean, self.running_var, self.weight, self.bias))
        return _networks(F.batch_norm(_image(x), mean, var, weight, bias, self.training), len(self.members))


class StackedLinear(Stacked):
    """Linear layers, as one batched product: features ``(batch, stack, inputs)`` → ``(stack, batch, outputs)``."""

    weight: Tensor
    bias: Tensor

    def __init__(self, members: Sequence[int], inputs: int, outputs: int) -> None:
        super().__init__(members)
        self.add_parameter("weight", outputs, inputs)
        self.add_parameter("bias", outputs)

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias.unsqueeze(1), x.transpose(0, 1), self.weight.transpose(1, 2))


class StackedReLUConvBN(nn.Module):
    """ReLU, convolution, batch norm."""

    def __init__(self, members: Sequence[int], inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = StackedConv(members, inputs, outputs, kernel, stride)
        self.bn = StackedBatchNorm(members, outputs)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.bn(self.conv(torch.relu(x)))
        return out


class StackedAvgPool(nn.Module):
    """Average pooling; networks are only more channels to it."""

    def __init__(self, kernel: int, stride: int, padding: int) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(kernel, stride, padding, ceil_mode=stride > 1, count_include_pad=False)

    def forward(self, x: Tensor) -> Tensor:
        return _networks(self.pool(_image(x)), x.shape[3])


class StackedReduction(nn.Module):
    """The residual blocks between stages."""

    def __init__(self, members: Sequence[int], width: int) -> None:
        super().__init__()
        self.a = StackedReLUConvBN(members, width // 2, width, 3, stride=2)
        self.b = StackedReLUConvBN(members, width, width, 3)
        self.pool = StackedAvgPool(2, 2, 0)
        self.shortcut = StackedConv(members, width // 2, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.shortcut(self.pool(x)) + self.b(self.a(x))
        return out


class StackedCell(nn.Module):
    """One cell of every network: each edge runs each of its operations once, for the networks that have it there."""

    def __init__(self, cells: Sequence[Cell], channels: int) -> None:
        super().__init__()
        self.edges = nn.ModuleDict()
        self.outgoing: list[list[str]] = [[], [], []]
        self.incoming: list[list[str]] = [[], [], []]
        self.runs: dict[str, slice] = {}
        for number, (source, target) in enumerate(EDGES):
            for op in OPERATIONS[1:]:
                members = [k for k, cell in enumerate(cells) if cell.ops[number] == op]
                if members:
                    name = edge_name(op, (source, target))
                    self.edges[name] = _operation(op, members, channels)
                    self.outgoing[source].append(name)
                    self.incoming[target - 1].append(name)
                    self.register_buffer(f"members_{name}", torch.tensor(members), persistent=False)
                    if members[-1] - members[0] + 1 == len(members):
                        self.runs[name] = slice(members[0], members[-1] + 1)

    def forward(self, x: Tensor) -> Tensor:
        node, inputs = x, dict[str, Tensor]()
        for outgoing, incoming in zip(self.outgoing, self.incoming, strict=True):
            inputs.update(zip(outgoing, _gather(node, *map(self._where, outgoing)), strict=True))
            parts = [self.edges[name](inputs[name]) for name in incoming]
            node = _scatter(x.shape, tuple(map(self._where, incoming)), *parts) if parts else torch.zeros_like(x)
        return node

    def _where(self, name: str) -> Where:
        where: Where = self.runs[name] if name in self.runs else getattr(self, f"members_{name}")
        return where


Where = slice | Tensor
"""Some networks of a stack: a run of neighbours, which is a view and costs nothing (so stacks of similar cells are fastest), or any."""


class _Gather(torch.autograd.Function):
    """Some networks of one activation, once for each of `wheres`.  Autograd would fill and add a whole activation for each."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *wheres: Where) -> tuple[Tensor, ...]:
        ctx.wheres, ctx.shape = wheres, x.shape
        return tuple(x[:, :, :, where] if isinstance(where, slice) else x.index_select(3, where) for where in wheres)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return _scatter(ctx.shape, ctx.wheres, *gradients), *(None for _ in ctx.wheres)


class _Scatter(torch.autograd.Function):
    """The derivative of `_Gather`, whose derivative it is: a sum of activations of some networks each, zero elsewhere."""

    @staticmethod
    def forward(ctx: Any, shape: torch.Size, wheres: tuple[Where, ...], *parts: Tensor) -> Tensor:
        ctx.wheres = wheres
        total = parts[0].new_zeros(shape)
        for where, part in zip(wheres, parts, strict=True):
            if isinstance(where, slice):
                total[:, :, :, where] += part
            else:
                total.index_add_(3, where, part)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *_gather(gradient, *ctx.wheres)


def _gather(x: Tensor, *wheres: Where) -> tuple[Tensor, ...]:
    parts: tuple[Tensor, ...] = _Gather.apply(x, *wheres) if wheres else ()  # type: ignore[no-untyped-call]
    return parts


def _scatter(shape: torch.Size, wheres: tuple[Where, ...], *parts: Tensor) -> Tensor:
    total: Tensor = _Scatter.apply(shape, wheres, *parts)  # type: ignore[no-untyped-call]
    return total


def _operation(op: str, members: Sequence[int], channels: int) -> nn.Module:
    if op == "skip_connect":
        return nn.Identity()
    if op == "avg_pool_3x3":
        return StackedAvgPool(3, 1, 1)
    return StackedReLUConvBN(members, channels, channels, KERNEL[op])


def _image(x: Tensor) -> Tensor:
    """(batch, h, w, stack, channels) → (batch, stack·channels, h, w), a view in channels-last order."""
    return x.flatten(3).permute(0, 3, 1, 2)


def _networks(x: Tensor, stack: int) -> Tensor:
    """(batch, stack·channels, h, w) → (batch, h, w, stack, channels), contiguous; a view where the image is channels-last already."""
    batch, channels, height, width = x.shape
    return x.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1).view(batch, height, width, stack, channels // stack)
