"""Whether predictors can be fitted as they are asked to be: said of all of them before the first is."""

from __future__ import annotations

import numpy as np

from robbench.arguments import nearest
from robbench.errors import CannotFit, InvalidArgument
from robbench.judge.fitting import LEVEL
from robbench.judge.lukasik import KIND, LUKASIK
from robbench.surrogates.conformal import fewest
from robbench.surrogates.kinds import KINDS, kind_of


def check_known(name: str) -> None:
    """Raise InvalidArgument unless it is a kind of surrogate."""
    if name not in KINDS:
        raise InvalidArgument(
            f"{name!r} is not a kind of surrogate.{nearest(name, [*KINDS, LUKASIK])} Known: {', '.join(KINDS)}; and {LUKASIK}, a paper's forest; your own is"
            " module:name."
        )


def check_learns(name: str, size: int, learned: int) -> None:
    """Raise CannotFit unless a predictor of the package learns from the `learned` of `size` architectures that have what it takes."""
    if learned < _fewest(name):
        kind, lacking = (
            (f"a surrogate of kind {name!r}", "") if name != LUKASIK else (name, f", which is how many of {size} have all its proxies")
        )
        raise CannotFit(
            f"{kind} learns from {_fewest(name)} architectures or more, not from {learned}{lacking}; name larger sizes, or leave this kind out."
        )


def check_calibrates(name: str, fold: np.ndarray) -> None:
    """Raise CannotFit unless what is in folds supports intervals, and a predictor of the package learns from what a fold leaves.

    Arguments:
        name: of the predictor.
        fold: ``(learned,)``, of each architecture; see `robbench.judge.intervals.calibrating_folds`.
    """
    size, calibrating = len(fold), int((fold >= 0).sum())
    if calibrating < fewest(LEVEL):
        raise CannotFit(
            f"of {size} architectures to learn from, {calibrating} can calibrate intervals, as they are neither constant nor for development; intervals of {LEVEL:.0%} take"
            f" {fewest(LEVEL)} or more: name larger sizes, or leave out intervals."
        )
    left = size - int(np.bincount(fold[fold >= 0]).max())
    if ":" not in name and left < _fewest(name):
        raise CannotFit(
            f"a surrogate of kind {name!r} learns from {_fewest(name)} architectures or more, and of {size} some fold leaves {left} when it is left"
            " out to calibrate intervals; name larger sizes, or leave out this kind or intervals."
        )


def _fewest(name: str) -> int:
    return kind_of(KIND if name == LUKASIK else name).fewest_rows
