"""Which architectures a surrogate learns from, and which judge it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from robbench.errors import UnknownMetric
from robbench.spaces.identity import twin_key, twin_partition
from robbench.spaces.nb201 import EDGES, Cell, position

TWIN = "twin"
_CONSTANT = Cell(["none"] * len(EDGES))


def twin_groups(archs: Sequence[Cell]) -> np.ndarray:
    """For each architecture the number of its group of functional twins: ``(archs,)``, intp."""
    group = twin_partition().group
    return np.array([group[position(arch)] for arch in archs], np.intp)


def by_twin(groups: np.ndarray, train: float, rng: np.random.Generator) -> np.ndarray:
    """Whole groups on one side, so that no function is on both: the honest split.

    The networks that ignore their input always answer the same; as there is nothing to predict of them, they are learned from and judge nothing.
    """
    constant = twin_partition().keys.index(twin_key(_CONSTANT))
    order = rng.permutation(np.unique(groups[groups != constant]))
    return np.asarray(np.isin(groups, order[: round(train * len(order))]) | (groups == constant))


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
        UnknownMetric: no such split, or not a share.
    """
    if kind not in SPLITS:
        raise UnknownMetric(f"split={kind!r} is not a split; expected {' or '.join(map(repr, SPLITS))}.")
    if not 0 < train < 1:
        raise UnknownMetric(f"train={train!r} is not a share of the architectures between 0 and 1.")
    return SPLITS[kind](groups, train, np.random.default_rng(seed))
