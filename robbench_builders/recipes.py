"""Training recipes as data: how networks are built and trained, by name or of one's own.

    Recipe      skeleton, optimiser, augmentation, schedule, adversary, precision
    Schedule    learning rate and momentum of every step (`robbench_builders.schedules`)
    Adversary   the attack on every training batch
    RECIPES     those of the papers, and those of the embedded store

`robbench_builders.train` does what they say.  A recipe of one's own is written in TOML (`robbench_builders.definitions`), or made here from the same classes.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from robbench_builders.datasets import Dataset
from robbench_builders.errors import BuildError
from robbench_builders.networks.families import skeleton_from
from robbench_builders.precision import PRECISIONS
from robbench_builders.schedules import HalfCosine, OneCycle, Schedule, Steps, Triangle
from robbench.arguments import checked_count, nearest
from robbench.measurements.metrics import GREY_LEVELS
from robbench.measurements.question import STANDARD, UNTRAINED

MADRY_STEPS = 7
"""Of PGD in adversarial training, where a training's name says no other number: Madry et al. (2018), section 5."""
FAST_STEP = 1.25
"""Step of fast adversarial training, as a share of eps: Wong, Rice and Kolter (2020), algorithm 3 and section 4.2."""
ANNEALED = HalfCosine()
CELLS = 5
"""Cells a stage of NAS-Bench-201's networks."""
SIZES = {"cells": "NAS-Bench-201", "layers": "DARTS", "stem_channels": "WideResNets"}
"""The fields of a recipe of which one is said, and whose networks it is of."""


@dataclass(frozen=True)
class Adversary:
    """Projected gradient descent on every training batch (Madry et al., 2018); lengths in units of images in [0, 1].

    With one step of `FAST_STEP` · eps from a random start it is fast adversarial training (Wong et al., 2020).  The network is attacked as it
    will be evaluated: with batch norm's running statistics.

    Raises:
        BuildError: an eps outside (0, 1], a step outside (0, 2], or no steps.
    """

    eps: float
    step: float
    steps: int
    random_start: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.eps <= 1:
            raise BuildError(f"the adversary's eps={self.eps}; expected one in (0, 1]: images are in [0, 1], so 8 grey levels are 8/255.")
        if not 0 < self.step <= 2:
            raise BuildError(f"the adversary's step={self.step}; expected one in (0, 2], in units of images: 2 grey levels are 2/255.")
        checked_count(self.steps, "steps", of="steps of the adversary")

    @classmethod
    def fast(cls, eps: float) -> Adversary:
        """That of fast adversarial training."""
        return cls(eps, FAST_STEP * eps, 1)

    @property
    def name(self) -> str:
        """What stores call training on it: ``pgd-8/255`` where it takes 7 steps of eps/4, as published; others say what differs.

        ``fast-8/255`` and ``fgsm-8/255`` take one step, from a random point and from the image; ``pgd-8/255-steps-10-step-2/255`` says both.
        """
        eps = _grey_levels(self.eps)
        if self.steps == 1 and self.random_start and math.isclose(self.step, FAST_STEP * self.eps):
            return f"fast-{eps}"
        if self.steps == 1 and not self.random_start and math.isclose(self.step, self.eps):
            return f"fgsm-{eps}"
        name = f"pgd-{eps}"
        if self.steps != MADRY_STEPS:
            name += f"-steps-{self.steps}"
        if not math.isclose(self.step, self.eps / 4):
            name += f"-step-{_grey_levels(self.step)}"
        return name if self.random_start else f"{name}-from-image"


def _grey_levels(length: float) -> str:
    return f"{length * GREY_LEVELS:.6g}/{GREY_LEVELS}"


