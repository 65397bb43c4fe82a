"""Losses that attacks raise, besides cross-entropy (base.py): of each row's logits z, for label y and target t.

With z₁ ≥ z₂ ≥ z₃ ≥ … the sorted logits:

    margin     max z_i over i ≠ y  −  z_y             targeted:  z_t  −  max z_i over i ≠ t
    dlr        margin / (z₁ − z₃)                     targeted:  (z_t − z_y) / (z₁ − (z₃ + z₄) / 2)

A class whose logit is −∞ is masked, and does not exist for the loss; where too few are left for DLR's denominator, it is 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from robbench_builders.errors import AttackError


def margin(logits: Tensor, labels: Tensor, targets: Tensor | None = None) -> Tensor:
    """The largest logit of another class than the label, minus the label's; positive where the network is wrong.  Carlini and Wagner (2017), section V.A, f₆."""
    if targets is not None:
        return -margin(logits, targets)
    return logits.scatter(-1, labels[..., None], -torch.inf).amax(-1) - logit_of(logits, labels)


def dlr(logits: Tensor, labels: Tensor, targets: Tensor | None = None) -> Tensor:
    """Difference of logits ratio: the same whatever the logits' scale and shift.  Croce and Hein (2020), equations 6 and 7.

    Raises:
        AttackError: fewer than 3 classes; with targets, fewer than 4.
    """
    least = 3 if targets is None else 4
    if logits.shape[-1] < least:
        raise AttackError(
            f"the {'' if targets is None else 'targeted '}DLR loss was given {logits.shape[-1]} classes; expected at least {least}:"
            " attack networks of fewer by cross-entropy or margin (apgd-ce, cw)."
        )
    top = logits.topk(least).values
    # Before any arithmetic: the gradient of what is left out would be NaN, and not nothing.
    one_and_zeros = torch.zeros_like(top).index_fill(-1, torch.zeros(1, dtype=torch.int64, device=top.device), 1.0)
    top = torch.where(top[..., -1:].isneginf(), one_and_zeros, top)
    if targets is None:
        return margin(logits, labels) / (top[..., 0] - top[..., 2] + TINY)
    return (logit_of(logits, targets) - logit_of(logits, labels)) / (top[..., 0] - (top[..., 2] + top[..., 3]) / 2 + TINY)


# Where all logits are equal, the loss is 0 and not NaN.
TINY = 1e-12


def logit_of(logits: Tensor, classes: Tensor) -> Tensor:
    """Of each row, the logit of its class, ``(…, batch)``."""
    return logits.gather(-1, classes[..., None])[..., 0]
