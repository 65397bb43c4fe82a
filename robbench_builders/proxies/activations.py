"""Proxies from activation patterns: for which images of a batch each ReLU is active."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from robbench_builders.proxies.passes import Members, Passes, summed


def nwot(passes: Passes) -> Tensor:
    """The logarithm of |det K|, ``(stack,)``, float64; K counts, for each two images, the ReLUs that are active for both or for neither.

    Source: Mellor, Turner, Storkey and Crowley (2021).
    """
    kernel = summed(len(passes.stack), _agreements(passes))
    score: Tensor = torch.linalg.slogdet(kernel).logabsdet
    return score


def _agreements(passes: Passes) -> Iterator[tuple[Members, Tensor]]:
    """For each layer of ReLUs, how many agree on each two images: ``(members, batch, batch)``."""
    for activation in passes.record.relu_inputs:
        # Active and inactive as +1 and −1: products count agreements minus disagreements, exactly (float32 counts to 2^24).
        signs = torch.where(activation.value.detach() > 0, 1.0, -1.0).flatten(2)
        product = (signs @ signs.transpose(1, 2)).double()
        yield activation.members, (product + signs.shape[2]) / 2
