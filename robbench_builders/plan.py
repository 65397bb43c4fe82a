"""What is to be built, as data: a plan says it in a few numbers and names, and lists the units of work that it comes to.

    plan    search space, data set, recipe or weights, evaluation, which architectures, seeds
    unit    a stack of architectures that are trained and evaluated together, with one seed

A unit's result depends on nothing but the unit, so units can be done in any order, on any machine, again and again.  `robbench_builders.plan_file` writes
plans down.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from robbench_builders.architectures import checked_archs, class_count, classes_of, members_of, packed
from robbench_builders.datasets import Dataset, load
from robbench_builders.errors import BuildError, DatasetError
from robbench_builders.evaluations import EVALUATIONS, Evaluation, find_evaluation
from robbench_builders.networks import CELLS, OTHERS
from robbench_builders.networks.families import alike, kind_of, skeleton_from, spaces_of
from robbench_builders.recipes import RECIPES, digest
from robbench_builders.weights.folder import refuse_absent
from robbench_builders.weights.planned import Source, Weights, put_through, source_of
from robbench.arguments import SEED_BITS, checked_count, checked_seed, nearest
from robbench.spaces import space_named

FIRST_SPACE = "nb201"
"""The search space of plans and units that were written before there were others, and say none."""


@dataclass(frozen=True)
class Unit:
    """Networks that are trained and evaluated together: a stack."""

    archs: tuple[str, ...]
    """Specs of architectures."""
    dataset: str
    recipe: str
    """The name of one in `RECIPES`; of one's own, or of weights, its `label`."""
    evaluation: str
    """The same, of `EVALUATIONS`."""
    seed: int
    """Of the training."""
    space: str = FIRST_SPACE
    own_recipe: Source | None = field(default=None, compare=False, repr=False)
    """What the label stands for; a unit that was read from a shard has only the label."""
    own_evaluation: Evaluation | None = field(default=None, compare=False, repr=False)

    def record(self) -> dict[str, Any]:
        """The fields that tell units apart, as JSON has them."""
        return {
            "archs": list(self.archs),
            "dataset": self.dataset,
            "recipe": self.recipe,
            "evaluation": self.evaluation,
            "seed": self.seed,
            "space": self.space,
        }

    @property
    def key(self) -> str:
        """16 hexadecimal digits that name the unit, the same in every version of RobBench."""
        fields = self.record()
        if self.space == FIRST_SPACE:  # keys are older than other spaces
            del fields["space"]
        return digest(fields)

    @property
    def trained_by(self) -> Source:
        """The recipe itself, or the weights."""
        return self.own_recipe or source_of(self.recipe)

    @property
    def evaluated_by(self) -> Evaluation:
        """The evaluation itself; of weights, without proxies."""
        return put_through(self.own_evaluation or find_evaluation(self.evaluation), self.trained_by)