@dataclass(frozen=True)
class Recipe:
    """How networks are built and trained by SGD.

    Raises:
        BuildError, InvalidArgument: a field that makes no sense; says which.
    """

    name: str
    epochs: int
    channels: int = 16
    """C of the skeleton."""
    cells: int | None = None
    """N of the skeleton of NAS-Bench-201: cells a stage; `CELLS` where neither this nor `layers` is said."""
    batch_size: int = 256
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    flip: bool = True
    """Mirror every image with probability ½."""
    crop: float = 1 / 8
    """Black border before a random crop, as a share of the side: 4 pixels for 32, 2 for 16, as published."""
    adversary: Adversary | None = None
    """Train on this adversary's images; none is standard training."""
    precision: str = "float32"
    """float32; or, on CUDA only, tf32 or bfloat16 (autocast) for the activations, the adversary's too: weights and their updates stay float32."""
    schedule: Schedule = ANNEALED
    """Of the learning rate, whose highest value `learning_rate` is."""
    nesterov: bool = True
    mean: tuple[float, ...] | None = None
    """Subtracted from every channel of the images first; that of the training images if left out."""
    std: tuple[float, ...] | None = None
    """What channels are divided by then; that of the training images if left out."""
    training: str | None = None
    """What a store calls this training; follows from the adversary if left out, as `training_name` says."""
    layers: int | None = None
    """How many cells a network of DARTS has, in place of `cells`."""
    auxiliary: float = 0.0
    """Weight of the loss of DARTS' auxiliary head, which only training has; 0 for networks without one."""
    drop_path: float = 0.0
    """Probability of DARTS' drop path, towards which it grows with the epochs: in epoch e of E, counted from 0, it is e/E of this."""
    cutout: float = 0.0
    """Side of a square that is cut out of every image, as a share of the image's side: ½ is 16 pixels for 32, as released with DARTS; 0 for none."""
    clip: float | None = None
    """The largest norm that the gradient of a network may have, over all its weights, before it is scaled down to it: 5, as released with DARTS; None for any."""
    stem_channels: int | None = None
    """Channels of the stem of a WideResNet, in place of `cells`; its first stage has `channels` for each unit of its width factor."""

    def __post_init__(self) -> None:
        if all(getattr(self, field) is None for field in SIZES):
            object.__setattr__(self, "cells", CELLS)
        for field in ("epochs", "channels", *SIZES, "batch_size"):
            if getattr(self, field) is not None:
                checked_count(getattr(self, field), field)
        self._check_layers()
        for field, sense, expected in (
            ("learning_rate", self.learning_rate > 0, "a positive number"),
            ("momentum", 0 <= self.momentum < 1, "a number in [0, 1)"),
            ("weight_decay", 0 <= self.weight_decay < math.inf, "a number of at least 0"),
            ("crop", 0 <= self.crop <= 1, "a share of the side, in [0, 1]"),
            ("cutout", 0 <= self.cutout <= 1, "a share of the side, in [0, 1]"),
            ("clip", self.clip is None or 0 < self.clip < math.inf, "a positive number, or none"),
            ("std", self.std is None or all(0 < each < math.inf for each in self.std), "positive numbers, one for each channel"),
            ("mean", self.mean is None or all(map(math.isfinite, self.mean)), "finite numbers, one for each channel"),
            ("training", self.training not in ("", ".", "..", UNTRAINED), f"a name, and not {UNTRAINED!r}, which is that of proxies"),
            ("precision", self.precision in PRECISIONS, f"one of {', '.join(PRECISIONS)}"),
            ("name", bool(self.name), "a name"),
        ):
            if not sense:
                raise BuildError(f"the recipe {self.name!r} has {field}={getattr(self, field)!r}; expected {expected}.")
        if self.nesterov and not self.momentum:
            raise BuildError(f"the recipe {self.name!r} has nesterov without momentum; set nesterov to false, or momentum to 0.9.")
        if isinstance(self.schedule, Steps) and self.schedule.after[-1] >= self.epochs:
            raise BuildError(f"the recipe {self.name!r} has {self.epochs} epochs, and its rate falls after {self.schedule.after[-1]}.")

    def _check_layers(self) -> None:
        if self.layers is None:
            for field in ("auxiliary", "drop_path"):
                if getattr(self, field):
                    raise BuildError(
                        f"the recipe {self.name!r} has {field}={getattr(self, field)!r}, which is of networks of DARTS; say how many layers these have, or leave it out."
                    )
        if len(said := [field for field in SIZES if getattr(self, field) is not None]) > 1:
            told = ", and ".join(f"{field}={getattr(self, field)}, of {SIZES[field]}" for field in said)
            raise BuildError(
                f"the recipe {self.name!r} has {told}; leave one out ({said[0]}=None), and let `like` name a recipe of the same search space."
            )
        skeleton_from(self.size)
        for field, expected in (("auxiliary", "a weight of at least 0"), ("drop_path", "a probability below 1")):
            if not 0 <= getattr(self, field) < (1 if field == "drop_path" else math.inf):
                raise BuildError(f"the recipe {self.name!r} has {field}={getattr(self, field)!r}; expected {expected}.")

    @property
    def size(self) -> dict[str, Any]:
        """The fields of the skeleton that the recipe says; the data set says the others."""
        (field,) = (field for field in SIZES if getattr(self, field) is not None)
        head = {"auxiliary": self.auxiliary > 0} if field == "layers" else {}
        return {"channels": self.channels, field: getattr(self, field), **head}

    def skeleton(self, dataset: Dataset) -> Any:
        """The macro skeleton of this recipe's networks on a data set; one of `robbench_builders.networks.families.FAMILIES`.

        Raises:
            BuildError: there is an auxiliary head, and images are not of 32×32 pixels.
        """
        channels, height, width = dataset.image_shape
        if self.auxiliary and (height, width) != (32, 32):
            raise BuildError(
                f"the recipe {self.name!r} has an auxiliary head, which takes images of 32×32 pixels, and those of {dataset.name} are of"
                f" {height}×{width}; set auxiliary to 0."
            )
        return skeleton_from({**self.size, "image_channels": channels, "classes": dataset.num_classes})

    def normalisation(self, dataset: Dataset) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation that this recipe's networks on a data set normalise by.

        Raises:
            BuildError: the recipe has its own, of another number of channels.
        """
        found = self.mean or dataset.mean, self.std or dataset.std
        for field, values in zip(("mean", "std"), found, strict=True):
            if len(values) != dataset.image_shape[0]:
                raise BuildError(
                    f"the recipe {self.name!r} has {len(values)} values of {field}; {dataset.name} has {dataset.image_shape[0]} channels."
                )
        return found

    @property
    def training_name(self) -> str:
        """What a store calls this training: ``standard``, or the attack on the training images, unless the recipe names it itself."""
        return self.training or (STANDARD if self.adversary is None else self.adversary.name)

    def settings(self) -> dict[str, Any]:
        """All fields, as JSON has them, for provenance; those that are younger than the first stores only where they are not the default."""
        fields = asdict(self)
        fields["schedule"] = {"kind": self.schedule.kind, **fields["schedule"]}
        if self.adversary is not None and self.adversary.random_start:
            del fields["adversary"]["random_start"]
        for field in ("schedule", "nesterov", "mean", "std", "training", "auxiliary", "drop_path", "cutout", "clip", *SIZES):
            if getattr(self, field) == getattr(Recipe, field):
                del fields[field]
        plain: dict[str, Any] = json.loads(json.dumps(fields))
        return plain

    @property
    def label(self) -> str:
        """The name; of a recipe that is not in `RECIPES`, followed by a checksum of its fields."""
        return self.name if RECIPES.get(self.name) == self else f"{self.name}:{digest(self.settings())}"


def digest(settings: dict[str, Any]) -> str:
    """16 hexadecimal digits of a SHA-256 of settings, whatever the order of their fields."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


