"""DARTS for builders: one genotype → one plain network, written to be read.  `stacked.py` runs many of these at once.

    images (batch, image_channels, h, w) in [0, 1]
      → normalise → stem: 3×3 convolution to 3C channels, batch norm; it is both inputs of the first cell
      → cells, each of the outputs of the last two: normal, but for two reductions after a third and two thirds of them
      → mean over pixels → linear                                            logits (batch, classes)

A cell brings its inputs to its channels (ReLU, 1×1, batch norm; a factorised reduction for the output before a reduction); its inner nodes are sums of two
edges, with stride 2 on those from the inputs in a reduction; its output concatenates them.  Channels are C, and doubled at reductions.

Source: Liu, Simonyan and Yang (2019), section 2.1 and appendix A.1, as released.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor, nn

from robbench_builders.errors import BuildError
from robbench_builders.networks.darts.operations import OPERATIONS, Work, brought, brought_work, total
from robbench_builders.networks.graph import CellGraph
from robbench_builders.networks.layers import Conv, Linear
from robbench_builders.networks.operations import edge_name
from robbench_builders.networks.plain import draw_weights, register_normalisation
from robbench.spaces.darts import INNER, Cell, Genotype

STEM_MULTIPLIER = 3


@dataclass(frozen=True)
class DartsSkeleton:
    """What all networks of a benchmark share; the defaults are those of searches, and of Tiny-RobustBench."""

    channels: int = 16
    """C: channels of the first cells' inner nodes; each reduction doubles them."""
    layers: int = 8
    """How many cells."""
    image_channels: int = 3
    classes: int = 10
    auxiliary: bool = False
    """A second head after two thirds of the cells, which only training computes; for images of 32×32 pixels."""
    stem: bool = True
    """Whether a convolution brings images to 3C channels first; without one they are themselves both inputs of the first cell, as where SWAP and R-Score are
    released, and then a network may have but one or two cells, the reductions first."""

    def __post_init__(self) -> None:
        if self.layers < (3 if self.stem else 1):
            raise BuildError(f"a network of {self.layers} cells has no room for two reductions; expected at least 3, or 1 without a stem.")

    @property
    def reductions(self) -> tuple[int, int]:
        """Which cells are reductions, counted from 0."""
        return self.layers // 3, 2 * self.layers // 3


EVALUATION = DartsSkeleton(channels=36, layers=20)
"""The size at which architectures are published."""


class Layer(NamedTuple):
    """One cell of a network: what it takes and gives."""

    reduction: bool
    reduced: bool
    """Whether the cell before is a reduction, so that the output before it is of twice the size."""
    inputs: tuple[int, int]
    """Channels of its two inputs."""
    channels: int


def layers(skeleton: DartsSkeleton, concatenated: tuple[int, int]) -> Iterator[Layer]:
    """The cells of a network.

    Arguments:
        skeleton: how many.
        concatenated: how many nodes the output of a normal cell has, and that of a reduction.
    """
    before = last = STEM_MULTIPLIER * skeleton.channels if skeleton.stem else skeleton.image_channels
    channels, reduced = skeleton.channels, False
    for number in range(skeleton.layers):
        reduction = number in skeleton.reductions
        channels *= 1 + reduction
        yield Layer(reduction, reduced, (before, last), channels)
        before, last, reduced = last, concatenated[reduction] * channels, reduction


def graph(cell: Cell) -> CellGraph:
    """A cell's graph: nodes 0 and 1 are its inputs, 2 to 5 sums.

    Raises:
        BuildError: two edges between the same nodes have the same operation.
    """
    return CellGraph.of(INNER[-1] + 1, ((source, node, op) for node, edges in zip(INNER, cell.nodes, strict=True) for source, op in edges))


def concatenated(cell: Cell) -> int:
    """How many nodes the output of a cell concatenates; raises BuildError as `graph`."""
    graph(cell)
    return len(cell.concat)


