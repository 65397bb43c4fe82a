"""WideResNets: one architecture → one plain network, written to be read, and many of equal depths as one module that runs them all at once.

    images (batch, image_channels, h, w) in [0, 1]
      → normalise → stem: 3×3 convolution                                  stem channels,   h   × w
      → three stages of D blocks, the second and the third with stride 2   C·W, 2C·W, 4C·W, h/4 × w/4 at the end
      → batch norm → ReLU → mean over pixels → linear                      logits (batch, classes)

A block is batch norm, ReLU, 3×3 convolution, twice, and its input is added; the first of a stage has a 1×1 convolution on that way, after the first ReLU, as its
channels, its size, or both, change.  Convolutions have no bias, and there is no dropout.

Source: Zagoruyko and Komodakis (2016), table 1 and figure 1(c), as released, with depths and widths of each stage as in NARes (Zheng et al., 2025).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import torch
from torch import Generator, Tensor, nn

from robbench_builders.errors import BuildError
from robbench_builders.networks import cost
from robbench_builders.networks.cost import Cost
from robbench_builders.networks.layers import Conv, Linear, StackedBatchNorm, StackedConv, StackedLinear
from robbench_builders.networks.plain import draw_weights, register_normalisation
from robbench_builders.networks.stacked import Stack
from robbench.spaces.wrn import WideResNet


@dataclass(frozen=True)
class WideSkeleton:
    """What all networks of a benchmark share; the defaults are those of NARes."""

    channels: int = 16
    """C: channels of the first stage for each unit of its width factor; each further stage has twice as many."""
    stem_channels: int = 16
    image_channels: int = 3
    classes: int = 10

    def widths(self, arch: WideResNet) -> tuple[int, int, int]:
        """The channels of an architecture's three stages."""
        first, second, third = arch.widths
        return self.channels * first, 2 * self.channels * second, 4 * self.channels * third


class WideNetwork(nn.Module):
    """The network of one architecture.

    Arguments:
        arch: the architecture.
        skeleton: the macro skeleton.
        mean, std: one number an image channel, subtracted and divided by first; images are in [0, 1].
        generator: draws the weights, uniform in ±fan_in^-½ (the default of torch's layers, as for all networks here; the authors' are not said); without one they
            are zero, for `load_state_dict` to fill.

    Raises:
        BuildError: mean or std has another length than the images have channels.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        arch: WideResNet,
        skeleton: WideSkeleton,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.arch, self.skeleton = arch, skeleton
        register_normalisation(self, skeleton.image_channels, mean, std)
        self.stem = nn.Sequential(Conv(skeleton.image_channels, skeleton.stem_channels, 3))
        self.stages = nn.ModuleList()
        before = skeleton.stem_channels
        for stage, (depth, width) in enumerate(zip(arch.depths, skeleton.widths(arch), strict=True)):
            self.stages.append(nn.Sequential(Block(before, width, _stride(stage)), *(Block(width, width) for _ in range(depth - 1))))
            before = width
        self.head = nn.Sequential(nn.BatchNorm2d(before), nn.ReLU())
        self.classifier = Linear(before, skeleton.classes)
        if generator is not None:
            draw_weights(self, generator)

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(batch, image_channels, h, w)`` in [0, 1] → logits ``(batch, classes)``."""
        x = self.stem((images - self.mean) / self.std)
        for stage in self.stages:
            x = stage(x)
        logits: Tensor = self.classifier(self.head(x).mean((2, 3)))
        return logits


