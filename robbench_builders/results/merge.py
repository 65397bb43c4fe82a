"""Shards → store, strictly: units that are missing or done twice, shards outside the plan, and mixed environments are refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from robbench_builders.confidences import AXES, UNITS
from robbench_builders.differences import differences, listed
from robbench_builders.errors import BuildError
from robbench_builders.networks.families import flops, parameters, skeleton_from
from robbench_builders.plan import Plan, Unit
from robbench_builders.plan_file import read_plan
from robbench_builders.recipes import checked_name
from robbench_builders.results import listing, shards, together
from robbench_builders.results.again import without_what_is_there
from robbench_builders.results.built import TRAINING_FIELDS, Built
from robbench_builders.results.origins import Origin, refuse_other_weights
from robbench_builders.results.together import SOURCE
from robbench_builders.weights.planned import Weights, key_of, source_of
from robbench.commands import command
from robbench.errors import Contradiction
from robbench.measurements.metrics import SEVERITIES, TABLE
from robbench.measurements.question import UNTRAINED
from robbench.spaces import space_named
from robbench.store import Store
from robbench.store.arrays import Array, Header, Name
from robbench.store.rows import Rows
from robbench.store.writing import Changes, extend

Axes = dict[str, list[float | int | str]]

LONGEST_LIST = 8_000
"""Bytes of the files of one build's weights: several builds may share an array."""


def merge(folder: Path, into: Path, *, training: str | None = None, partial: bool = False) -> Changes:
    """Put all shards of a folder's plan into a store, which is made or extended; all of them, or none.

    Other classes, seeds, attacks, corruptions and proxies of the same training join what the store holds: what was built of neither is missing.  Of what was
    measured again the store keeps its own numbers, where the new ones differ by rounding only (`robbench_builders.results.again`).  The store
    gets a row for every architecture of the plan's search space, built or not; where those are too many to list, for those of the plan.

    Shards are read one at a time, and arrays written a block at a time, so memory does not grow with the number of images, nor with matrices of many classes.

    Arguments:
        folder: with a plan, all of whose units are done.
        into: the store.
        training: what the store is to call how the networks were trained; the recipe's own name for it, if left out.
        partial: leave out architectures that are not done with every seed; they can join later.

    Raises:
        BuildError: units without a shard, shards of no unit, or shards of different settings, library versions or devices; or the store holds, under
            the same names, what was built in another way.
        Contradiction: the store holds another result of the same networks.
        ShardError: a shard is damaged.
        StoreError: the store is of another search space, or cannot be written.
    """
    plan = read_plan(folder)
    refuse_gaps(folder, plan.units(), partial=partial)
    plan = _done(plan, folder) if partial else plan
    rows = _rows(plan)
    built = Built.read(folder, plan, rows)
    name = source_of(plan.recipe).training_name if training is None else checked_name(training)
    arrays = [*_of_the_trained(built, name), *(_of_the_untrained(built) if plan.trains else ())]
    if into.exists():
        with Store(into) as store:
            _refuse_other_space(store, into, plan)
    together.refuse_others(into, arrays)
    _refuse_other_weights(into, plan, name)
    try:
        return extend(into, rows, without_what_is_there(arrays, rows, into), joined=together.joined)
    except Contradiction as error:
        raise Contradiction(f"{error}{_other_environment(into, built)}") from error


def refuse_gaps(folder: Path, units: list[Unit], *, partial: bool = False) -> None:
    """Raise BuildError where shards of these units are missing, unless a part will do, or there are others."""
    if others := shards.outside_plan(folder, units):
        raise BuildError(f"{folder} holds shards that are not of its plan: {_first_of([path.name for path in others])}; take them out.")
    if not partial and (missing := [unit.key for unit in units if not shards.path_of(folder, unit).exists()]):
        raise BuildError(
            f"{folder} lacks {len(missing)} of {len(units)} units: {_first_of(missing)}; `{command('build', 'run', folder)}` makes them, and --partial"
            " merges what there is."
        )


def _done(plan: Plan, folder: Path) -> Plan:
    """The plan of those architectures whose units are done, all seeds of them; its units are among the plan's."""
    units = plan.units()
    open_ones = {unit.archs for unit in units if not shards.path_of(folder, unit).exists()}
    if not open_ones:
        return plan
    done = dict.fromkeys(arch for unit in units if unit.archs not in open_ones for arch in unit.archs)
    if not done:
        raise BuildError(f"{folder} has no architecture that is done with every seed; `{command('build', 'run', folder)}` goes on.")
    return replace(plan, classes=None, archs=tuple(done))


def _rows(plan: Plan) -> Rows:
    space = space_named(plan.space)
    if space.members is not None:
        return Rows.of(space, space.members)
    return Rows.of(space, dict.fromkeys(space.parse(arch) for unit in plan.units() for arch in unit.archs))