class DartsNetwork(nn.Module):
    """The network of one genotype; of one outside the space, too.

    Arguments:
        arch: the genotype.
        skeleton: the macro skeleton.
        mean, std: one number an image channel, subtracted and divided by first; images are in [0, 1].
        generator: draws the weights, uniform in ±fan_in^-½ (the default of torch's layers, as published); without one they are zero, for
            `load_state_dict` to fill.

    Raises:
        BuildError: mean or std has another length than the images have channels, or the genotype has an edge twice.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        arch: Genotype,
        skeleton: DartsSkeleton,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.arch, self.skeleton = arch, skeleton
        register_normalisation(self, skeleton.image_channels, mean, std)
        stem = STEM_MULTIPLIER * skeleton.channels
        self.stem = nn.Sequential(Conv(skeleton.image_channels, stem, 3), nn.BatchNorm2d(stem)) if skeleton.stem else nn.Identity()
        self.body = nn.ModuleList(DartsCell(arch.reduce if layer.reduction else arch.normal, layer) for layer in layers_of(arch, skeleton))
        self.classifier = Linear(outputs(arch, skeleton)[-1], skeleton.classes)
        if skeleton.auxiliary:
            self.auxiliary = Auxiliary(outputs(arch, skeleton)[skeleton.reductions[1]], skeleton.classes)
        if generator is not None:
            draw_weights(self, generator)
        self.drop_path, self.random = 0.0, Generator()

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(batch, image_channels, h, w)`` in [0, 1] → logits ``(batch, classes)``."""
        return self.both_logits(images)[0]

    def both_logits(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits, and those of the auxiliary head, in training mode, if there is one: both ``(batch, classes)``."""
        before = last = self.stem((images - self.mean) / self.std)
        auxiliary = None
        for number, cell in enumerate(self.body):
            before, last = last, cell(before, last, self.kept)
            if self.training and self.skeleton.auxiliary and number == self.skeleton.reductions[1]:
                auxiliary = self.auxiliary(last)
        logits: Tensor = self.classifier(last.mean((2, 3)))
        return logits, auxiliary

    def seed_drop_path(self, seed: Callable[[Genotype], int]) -> None:
        """Let drop path draw anew, by a seed of the architecture."""
        self.random.manual_seed(seed(self.arch))

    def kept(self, x: Tensor) -> Tensor:
        """What drop path leaves of an edge's output: nothing of some images, each with probability `drop_path`, in training mode; the rest scaled up.

        Source: Larsson et al. (2017), "FractalNet", as released with DARTS.  Drawn by `random`; see `seed_drop_path`.
        """
        if not self.training or not self.drop_path:
            return x
        keep = 1 - self.drop_path
        mask = torch.rand(len(x), generator=self.random) < keep
        return x * (mask.to(x) / keep).view(-1, 1, 1, 1)


class DartsCell(nn.Module):
    """A cell of one network: nodes 0 and 1 are its inputs, the others sums of their edges, some of which are concatenated."""

    def __init__(self, cell: Cell, layer: Layer) -> None:
        super().__init__()
        before, last = layer.inputs
        self.brought_0 = brought(before, layer.channels, layer.reduced)
        self.brought_1 = brought(last, layer.channels, reduced=False)
        self.cell, self.edges_of = cell, graph(cell).edges
        self.stride = 1 + layer.reduction
        self.edges = nn.ModuleDict(
            {edge_name(*edge): OPERATIONS[edge[2]].plain(layer.channels, stride(edge[0], layer.reduction)) for edge in self.edges_of}
        )

    def forward(self, before: Tensor, last: Tensor, kept: Any) -> Tensor:
        nodes = [self.brought_0(before), self.brought_1(last)]
        batch, channels, height, width = nodes[0].shape
        for node in INNER:
            total = nodes[0].new_zeros(batch, channels, -(-height // self.stride), -(-width // self.stride))
            for source, target, op in self.edges_of:
                if target == node:
                    layer = self.edges[edge_name(source, target, op)]
                    out = layer(nodes[source])
                    total = total + (out if isinstance(layer, nn.Identity) else kept(out))
            nodes.append(total)
        return torch.cat([nodes[node] for node in self.cell.concat], dim=1)


class Auxiliary(nn.Module):
    """The auxiliary head, for cells of 8×8 pixels."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.conv_1 = Conv(inputs, 128, 1)
        self.bn_1 = nn.BatchNorm2d(128)
        self.conv_2 = Conv(128, 768, 2, padding=0)
        self.bn_2 = nn.BatchNorm2d(768)
        self.classifier = Linear(768, classes)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] != (8, 8):
            raise BuildError(f"the auxiliary head takes cells of 8×8 pixels, so images of 32×32; got cells of {x.shape[2]}×{x.shape[3]}.")
        x = nn.functional.avg_pool2d(torch.relu(x), 5, stride=3, count_include_pad=False)
        x = torch.relu(self.bn_1(self.conv_1(x)))
        x = torch.relu(self.bn_2(self.conv_2(x)))
        logits: Tensor = self.classifier(x.flatten(1))
        return logits