_PGD7 = Adversary(eps=8 / 255, step=2 / 255, steps=7)
_PGD7_BY_001 = Adversary(8 / 255, 0.01, 7)
_NB201 = Recipe("nb201-200", epochs=200)
# Small enough for a second a network on one core, and long enough that architectures differ by twice what seeds do.
_DIGITS = Recipe("digits", epochs=4, channels=8, cells=1, batch_size=32, flip=False, crop=0.0)
# Ha et al. say no momentum and no schedule: these are of the code of AdvRush (Mok et al., 2021), whose settings they follow.
_HA = Recipe("ha2023", epochs=200, batch_size=64, weight_decay=1e-4, nesterov=False, schedule=Steps((99, 149)))
# Their released code, as AdvRush's, trains evaluation networks of 36 channels and 20 cells without auxiliary head and drop path.
_HA_DARTS = replace(_HA, name="darts-ha2023", cells=None, channels=36, layers=20)
# Each of normal cell, reduction and normal cell after a reduction is there; a network takes a few seconds on one core.
_DIGITS_DARTS = replace(_DIGITS, name="darts-digits", cells=None, channels=4, layers=5)
# A width factor is so many channels: 8 to 16, then twice and four times as many.
_DIGITS_WRN = replace(_DIGITS, name="wrn-digits", cells=None, channels=1, stem_channels=8)