def _of_the_trained(built: Built, training: str) -> Iterator[Array]:
    """Accuracies, outcomes and what else was measured under every threat, and what training cost, of the classes."""
    dataset, seeds, settings = built.plan.dataset, list(built.plan.seeds), built.settings
    about = {**_provenance(built), "diverged": built.diverged}
    for threat, (axes, how) in threats(settings).items():
        levels = tuple(map(len, axes.values()))
        said = {**about, **how, "images": built.images[threat], "seconds": round(built.seconds[threat], 1)}
        accuracy = built.accuracy.setdefault(threat, np.full((len(built.rows.keys), *levels, len(seeds)), np.nan))
        over: Axes = {**axes, "seed": list(seeds)}
        yield Array(Name(dataset, training, threat, "accuracy"), Header("class", over, "fraction", said), accuracy)
        yield Array(
            Name(dataset, training, threat, "outcomes"), Header("class", {**over, "image": []}, "bit", said), built.outcomes(threat)
        )
        for measure in settings.get("measures", ()):
            header = Header("class", {**over, **AXES[measure]}, UNITS[measure], said)
            yield Array(Name(dataset, training, threat, measure), header, built.summary(measure, threat))
    for field in TRAINING_FIELDS if built.plan.trains else ():
        name = Name(dataset, training, f"training_{field}", "value")
        values = built.training.get(field, np.full((len(built.rows.keys), len(seeds)), np.nan))
        yield Array(name, Header("class", {"seed": list(seeds)}, TABLE[name.metric].unit, about), values)


def _of_the_untrained(built: Built) -> Iterator[Array]:
    """Proxies of the architectures that were built; parameters and FLOPs of all, which take no network."""
    dataset, seeds, settings, rows = built.plan.dataset, list(built.plan.seeds), built.settings, built.rows
    about = _provenance(built)
    for proxy, how in settings["proxies"].items():
        said = {**about, "proxy": how, "missing": dict(built.missing[proxy]), "seconds_of_all_proxies": round(built.seconds["proxies"], 1)}
        yield Array(
            Name(dataset, UNTRAINED, proxy, "value"), Header("exact", {"seed": list(seeds)}, TABLE[proxy].unit, said), built.proxies[proxy]
        )
    skeleton, (height, width) = skeleton_from(settings["skeleton"]), settings["image_size"]
    space = space_named(built.plan.space)
    archs = [space.parse(spec) for spec in rows.exact]
    sizes = {
        "params": [parameters(arch, skeleton) for arch in archs],
        "flops": [flops(arch, skeleton, (height, width)) for arch in archs],
    }
    for proxy, counts in sizes.items():
        said = {**about, "skeleton": settings["skeleton"], "image_size": settings["image_size"]}
        yield Array(Name(dataset, UNTRAINED, proxy, "value"), Header("exact", {}, TABLE[proxy].unit, said), np.array(counts) / 1e6)


def threats(settings: dict[str, Any]) -> dict[str, tuple[Axes, dict[str, Any]]]:
    """What networks were put through: for each threat the axis of its levels, and its settings."""
    attacks, corruptions, eps, code = settings["attacks"], settings["corruptions"], settings["eps"], settings.get("code", {})
    found: dict[str, tuple[Axes, dict[str, Any]]] = {"clean": ({}, {})}
    for threat, attack in attacks.items():
        levels = eps[threat] if isinstance(eps, dict) else eps
        found[threat] = {"eps": levels}, {"attack": attack} | ({"code": code[threat]} if threat in code else {})
    return found | {threat: ({"severity": list(SEVERITIES)}, {"corruption": corruption}) for threat, corruption in corruptions.items()}


def _provenance(built: Built) -> dict[str, Any]:
    """What every array of the build says of where it comes from."""
    plan, weights = built.plan, dict[str, Any]()
    if isinstance(plan.recipe, Weights):
        # Of a plan that is done in part, those of the part.
        keys = (key_of(arch, seed) for arch in plan.architectures() for seed in plan.seeds)
        weights = {"weights": listing.listing({key: plan.recipe.files[key] for key in keys}, LONGEST_LIST)}
    return {
        "source": SOURCE,
        "plan": plan.record(short=True),
        **weights,
        "recipe": built.settings["recipe"],
        "dataset": built.settings["dataset"],
        "environment": built.environment,
    }


def _refuse_other_space(store: Store, into: Path, plan: Plan) -> None:
    if store.space.name != plan.space:
        raise BuildError(f"{into} is of the search space {store.space.name}, and the plan is of {plan.space}; name another store (--into).")


def _refuse_other_weights(into: Path, plan: Plan, training: str) -> None:
    if not isinstance(plan.recipe, Weights) or not into.exists():
        return
    files = plan.recipe.files
    origins = (Origin(plan.space, arch, seed, files[key_of(arch, seed)]) for arch in plan.architectures() for seed in plan.seeds)
    given = {origin.place: origin for origin in origins}
    with Store(into) as store:
        for name in store.names():
            if (name.dataset, name.training, name.measure) == (plan.dataset, training, "accuracy"):
                refuse_other_weights(store, name, given)


def _other_environment(into: Path, built: Built) -> str:
    """What to say of results that differ where the store's were computed in another environment."""
    with Store(into) as store:
        provenances = [store.header(name).provenance for name in store.names()]
    environments = [build["environment"] for found in provenances if found.get("source") == SOURCE for build in together.builds_of(found)]
    if not environments or built.environment in environments:
        return ""
    differing = differences(built.environment, environments[0])
    return f" These were built with {listed(differing)}, and rounding may train another network: leave out what the store has (--classes, --seed)."


def _first_of(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f", … ({len(names)} in all)" if len(names) > 3 else "")
