"""What the shards of a folder come to: read one at a time, and all that is kept of them in memory is a number an architecture, level and seed.

Outcomes, of which there are as many as images, stay in the shards, from which a store reads them a block of rows at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from robbench_builders.differences import differences
from robbench_builders.errors import BuildError
from robbench_builders.fingerprint import of_shard
from robbench_builders.plan import Plan, Unit
from robbench_builders.results import shards
from robbench_builders.results.shards import Shard
from robbench_builders.weights.planned import key_of
from robbench.spaces import space_named
from robbench.store.arrays import MISSING
from robbench.store.blockwise import Blocks
from robbench.store.rows import Rows

TRAINING_FIELDS = ("loss", "accuracy", "seconds")


@dataclass
class Built:
    """What was built of a plan."""

    plan: Plan
    rows: Rows
    settings: dict[str, Any]
    environment: dict[str, Any]
    images: dict[str, int]
    """For each threat."""
    seconds: Counter[str] = field(default_factory=Counter)
    """Of each threat, and of all proxies together."""
    diverged: dict[str, str] = field(default_factory=dict)
    """Network → why."""
    missing: dict[str, Counter[str]] = field(default_factory=dict)
    """For each proxy, why values are missing, and how often."""
    accuracy: dict[str, np.ndarray] = field(default_factory=dict)
    """For each threat, ``(classes, levels, seeds)``, or ``(classes, seeds)`` without levels; NaN where nothing was measured."""
    training: dict[str, np.ndarray] = field(default_factory=dict)
    """For each of `TRAINING_FIELDS`, ``(classes, seeds)``."""
    proxies: dict[str, np.ndarray] = field(default_factory=dict)
    """For each proxy, ``(exact, seeds)``."""
    forms: dict[tuple[str, str], tuple[tuple[int, ...], np.dtype[Any]]] = field(default_factory=dict)
    """For each measure and threat, shape and type of one network's array at one level."""
    where: dict[tuple[int, int], tuple[Path, int]] = field(default_factory=dict)
    """Class row and seed → the shard of the network, and its position there; diverged networks have none."""

    @classmethod
    def read(cls, folder: Path, plan: Plan, rows: Rows) -> Built:
        """All shards of a folder, which must be there.

        Raises:
            BuildError: shards of different settings, library versions or devices.
            ShardError: a shard is damaged, or of another unit.
        """
        built: Built | None = None
        for shard, path in _checked(folder, plan.units()):
            if built is None:
                environment = {name: value for name, value in shard.environment.items() if name != "stack"}
                built = cls(plan, rows, shard.settings, environment, {threat: bits.shape[-1] for threat, bits in shard.outcomes.items()})
            for measure, every in shard.summaries.items():
                forms = {threat: (found.shape[1 if threat == "clean" else 2 :], found.dtype) for threat, found in every.items()}
                built.forms |= {(measure, threat): form for threat, form in forms.items()}
            built._add(shard, path)
        assert built is not None, "a plan has units"
        return built

    def _add(self, shard: Shard, path: Path) -> None:
        space, seeds = space_named(self.plan.space), len(self.plan.seeds)
        seed = self.plan.seeds.index(shard.unit.seed)
        self.seconds.update(shard.seconds)
        if "trained" in shard.environment:
            self.environment.setdefault("trained", shard.environment["trained"])
        for k, (arch, training) in enumerate(zip(shard.unit.archs, shard.trainings, strict=True)):
            if training["diverged"] is not None:
                self.diverged[key_of(arch, shard.unit.seed)] = training["diverged"]
                continue
            row = self.rows.class_row[space.key(space.parse(arch))]
            self.where[row, seed] = path, k
            for threat, bits in shard.outcomes.items():
                accuracy = bits[k].mean(axis=-1)
                _put(self.accuracy, threat, (len(self.rows.keys), *accuracy.shape, seeds))[row, ..., seed] = accuracy
            for name in [name for name in TRAINING_FIELDS if self.plan.trains]:
                _put(self.training, name, (len(self.rows.keys), seeds))[row, seed] = training[name]
        exact = [self.rows.exact_row[arch] for arch in shard.unit.archs]
        for proxy, values in shard.proxies.items():
            _put(self.proxies, proxy, (len(self.rows.exact), seeds))[exact, seed] = values
            self.missing.setdefault(proxy, Counter()).update(shard.failures.get(proxy, {}))

    def outcomes(self, threat: str) -> Blocks:
        """The outcomes under a threat: ``(classes, levels, seeds, ⌈images/8⌉)``, uint8, masked where nothing was measured."""
        return self._blocks(threat, threat, (-(-self.images[threat] // 8),), np.dtype(np.uint8))

    def summary(self, measure: str, threat: str) -> Blocks:
        """What was measured besides: ``(classes, levels, seeds, *)``, `MISSING` in counts and NaN in others where nothing was measured."""
        return self._blocks(threat, shards.summary_name(measure, threat), *self.forms[measure, threat])

    def _blocks(self, threat: str, name: str, one: tuple[int, ...], dtype: np.dtype[Any]) -> Blocks:
        accuracy, seeds = self.accuracy[threat], len(self.plan.seeds)
        shape = (*accuracy.shape, *one)
        # Neighbours in a unit are neighbours in the store, so of each seed one shard is asked again and again.
        packed = lru_cache(2 * seeds)(lambda path: shards.packed(path, name))

        def read(rows: slice) -> np.ndarray:
            start, stop, _ = rows.indices(shape[0])
            found = unmeasured((stop - start, *shape[1:]), dtype)
            for row in range(start, stop):
                for seed in range(seeds):
                    if (row, seed) in self.where:
                        path, k = self.where[row, seed]
                        np.moveaxis(found, -1 - len(one), 1)[row - start, seed] = packed(path)[k]
            return found

        return Blocks(shape, dtype, read)


def unmeasured(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
    """An array in which nothing is measured: outcomes are masked, counts `MISSING`, and others NaN."""
    if dtype == np.uint8:
        return np.ma.masked_array(np.zeros(shape, dtype), True)
    return np.full(shape, MISSING if dtype == np.uint16 else np.nan, dtype)


def _put(arrays: dict[str, np.ndarray], name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name not in arrays:
        arrays[name] = np.full(shape, np.nan)
    return arrays[name]


def _checked(folder: Path, units: list[Unit]) -> Iterator[tuple[Shard, Path]]:
    """The shard of each unit, with its path; all under the same conditions."""
    conditions = None
    for unit in units:
        path = shards.path_of(folder, unit)
        shard = shards.read(path)
        if shard.unit != unit:
            raise BuildError(f"{path} holds another unit than its name says ({shard.unit.key}); delete it and run again.")
        found = of_shard(shard)
        conditions = conditions or found
        if differing := differences(found, conditions):
            raise BuildError(
                f"{folder} mixes results that differ: in {path.name}, and maybe in others, {differing[0]} as in {units[0].key}.npz;"
                " delete one kind and run again."
            )
        yield shard, path
