"""Shards → store, strictly: duplicates, strangers, mixed environments and gaps are refused by name.

Also the reverse: units of a store built again, to see that what it holds can be had again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from builders import shards
from builders.datasets import load
from builders.errors import BuildError
from builders.plan import Plan, Unit, plan_from, read_plan
from builders.run import environment_of, find_device, run_unit
from builders.shards import Shard
from robbench.arrays import Array, Header, Name
from robbench.metrics import SEVERITIES, TABLE
from robbench.spaces.identity import class_partition
from robbench.spaces.nb201 import Cell, position
from robbench.store import Store
from robbench.store.writing import Changes, extend

Axes = dict[str, list[float | int | str]]
SOURCE = "robbench build"
TOLERANCE = 0.05
"""How far a stack's mean accuracy may move when a unit is built again on another kind of device.

There, rounding lets training take another path, so a single network may move as far as another seed would move it."""


def merge(folder: Path, into: Path) -> Changes:
    """Put all shards of a folder's plan into a store, which is made or extended; all of them, or none.

    Raises:
        BuildError: units without a shard, shards of no unit, or shards of different library versions or devices.
        ShardError: a shard is cut short.
    """
    plan = read_plan(folder)
    units = plan.units()
    if strange := shards.strangers(folder, units):
        raise BuildError(f"{folder} holds shards that are not of its plan: {_named([path.name for path in strange])}; take them out.")
    if missing := [unit.key for unit in units if not shards.path_of(folder, unit).exists()]:
        raise BuildError(
            f"{folder} lacks {len(missing)} of {len(units)} units: {_named(missing)}; `robbench build run {folder}` makes them."
        )
    read = [shards.read(shards.path_of(folder, unit)) for unit in units]
    for unit, shard in zip(units, read, strict=True):
        if shard.unit != unit:
            raise BuildError(
                f"{shards.path_of(folder, unit)} holds another unit than its name says ({shard.unit.key}); delete it and run again."
            )
    made = [{**shard.settings, **shard.environment, "stack": None} for shard in read]
    for found in made:
        if differing := [field for field, value in found.items() if value != made[0][field]]:
            odd = [unit.key for unit, other in zip(units, made, strict=True) if other == found]
            raise BuildError(
                f"{folder} mixes results that differ in {differing[0]}: {made[0][differing[0]]} and {found[differing[0]]} (units {_named(odd)});"
                " delete one kind and run again."
            )
    return extend(into, _arrays(plan, read))


def _arrays(plan: Plan, read: list[Shard]) -> Iterator[Array]:
    settings = read[0].settings
    adversary, attacks, corruptions = settings["recipe"]["adversary"], settings["attacks"], settings["corruptions"]
    training = "standard" if adversary is None else f"pgd-{adversary['eps'] * 255:.6g}/255"
    rows, seeds = len(class_partition().keys), list(plan.seeds)
    environment = {key: value for key, value in read[0].environment.items() if key != "stack"}
    images = read[0].images
    diverged = {
        f"{arch}, seed {shard.unit.seed}": training["diverged"]
        for shard in read
        for arch, training in zip(shard.unit.archs, shard.trainings, strict=True)
        if training["diverged"] is not None
    }
    common: dict[str, Any] = {
        "source": SOURCE, "plan": asdict(plan), "recipe": settings["recipe"], "environment": environment, "images": images, "diverged": diverged,
    }  # fmt: skip

    def gathered(what: str, shape: tuple[int, ...], dtype: type[np.generic], missing: float) -> np.ndarray:
        """``(rows, …, seeds, …)``: each network's part in its class row, at its seed."""
        values = np.full((rows, len(seeds), *shape), missing, dtype)
        for shard in read:
            for k, (arch, training) in enumerate(zip(shard.unit.archs, shard.trainings, strict=True)):
                if training["diverged"] is None:
                    row = class_partition().group[position(Cell.parse(arch))]
                    values[row, seeds.index(shard.unit.seed)] = _part(shard, k, what, dtype)
        return values

    found: dict[str, tuple[Axes, dict[str, Any]]] = {"clean": ({}, {})}
    found |= {threat: ({"eps": settings["eps"]}, {"attack": attack}) for threat, attack in attacks.items()}
    found |= {threat: ({"severity": list(SEVERITIES)}, {"corruption": corruption}) for threat, corruption in corruptions.items()}
    for threat, (axes, how) in found.items():
        levels = tuple(map(len, axes.values()))
        seconds = sum(shard.seconds[threat] for shard in read)
        provenance = {**common, **how, "seconds": round(seconds, 1)}
        accuracy = np.moveaxis(gathered(threat, levels, np.float64, np.nan), 1, -1)
        yield Array(
            Name(plan.dataset, training, threat, "accuracy"),
            Header("class", {**axes, "seed": list(seeds)}, "fraction", provenance),
            accuracy,
        )
        bits = np.moveaxis(gathered(threat, (*levels, -(-images // 8)), np.uint8, 0), 1, -2)
        header = Header("class", {**axes, "seed": list(seeds), "image": []}, "bit", provenance)
        yield Array(Name(plan.dataset, training, threat, "outcomes"), header, bits)
    for cost in ("training_seconds", "training_loss", "training_accuracy"):
        values = gathered(cost, (), np.float64, np.nan)
        yield Array(Name(plan.dataset, training, cost, "value"), Header("class", {"seed": list(seeds)}, TABLE[cost].unit, common), values)


def _part(shard: Shard, k: int, what: str, dtype: type[np.generic]) -> np.ndarray | float:
    """One network's share of a shard: a number of its training, its accuracies, or its packed outcomes."""
    if what.startswith("training_"):
        return float(shard.trainings[k][what.removeprefix("training_")])
    outcomes = shard.outcomes[what][k]
    return np.packbits(outcomes, axis=-1) if dtype is np.uint8 else np.asarray(outcomes.mean(axis=-1))


class Comparison(NamedTuple):
    """A unit built again, beside what the store holds."""

    unit: Unit
    same_environment: bool
    outcomes: int
    """How many single outcomes were compared."""
    different: int
    """How many of them came out otherwise."""
    largest: float
    """The largest difference of one network's accuracy, as a fraction."""
    shift: float
    """The largest difference of the stack's mean accuracy, as a fraction."""

    @property
    def holds(self) -> bool:
        """Whether the unit could be had again: bit for bit in the same environment, within `TOLERANCE` in another."""
        return self.different == 0 if self.same_environment else self.shift <= TOLERANCE


def verify(store: Path, *, sample: int, seed: int = 0, device: str = "auto", data: Path | None = None) -> Iterator[Comparison]:
    """Build some units of a store's plan again and compare every outcome.

    Arguments:
        store: made by `merge`.
        sample: how many units, drawn at random.
        seed: of that draw.
        device: as for `builders.run.find_device`.
        data: the folder of the data set's published files, for those that need one.

    Raises:
        BuildError: the store was not made by a build, or the device cannot be used.
    """
    with Store(store) as opened:
        built = [name for name in opened.names() if opened.header(name).provenance.get("source") == SOURCE and name.measure == "outcomes"]
        if not built:
            raise BuildError(f"{store} holds nothing that was built here, only published data; there is no plan to build again.")
        header = opened.header(built[0])
        plan = plan_from(header.provenance["plan"])
        held = {name.metric: opened.read(name) for name in built if opened.header(name).provenance["plan"] == header.provenance["plan"]}
        environment = header.provenance["environment"]
    units = plan.units()
    if not 1 <= sample <= len(units):
        raise BuildError(f"sample={sample}; expected 1 to {len(units)}, the units of the plan.")
    found, dataset = find_device(device), load(plan.dataset, data)
    torch.set_num_threads(1)
    for index in np.random.default_rng(seed).permutation(len(units))[:sample]:
        unit = units[int(index)]
        shard = run_unit(unit, dataset, found)
        rows = [class_partition().group[position(Cell.parse(arch))] for arch in unit.archs]
        at = plan.seeds.index(unit.seed)
        different, total, largest, shift = 0, 0, 0.0, 0.0
        for threat, outcomes in shard.outcomes.items():
            before = np.unpackbits(held[threat][rows][..., at, :], axis=-1, count=shard.images).astype(bool)
            different += int((before != outcomes).sum())
            total += outcomes.size
            change = before.mean(axis=-1) - outcomes.mean(axis=-1)
            largest, shift = max(largest, float(np.abs(change).max())), max(shift, float(np.abs(change.mean(axis=0)).max()))
        yield Comparison(unit, environment_of(found) == environment, total, different, largest, shift)


def _named(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f", … ({len(names)} in all)" if len(names) > 3 else "")
