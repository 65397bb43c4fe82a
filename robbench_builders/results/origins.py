"""Which networks the numbers of a store are of: where each stands, and which weights it has; by one rule for builds and for weights that were brought.

    origin      what a measured network is: its space, architecture, seed, and where its weights are from
    place       where a store has its numbers: key of its class, and seed

Weights may be listed of several builds (`robbench_builders.results.together.builds_of`), or, where a list is too long, summed up (`robbench_builders.results.listing`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from robbench_builders.errors import BuildError
from robbench_builders.results import listing
from robbench_builders.results.listing import Record
from robbench_builders.results.together import builds_of, way_out
from robbench_builders.weights.planned import key_of
from robbench.errors import Contradiction
from robbench.spaces import space_named
from robbench.store import Store
from robbench.store.arrays import Name

Place = tuple[str, int]


class Origin(NamedTuple):
    """What a measured network is."""

    space: str
    arch: str
    """Its text."""
    seed: int
    """Of its training."""
    weights: Record
    """Where its weights are from, such as file and sha256."""

    @property
    def key(self) -> str:
        """What provenance calls it."""
        return key_of(self.arch, self.seed)

    @property
    def place(self) -> Place:
        """Where a store has its numbers: key of its class, and seed."""
        space = space_named(self.space)
        return space.key(space.parse(self.arch)), self.seed


def measured(store: Store, name: Name) -> np.ndarray:
    """Where an array has anything: bool ``(rows, levels…, seeds)``; of what is measured besides, such as matrices, any number of it.

    A chunk of the array is in memory at a time.
    """
    axes = list(store.header(name).axes)
    besides = tuple(range(2 + axes.index("seed"), 1 + len(axes)))
    return np.concatenate([(~np.isnan(store.read(name, rows))).any(axis=besides) for rows in store.blocks(name)])


def places(store: Store, name: Name) -> frozenset[Place]:
    """Where an array has anything, at any level."""
    found = measured(store, name)
    anywhere = found.any(axis=tuple(range(1, found.ndim - 1)))
    seeds = [int(seed) for seed in store.header(name).axes["seed"]]
    return frozenset((store.rows.keys[row], seeds[at]) for row, at in zip(*np.nonzero(anywhere), strict=True))


def refuse_other_weights(store: Store, name: Name, given: Mapping[Place, Origin]) -> None:
    """Do nothing if the networks that an array has, of those given, are of the weights that they are said to be of.

    Raises:
        Contradiction: one is of others; or another cell of its class is there.
        BuildError: the array does not list its weights, and not all of those that it does not list are among these.
    """
    there = places(store, name)
    mine = {origin.key: dict(origin.weights) for place, origin in given.items() if place in there}
    held = [build["weights"] for build in builds_of(store.header(name).provenance) if "weights" in build]
    known = {key: record for weights in held if not listing.is_summed(weights) for key, record in weights.items()}
    unlisted = {key: record for key, record in mine.items() if key not in known}
    sums = [weights for weights in held if listing.is_summed(weights)]
    if other := next((key for key, record in mine.items() if known.get(key, record if sums else None) != record), None):
        raise Contradiction(
            f"{store.path} holds {name} of other weights than {other} has now (held are {known.get(other, 'those of another cell of its class')}, and"
            f" given {mine[other]}). {way_out(name, store.names())}"
        )
    if unlisted and not _is_some_of(sums, unlisted):
        raise BuildError(
            f"{store.path} holds {name} of {sum(weights['networks'] for weights in sums)} networks, too many to be listed, and {len(unlisted)} of"
            f" them are given, perhaps with other weights; give all of them together with what is new. Or: {way_out(name, store.names())}"
        )


def _is_some_of(sums: Sequence[Mapping[str, str | int]], records: Mapping[str, Record]) -> bool:
    """Whether networks are all that one sum stands for, or all of them together."""
    return listing.summed(records) in [*map(dict, sums), listing.added(sums)]