class Block(nn.Module):
    """A pre-activation residual block.

    Arguments:
        inputs, outputs: channels.
        stride: of its first convolution; without one the block keeps size and channels, and its input is added as it is.
    """

    def __init__(self, inputs: int, outputs: int, stride: int | None = None) -> None:
        super().__init__()
        self.bn_1 = nn.BatchNorm2d(inputs)
        self.conv_1 = Conv(inputs, outputs, 3, stride or 1)
        self.bn_2 = nn.BatchNorm2d(outputs)
        self.conv_2 = Conv(outputs, outputs, 3)
        self.shortcut = None if stride is None else Conv(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        active = torch.relu(self.bn_1(x))
        out: Tensor = self.conv_2(torch.relu(self.bn_2(self.conv_1(active))))
        return out + (x if self.shortcut is None else self.shortcut(active))


def _stride(stage: int) -> int:
    """Of a stage's first block, stages counted from 0."""
    return 2 if stage else 1


# ---- many at once


class StackedWide(Stack[WideNetwork]):
    """WideResNets of equal depths; see `Stack`.

    Where widths differ, each stage has the channels of the widest network.  Those that a narrower one lacks have only zeros for weights, so what they carry is zero,
    and so are their gradients: training leaves them at zero, and the others alone.
    """

    skeleton: WideSkeleton

    def build(self, everyone: tuple[int, ...]) -> None:
        """Stem, stages, head, classifier; raises BuildError where depths differ."""
        skeleton, depths = self.skeleton, self.archs[0].depths
        for arch in self.archs:
            if arch.depths != depths:
                raise BuildError(f"WideResNets of depths {depths} and {arch.depths} cannot be stacked; expected the same in all.")
        before = skeleton.stem_channels
        self.stem = nn.Sequential(StackedConv(everyone, skeleton.image_channels, before, 3))
        self.stages = nn.ModuleList()
        for stage, width in enumerate(map(max, zip(*map(skeleton.widths, self.archs), strict=True))):
            later = (StackedBlock(everyone, width, width) for _ in range(depths[stage] - 1))
            self.stages.append(nn.Sequential(StackedBlock(everyone, before, width, _stride(stage)), *later))
            before = width
        self.head = nn.Sequential(StackedBatchNorm(everyone, before), nn.ReLU())
        self.classifier = StackedLinear(everyone, before, skeleton.classes)

    def logits(self, x: Tensor) -> Tensor:
        """Logits ``(stack, batch, classes)``."""
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        found: Tensor = self.classifier(self.head(x).mean((1, 2)))
        return found

    @property
    def alike(self) -> bool:
        """Whether all have the same widths."""
        return len({arch.widths for arch in self.archs}) == 1

    def state(self, k: int) -> dict[str, Tensor]:
        """As of `Stack`: the channels that the k-th network has."""
        shapes = _shapes(self.archs[k], self.skeleton)
        return {name: tensor[tuple(map(slice, shapes[name]))] for name, tensor in super().state(k).items()}


class StackedBlock(nn.Module):
    """`Block` of several networks."""

    def __init__(self, members: Sequence[int], inputs: int, outputs: int, stride: int | None = None) -> None:
        super().__init__()
        self.bn_1 = StackedBatchNorm(members, inputs)
        self.relu_1 = nn.ReLU()
        self.conv_1 = StackedConv(members, inputs, outputs, 3, stride or 1)
        self.bn_2 = StackedBatchNorm(members, outputs)
        self.relu_2 = nn.ReLU()
        self.conv_2 = StackedConv(members, outputs, outputs, 3)
        self.shortcut = None if stride is None else StackedConv(members, inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        active = self.relu_1(self.bn_1(x))
        out: Tensor = self.conv_2(self.relu_2(self.bn_2(self.conv_1(active))))
        return out + (x if self.shortcut is None else self.shortcut(active))


@lru_cache(1024)
def _shapes(arch: WideResNet, skeleton: WideSkeleton) -> dict[str, torch.Size]:
    """Of a network's weights and statistics, by name."""
    with torch.device("meta"):
        return {name: tensor.shape for name, tensor in WideNetwork(arch, skeleton).state_dict().items()}


# ---- what they cost


def parameters(arch: WideResNet, skeleton: WideSkeleton) -> int:
    """Trainable parameters of the architecture's network."""
    return _cost(arch, skeleton, (8, 8)).parameters  # of images of any size


def flops(arch: WideResNet, skeleton: WideSkeleton, image_size: int | tuple[int, int]) -> int:
    """FLOPs of the architecture's network for one image, counted as in `robbench_builders.networks.cost`.

    Arguments:
        image_size: in pixels: a side, or height and width.
    """
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    return _cost(arch, skeleton, size).flops


def _cost(arch: WideResNet, skeleton: WideSkeleton, size: tuple[int, int]) -> Cost:
    return cost.total(_costs(arch, skeleton, size))


def _costs(arch: WideResNet, skeleton: WideSkeleton, size: tuple[int, int]) -> Iterator[Cost]:
    before = skeleton.stem_channels
    yield cost.convolution(skeleton.image_channels, before, 3, prod(size))
    for stage, (depth, channels) in enumerate(zip(arch.depths, skeleton.widths(arch), strict=True)):
        yield _stage_cost(before, channels, depth, _stride(stage), size)
        before, size = channels, _strided(size, _stride(stage))
    yield cost.batch_norm(before, prod(size))
    yield cost.relu(before, prod(size))
    # The published counter takes the window of the last, global pooling to be one pixel higher and wider than the image.
    yield cost.pooling(before, (size[0] + 1) * (size[1] + 1), 1)
    yield cost.linear(before, skeleton.classes)


def _strided(size: tuple[int, int], stride: int) -> tuple[int, int]:
    """Height and width of what a convolution gives."""
    return -(-size[0] // stride), -(-size[1] // stride)


@lru_cache(8192)
def _stage_cost(inputs: int, channels: int, depth: int, stride: int, size: tuple[int, int]) -> Cost:
    """Of so many blocks; a space has far fewer stages than networks."""
    given = prod(_strided(size, stride))
    first = [*_block(inputs, channels, prod(size), given), cost.convolution(inputs, channels, 1, given)]
    return cost.total([*first, *(depth - 1) * list(_block(channels, channels, given, given))])


def _block(inputs: int, channels: int, taken: int, given: int) -> Iterator[Cost]:
    """From its channels, and the pixels that its first convolution takes and gives."""
    yield cost.batch_norm(inputs, taken)
    yield cost.relu(inputs, taken)
    yield cost.convolution(inputs, channels, 3, given)
    yield cost.batch_norm(channels, given)
    yield cost.relu(channels, given)
    yield cost.convolution(channels, channels, 3, given)
