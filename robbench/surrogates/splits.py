"""Splits: which architectures are on the training side, and which on the test side.

Groups of functional twins:

    development  about 30%, by the first two digits of the group's key: in every store, dataset and seed the same ones.  They are
                 always on the training side, so whatever was chosen with them (hyper-parameters: benchmarks/selection.py) was
                 chosen without any architecture of a test side.
    constant     the networks that ignore their input, which always answer the same: on the training side, as there is nothing to predict.
    the others   on either side, as the seed draws.  The test side also calibrates the intervals; where a training side is split again,
                 to calibrate on a part of it, that part is of the same kind of group, so calibration and test groups are exchangeable.

    folds        where there are too few to leave any out: the model learns from all, and is scored and calibrated by models like it, each of which has left
                 out one fold of the groups.  What was chosen with development groups is judged by them, too, unless folds are asked for that have none.

As a key is a hash, a development group differs from another one in nothing but what it is used for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from robbench.arguments import checked_choice, checked_seed
from robbench.errors import InvalidArgument
from robbench.spaces import Groups, SearchSpace

TWIN = "twin"
FOLDS = "folds"
DEVELOPMENT = 77
"""A group is for development if the first two hexadecimal digits of its key are below this: 77 of 256."""


@dataclass(frozen=True)
class Twins:
    """Architectures sorted into groups of functional twins."""

    group: np.ndarray
    """``(archs,)``, intp: the number of each one's group."""
    development: np.ndarray
    """``(groups,)``, bool: which groups are for development."""
    constant: np.ndarray
    """``(groups,)``, bool: which groups are of networks that ignore their input."""

    @classmethod
    def of(cls, space: SearchSpace[Any], archs: Sequence[Any]) -> Twins:
        """The groups of these architectures, numbered as they first appear."""
        found = Groups.of(map(space.twin_key, archs))
        return cls(
            np.array(found.group, np.intp),
            np.array([int(key[:2], 16) < DEVELOPMENT for key in found.keys], bool),
            np.array([space.is_constant(archs[position]) for position in found.representative], bool),
        )

    def of_rows(self, rows: np.ndarray) -> Twins:
        """The same groups, of some of the architectures: ``(some,)``, integers, or ``(archs,)``, bool."""
        return replace(self, group=self.group[rows])


def by_twin(twins: Twins, train: float, rng: np.random.Generator) -> np.ndarray:
    """Whole groups on one side, so that no function is on both: the honest split.

    Of all groups that depend on their input a share `train` is on the training side, the development groups among them.
    """
    known = np.unique(twins.group[~twins.constant[twins.group]])
    others, tested = known[~twins.development[known]], len(known) - round(train * len(known))
    if tested > len(others):
        raise InvalidArgument(
            f"train={train!r} leaves {tested} groups of twins to the test side, and {len(others)} may be there: the development groups, about 30%, are"
            " always on the training side. Give a larger share."
        )
    return np.asarray(~np.isin(twins.group, rng.permutation(others)[:tested]))


def at_random(twins: Twins, train: float, rng: np.random.Generator) -> np.ndarray:
    """Any architecture on either side.  Twins are on both, so scores are too high: only to compare with papers."""
    inside = np.zeros(len(twins.group), bool)
    inside[rng.permutation(len(inside))[: round(train * len(inside))]] = True
    return inside


def folds(twins: Twins, train: float, seed: int, *, development: bool = True) -> np.ndarray:
    """Sort the architectures into folds, groups of twins together: ``(archs,)``, intp, from 0 on.

    Each is left out once, so that of the groups in folds a share of about `train` is left to learn from, beside those in none, -1: the constant groups, and without
    `development` those for development, so that what is in folds is of the same kind of groups as a test side.

    Raises:
        InvalidArgument: the share leaves fewer than two folds, or is none.
    """
    if not 0 < train < 1 or round(1 / (1 - train)) < 2:
        raise InvalidArgument(
            f"train={train!r} is not the share of all folds but one; expected one from 0.5 on, such as 0.9 for ten folds."
        )
    none = twins.constant if development else twins.constant | twins.development
    groups = np.unique(twins.group[~none[twins.group]])
    of_group = np.full(len(twins.constant), -1, np.intp)
    count = min(round(1 / (1 - train)), len(groups))
    of_group[np.random.default_rng(checked_seed(seed)).permutation(groups)] = np.arange(len(groups)) % max(count, 1)
    return np.asarray(of_group[twins.group])


SPLITS: dict[str, Callable[[Twins, float, np.random.Generator], np.ndarray]] = {TWIN: by_twin, "random": at_random}


def split(kind: str, twins: Twins, *, train: float = 0.8, seed: int = 0) -> np.ndarray:
    """Which of the architectures are on the training side: ``(archs,)``, bool.

    Arguments:
        kind: ``"twin"`` or ``"random"``.
        twins: the groups of the architectures.
        train: share of the groups, or of the architectures, in (0, 1).
        seed: the same seed gives the same split.

    Raises:
        InvalidArgument: no such split, not a share, or one below that of the development groups; a seed that is none.
    """
    checked_choice(kind, "split", tuple(SPLITS))
    if not 0 < train < 1:
        raise InvalidArgument(f"train={train!r} is not a share of the architectures between 0 and 1.")
    return SPLITS[kind](twins, train, np.random.default_rng(checked_seed(seed)))