@dataclass(frozen=True)
class Plan:
    """A whole build.

    Arguments:
        dataset: as for `robbench_builders.datasets.load`.
        recipe: one of `robbench_builders.recipes.RECIPES`, by name, or one of one's own; or weights, of networks that are not trained here.
        evaluation: one of `robbench_builders.evaluations.EVALUATIONS`, by name, or one of one's own.
        classes: how many of the search space's classes (of NAS-Bench-201, isomorphic cells; 6,466), each by the first of its
            architectures; drawn at random without replacement.  None where architectures are given.
        sample_seed: of that draw.
        seeds: of the training; each network is trained once for each.
        stack: networks a unit, at the most: those that cannot be stacked are in units of their own.
        space: a search space that networks can be built of (in `robbench_builders.networks`, one of `CELLS` or `OTHERS`), and in the recipe's skeleton; to draw
            classes, one whose architectures can be listed.
        archs: the architectures to build, in any spelling that the space takes, in this order; in place of classes.
        checksum: of the data set, as `robbench_builders.datasets.Dataset.checksum`; where it is given, no other is built on.
        data: where the data set was found; no part of what is built.
        weights: the same, of the files of weights.

    Raises:
        BuildError: a name that is not known or is taken, more classes than there are, an architecture twice, a recipe of another search space's
            networks, or an architecture that makes no network.
        UnknownArchitecture: an architecture that is none of the space.
        InvalidArgument: a number that makes no sense.
        WeightsError: no file has the weights of one of the networks.
    """

    dataset: str
    recipe: str | Source
    evaluation: str | Evaluation
    classes: int | None
    sample_seed: int
    seeds: tuple[int, ...]
    stack: int
    space: str = FIRST_SPACE
    archs: tuple[str, ...] = ()
    checksum: str | None = None
    data: str | None = field(default=None, compare=False)
    weights: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.dataset, str):
            raise BuildError(f"dataset={self.dataset!r} is not the name of a data set.")
        recipe, evaluation = source_of(self.recipe), find_evaluation(self.evaluation)
        _refuse_taken("recipe", recipe, RECIPES)
        _refuse_taken("evaluation", evaluation, EVALUATIONS)
        # One that is built in is known by its name, however it was given.
        object.__setattr__(self, "recipe", recipe.name if recipe.name in RECIPES else recipe)
        object.__setattr__(self, "evaluation", evaluation.name if evaluation.name in EVALUATIONS else evaluation)
        if self.space not in (known := (*CELLS, *OTHERS)):
            raise BuildError(
                f"{self.space!r} is not a search space whose networks a plan can be of.{nearest(self.space, known)} Known: {', '.join(known)}."
            )
        self._check_skeleton(recipe)
        checked_seed(self.sample_seed, "sample_seed")
        checked_count(self.stack, "stack", of="networks a unit")
        for seed in self.seeds:
            checked_seed(seed, "seeds", bits=SEED_BITS)
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise BuildError(f"seeds={self.seeds}; expected at least one, and each once.")
        self._check_archs()
        self._stacks(list(self.archs))
        if isinstance(recipe, Weights):
            for seed in self.seeds:
                recipe.of(self.architectures(), seed)

    def _check_skeleton(self, recipe: Source) -> None:
        wanted, given = kind_of(self.space), skeleton_from(recipe.size)
        if isinstance(given, wanted):
            return
        fitting = [name for name, known in RECIPES.items() if isinstance(skeleton_from(known.size), wanted)]
        other = spaces_of(given)[0].name
        raise BuildError(
            f"{recipe.name!r} is of networks with {' and '.join(list(recipe.size)[:2])}, which those of {space_named(self.space).title} are not; give"
            f" {', '.join(fitting)}, or one of your own like these, or architectures of the search space {other} (--space {other})."
        )

    def _check_archs(self) -> None:
        if self.classes is None:
            object.__setattr__(self, "archs", checked_archs(space_named(self.space), self.archs))
            return
        if self.archs:
            raise BuildError(f"classes={self.classes} and {len(self.archs)} architectures; expected one or the other: classes=None.")
        checked_count(self.classes, "classes")
        if self.classes > (available := class_count(self.space)):
            raise BuildError(f"classes={self.classes}; expected 1 to {available}, the classes of {space_named(self.space).title}.")

    def classes_drawn(self) -> list[int]:
        """The numbers of the classes to build, ascending; classes are numbered as they first appear among the space's architectures."""
        return _drawn(self.space, self.classes, self.sample_seed)

    def architectures(self) -> list[str]:
        """The specs of all architectures to build, in order."""
        if self.archs:
            return list(self.archs)
        return architectures_drawn(self.space, self.classes, self.sample_seed)

    def units(self) -> list[Unit]:
        """All units: every stack of architectures, with every seed."""
        archs, recipe, evaluation = self.architectures(), source_of(self.recipe), find_evaluation(self.evaluation)
        stacks = self._stacks(archs)
        labels, own_evaluation = (recipe.label, evaluation.label), None if isinstance(self.evaluation, str) else self.evaluation

        def own(stack: tuple[str, ...], seed: int) -> Source | None:
            """A unit on its way to a worker carries the names of its own files only."""
            if isinstance(self.recipe, Weights):
                return self.recipe.of(stack, seed)
            return None if isinstance(self.recipe, str) else self.recipe

        return [
            Unit(stack, self.dataset, *labels, seed, self.space, own(stack, seed), own_evaluation)
            for seed in self.seeds
            for stack in stacks
        ]

    def _stacks(self, archs: list[str]) -> list[tuple[str, ...]]:
        """So many at once, of those whose networks can be stacked; raises BuildError where one makes no network."""
        groups = alike(map(space_named(self.space).parse, archs), skeleton_from(source_of(self.recipe).size))
        return [
            tuple(archs[k] for k in group[start : start + self.stack]) for group in groups for start in range(0, len(group), self.stack)
        ]

    def load(self, data: Path | None = None) -> Dataset:
        """The data set.

        Arguments:
            data: where it is, if no longer where the plan found it.

        Raises:
            DatasetError: it is not there, or is another than the plan's.
        """
        if data is None and self.data is not None and not Path(self.data).exists():
            raise DatasetError(f"{self.data}, where {self.dataset} was when the plan was made, is not here; say where it is: --data PATH.")
        dataset = load(self.dataset, data or self.data)
        if self.checksum not in (None, dataset.checksum):
            raise DatasetError(
                f"{self.dataset} in {data or self.data or self.dataset} has the checksum {dataset.checksum}, and the plan's has {self.checksum};"
                " give the images and labels that the plan was made with."
            )
        return dataset

    @property
    def trains(self) -> bool:
        """Whether networks are trained here."""
        return not isinstance(self.recipe, Weights)

    def weights_at(self, folder: Path | None) -> Path | None:
        """Where a run finds weights: of a plan of weights, in a folder that has all of them; else, where trained ones are kept.

        Arguments:
            folder: where they are, if no longer where the plan found them.

        Raises:
            WeightsError: they are not there.
        """
        found = Path(self.weights) if folder is None and self.weights is not None else folder
        if isinstance(self.recipe, Weights):
            refuse_absent(self.recipe, found)
        return found

    def stands_for(self) -> dict[str, Any]:
        """What recipe and evaluation mean in this version."""
        return {"recipe": source_of(self.recipe).settings(), "evaluation": find_evaluation(self.evaluation).settings()}

    def record(self, *, short: bool = False) -> dict[str, Any]:
        """The plan as JSON has it; `robbench_builders.plan_file.plan_from` reads it.  Short, its architectures are packed, and the files of weights are left out."""
        fields: dict[str, Any] = {
            "dataset": self.dataset,
            "recipe": _recipe_record(self.recipe, short),
            "evaluation": self.evaluation if isinstance(self.evaluation, str) else self.evaluation.record(),
            "classes": self.classes,
            "sample_seed": self.sample_seed,
            "seeds": list(self.seeds),
            "stack": self.stack,
            "space": self.space,
        }
        if self.archs:
            fields["archs"] = packed(self.archs) if short else list(self.archs)
        return fields if self.checksum is None else {**fields, "checksum": self.checksum}


def _recipe_record(recipe: str | Source, short: bool) -> str | dict[str, Any]:
    if isinstance(recipe, str):
        return recipe
    return recipe.record() if isinstance(recipe, Weights) and not short else recipe.settings()


def architectures_drawn(space: str, classes: int | None, sample_seed: int) -> list[str]:
    """The specs of the first architectures of classes that are drawn, as `Plan` says."""
    members, groups = members_of(space_named(space)), classes_of(space_named(space))
    return [str(members[groups.representative[number]]) for number in _drawn(space, classes, sample_seed)]


def _drawn(space: str, classes: int | None, sample_seed: int) -> list[int]:
    groups = classes_of(space_named(space))
    return sorted(int(number) for number in np.random.default_rng(sample_seed).permutation(len(groups.keys))[:classes])


def _refuse_taken(what: str, given: Source | Evaluation, known: dict[str, Any]) -> None:
    if given.name in known and known[given.name] != given:
        raise BuildError(f"the name {given.name!r} is taken by a built-in {what} that says something else; give yours another.")
