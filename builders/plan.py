"""What is to be built, as data: a plan says it in a few numbers, and lists the units of work that it comes to.

A unit's result depends on nothing but the unit, so units can be done in any order, on any machine, again and again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from builders.attacks import APGD, ATTACKS, FGSM, PGD, Attack, Square
from builders.corruptions import CORRUPTIONS
from builders.errors import BuildError
from builders.proxies import PROXIES, Proxy
from builders.proxies.rscore import Psi
from builders.train import RECIPES
from robbench.store.atomic import replacing
from robbench.measurements.metrics import nearest
from robbench.spaces import nb201
from robbench.spaces.nb201.identity import class_partition

PLAN_FILE = "plan.json"


@dataclass(frozen=True)
class Evaluation:
    """What networks are put through, besides clean test images."""

    name: str
    attacks: dict[str, Attack]
    """Each at every eps."""
    eps: tuple[float, ...]
    """In units of images in [0, 1]."""
    corruptions: tuple[str, ...] = ()
    """Each at every severity."""
    proxies: dict[str, Proxy] = field(default_factory=dict)
    """Of the weights that training starts from.  Parameters and FLOPs are not among them: a store has those of every cell (`merge`)."""
    images: int | None = None
    """Attacks and corruptions see the first so many of the test images; all, if left out."""


_PROXIES = {name: proxy for name, proxy in PROXIES.items() if name not in ("params", "flops")}
_PUBLISHED = {name: ATTACKS[name] for name in ("fgsm", "pgd", "apgd-ce", "square")}

EVALUATIONS: dict[str, Evaluation] = {
    "published": Evaluation("published", _PUBLISHED, tuple(k / 255 for k in (0.1, 0.5, 1, 2, 3, 4, 8)), tuple(CORRUPTIONS), _PROXIES),
    # Digits are strokes without texture: it takes larger eps to hide one.
    "digits": Evaluation("digits", _PUBLISHED, tuple(k / 255 for k in (4, 8, 16, 32, 64)), tuple(CORRUPTIONS), _PROXIES),
    # The same with fewer steps, queries, images, levels and draws of Ψ: all classes take two CPU cores an hour and a half.
    "digits-light": Evaluation(
        "digits-light",
        {"fgsm": FGSM(), "pgd": PGD(steps=10, relative_step=1 / 4), "apgd-ce": APGD(steps=10), "square": Square(queries=30)},
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
    dataset: str
    recipe: str
    evaluation: str
    seed: int

    @property
    def key(self) -> str:
        """16 hexadecimal digits that name the unit."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Plan:
    """A whole build.

    Arguments:
        dataset: as for `builders.datasets.load`.
        recipe: one of `builders.train.RECIPES`.
        evaluation: one of `EVALUATIONS`.
        classes: how many isomorphism classes, drawn at random without replacement; all 6,466 come in row order.
        sample_seed: of that draw.
        seeds: of the training; each network is trained once for each.
        stack: networks a unit.

    Raises:
        BuildError: a name that is not known, or a number that makes no sense.
    """

    dataset: str
    recipe: str
    evaluation: str
    classes: int
    sample_seed: int
    seeds: tuple[int, ...]
    stack: int

    def __post_init__(self) -> None:
        for what, given, known in (("recipe", self.recipe, RECIPES), ("evaluation", self.evaluation, EVALUATIONS)):
            if given not in known:
                raise BuildError(
                    f"{given!r} is not {'an' if what[0] in 'aeiou' else 'a'} {what}.{nearest(given, known)} Known: {', '.join(known)}."
                )
        available = len(class_partition().keys)
        if not 1 <= self.classes <= available:
            raise BuildError(f"classes={self.classes}; expected 1 to {available}, the classes of NAS-Bench-201.")
        if self.sample_seed < 0:
            raise BuildError(f"sample_seed={self.sample_seed}; expected at least 0.")
        if self.stack < 1 or not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise BuildError(f"stack={self.stack}, seeds={self.seeds}; expected a stack of at least 1, and different seeds of at least 0.")

    def rows(self) -> list[int]:
        """The class rows to build, ascending."""
        available = len(class_partition().keys)
        drawn = np.random.default_rng(self.sample_seed).permutation(available)[: self.classes]
        return sorted(int(row) for row in drawn)

    def units(self) -> list[Unit]:
        """All units: every stack of class representatives, with every seed."""
        cells = list(nb201.cells())
        archs = [str(cells[class_partition().representative[row]]) for row in self.rows()]
        stacks = [tuple(archs[start : start + self.stack]) for start in range(0, len(archs), self.stack)]
        return [Unit(stack, self.dataset, self.recipe, self.evaluation, seed) for seed in self.seeds for stack in stacks]


def write_plan(folder: Path, plan: Plan) -> None:
    """Put a plan into the folder where its shards will stand.

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
    """The plan that `dataclasses.asdict` was taken of, after JSON has made lists of its tuples."""
    return Plan(**{**fields, "seeds": tuple(fields["seeds"])})
