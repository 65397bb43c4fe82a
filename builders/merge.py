"""Shards → store, strictly: duplicates, strangers, mixed environments and gaps are refused by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from builders import shards
from builders.errors import BuildError
from builders.network import Skeleton, flops, parameters
from builders.plan import Plan, read_plan
from builders.shards import Shard
from robbench.store.arrays import Array, Header, Name
from robbench.measurements.columns import UNTRAINED
from robbench.measurements.metrics import SEVERITIES, TABLE
from robbench.spaces import nb201
from robbench.spaces.nb201.identity import class_partition
from robbench.spaces.nb201 import Cell, position
from robbench.store.writing import Changes, extend

Axes = dict[str, list[float | int | str]]
SOURCE = "robbench build"


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
        if differing := [field for field in made[0] | found if found.get(field) != made[0].get(field)]:
            odd = [unit.key for unit, other in zip(units, made, strict=True) if other == found]
            raise BuildError(
                f"{folder} mixes results that differ in {differing[0]}: {made[0].get(differing[0])} and {found.get(differing[0])} (units {_named(odd)});"
                " delete one kind and run again."
            )
    return extend(into, _arrays(plan, read))


def _arrays(plan: Plan, read: list[Shard]) -> Iterator[Array]:
    settings = read[0].settings
    adversary, attacks, corruptions = settings["recipe"]["adversary"], settings["attacks"], settings["corruptions"]
    training = "standard" if adversary is None else f"pgd-{adversary['eps'] * 255:.6g}/255"
    rows, seeds = len(class_partition().keys), list(plan.seeds)
    environment = {key: value for key, value in read[0].environment.items() if key != "stack"}
    diverged = {
        f"{arch}, seed {shard.unit.seed}": training["diverged"]
        for shard in read
        for arch, training in zip(shard.unit.archs, shard.trainings, strict=True)
        if training["diverged"] is not None
    }
    common: dict[str, Any] = {
        "source": SOURCE, "plan": asdict(plan), "recipe": settings["recipe"], "environment": environment, "diverged": diverged,
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
        levels, images = tuple(map(len, axes.values())), read[0].outcomes[threat].shape[-1]
        seconds = sum(shard.seconds[threat] for shard in read)
        provenance = {**common, **how, "images": images, "seconds": round(seconds, 1)}
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
    yield from _proxies(plan, read, {key: common[key] for key in ("source", "plan", "recipe", "environment")})


def _proxies(plan: Plan, read: list[Shard], common: dict[str, Any]) -> Iterator[Array]:
    """Proxies of the cells that were built; parameters and FLOPs of all cells, which take no network."""
    settings, seeds = read[0].settings, list(plan.seeds)
    seconds = round(sum(shard.seconds.get("proxies", 0.0) for shard in read), 1)
    for proxy, how in settings["proxies"].items():
        values = np.full((nb201.SIZE, len(seeds)), np.nan)
        missing: Counter[str] = Counter()
        for shard in read:
            values[[position(Cell.parse(arch)) for arch in shard.unit.archs], seeds.index(shard.unit.seed)] = shard.proxies[proxy]
            missing.update(shard.failures.get(proxy, {}))
        provenance = {**common, "proxy": how, "missing": dict(missing), "seconds_of_all_proxies": seconds}
        header = Header("cell", {"seed": list(seeds)}, TABLE[proxy].unit, provenance)
        yield Array(Name(plan.dataset, UNTRAINED, proxy, "value"), header, values)
    skeleton, (height, width) = Skeleton(**settings["skeleton"]), settings["image_size"]
    sizes = {
        "params": [parameters(cell, skeleton) for cell in nb201.cells()],
        "flops": [flops(cell, skeleton, (height, width)) for cell in nb201.cells()],
    }
    for proxy, counts in sizes.items():
        header = Header("cell", {}, TABLE[proxy].unit, {**common, "skeleton": settings["skeleton"], "image_size": settings["image_size"]})
        yield Array(Name(plan.dataset, UNTRAINED, proxy, "value"), header, np.array(counts) / 1e6)


def _part(shard: Shard, k: int, what: str, dtype: type[np.generic]) -> np.ndarray | float:
    """One network's share of a shard: a number of its training, its accuracies, or its packed outcomes."""
    if what.startswith("training_"):
        return float(shard.trainings[k][what.removeprefix("training_")])
    outcomes = shard.outcomes[what][k]
    return np.packbits(outcomes, axis=-1) if dtype is np.uint8 else np.asarray(outcomes.mean(axis=-1))


def _named(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f", … ({len(names)} in all)" if len(names) > 3 else "")
