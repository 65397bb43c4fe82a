"""A WideResNet drawn: in text, and as a row of stages."""

from __future__ import annotations

from itertools import pairwise

from robbench.spaces.space import Arrow, Graph
from robbench.spaces.svg import shown
from robbench.spaces.wrn.costs import stages
from robbench.spaces.wrn.wideresnet import STAGES, WideResNet

_BETWEEN, _HEIGHT = 1.2, 0.3
_HEADS = ("stage", "blocks", "width", "channels", "pixels", "parameters")


def drawing(arch: WideResNet) -> str:
    """A line for each stage: its blocks, its width factor, and its size in the network for images of 32×32 pixels."""
    rows = [_HEADS] + [
        (str(stage), str(depth), str(width), str(channels), f"{64 >> stage}×{64 >> stage}", f"{cost.parameters / 1e6:.2f} M")
        for stage, depth, width, channels, cost in zip(STAGES, arch.depths, arch.widths, arch.channels, stages(arch), strict=True)
    ]
    return "\n".join("".join(f"{text:<10}" for text in row).rstrip() for row in rows)


def html(arch: WideResNet) -> str:
    """What a notebook shows."""
    return shown(str(arch), graph(arch))


def graph(arch: WideResNet) -> Graph:
    """The stem, 0, and the three stages in a row; the arrow into a stage says its blocks and their channels: ``"5 × 160"``."""
    names = ("0", *map(str, STAGES))
    arrows = [f"{depth} × {channels}" for depth, channels in zip(arch.depths, arch.channels, strict=True)]
    return Graph(
        {name: (_BETWEEN * place, 0.0) for place, name in enumerate(names)},
        tuple(
            Arrow(source, target, operation, operation, _HEIGHT)
            for (source, target), operation in zip(pairwise(names), arrows, strict=True)
        ),
    )
