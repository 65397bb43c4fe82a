"""Units of a store built again: whether what it holds can be reproduced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from robbench_builders.confidences import SUMMARIES
from robbench_builders.devices import find_device
from robbench_builders.environment import environment_of
from robbench_builders.errors import BuildError
from robbench_builders.evaluations import find_evaluation
from robbench_builders.plan import Plan, Unit
from robbench_builders.results import listing
from robbench_builders.results.shards import Shard
from robbench_builders.results.together import SOURCE, builds_of, plan_of
from robbench_builders.units import run_unit, settings_of
from robbench_builders.weights.folder import found_in
from robbench_builders.weights.planned import Weights, key_of, put_through, source_of
from robbench.arguments import checked_count, checked_seed
from robbench.measurements.provenance import completed
from robbench.measurements.question import UNTRAINED
from robbench.spaces import space_named
from robbench.store import Store
from robbench.store.arrays import Name

TOLERANCE = 0.05
"""How far a stack's mean accuracy may move when a unit is built again on another kind of device.

There, rounding lets training take another path, so a single network may move as far as another seed would move it."""


class Reproduction(NamedTuple):
    """A unit built again, compared with what the store holds."""

    unit: Unit
    same_environment: bool
    """The library versions and the device are those of the store's build."""
    outcomes: int
    """How many single outcomes were compared: one an image, a network and a level of a threat."""
    differing_outcomes: int
    differing_proxies: int
    """How many values of proxies differ."""
    largest_change: float
    """The largest difference of one network's accuracy, as a fraction."""
    mean_change: float
    """The largest difference of the stack's mean accuracy, as a fraction."""
    differing_summaries: int = 0
    """How many numbers of confusion matrices and confidences differ."""

    @property
    def succeeded(self) -> bool:
        """Whether the unit was reproduced: bit for bit in the same environment, within `TOLERANCE` in another."""
        if self.same_environment:
            return self.differing_outcomes == self.differing_proxies == self.differing_summaries == 0
        return self.mean_change <= TOLERANCE


def verify(
    store: Path, *, sample: int, seed: int = 0, device: str = "auto", data: Path | None = None, weights: Path | None = None
) -> Iterator[Reproduction]:
    """Build some units of a store's plans again and compare every outcome.  Of the store, only the rows of a unit are in memory.

    Arguments:
        store: made by `merge`.
        sample: how many units, drawn at random.
        seed: of that draw.
        device: as for `robbench_builders.devices.find_device`.
        data: the folder of the data set's published files, for those that need one.
        weights: the folder of the files that networks were not trained here are of.

    Raises:
        BuildError: the store was not made by a build, or by what the names of its recipe and evaluation stood for then and no longer do;
            or the device cannot be used.
        InvalidArgument: sample is no number of units, or seed is none.
    """
    with Store(store) as opened:
        units = [(built, unit) for built in _Built.all(opened, weights) for unit in built.plan.units()]
        if checked_count(sample, "sample", of="units") > len(units):
            raise BuildError(f"sample={sample}; expected 1 to {len(units)}, the units of the store's plans.")
        found, loaded = find_device(device), cache(lambda plan: plan.load(data))
        torch.set_num_threads(1)
        for index in np.random.default_rng(checked_seed(seed)).permutation(len(units))[:sample]:
            built, unit = units[int(index)]
            dataset = loaded(built.plan)
            built.refuse_other_settings(opened, settings_of(built.plan.recipe, built.plan.evaluation, dataset))
            yield built.compared(
                opened,
                run_unit(unit, dataset, found, weights=built.plan.weights_at(weights) if not built.plan.trains else None),
                environment_of(found),
            )


def _listed(plan: Plan, folder: Path | None) -> Plan:
    """A plan whose weights are listed; where a store has only what stands for the list, it is taken from a folder of the same files."""
    recipe = plan.recipe
    if not isinstance(recipe, Weights) or not listing.is_summed(recipe.files) or folder is None:
        return plan
    found = found_in(folder, plan.dataset, space=plan.space)
    keys = [key_of(arch, seed) for arch in plan.architectures() for seed in plan.seeds]
    files = {key: found[key].record for key in keys if key in found}
    if listing.summed(files) != recipe.files:
        raise BuildError(f"{folder} does not have the {recipe.files['networks']} files that the store was built of, as they were then.")
    return replace(plan, recipe=replace(recipe, files=files))


