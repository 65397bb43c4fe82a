"""Which architectures a surrogate learns from, and which judge it.

Groups of functional twins:

    development  about 30%, by the first two digits of the group's key: in every store, dataset and seed the same ones.  They are
                 learned from and never judge, so whatever was chosen with them (hyper-parameters: benchmarks/selection.py) was
                 chosen on the training side of every split.
    constant     the networks that ignore their input, which always answer the same: learned from, and nothing to judge.
    the others   learn or judge, as the seed draws.  Those that judge also calibrate the intervals; a training side that is split again
                 leaves the same kind of group to calibrate, so calibrating and judging groups are exchangeable.

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

    Of all groups that depend on their input a share `train` learns, the development groups among them.
    """
    known = np.unique(twins.group[~twins.constant[twins.group]])
    others, judges = known[~twins.development[known]], len(known) - round(train * len(known))
    if judges > len(others):
        raise InvalidArgument(
            f"train={train!r} leaves {judges} groups of twins to judge, and {len(others)} may: the development groups, about 30%, always"
            " learn. Give a larger share."
        )
    return np.asarray(~np.isin(twins.group, rng.permutation(others)[:judges]))


def at_random(twins: Twins, train: float, rng: np.random.Generator) -> np.ndarray:
    """Any architecture on either side.  Twins of what was learned are among the judges, which flatters: only to compare with papers."""
    inside = np.zeros(len(twins.group), bool)
    inside[rng.permutation(len(inside))[: round(train * len(inside))]] = True
    return inside


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
