"""Many cells → one module that runs them all at once.

All networks of a benchmark share one macro skeleton, so `stack` of them run as one whose layers are grouped (`layers.py`): on each edge
of a cell, the networks with the same operation there are gathered, run as one grouped convolution, and added back to their places
(`places.py`).

A weight is the plain network's (`network.py`) with the networks that have it as a leading axis, under the same name:

    plain     body.0.edges.nor_conv_3x3_12.conv.weight    (outputs, inputs, 3, 3)
    stacked   body.0.edges.nor_conv_3x3_12.conv.weight    (members, outputs, inputs, 3, 3)    members: who has a 3×3 on edge 1→2

Networks never see one another: batch norm's statistics are per channel, so per network, and so are gradients of summed losses.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import torch
from torch import Tensor, nn

from builders.errors import BuildError
from builders.layers import Stacked, StackedAvgPool, StackedBatchNorm, StackedConv, StackedLinear, StackedReLUConvBN
from builders.network import KERNEL, Network, Skeleton, edge_name
from builders.places import Places
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
        if not torch.is_grad_enabled():  # faster, and the same logits; gradients would differ in the last bit
            x = x.contiguous()
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
        members: dict[str, list[int]] = {}
        for number, (source, target) in enumerate(EDGES):
            for op in OPERATIONS[1:]:
                name = edge_name(op, (source, target))
                members[name] = [k for k, cell in enumerate(cells) if cell.ops[number] == op]
                if members[name]:
                    self.edges[name] = _operation(op, members[name], channels)
                    self.outgoing[source].append(name)
                    self.incoming[target - 1].append(name)
        self.sources, self.targets = (
            nn.ModuleList(Places(len(cells), [members[name] for name in names]) for names in ends)
            for ends in (self.outgoing, self.incoming)
        )

    def forward(self, x: Tensor) -> Tensor:
        node, inputs = x, dict[str, Tensor]()
        for outgoing, incoming, source, target in zip(self.outgoing, self.incoming, self.sources, self.targets, strict=True):
            inputs.update(zip(outgoing, source.gather(node), strict=True))  # type: ignore[operator]
            node = target.total(*(self.edges[name](inputs[name]) for name in incoming)) if incoming else torch.zeros_like(x)  # type: ignore[operator]
        return node


def _operation(op: str, members: Sequence[int], channels: int) -> nn.Module:
    if op == "skip_connect":
        return nn.Identity()
    if op == "avg_pool_3x3":
        return StackedAvgPool(3, 1, 1)
    return StackedReLUConvBN(members, channels, channels, KERNEL[op])