def _differ(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.asarray((one != other) & ~(np.isnan(one) & np.isnan(other)))


class _Built(NamedTuple):
    """What a store says of one plan."""

    plan: Plan
    environment: dict[str, Any]
    recipe: dict[str, Any]
    measured: dict[str, Any]
    """Of each attack, corruption and proxy, its settings; and of each attack its levels, as "eps of …"."""
    outcomes: dict[str, Name]
    """For each threat, the array of its outcomes."""
    proxies: dict[str, Name]
    summaries: dict[tuple[str, str], Name]
    """Of each measure and threat."""

    def compared(self, store: Store, shard: Shard, environment: dict[str, Any]) -> Reproduction:
        """What the store holds of a unit, beside the same unit built again in this environment."""
        space = space_named(self.plan.space)
        classes = [store.rows.class_row[space.key(space.parse(arch))] for arch in shard.unit.archs]
        differing, total, largest, mean = 0, 0, 0.0, 0.0
        for threat, outcomes in shard.outcomes.items():
            before = np.unpackbits(_of_seed(store, self.outcomes[threat], classes, shard.unit.seed), axis=-1, count=outcomes.shape[-1])
            differing += int((before != outcomes).sum())
            total += outcomes.size
            change = before.mean(axis=-1) - outcomes.mean(axis=-1)
            largest, mean = max(largest, float(np.abs(change).max())), max(mean, float(np.abs(change.mean(axis=0)).max()))
        exact = [store.rows.exact_row[arch] for arch in shard.unit.archs]
        proxies = sum(
            int(_differ(_of_seed(store, self.proxies[proxy], exact, shard.unit.seed), values).sum())
            for proxy, values in shard.proxies.items()
        )
        summaries = sum(
            int(_differ(_of_seed(store, self.summaries[measure, threat], classes, shard.unit.seed), found).sum())
            for measure, every in shard.summaries.items()
            for threat, found in every.items()
        )
        return Reproduction(shard.unit, environment == self.environment, total, differing, proxies, largest, mean, summaries)

    def refuse_other_settings(self, store: Store, settings: dict[str, Any]) -> None:
        """Do nothing, if what was built is what the plan's names stand for; otherwise raise BuildError, naming what differs."""
        now = {**settings["attacks"], **settings["corruptions"], **settings["proxies"]}
        eps = settings["eps"]
        now |= {f"eps of {name}": eps[name] if isinstance(eps, dict) else eps for name in settings["attacks"]}
        differing = [name for name in now | self.measured if now.get(name) != self.measured.get(name)]
        if self.recipe != settings["recipe"] or differing:
            what = ", ".join(differing[:3]) or "the recipe"
            raise BuildError(
                f"{store.path} was built when {source_of(self.plan.recipe).name!r} and {find_evaluation(self.plan.evaluation).name!r} stood"
                f" for something else (they differ in {what});"
                " build it again with the version of RobBench that made it."
            )

    @classmethod
    def all(cls, store: Store, weights: Path | None) -> list[_Built]:
        """Of each plan that was merged into a store; raises BuildError if there is none."""
        provenances = {name: completed(name, store.header(name).provenance) for name in store.names()}
        own: dict[Plan, dict[Name, dict[str, Any]]] = {}
        for name, found in provenances.items():
            if found.get("source") == SOURCE:
                for build in builds_of(found):
                    own.setdefault(_listed(plan_of(build), weights), {})[name] = build
        if not own:
            raise BuildError(
                f"{store.path} holds nothing that was built here from a plan, only what was published or evaluated from files; there is nothing to build again."
            )
        return [cls._of(store, provenances, plan, names) for plan, names in own.items()]

    @classmethod
    def _of(cls, store: Store, provenances: dict[Name, dict[str, Any]], plan: Plan, own: dict[Name, dict[str, Any]]) -> _Built:
        """What the store says of a plan, whose own arrays are these, each with what it says of the build."""
        trained = next((name for name in own if name.training != UNTRAINED), next(iter(own)))
        # Plans that train the same networks in two ways share the proxies of the untrained ones, which bear the name of one of the plans.
        # Those that put the same networks through the same share the numbers, which do not say that they are of both.
        evaluation = put_through(find_evaluation(plan.evaluation), source_of(plan.recipe))
        threats = {"clean", *evaluation.attacks, *evaluation.corruptions}
        built = {
            name: found
            for name, found in provenances.items()
            if name in own
            or ("proxy" in found and name.dataset == plan.dataset and name.metric in evaluation.proxies)
            or ((name.dataset, name.training) == (trained.dataset, trained.training) and name.metric in threats)
        }
        measured = {
            name.metric: found[kind] for name, found in built.items() for kind in ("attack", "corruption", "proxy") if kind in found
        }
        measured |= {f"eps of {name.metric}": store.header(name).axes["eps"] for name, found in built.items() if "attack" in found}
        return cls(
            plan,
            own[trained]["environment"],
            provenances[trained]["recipe"],
            measured,
            {name.metric: name for name in built if name.measure == "outcomes"},
            {name.metric: name for name, found in built.items() if "proxy" in found},
            {(name.measure, name.metric): name for name in built if name.measure in SUMMARIES},
        )


def _of_seed(store: Store, name: Name, rows: list[int], seed: int) -> np.ndarray:
    """Some rows of an array, of one seed."""
    axes = store.header(name).axes
    return np.array([np.take(store.read(name, row), axes["seed"].index(seed), axis=list(axes).index("seed")) for row in rows])
