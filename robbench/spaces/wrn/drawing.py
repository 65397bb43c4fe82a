"""A WideResNet drawn: in text, and as a row of stages."""

from __future__ import annotations

from robbench.spaces.space import Arrow, Graph
from robbench.spaces.svg import shown
from robbench.spaces.wrn.costs import stages
from robbench.spaces.wrn.wideresnet import STAGES, WideResNet

_BETWEEN = 1.6
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
    """Image, stem, three stages and logits in a row; each arrow into a stage is its blocks, with their channels below."""
    names = ("image", "stem", *(f"stage {stage}" for stage in STAGES), "logits")
    below = ("image", "16", *(f"{channels}" for channels in arch.channels), "logits")
    arrows = ("conv 3×3", *(f"{depth} blocks" for depth in arch.depths), "linear")
    return Graph(
        {name: (_BETWEEN * place, 0.0) for place, name in enumerate(names)},
        tuple(
            Arrow(source, target, operation, operation, 0.0) for source, target, operation in zip(names, names[1:], arrows, strict=False)
        ),
        dict(zip(names, below, strict=True)),
    )
