"""Units of a store built again: whether what it holds can be reproduced."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from builders.devices import find_device
from builders.errors import BuildError
from builders.evaluations import find_evaluation
from builders.plan import Plan, Unit, plan_from
from builders.recipes import find_recipe
from builders.results.merge import SOURCE
from builders.results.shards import Shard
from builders.units import environment_of, run_unit, settings_of
from robbench.arguments import checked_count
from robbench.measurements.provenance import completed
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

    @property
    def succeeded(self) -> bool:
        """Whether the unit was reproduced: bit for bit in the same environment, within `TOLERANCE` in another."""
        if self.same_environment:
            return self.differing_outcomes == self.differing_proxies == 0
        return self.mean_change <= TOLERANCE


def verify(store: Path, *, sample: int, seed: int = 0, device: str = "auto", data: Path | None = None) -> Iterator[Reproduction]:
    """Build some units of a store's plans again and compare every outcome.

    Arguments:
        store: made by `merge`.
        sample: how many units, drawn at random.
        seed: of that draw.
        device: as for `builders.devices.find_device`.
        data: the folder of the data set's published files, for those that need one.

    Raises:
        BuildError: the store was not made by a build, or by what the names of its recipe and evaluation stood for then and no longer do;
            or the device cannot be used.
        InvalidArgument: sample is no number of units.
    """
    units = [(built, unit) for built in _Built.all(store) for unit in built.plan.units()]
    if checked_count(sample, "sample", of="units") > len(units):
        raise BuildError(f"sample={sample}; expected 1 to {len(units)}, the units of the store's plans.")
    found, loaded = find_device(device), cache(lambda plan: plan.load(data))
    torch.set_num_threads(1)
    for index in np.random.default_rng(seed).permutation(len(units))[:sample]:
        built, unit = units[int(index)]
        dataset = loaded(built.plan)
        built.refuse_other_settings(store, settings_of(built.plan.recipe, built.plan.evaluation, dataset))
        yield built.compared(run_unit(unit, dataset, found), environment_of(found))


def _differ(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.asarray((one != other) & ~(np.isnan(one) & np.isnan(other)))


class _Built(NamedTuple):
    """What a store holds of one plan."""

    plan: Plan
    class_row: dict[str, int]
    exact_row: dict[str, int]
    environment: dict[str, Any]
    recipe: dict[str, Any]
    measured: dict[str, Any]
    """Of each attack, corruption and proxy, its settings; and of each attack its levels, as "eps of …"."""
    outcomes: dict[str, np.ndarray]
    """For each threat, eight images a byte: ``(classes, levels, seeds, ⌈images/8⌉)``, uint8."""
    proxies: dict[str, np.ndarray]
    """For each proxy, ``(exact, seeds)``, float64."""

    def compared(self, shard: Shard, environment: dict[str, Any]) -> Reproduction:
        """What the store holds of a unit, beside the same unit built again in this environment."""
        space, seed = space_named(self.plan.space), self.plan.seeds.index(shard.unit.seed)
        classes = [self.class_row[space.key(space.parse(arch))] for arch in shard.unit.archs]
        exact = [self.exact_row[arch] for arch in shard.unit.archs]
        differing, total, largest, mean = 0, 0, 0.0, 0.0
        for threat, outcomes in shard.outcomes.items():
            before = np.unpackbits(self.outcomes[threat][classes][..., seed, :], axis=-1, count=outcomes.shape[-1]).astype(bool)
            differing += int((before != outcomes).sum())
            total += outcomes.size
            change = before.mean(axis=-1) - outcomes.mean(axis=-1)
            largest, mean = max(largest, float(np.abs(change).max())), max(mean, float(np.abs(change.mean(axis=0)).max()))
        proxies = sum(int(_differ(self.proxies[proxy][exact, seed], values).sum()) for proxy, values in shard.proxies.items())
        return Reproduction(shard.unit, environment == self.environment, total, differing, proxies, largest, mean)

    def refuse_other_settings(self, store: Path, settings: dict[str, Any]) -> None:
        """Do nothing, if what was built is what the plan's names stand for; otherwise raise BuildError, naming what differs."""
        now = {**settings["attacks"], **settings["corruptions"], **settings["proxies"]}
        eps = settings["eps"]
        now |= {f"eps of {name}": eps[name] if isinstance(eps, dict) else eps for name in settings["attacks"]}
        differing = [name for name in now | self.measured if now.get(name) != self.measured.get(name)]
        if self.recipe != settings["recipe"] or differing:
            what = ", ".join(differing[:3]) or "the recipe"
            raise BuildError(
                f"{store} was built when {find_recipe(self.plan.recipe).name!r} and {find_evaluation(self.plan.evaluation).name!r} stood for"
                f" something else (they differ in {what});"
                " build it again with the version of RobBench that made it."
            )

    @classmethod
    def all(cls, store: Path) -> list[_Built]:
        """Of each plan that was merged into a store; raises BuildError if there is none."""
        with Store(store) as opened:
            provenances = {name: completed(name, opened.header(name).provenance) for name in opened.names()}
            plans = {name: plan_from(found["plan"]) for name, found in provenances.items() if found.get("source") == SOURCE}
            if not plans:
                raise BuildError(f"{store} holds nothing that was built here, only published data; there is no plan to build again.")
            return [
                cls._read(opened, provenances, plan, [name for name, its in plans.items() if its == plan])
                for plan in dict.fromkeys(plans.values())
            ]

    @classmethod
    def _read(cls, opened: Store, provenances: dict[Name, dict[str, Any]], plan: Plan, own: list[Name]) -> _Built:
        """What the store holds of a plan, whose own arrays are these."""
        first = provenances[own[0]]
        # Plans that train the same networks in two ways share the proxies of the untrained ones, which bear the name of one of the plans.
        shared = find_evaluation(plan.evaluation).proxies
        built = {
            name: found
            for name, found in provenances.items()
            if name in own or ("proxy" in found and name.dataset == plan.dataset and name.metric in shared)
        }

        def read(names: list[Name]) -> dict[str, np.ndarray]:
            return {name.metric: opened.read(name) for name in names}

        outcomes = read([name for name in built if name.measure == "outcomes"])
        proxies = read([name for name, found in built.items() if "proxy" in found])
        measured = {
            name.metric: found[kind] for name, found in built.items() for kind in ("attack", "corruption", "proxy") if kind in found
        }
        measured |= {f"eps of {name.metric}": opened.header(name).axes["eps"] for name, found in built.items() if "attack" in found}
        return cls(plan, opened.rows.class_row, opened.rows.exact_row, first["environment"], first["recipe"], measured, outcomes, proxies)
