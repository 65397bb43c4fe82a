"""What is to be built, as data: a plan says it in a few numbers and names, and lists the units of work that it comes to.

    plan    search space, data set, recipe, evaluation, how many architectures, seeds     FOLDER/plan.json
    unit    a stack of architectures that are trained and evaluated together, with one seed

A unit's result depends on nothing but the unit, so units can be done in any order, on any machine, again and again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from builders.attacks import APGD, ATTACKS, FGSM, PGD, Attack, Square
from builders.corruptions import CORRUPTIONS
from builders.errors import BuildError
from builders.networks import CELLS
from builders.proxies import PROXIES, Proxy
from builders.proxies.jacobians import ExactHessian
from builders.proxies.rscore import Psi
from builders.train import RECIPES
from robbench.arguments import checked_count, checked_seed, nearest
from robbench.spaces import Groups, SearchSpace, space_named
from robbench.store.atomic import replacing

PLAN_FILE = "plan.json"

FIRST_SPACE = "nb201"
"""The search space of plans and units that were written before there were others, and say none."""


@dataclass(frozen=True)
class Evaluation:
    """What trained networks are measured on besides the clean test images, and which proxies the untrained ones are scored by."""

    name: str
    attacks: dict[str, Attack]
    """By the names that a store has for them; each is run at every eps."""
    eps: tuple[float, ...]
    """Radii of the L∞ balls, in units of images in [0, 1]."""
    corruptions: tuple[str, ...] = ()
    """Names in `builders.corruptions.CORRUPTIONS`; each is applied at every severity."""
    proxies: dict[str, Proxy] = field(default_factory=dict)
    """Of the weights that training starts from.  Parameters and FLOPs are not among them: a store has those of every architecture."""
    images: int | None = None
    """How many of the test images attacks and corruptions see, the first ones; all if left out."""


_PROXIES = {name: proxy for name, proxy in PROXIES.items() if name not in ("params", "flops")}
_PUBLISHED = {name: ATTACKS[name] for name in ("fgsm", "pgd", "apgd-ce", "square")}
# What the embedded store holds as Square; `published` has the published attack.  Which it was, the provenance says.
_RESCALED = Square(schedule="rescaled", everywhere=True)

EVALUATIONS: dict[str, Evaluation] = {
    "published": Evaluation(
        "published",
        _PUBLISHED,
        tuple(k / 255 for k in (0.1, 0.5, 1, 2, 3, 4, 8)),
        tuple(CORRUPTIONS),
        _PROXIES | {"hessian": Proxy(ExactHessian(), images=2, loss=True)},
    ),
    # Digits are strokes without texture: it takes larger eps to hide one.
    "digits": Evaluation(
        "digits", _PUBLISHED | {"square": _RESCALED}, tuple(k / 255 for k in (4, 8, 16, 32, 64)), tuple(CORRUPTIONS), _PROXIES
    ),
    # The same with fewer steps, queries, images, levels and draws of Ψ: all classes take two CPU cores an hour and a half.
    "digits-light": Evaluation(
        "digits-light",
        {
            "fgsm": FGSM(),
            "pgd": PGD(steps=10, relative_step=1 / 4),
            "apgd-ce": APGD(steps=10),
            "square": replace(_RESCALED, queries=30),
        },
        tuple(k / 255 for k in (8, 16, 32, 64)),
        tuple(CORRUPTIONS),
        _PROXIES
        | {"r_score_psi": Proxy(Psi(repeats=4), images=16), "r_score_psi_equations": Proxy(Psi(by_layer=True, repeats=4), images=16)},
        images=120,
    ),
}
"""published: Jung et al. (2023), section 3.2."""


@dataclass(frozen=True)
class Unit:
    """Networks that are trained and evaluated together: a stack."""

    archs: tuple[str, ...]
    """Specs of architectures."""
    dataset: str
    recipe: str
    evaluation: str
    seed: int
    """Of the training."""
    space: str = FIRST_SPACE

    @property
    def key(self) -> str:
        """16 hexadecimal digits that name the unit, the same in every version of RobBench."""
        fields = asdict(self)
        if self.space == FIRST_SPACE:  # keys are older than other spaces
            del fields["space"]
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Plan:
    """A whole build.

    Arguments:
        dataset: as for `builders.datasets.load`.
        recipe: one of `builders.train.RECIPES`.
        evaluation: one of `EVALUATIONS`.
        classes: how many of the search space's classes (of NAS-Bench-201, isomorphic cells; 6,466), each by the first of its
            architectures; drawn at random without replacement.
        sample_seed: of that draw.
        seeds: of the training; each network is trained once for each.
        stack: networks a unit.
        space: a search space that networks can be built of (`builders.networks.CELLS`) and whose architectures can be listed.

    Raises:
        BuildError: a name that is not known, or more classes than there are.
        InvalidArgument: a number that makes no sense.
    """

    dataset: str
    recipe: str
    evaluation: str
    classes: int
    sample_seed: int
    seeds: tuple[int, ...]
    stack: int
    space: str = FIRST_SPACE

    def __post_init__(self) -> None:
        for what, given, known in (
            ("recipe", self.recipe, RECIPES),
            ("evaluation", self.evaluation, EVALUATIONS),
            ("search space", self.space, CELLS),
        ):
            if given not in known:
                raise BuildError(
                    f"{given!r} is not {'an' if what[0] in 'aeiou' else 'a'} {what}.{nearest(given, known)} Known: {', '.join(known)}."
                )
        checked_count(self.classes, "classes")
        checked_seed(self.sample_seed, "sample_seed")
        checked_count(self.stack, "stack", of="networks a unit")
        for seed in self.seeds:
            checked_seed(seed, "seeds")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise BuildError(f"seeds={self.seeds}; expected at least one, and each once.")
        if self.classes > (available := class_count(self.space)):
            raise BuildError(f"classes={self.classes}; expected 1 to {available}, the classes of {space_named(self.space).title}.")

    def classes_drawn(self) -> list[int]:
        """The numbers of the classes to build, ascending; classes are numbered as they first appear among the space's architectures."""
        drawn = np.random.default_rng(self.sample_seed).permutation(len(self._groups.keys))[: self.classes]
        return sorted(int(number) for number in drawn)

    def units(self) -> list[Unit]:
        """All units: every stack of class representatives, with every seed."""
        members = _members(space_named(self.space))
        archs = [str(members[self._groups.representative[number]]) for number in self.classes_drawn()]
        stacks = [tuple(archs[start : start + self.stack]) for start in range(0, len(archs), self.stack)]
        return [Unit(stack, self.dataset, self.recipe, self.evaluation, seed, self.space) for seed in self.seeds for stack in stacks]

    @property
    def _groups(self) -> Groups:
        return _classes(space_named(self.space))


