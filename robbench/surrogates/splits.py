"""Which architectures a surrogate learns from, and which judge it.

Groups of functional twins, of the 15,625 cells:

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

import numpy as np

from robbench.errors import UnknownMetric
from robbench.arguments import checked_seed
from robbench.spaces.nb201.identity import twin_key, twin_partition
from robbench.spaces.nb201 import EDGES, Cell, position

TWIN = "twin"
DEVELOPMENT = 77
"""A group is for development if the first two hexadecimal digits of its key are below this: 77 of 256."""
_CONSTANT = Cell(["none"] * len(EDGES))


def twin_groups(archs: Sequence[Cell]) -> np.ndarray:
    """For each architecture the number of its group of functional twins: ``(archs,)``, intp."""
    group = twin_partition().group
    return np.array([group[position(arch)] for arch in archs], np.intp)


def development(groups: np.ndarray) -> np.ndarray:
    """Which groups are for development: ``(n,)``, bool."""
    keys = twin_partition().keys
    return np.array([int(keys[group][:2], 16) < DEVELOPMENT for group in groups], bool)


def constant(groups: np.ndarray) -> np.ndarray:
    """Which groups are the one of the networks that ignore their input: ``(n,)``, bool."""
    return np.asarray(groups == twin_partition().keys.index(twin_key(_CONSTANT)))


def by_twin(groups: np.ndarray, train: float, rng: np.random.Generator) -> np.ndarray:
    """Whole groups on one side, so that no function is on both: the honest split.

    Of all groups that depend on their input a share `train` learns, the development groups among them.
    """
    known = np.unique(groups[~constant(groups)])
    others, judges = known[~development(known)], len(known) - round(train * len(known))
    if judges > len(others):
        raise UnknownMetric(
            f"train={train!r} leaves {judges} groups of twins to judge, and {len(others)} may: the development groups, about 30%, always"
            " learn. Give a larger share."
        )
    return np.asarray(~np.isin(groups, rng.permutation(others)[:judges]))


def at_random(groups: np.ndarray, train: float, rng: np.random.Generator) -> np.ndarray:
    """Any architecture on either side.  Twins of what was learned are among the judges, which flatters: only to compare with papers."""
    inside = np.zeros(len(groups), bool)
    inside[rng.permutation(len(groups))[: round(train * len(groups))]] = True
    return inside


SPLITS: dict[str, Callable[[np.ndarray, float, np.random.Generator], np.ndarray]] = {TWIN: by_twin, "random": at_random}


def split(kind: str, groups: np.ndarray, *, train: float = 0.8, seed: int = 0) -> np.ndarray:
    """Which of the architectures are on the training side: ``(archs,)``, bool.

    Arguments:
        kind: ``"twin"`` or ``"random"``.
        groups: ``(archs,)``: the group of twins of each.
        train: share of the groups, or of the architectures, in (0, 1).
        seed: the same seed gives the same split.

    Raises:
        UnknownMetric: no such split, not a share, or one below that of the development groups; a seed that is none.
    """
    if kind not in SPLITS:
        raise UnknownMetric(f"split={kind!r} is not a split; expected {' or '.join(map(repr, SPLITS))}.")
    if not 0 < train < 1:
        raise UnknownMetric(f"train={train!r} is not a share of the architectures between 0 and 1.")
    return SPLITS[kind](groups, train, np.random.default_rng(checked_seed(seed)))
