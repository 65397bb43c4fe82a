"""Many networks of DARTS as one module that runs them all at once: `robbench_builders.networks.stacked` says how, `network.py` what they compute.

Networks whose cells concatenate as many nodes are stacked; on each edge of a cell, those with the same operation run as one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from robbench_builders.errors import BuildError
from robbench_builders.networks.darts.network import STEM_MULTIPLIER, DartsNetwork, DartsSkeleton, Layer, graph, layers_of, outputs, stride
from robbench_builders.networks.darts.operations import OPERATIONS, stacked_brought
from robbench_builders.networks.gather import StackIndex
from robbench_builders.networks.layers import StackedBatchNorm, StackedConv, StackedLinear, as_image, as_stack
from robbench_builders.networks.operations import edge_name
from robbench_builders.networks.stacked import Stack
from robbench.spaces.darts import INNER, Cell, Genotype


class StackedDarts(Stack[DartsNetwork]):
    """Networks of DARTS; see `Stack`."""

    skeleton: DartsSkeleton

    def build(self, everyone: tuple[int, ...]) -> None:
        """Stem, cells, classifier, auxiliary head."""
        skeleton, first = self.skeleton, self.archs[0]
        widths = {(len(arch.normal.concat), len(arch.reduce.concat)) for arch in self.archs}
        if len(widths) > 1:
            raise BuildError(
                f"cells that concatenate {sorted(widths)} nodes cannot be stacked; expected as many in all, four in the space."
            )
        stem = STEM_MULTIPLIER * skeleton.channels
        self.stem: nn.Module
        if skeleton.stem:
            self.stem = nn.Sequential(StackedConv(everyone, skeleton.image_channels, stem, 3), StackedBatchNorm(everyone, stem))
        else:
            self.stem = ForEach(len(everyone))
        self.body = nn.ModuleList(
            StackedDartsCell([arch.reduce if layer.reduction else arch.normal for arch in self.archs], layer)
            for layer in layers_of(first, skeleton)
        )
        self.classifier = StackedLinear(everyone, outputs(first, skeleton)[-1], skeleton.classes)
        if skeleton.auxiliary:
            self.auxiliary = StackedAuxiliary(everyone, outputs(first, skeleton)[skeleton.reductions[1]], skeleton.classes)
        self.drop_path, self.random = 0.0, [torch.Generator() for _ in everyone]

    def logits(self, x: Tensor) -> Tensor:
        """Logits ``(stack, batch, classes)``."""
        return self._both(x)[0]

    def both_logits(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits, and those of the auxiliary head, in training mode, if there is one: both ``(stack, batch, classes)``."""
        return self._both(self.standardised(images))

    def _both(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        before = last = self.stem(x)
        auxiliary = None
        for number, cell in enumerate(self.body):
            before, last = last, cell(before, last, self)
            if self.training and self.skeleton.auxiliary and number == self.skeleton.reductions[1]:
                auxiliary = self.auxiliary(last)
        return self.classifier(last.mean((1, 2))), auxiliary

    def seed_drop_path(self, seed: Callable[[Genotype], int]) -> None:
        """`DartsNetwork.seed_drop_path` of every network."""
        for arch, random in zip(self.archs, self.random, strict=True):
            random.manual_seed(seed(arch))

    def kept(self, x: Tensor, members: Sequence[int]) -> Tensor:
        """`DartsNetwork.kept` of several networks, each with the random numbers of its own."""
        if not self.training or not self.drop_path:
            return x
        keep = 1 - self.drop_path
        masks = torch.stack([torch.rand(len(x), generator=self.random[k]) < keep for k in members], dim=1)
        return x * (masks.to(x) / keep).view(len(x), 1, 1, -1, 1)


class ForEach(nn.Module):
    """Images that all networks share, as an activation of each."""

    def __init__(self, stack: int) -> None:
        super().__init__()
        self.stack = stack

    def forward(self, x: Tensor) -> Tensor:
        return x.expand(-1, -1, -1, self.stack, -1).contiguous()


class StackedDartsCell(nn.Module):
    """A cell of every network: each edge runs each of its operations once, for the networks that have it there."""

    def __init__(self, cells: Sequence[Cell], layer: Layer) -> None:
        super().__init__()
        everyone = tuple(range(len(cells)))
        self.stride = 1 + layer.reduction
        self.brought_0 = stacked_brought(everyone, layer.inputs[0], layer.channels, layer.reduced)
        self.brought_1 = stacked_brought(everyone, layer.inputs[1], layer.channels, reduced=False)
        self.edges = nn.ModuleDict()
        self.members: dict[str, list[int]] = {}
        self.outgoing: list[list[str]] = [[] for _ in range(INNER[-1] + 1)]
        self.incoming: list[list[str]] = [[] for _ in range(INNER[-1] + 1)]
        graphs = list(map(graph, cells))
        for source, target, op in sorted({edge for one in graphs for edge in one.edges}, key=_order):
            name = edge_name(source, target, op)
            self.members[name] = [k for k, one in enumerate(graphs) if (source, target, op) in one.edges]
            self.edges[name] = OPERATIONS[op].stacked(self.members[name], layer.channels, stride(source, layer.reduction))
            self.outgoing[source].append(name)
            self.incoming[target].append(name)
        index = partial(StackIndex, len(cells))
        self.sources = nn.ModuleList(index([self.members[name] for name in names]) for names in self.outgoing)
        self.targets = nn.ModuleList(index([self.members[name] for name in names]) for names in self.incoming)
        concatenated = torch.tensor([cell.concat for cell in cells]) - INNER[0]
        whole = len({cell.concat for cell in cells}) == 1
        self.concat = cells[0].concat if whole else None
        self.concatenated: Tensor | None
        self.register_buffer("concatenated", None if whole else concatenated, persistent=False)

    def forward(self, before: Tensor, last: Tensor, stack: StackedDarts) -> Tensor:
        nodes, inputs = [self.brought_0(before), self.brought_1(last)], dict[str, Tensor]()
        for node in range(INNER[-1] + 1):
            if node >= INNER[0]:
                nodes.append(self._sum(node, nodes[0], inputs, stack))
            inputs.update(zip(self.outgoing[node], self.sources[node].gather(nodes[node]), strict=True))  # type: ignore[operator]
        inner = nodes[INNER[0] :]
        if self.concat is not None:
            return torch.cat([nodes[node] for node in self.concat], dim=-1)
        of_each = torch.stack(inner, dim=-2)  # (batch, height, width, stack, inner, channels)
        return of_each[:, :, :, torch.arange(of_each.shape[3])[:, None], self.concatenated].flatten(-2)

    def _sum(self, node: int, like: Tensor, inputs: dict[str, Tensor], stack: StackedDarts) -> Tensor:
        """An inner node of every network: ``(batch, height, width, stack, channels)``."""
        parts = []
        for name in self.incoming[node]:
            layer = self.edges[name]
            out = layer(inputs[name])
            parts.append(out if isinstance(layer, nn.Identity) else stack.kept(out, self.members[name]))
        if not parts:
            batch, height, width, members, channels = like.shape
            return like.new_zeros(batch, -(-height // self.stride), -(-width // self.stride), members, channels)
        total: Tensor = self.targets[node].scatter_add(*parts)  # type: ignore[operator]
        return total


class StackedAuxiliary(nn.Module):
    """`Auxiliary` of several networks."""

    def __init__(self, members: Sequence[int], inputs: int, classes: int) -> None:
        super().__init__()
        self.conv_1 = StackedConv(members, inputs, 128, 1)
        self.bn_1 = StackedBatchNorm(members, 128)
        self.conv_2 = StackedConv(members, 128, 768, 2, padding=0)
        self.bn_2 = StackedBatchNorm(members, 768)
        self.classifier = StackedLinear(members, 768, classes)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1:3] != (8, 8):
            raise BuildError(f"the auxiliary head takes cells of 8×8 pixels, so images of 32×32; got cells of {x.shape[1]}×{x.shape[2]}.")
        stack = x.shape[3]
        pooled = F.avg_pool2d(as_image(torch.relu(x)), 5, stride=3, count_include_pad=False)
        x = torch.relu(self.bn_1(self.conv_1(as_stack(pooled, stack))))
        x = torch.relu(self.bn_2(self.conv_2(x)))
        logits: Tensor = self.classifier(x.flatten(1, 2).squeeze(1))
        return logits


def _order(edge: tuple[int, int, str]) -> tuple[int, int, int]:
    """Edges by target, then by source, then by operation: the order in which a node's inputs are summed."""
    source, target, op = edge
    return target, source, list(OPERATIONS).index(op)