RECIPES: dict[str, Recipe] = {
    "nb201-200": _NB201,
    "nb201-12": replace(_NB201, name="nb201-12", epochs=12),
    "nb201-200-pgd": replace(_NB201, name="nb201-200-pgd", adversary=_PGD7),
    "nb201-12-pgd": replace(_NB201, name="nb201-12-pgd", epochs=12, adversary=_PGD7),
    "ha2023": _HA,
    "ha2023-pgd": replace(_HA, name="ha2023-pgd", adversary=_PGD7),
    # Weight decay and momentum as AdvRush's, whose settings Yang et al. follow.
    "yang2025": replace(_HA, name="yang2025", epochs=120, schedule=Steps((99,)), adversary=_PGD7_BY_001),
    "wu2024": Recipe("wu2024", epochs=50, nesterov=False, schedule=OneCycle(), adversary=_PGD7),
    "wong2020": Recipe(
        "wong2020", epochs=15, batch_size=128, learning_rate=0.2, nesterov=False, schedule=Triangle(), adversary=Adversary.fast(8 / 255)
    ),
    "digits": _DIGITS,
    # Digits are black and white, so robust networks withstand more than grey levels.
    "digits-pgd": replace(_DIGITS, name="digits-pgd", adversary=Adversary(eps=0.1, step=0.025, steps=7)),
    "darts-ha2023": _HA_DARTS,
    "darts-ha2023-pgd": replace(_HA_DARTS, name="darts-ha2023-pgd", adversary=_PGD7),
    "darts-yang2025": replace(_HA_DARTS, name="darts-yang2025", epochs=120, schedule=Steps((99,)), adversary=_PGD7_BY_001),
    "darts-feng2025": replace(
        _HA_DARTS, name="darts-feng2025", epochs=105, channels=16, layers=8, schedule=Steps((99,)), adversary=_PGD7_BY_001
    ),
    "darts-digits": _DIGITS_DARTS,
    "darts-digits-pgd": replace(_DIGITS_DARTS, name="darts-digits-pgd", adversary=Adversary(eps=0.1, step=0.025, steps=7)),
    "wrn-digits": _DIGITS_WRN,
    "wrn-digits-pgd": replace(_DIGITS_WRN, name="wrn-digits-pgd", adversary=Adversary(eps=0.1, step=0.025, steps=7)),
}
"""
nb201-200       Dong and Yang (2020), table 1: the networks that Jung et al. (2023) attack
nb201-…-pgd     the same on the images of Madry et al. (2018), section 5
ha2023, -pgd    Ha, Kim and Hwang (2023), section 4.1
yang2025        Yang et al. (2025), section 4.2, for cells of NAS-Bench-201
wu2024          Wu et al. (2024), their released code: NAS-RobBench-201
wong2020        Wong, Rice and Kolter (2020), their released code for CIFAR-10: the fast adversarial training that Ha et al. use for 300 networks; there,
                PyTorch's cyclic schedule moves the momentum, too, between 0.8 and 0.9, and the network is attacked in training mode
darts-ha2023, -pgd  Ha, Kim and Hwang (2023), section 4.1, for genotypes of DARTS: epochs, rate, weight decay, batch size, adversary
darts-yang2025  Yang et al. (2025), section 4.2: 20 cells, epochs, rate and its fall, batch size, adversary; the step of 0.01, which the text calls a
                learning rate, as in their code
darts-feng2025  Feng et al. (2025), Tiny-RobustBench, as its files say: all but the batch size

What neither paper says of the networks of DARTS is as in their released code, and AdvRush's, which they follow: 36 channels, 20 cells (Ha et al.), no auxiliary
head, no drop path, momentum, mirroring and cropping, the fall of the rate after 99 and 149 epochs (Ha et al.), and the weight decay (Yang et al.).  That code
also clips gradients to a norm of 5 (`clip`), and that of Yang et al. cuts squares of 16 pixels out of the images (`cutout`); no paper says so, and these recipes do
neither.  Of Feng et al., the batch size, mirroring and cropping are AdvRush's.  All normalise images by mean and std of the training images, which nobody says.
"""


def find_recipe(recipe: str | Recipe) -> Recipe:
    """The recipe of that name; a recipe itself, as it is.

    Raises:
        BuildError: there is none.
    """
    if isinstance(recipe, Recipe):
        return recipe
    if recipe not in RECIPES:
        raise BuildError(f"{recipe!r} is not a recipe.{nearest(recipe, RECIPES)} Known: {', '.join(RECIPES)}; or a TOML file of your own.")
    return RECIPES[recipe]


def checked_name(training: str) -> str:
    """The name of a training; raises BuildError where it is none."""
    if not training.strip() or not training.isprintable() or training == UNTRAINED:
        raise BuildError(f"{training!r} is not a name for a training; expected printable characters, and not {UNTRAINED!r}.")
    return training
