"""Parameters, multiply-accumulates and FLOPs of a WideResNet: arithmetic over depths and widths.

The network (Zagoruyko and Komodakis, 2016, table 1): a 3×3 stem of 16 channels; three stages of D pre-activation blocks, of 16 W, 32 W and 64 W channels, the
second and the third with stride 2; batch norm, global pooling and one linear layer.  The first block of a stage has a 1×1 convolution on its shortcut.

Multiply-accumulates are those of convolutions and of the linear layer, as papers print them: 5.2 · 10⁹ for WRN-28-10.  FLOPs are counted as for
NAS-Bench-201 (`robbench.spaces.nb201.costs`): these, two operations a value for batch normalisation, one for ReLU, and a pooling's window.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from robbench.spaces.wrn.wideresnet import WideResNet

MILLION = 1e6
CLASSES = {"cifar10": 10, "cifar100": 100}
"""Of data sets of 32×32 pixels that such networks are trained on."""
_STEM, _SIDE, _IMAGE_CHANNELS = 16, 32, 3


class Cost(NamedTuple):
    """Of a network, or of a part of it, and one image."""

    parameters: int
    macs: int
    """Multiplications, each with its addition."""
    normalised: int = 0
    """Values that batch norms take, each of which a ReLU follows."""

    @property
    def others(self) -> int:
        """Operations of batch norms and of their ReLUs."""
        return 3 * self.normalised


class Total(NamedTuple):
    """Of a whole network, and one image."""

    parameters: int
    macs: int
    flops: int


@lru_cache(65_536)
def cost(arch: WideResNet, classes: int) -> Total:
    """What the network costs."""
    parts = list(_parts(arch))
    width = arch.channels[-1]
    parameters = sum(part.parameters for part in parts) + (width + 1) * classes
    macs = sum(part.macs for part in parts) + width * classes
    side = _SIDE // 4
    # The published counter takes the window of the last, global pooling to be one pixel higher and wider than the image.
    return Total(parameters, macs, macs + sum(part.others for part in parts) + width * (side + 1) ** 2)


def stages(arch: WideResNet) -> tuple[Cost, ...]:
    """What the three stages cost, one by one."""
    before, found = _STEM, []
    for stage, (depth, width) in enumerate(zip(arch.depths, arch.channels, strict=True)):
        found.append(_stage(before, width, depth, stage))
        before = width
    return tuple(found)


def _parts(arch: WideResNet) -> Iterator[Cost]:
    stem = 9 * _IMAGE_CHANNELS * _STEM
    yield Cost(stem, stem * _SIDE**2)
    yield from stages(arch)
    width, pixels = arch.channels[-1], (_SIDE // 4) ** 2
    yield Cost(2 * width, 0, width * pixels)


def _stage(before: int, width: int, depth: int, stage: int) -> Cost:
    """Of so many blocks: the first takes the channels of the stage before, and its size but for the first stage."""
    taken, pixels = (_SIDE >> max(0, stage - 1)) ** 2, (_SIDE >> stage) ** 2
    first, later = 9 * before * width + before * width, 9 * width**2
    kernels = first + (2 * depth - 1) * later
    normalised = before * taken + (2 * depth - 1) * width * pixels
    return Cost(kernels + 2 * (before + (2 * depth - 1) * width), kernels * pixels, normalised)
