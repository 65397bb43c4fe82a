"""What may stand together in one store: networks of one training are trained and measured in one way, whenever and wherever that was.

compared    recipe, checksum of the data set, settings of attack, corruption or proxy, levels, number of images, code of attacks
recorded    plan, environment (library versions, device), weights, seconds, diverged networks: of each build, or each sitting of an evaluation

Library versions and devices may differ between builds: rounding is then another, as between two machines, and each build says what it ran on.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from robbench_builders.differences import differences, flat, listed
from robbench_builders.errors import BuildError
from robbench_builders.plan import Plan
from robbench_builders.plan_file import plan_from
from robbench.measurements.provenance import completed
from robbench.measurements.question import UNTRAINED
from robbench.store import Store
from robbench.store.arrays import Array, Header, Name

SOURCE = "robbench build"

OF_ONE_BUILD = ("plan", "weights", "environment", "seconds", "diverged", "missing", "seconds_of_all_proxies")
_OF_THE_UNTRAINED = ("channels", "cells", "layers", "mean", "std")
"""What untrained networks have of a recipe."""
_NAMES = ("name", "training")


def builds_of(provenance: dict[str, Any]) -> list[dict[str, Any]]:
    """Of each build that an array's numbers come from: plan, environment, and what is said of that build only."""
    return provenance.get("builds") or [{field: provenance[field] for field in OF_ONE_BUILD if field in provenance}]


def joined(name: Name, present: dict[str, Any], new: dict[str, Any]) -> dict[str, Any] | None:
    """The provenance of an array that two builds fill; None where one of them is no build.  See `robbench.store.writing.extend`."""
    if present.get("source") != SOURCE:
        return None
    builds = builds_of(present) + [build for build in builds_of(new) if build not in builds_of(present)]
    return of_builds(completed(name, {**present, **new}), builds) if len(builds) > 1 else new


def of_builds(common: dict[str, Any], builds: list[dict[str, Any]]) -> dict[str, Any]:
    """The provenance of an array whose numbers come from some builds: what they have in common, and what is said of each."""
    common = {field: value for field, value in common.items() if field not in (*OF_ONE_BUILD, "builds")}
    return {**common, **(builds[0] if len(builds) == 1 else {"builds": builds})}


def refuse_others(store: Path, arrays: Iterable[Array]) -> None:
    """Do nothing if the arrays may stand in a store beside what it holds; or if there is no such file yet.

    Raises:
        BuildError: they may not; names what differs, and the way out.
    """
    if not store.exists():
        return
    with Store(store) as opened:
        held = {name: opened.header(name) for name in opened.names()}
    for array in arrays:
        same_training = [
            name
            for name in held
            if (name.dataset, name.training) == (array.name.dataset, array.name.training)
            and (array.name.training != UNTRAINED or name == array.name)
        ]
        for name in same_training:
            if differing := _differences(name, held[name], array):
                raise BuildError(f"{store} holds {name} of something else: {listed(differing)}. {way_out(array.name, held)}")


def plan_of(build: dict[str, Any]) -> Plan:
    """The plan of a build, as an array's provenance has it; raises as `robbench_builders.plan_file.plan_from`."""
    fields = build["plan"]
    return plan_from({**fields, "recipe": {**fields["recipe"], "files": build["weights"]}} if "weights" in build else fields)


def _differences(name: Name, present: Header, array: Array) -> list[str]:
    """What must be the same in an array of the store and in one that is to be put beside it, or into it, and is not."""
    if (source := present.provenance.get("source")) != SOURCE:
        return [f"its source is {source}, not {SOURCE}"]
    old, new = (_compared(name, found, whole=name == array.name) for found in (present, array.header))
    return _but_what_is_older(name, old, new)


def differing(name: Name, present: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """All that an array's provenance says otherwise in a store than anew, but for what is said of one build; as `robbench_builders.fingerprint.differences`."""
    own = (*OF_ONE_BUILD, "builds")
    old, other = (flat({field: value for field, value in completed(name, said).items() if field not in own}) for said in (present, new))
    return _but_what_is_older(name, old, other)


def _but_what_is_older(name: Name, old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return differences({field: value for field, value in new.items() if field in old or not _is_older(field, name.dataset)}, old)


def _compared(name: Name, header: Header, *, whole: bool) -> dict[str, Any]:
    """What numbers have in common that stand together: in one array, as a whole; in two arrays of one training, what the networks are."""
    found = completed(name, header.provenance)
    recipe = {field: value for field, value in found["recipe"].items() if field not in _NAMES}
    if name.training == UNTRAINED:
        recipe = {field: recipe.get(field) for field in _OF_THE_UNTRAINED}
    common: dict[str, Any] = {"recipe": recipe} | {field: found[field] for field in ("dataset",) if field in found}
    if not whole:
        return flat(common)
    levels: dict[str, Any] = {axis: points for axis, points in header.axes.items() if axis != "seed"}
    own: dict[str, Any] = {field: found[field] for field in ("attack", "corruption", "proxy", "code", "images") if field in found}
    return flat({**common, **levels, **own})


def _is_older(field: str, dataset: str) -> bool:
    """Whether stores did not always record a field, and it could not be another: the data set's name says which images, and attacks keep theirs."""
    return field == "code" or (field == "dataset" and not dataset.startswith("npz:"))


def way_out(name: Name, held: Iterable[Name]) -> str:
    """What to do with an array that cannot stand beside those that a store holds."""
    if name.training == UNTRAINED:
        return "Put it into a store of its own (--into)."
    taken = {other.training for other in held if other.dataset == name.dataset}
    free = next(found for number in range(2, 2 + len(taken) + 1) if (found := f"{name.training}-{number}") not in taken)
    return f"Put it under a training's name of its own, such as --training {free}, or into another store (--into)."
