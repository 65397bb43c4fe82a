"""What surrogates see of a WideResNet: its choices, and what they come to.

    choices     depth and width of each stage
    sizes       logarithms of channels, parameters and multiply-accumulates: of each stage, its share, and of the network
    shape       how deep the network is for its width, and how the stages compare
    structure   the three together

A change to what any set computes takes a new `feature_version` of the space.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from robbench.spaces.space import Features
from robbench.spaces.wrn.costs import stages
from robbench.spaces.wrn.wideresnet import FIELDS, STAGES, WideResNet


def choices(archs: Sequence[WideResNet]) -> Features:
    """D1, W1, D2, W2, D3 and W3: ``(archs, 6)``."""
    return Features(FIELDS, _choices(archs))


def sizes(archs: Sequence[WideResNet]) -> Features:
    """Natural logarithms of the parameters and multiply-accumulates of each stage and of the three together, and each stage's share: ``(archs, 14)``."""
    found = np.array([[(stage.parameters, stage.macs) for stage in stages(arch)] for arch in archs], float).reshape(len(archs), 3, 2)
    total = found.sum(axis=1)
    columns = [
        *np.log(found).transpose(2, 1, 0).reshape(6, -1),
        *np.log(total).T,
        *(found / total[:, None]).transpose(2, 1, 0).reshape(6, -1),
    ]
    names = [f"log {what}:{stage}" for what in ("parameters", "macs") for stage in STAGES]
    names += ["log parameters", "log macs", *(f"share of {what}:{stage}" for what in ("parameters", "macs") for stage in STAGES)]
    return Features(tuple(names), np.stack(columns, axis=1))


def shape(archs: Sequence[WideResNet]) -> Features:
    """Blocks and width factors in all, depth by width of each stage and of the network, and each stage beside the one before: ``(archs, 11)``."""
    found = _choices(archs)
    depths, widths = found[:, ::2], found[:, 1::2]
    columns = [
        depths.sum(axis=1),
        widths.sum(axis=1),
        *(depths / widths).T,
        depths.sum(axis=1) / widths.sum(axis=1),
        *np.log(depths[:, 1:] / depths[:, :-1]).T,
        *np.log(widths[:, 1:] / widths[:, :-1]).T,
        np.log(depths * widths).sum(axis=1),
    ]
    names = ("blocks", "widths", *(f"depth by width:{stage}" for stage in STAGES), "depth by width")
    names += ("deeper:2", "deeper:3", "wider:2", "wider:3", "log depth times width")
    return Features(names, np.stack(columns, axis=1))


STRUCTURE: dict[str, tuple[Callable[[Sequence[WideResNet]], Features], ...]] = {
    "choices": (choices,),
    "sizes": (sizes,),
    "shape": (shape,),
    "structure": (choices, sizes, shape),
}


def _choices(archs: Sequence[WideResNet]) -> np.ndarray:
    """``(archs, 6)``, float64."""
    return np.array([arch.choices for arch in archs], float).reshape(len(archs), len(FIELDS))
