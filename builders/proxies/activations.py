"""Proxies from which ReLUs are on: how differently a network's linear regions see the images of a batch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from builders.proxies.passes import Members, Passes, summed


def nwot(passes: Passes) -> Tensor:
    """The logarithm of |det K|, ``(stack,)``, float64; K counts, for two images, the ReLUs that are on for both or off for both.

    Source: Mellor, Turner, Storkey and Crowley (2021).
    """
    kernel = summed(len(passes.stack), _agreements(passes))
    score: Tensor = torch.linalg.slogdet(kernel).logabsdet
    return score


def _agreements(passes: Passes) -> Iterator[tuple[Members, Tensor]]:
    """Of each place with ReLUs, ``(members, batch, batch)``."""
    for activation in passes.record.relu_inputs:
        # On and off as +1 and −1: products count agreements minus disagreements, exactly (float32 counts to 2^24).
        signs = torch.where(activation.value.detach() > 0, 1.0, -1.0).flatten(2)
        product = (signs @ signs.transpose(1, 2)).double()
        yield activation.members, (product + signs.shape[2]) / 2
