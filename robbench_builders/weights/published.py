"""The published names of a NAS-Bench-201 network's tensors.

    ours                                         published
    stem.0.weight                                stem.0.weight
    body.3.edges.nor_conv_3x3_02.conv.weight     cells.3.layers.1.op.1.weight          "layers": edges in the order of the arch string
                                                 cells.3.edges.2<-0.0.op.1.weight      "edges": newer code
    body.3.edges.nor_conv_3x3_02.bn.weight       cells.3.layers.1.op.2.weight          and so on
    body.5.a.conv.weight                         cells.5.conv_a.op.1.weight            a reduction
    body.5.shortcut.weight                       cells.5.downsample.1.weight
    head.0.weight                                lastact.0.weight
    classifier.weight                            classifier.weight

Pooling, skip connections and ``none`` have no tensors, so which of them stands on an edge no checkpoint tells.

Source: the checkpoints of Dong and Yang (2020), as written by their code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from robbench_builders.networks.layers import Reduction
from robbench_builders.networks.operations import edge_name
from robbench_builders.networks.plain import CellModule, Network

SPELLINGS: dict[str, Callable[[int, int], str]] = {
    "layers": lambda source, target: f"layers.{target * (target - 1) // 2 + source}",
    "edges": lambda source, target: f"edges.{target}<-{source}.0",
}
"""By the word that tells them apart: from an edge's source and target to what a cell's module on it is called."""

NORMALISATION = {
    "cifar10": ((125.3, 123.0, 113.9), (63.0, 62.1, 66.7)),
    "cifar100": ((129.3, 124.1, 112.4), (68.2, 65.4, 70.4)),
    "ImageNet16-120": ((122.68, 116.66, 104.01), (63.22, 61.26, 65.09)),
}
"""Mean and std of each channel, in grey levels, that the published networks were trained with."""


def names(network: Network, spelling: str) -> dict[str, str]:
    """The published name of every tensor of a network, by ours.

    Arguments:
        spelling: one of `SPELLINGS`.
    """
    prefixes = {"stem.": "stem.", "head.0.": "lastact.0.", "classifier.": "classifier."}
    for i, block in enumerate(network.body):
        if isinstance(block, Reduction):
            prefixes |= {f"body.{i}.{part}.{ours}": f"cells.{i}.conv_{part}.{theirs}" for part in "ab" for ours, theirs in _CONVOLUTION}
            prefixes[f"body.{i}.shortcut."] = f"cells.{i}.downsample.1."
        elif isinstance(block, CellModule):
            for source, target, op in block.cell.edges:
                edge, published = edge_name(source, target, op), SPELLINGS[spelling](source, target)
                prefixes |= {f"body.{i}.edges.{edge}.{ours}": f"cells.{i}.{published}.{theirs}" for ours, theirs in _CONVOLUTION}
    return {
        name: theirs + name.removeprefix(ours)
        for ours, theirs in prefixes.items()
        for name in network.state_dict()
        if name.startswith(ours)
    }


_CONVOLUTION = ("conv.", "op.1."), ("bn.", "op.2.")


def is_published(tensors: Collection[str]) -> bool:
    """Whether tensors have published names."""
    return any(name.startswith(("cells.", "lastact.")) for name in tensors)


def spelling_of(tensors: Collection[str]) -> str:
    """Which of `SPELLINGS` tensors are named in; a network without convolutions in its cells is named alike in both."""
    return "edges" if any(re.match(r"cells\.\d+\.edges\.", name) for name in tensors) else "layers"