def class_count(space: str) -> int:
    """How many classes a search space has: of NAS-Bench-201, 6,466.

    Raises:
        UnknownSpace: there is no such space.
        BuildError: its architectures are too many to list.
    """
    return len(_classes(space_named(space)).keys)


@cache
def _classes(space: SearchSpace[Any]) -> Groups:
    return Groups.of(space.key(arch) for arch in _members(space))


def _members(space: SearchSpace[Any]) -> tuple[Any, ...]:
    if space.members is None:
        raise BuildError(
            f"{space.title} has too many architectures to draw classes from; expected a search space whose architectures can be listed."
        )
    return space.members


def write_plan(folder: Path, plan: Plan) -> None:
    """Write a plan into the folder where its shards will be.

    Raises:
        BuildError: the folder is of another plan, or cannot be written.
    """
    if (folder / PLAN_FILE).exists():
        present = read_plan(folder)
        if present != plan:
            differing = [name for name, value in asdict(plan).items() if asdict(present)[name] != value]
            raise BuildError(f"{folder} is of another plan (it differs in {', '.join(differing)}); give each plan its own folder.")
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / PLAN_FILE) as file:
            file.write((json.dumps(asdict(plan), indent=2) + "\n").encode())
    except OSError as error:
        raise BuildError(f"{folder} cannot be written ({error}); expected a folder, or a place to make one.") from error


def read_plan(folder: Path) -> Plan:
    """The plan of a folder.

    Raises:
        BuildError: there is none, or it is not one of ours.
    """
    path = folder / PLAN_FILE
    if not path.is_file():
        raise BuildError(f"{folder} has no {PLAN_FILE}; make one with `robbench build plan {folder} …`.")
    try:
        return plan_from(json.loads(path.read_text("utf-8")))
    except (ValueError, TypeError, KeyError) as error:
        raise BuildError(f"{path} is not a plan: {error}.") from error


def plan_from(fields: dict[str, Any]) -> Plan:
    """The plan that `dataclasses.asdict` was taken of, after JSON has made lists of its tuples; without a space, it is of NAS-Bench-201."""
    return Plan(**{**fields, "seeds": tuple(fields["seeds"])})
