"""Many networks as one module that runs them all at once, whatever search spaces their architectures are of.

Networks that share a macro skeleton run as one whose layers are grouped (`layers.py`): on each edge of a cell, the networks with the same
operation there are gathered, run as one grouped convolution, and added back to where they stand in the stack (`gather.py`).

A weight is the plain network's (`plain.py`) with the networks that have it as a leading axis, under the same name:

    plain     body.0.edges.nor_conv_3x3_12.conv.weight    (outputs, inputs, 3, 3)
    stacked   body.0.edges.nor_conv_3x3_12.conv.weight    (members, outputs, inputs, 3, 3)    members: the networks with a 3×3 on edge 1→2

Networks are independent: batch norm's statistics are per channel, so per network, and so are gradients of summed losses.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from itertools import chain
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from robbench_builders.errors import BuildError
from robbench_builders.networks import cell_of
from robbench_builders.networks.gather import StackIndex
from robbench_builders.networks.graph import CellGraph, Edge
from robbench_builders.networks.layers import Stacked, StackedBatchNorm, StackedConv, StackedLinear, StackedReduction
from robbench_builders.networks.operations import OPERATIONS, edge_name, operation
from robbench_builders.networks.plain import Network, Skeleton

N = TypeVar("N", bound=Any)
"""A kind of networks, such as `Network`: made by ``N(arch, skeleton, mean, std)``, whose classifier is linear."""


class Stack(nn.Module, Generic[N]):
    """Networks of one skeleton and one normalisation, run at once; starts with their weights, batch norm statistics, mode and device.

    How the layers of a kind of networks are stacked, a subclass says: `build` and `logits`.

    Arguments:
        networks: at least one; `stack` is their number.

    Raises:
        BuildError: no networks, or networks that differ in skeleton or in normalisation, or whose cells cannot be stacked.
    """

    mean: Tensor
    std: Tensor
    classifier: StackedLinear

    def __init__(self, networks: Sequence[N]) -> None:
        super().__init__()
        if not networks:
            raise BuildError("there are no networks to stack; expected at least one.")
        first = networks[0]
        self.skeleton: Any = first.skeleton
        self.archs: tuple[Any, ...] = tuple(network.arch for network in networks)
        self._kind = type(first)
        self.register_buffer("mean", first.mean.clone())
        self.register_buffer("std", first.std.clone())
        self.build(tuple(range(len(networks))))
        self.to(first.mean.device, first.classifier.weight.dtype).train(first.training)
        for k, network in enumerate(networks):
            self.insert(k, network)

    @abstractmethod
    def build(self, everyone: tuple[int, ...]) -> None:
        """Make the stacked layers, under the names of the plain network's."""

    @abstractmethod
    def logits(self, x: Tensor) -> Tensor:
        """Logits ``(stack, batch, classes)`` of standardised images ``(batch, h, w, 1 or stack, channels)``."""

    def __len__(self) -> int:
        """How many networks: `stack`."""
        return len(self.archs)

    @property
    def alike(self) -> bool:
        """Whether no network has fewer channels anywhere than the stack; where one has, what layers take and give is not the networks' own."""
        return True

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(stack, batch, classes)`` of all networks.

        Arguments:
            images: in [0, 1]; ``(batch, channels, h, w)``, the same for all, or ``(stack, batch, channels, h, w)``, each its own.

        Raises:
            BuildError: neither shape.
        """
        return self.logits(self.standardised(images))

    def standardised(self, images: Tensor) -> Tensor:
        """Images as the layers take them: ``(batch, h, w, 1 or stack, channels)``; arguments and errors as of `forward`."""
        own = images.dim() == 5 and len(images) == len(self)
        if images.dim() != 4 and not own:
            raise BuildError(
                f"images have shape {tuple(images.shape)}; expected (batch, channels, h, w) or ({len(self)}, batch, channels, h, w)."
            )
        x = (images - self.mean) / self.std
        x = x.permute(1, 3, 4, 0, 2) if own else x.permute(0, 2, 3, 1).unsqueeze(3)
        if not torch.is_grad_enabled():  # faster, and the same logits; gradients would differ in the last bit
            x = x.contiguous()
        return x

    def extract(self, k: int) -> N:
        """The k-th network, with copies of its weights and batch norm statistics, in the stack's mode and on its device."""
        network: N = self._kind(self.archs[k], self.skeleton, self.mean.flatten().tolist(), self.std.flatten().tolist())
        network.to(self.mean.device, self.classifier.weight.dtype).train(self.training)
        _copy(self.state(k), network.state_dict())
        return network

    def insert(self, k: int, network: N) -> None:
        """Overwrite the k-th network's weights and batch norm statistics.

        Raises:
            BuildError: `network` has another architecture, skeleton or normalisation.
        """
        for what, given, expected in (
            ("architecture", network.arch, self.archs[k]),
            ("skeleton", network.skeleton, self.skeleton),
            ("mean", network.mean.tolist(), self.mean.tolist()),
            ("std", network.std.tolist(), self.std.tolist()),
        ):
            if given != expected:
                raise BuildError(f"network {k} has the {what} {given}; its place in the stack expects {expected}.")
        _copy(network.state_dict(), self.state(k))

    def state(self, k: int) -> dict[str, Tensor]:
        """The k-th network's weights and batch norm statistics: views into the stack, under the plain network's names."""
        return {
            f"{path}.{name}": tensor.detach()[module.members.index(k)]
            for path, module in self.named_modules()
            if isinstance(module, Stacked) and k in module.members
            for name, tensor in chain(module.named_parameters(), module.named_buffers())
        }


