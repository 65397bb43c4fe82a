"""Shards → store, strictly: units that are missing or done twice, shards outside the plan, and mixed environments are refused by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from builders.errors import BuildError
from builders.networks.plain import Skeleton, flops, parameters
from builders.plan import Plan, Unit, read_plan
from builders.recipes import find_recipe
from builders.results import shards
from builders.results.shards import Shard
from robbench.measurements.metrics import SEVERITIES, TABLE
from robbench.measurements.question import UNTRAINED
from robbench.spaces import space_named
from robbench.store.arrays import Array, Header, Name
from robbench.store.rows import Rows
from robbench.store.writing import Changes, extend

Axes = dict[str, list[float | int | str]]
SOURCE = "robbench build"


def merge(folder: Path, into: Path) -> Changes:
    """Put all shards of a folder's plan into a store, which is made or extended; all of them, or none.

    The store gets a row for every architecture of the plan's search space, built or not; where those are too many to list, for those of the plan.

    Raises:
        BuildError: units without a shard, shards of no unit, or shards of different settings, library versions or devices.
        ShardError: a shard is cut short.
        StoreError: the store is of another search space, or cannot be written.
    """
    plan = read_plan(folder)
    read = _read_all(folder, plan.units())
    rows = _rows(plan)
    return extend(into, rows, _arrays(plan, read, rows))


def _rows(plan: Plan) -> Rows:
    space = space_named(plan.space)
    if space.members is not None:
        return Rows.of(space, space.members)
    return Rows.of(space, dict.fromkeys(space.parse(arch) for unit in plan.units() for arch in unit.archs))


def _read_all(folder: Path, units: list[Unit]) -> list[Shard]:
    """The shards of all units, in their order, once nothing speaks against putting them together."""
    if others := shards.outside_plan(folder, units):
        raise BuildError(f"{folder} holds shards that are not of its plan: {_first_of([path.name for path in others])}; take them out.")
    if missing := [unit.key for unit in units if not shards.path_of(folder, unit).exists()]:
        raise BuildError(
            f"{folder} lacks {len(missing)} of {len(units)} units: {_first_of(missing)}; `robbench build run {folder}` makes them."
        )
    read = [shards.read(shards.path_of(folder, unit)) for unit in units]
    for unit, shard in zip(units, read, strict=True):
        if shard.unit != unit:
            raise BuildError(
                f"{shards.path_of(folder, unit)} holds another unit than its name says ({shard.unit.key}); delete it and run again."
            )
    conditions = [{**shard.settings, **shard.environment, "stack": None} for shard in read]
    first = conditions[0]
    for found in conditions:
        if differing := [field for field in first | found if found.get(field) != first.get(field)]:
            odd = [unit.key for unit, other in zip(units, conditions, strict=True) if other == found]
            raise BuildError(
                f"{folder} mixes results that differ in {differing[0]}: {first.get(differing[0])} and {found.get(differing[0])} (units {_first_of(odd)});"
                " delete one kind and run again."
            )
    return read


def _arrays(plan: Plan, read: list[Shard], rows: Rows) -> Iterator[Array]:
    """Accuracies and outcomes under every threat, and what training cost, of the classes; then proxies of the exact architectures."""
    settings, seeds = read[0].settings, list(plan.seeds)
    training = find_recipe(plan.recipe).training_name
    provenance = _provenance(plan, read)
    place = _placing(plan, read, rows)
    for threat, (axes, how) in _threats(settings).items():
        levels, images = tuple(map(len, axes.values())), read[0].outcomes[threat].shape[-1]
        seconds = sum(shard.seconds[threat] for shard in read)
        about = {**provenance, **how, "images": images, "seconds": round(seconds, 1)}
        values = np.moveaxis(place(partial(_accuracy, threat), np.full(levels, np.nan)), 1, -1)
        yield Array(
            Name(plan.dataset, training, threat, "accuracy"), Header("class", {**axes, "seed": list(seeds)}, "fraction", about), values
        )
        bits = np.moveaxis(place(partial(_packed_outcomes, threat), np.zeros((*levels, -(-images // 8)), np.uint8)), 1, -2)
        header = Header("class", {**axes, "seed": list(seeds), "image": []}, "bit", about)
        yield Array(Name(plan.dataset, training, threat, "outcomes"), header, bits)
    for field in ("seconds", "loss", "accuracy"):
        metric = f"training_{field}"
        header = Header("class", {"seed": list(seeds)}, TABLE[metric].unit, provenance)
        yield Array(Name(plan.dataset, training, metric, "value"), header, place(partial(_of_training, field), np.array(np.nan)))
    yield from _proxies(plan, read, rows, {key: provenance[key] for key in ("source", "plan", "recipe", "environment")})


def _accuracy(threat: str, shard: Shard, k: int) -> np.ndarray:
    return np.asarray(shard.outcomes[threat][k].mean(axis=-1))


def _packed_outcomes(threat: str, shard: Shard, k: int) -> np.ndarray:
    return np.packbits(shard.outcomes[threat][k], axis=-1)


def _of_training(field: str, shard: Shard, k: int) -> np.ndarray:
    return np.asarray(shard.trainings[k][field], np.float64)


def _threats(settings: dict[str, Any]) -> dict[str, tuple[Axes, dict[str, Any]]]:
    """What networks were put through: for each threat the axis of its levels, and its settings."""
    attacks, corruptions, eps = settings["attacks"], settings["corruptions"], settings["eps"]
    found: dict[str, tuple[Axes, dict[str, Any]]] = {"clean": ({}, {})}
    found |= {threat: ({"eps": eps[threat] if isinstance(eps, dict) else eps}, {"attack": attack}) for threat, attack in attacks.items()}
    return found | {threat: ({"severity": list(SEVERITIES)}, {"corruption": corruption}) for threat, corruption in corruptions.items()}


def _provenance(plan: Plan, read: list[Shard]) -> dict[str, Any]:
    """What every array of the build says of where it comes from."""
    diverged = {
        f"{arch}, seed {shard.unit.seed}": training["diverged"]
        for shard in read
        for arch, training in zip(shard.unit.archs, shard.trainings, strict=True)
        if training["diverged"] is not None
    }
    return {
        "source": SOURCE,
        "plan": plan.record(short=True),
        "recipe": read[0].settings["recipe"],
        "environment": {key: value for key, value in read[0].environment.items() if key != "stack"},
        "diverged": diverged,
    }


def _placing(plan: Plan, read: list[Shard], rows: Rows) -> Callable[[Callable[[Shard, int], np.ndarray], np.ndarray], np.ndarray]:
    """A function that puts a value of each trained network, from the shard and its position there, into the network's class row.

    The function takes what gives the value, and what stands where there is none, of the value's shape and dtype; it returns
    ``(classes, seeds, *value)``.
    """
    space = space_named(plan.space)
    where = [
        (rows.class_row[space.key(space.parse(arch))], plan.seeds.index(shard.unit.seed), shard, k)
        for shard in read
        for k, (arch, training) in enumerate(zip(shard.unit.archs, shard.trainings, strict=True))
        if training["diverged"] is None
    ]

    def place(value: Callable[[Shard, int], np.ndarray], missing: np.ndarray) -> np.ndarray:
        values = np.full((len(rows.keys), len(plan.seeds), *missing.shape), missing)
        for row, seed, shard, k in where:
            values[row, seed] = value(shard, k)
        return values

    return place


def _proxies(plan: Plan, read: list[Shard], rows: Rows, common: dict[str, Any]) -> Iterator[Array]:
    """Proxies of the architectures that were built; parameters and FLOPs of all, which take no network."""
    settings, seeds = read[0].settings, list(plan.seeds)
    seconds = round(sum(shard.seconds.get("proxies", 0.0) for shard in read), 1)
    for proxy, how in settings["proxies"].items():
        values = np.full((len(rows.exact), len(seeds)), np.nan)
        missing: Counter[str] = Counter()
        for shard in read:
            values[[rows.exact_row[arch] for arch in shard.unit.archs], seeds.index(shard.unit.seed)] = shard.proxies[proxy]
            missing.update(shard.failures.get(proxy, {}))
        provenance = {**common, "proxy": how, "missing": dict(missing), "seconds_of_all_proxies": seconds}
        header = Header("exact", {"seed": list(seeds)}, TABLE[proxy].unit, provenance)
        yield Array(Name(plan.dataset, UNTRAINED, proxy, "value"), header, values)
    skeleton, (height, width) = Skeleton(**settings["skeleton"]), settings["image_size"]
    space = space_named(plan.space)
    archs = [space.parse(spec) for spec in rows.exact]
    sizes = {
        "params": [parameters(arch, skeleton) for arch in archs],
        "flops": [flops(arch, skeleton, (height, width)) for arch in archs],
    }
    for proxy, counts in sizes.items():
        header = Header("exact", {}, TABLE[proxy].unit, {**common, "skeleton": settings["skeleton"], "image_size": settings["image_size"]})
        yield Array(Name(plan.dataset, UNTRAINED, proxy, "value"), header, np.array(counts) / 1e6)


def _first_of(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f", … ({len(names)} in all)" if len(names) > 3 else "")