def stride(source: int, reduction: bool) -> int:
    """Of an edge: 2 where it leaves an input of a reduction."""
    return 2 if reduction and source < INNER[0] else 1


def layers_of(arch: Genotype, skeleton: DartsSkeleton) -> Iterator[Layer]:
    """The cells of a genotype's network."""
    return layers(skeleton, (len(arch.normal.concat), len(arch.reduce.concat)))


def outputs(arch: Genotype, skeleton: DartsSkeleton) -> list[int]:
    """Channels of each cell's output."""
    return [len((arch.reduce if layer.reduction else arch.normal).concat) * layer.channels for layer in layers_of(arch, skeleton)]


def parameters(arch: Genotype, skeleton: DartsSkeleton) -> int:
    """Trainable parameters of the genotype's network, without the auxiliary head, as they are published; raises BuildError as `DartsNetwork`."""
    return work(arch, skeleton, 32).parameters  # of images of any size


def flops(arch: Genotype, skeleton: DartsSkeleton, image_size: int | tuple[int, int]) -> int:
    """FLOPs of the genotype's network for one image, counted as in `robbench_builders.networks.cost`; raises BuildError as `DartsNetwork`.

    Arguments:
        image_size: in pixels: a side, or height and width.
    """
    return work(arch, skeleton, image_size).flops


@lru_cache(4096)
def work(arch: Genotype, skeleton: DartsSkeleton, image_size: int | tuple[int, int]) -> Work:
    """What the genotype's network costs, in the parts that publications count differently; arguments as for `flops`."""
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    return total(_parts(arch, skeleton, *size))


def _parts(arch: Genotype, skeleton: DartsSkeleton, height: int, width: int) -> Iterator[Work]:
    before = taken = given = height * width
    if skeleton.stem:
        stem = STEM_MULTIPLIER * skeleton.channels
        yield Work(stem * (9 * skeleton.image_channels + 2), 9 * skeleton.image_channels * stem * given, stem * given)
    for layer in layers_of(arch, skeleton):
        before, taken = taken, given  # pixels of the outputs of the cell before the last, and of the last
        if layer.reduction:
            height, width = -(-height // 2), -(-width // 2)
            given = height * width
        yield brought_work(layer.inputs[0], layer.channels, before, taken)
        yield brought_work(layer.inputs[1], layer.channels, taken, taken)
        for source, _, op in graph(arch.reduce if layer.reduction else arch.normal).edges:
            yield OPERATIONS[op].work(layer.channels, taken if source < INNER[0] else given, given)
    last = outputs(arch, skeleton)[-1]
    yield Work((last + 1) * skeleton.classes, last * skeleton.classes, windows=last * given)