class StackedNetwork(Stack[Network]):
    """Networks in the skeleton of NAS-Bench-201; see `Stack`.  Their cells have as many nodes."""

    skeleton: Skeleton

    def build(self, everyone: tuple[int, ...]) -> None:
        """Stem, cells and reductions, head, classifier."""
        cells = [cell_of(arch) for arch in self.archs]
        stem, _, last = self.skeleton.widths
        self.stem = nn.Sequential(StackedConv(everyone, self.skeleton.image_channels, stem, 3), StackedBatchNorm(everyone, stem))
        self.body = nn.Sequential()
        for stage, width in enumerate(self.skeleton.widths):
            if stage > 0:
                self.body.append(StackedReduction(everyone, width))
            self.body.extend(StackedCell(cells, width) for _ in range(self.skeleton.cells))
        self.head = nn.Sequential(StackedBatchNorm(everyone, last), nn.ReLU())
        self.classifier = StackedLinear(everyone, last, self.skeleton.classes)

    def logits(self, x: Tensor) -> Tensor:
        """Stem, body, head, mean over pixels, classifier."""
        x = self.head(self.body(self.stem(x)))
        found: Tensor = self.classifier(x.mean((1, 2)))
        return found


class StackedCell(nn.Module):
    """One cell of every network: each edge runs each of its operations once, for the networks that have it there.

    Arguments:
        cells: one a network, all of as many nodes.
    """

    def __init__(self, cells: Sequence[CellGraph], channels: int) -> None:
        super().__init__()
        nodes = cells[0].nodes
        if differing := {cell.nodes for cell in cells} - {nodes}:
            raise BuildError(f"cells of {nodes} and of {min(differing)} nodes cannot be stacked; expected as many in all.")
        self.edges = nn.ModuleDict()
        self.outgoing: list[list[str]] = [[] for _ in range(nodes - 1)]
        self.incoming: list[list[str]] = [[] for _ in range(nodes - 1)]
        members: dict[str, list[int]] = {}
        for source, target, op in sorted({edge for cell in cells for edge in cell.edges}, key=_order):
            name = edge_name(source, target, op)
            members[name] = [k for k, cell in enumerate(cells) if (source, target, op) in cell.edges]
            self.edges[name] = operation(op).stacked(members[name], channels)
            self.outgoing[source].append(name)
            self.incoming[target - 1].append(name)
        self.sources, self.targets = (
            nn.ModuleList(StackIndex(len(cells), [members[name] for name in names]) for names in ends)
            for ends in (self.outgoing, self.incoming)
        )

    def forward(self, x: Tensor) -> Tensor:
        node, inputs = x, dict[str, Tensor]()
        for outgoing, incoming, source, target in zip(self.outgoing, self.incoming, self.sources, self.targets, strict=True):
            inputs.update(zip(outgoing, source.gather(node), strict=True))  # type: ignore[operator]
            node = target.scatter_add(*(self.edges[name](inputs[name]) for name in incoming)) if incoming else torch.zeros_like(x)  # type: ignore[operator]
        return node


def _order(edge: Edge) -> tuple[int, int, int]:
    """Edges by target, then by source, then by operation: the order in which a node's inputs are summed, which decides their last bits."""
    source, target, op = edge
    return target, source, list(OPERATIONS).index(op)


def _copy(source: dict[str, Tensor], target: dict[str, Tensor]) -> None:
    for name in source.keys() & target.keys():
        target[name].copy_(source[name])
