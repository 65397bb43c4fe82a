"""Measured networks of named architectures → store, without a plan: whoever brings weights, or a network, says what it is.

    measured = measure(network, dataset, evaluation)
    store_measured("mine.h5", measured, [Origin("nb201", arch, seed=0, weights={"file": "mine.pth", …})], about)

What a store holds under a training's name is extended by more architectures and seeds, as long as all but the weights is the same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from builders.datasets import Dataset
from builders.errors import BuildError
from builders.measure import Measured
from builders.plan import Evaluation
from robbench.arguments import checked_seed
from robbench.errors import Contradiction
from robbench.measurements.metrics import SEVERITIES
from robbench.spaces import space_named
from robbench.store import Store
from robbench.store.arrays import Array, Header, Name
from robbench.store.rows import Rows
from robbench.store.writing import Changes, extend

SOURCE = "robbench build evaluate"
LISTING = 48_000
"""Bytes of JSON that say which weights an array is of: HDF5 holds 64 KiB of all that is said of an array."""

_OF_ONE_RUN = ("weights", "seconds")
"""What may differ between networks whose numbers stand in one array."""


class Origin(NamedTuple):
    """What a measured network is."""

    space: str
    arch: str
    """Its text."""
    seed: int
    """Of its training."""
    weights: Mapping[str, str | int]
    """Where its weights are from, such as file and sha256."""

    @property
    def key(self) -> str:
        """What provenance calls it."""
        return f"{self.arch}, seed {self.seed}"


@dataclass(frozen=True)
class About:
    """What all measured networks have in common, for where their numbers stand and for their provenance."""

    dataset: str
    training: str
    """The name of the training protocol, which says where the weights are from."""
    threats: dict[str, tuple[dict[str, list[float | int | str]], dict[str, Any]]]
    """For each threat, the axis of its levels, and its settings."""
    provenance: dict[str, Any]

    @classmethod
    def of(cls, dataset: Dataset, evaluation: Evaluation, training: str, provenance: Mapping[str, Any]) -> About:
        """Of an evaluation's threats.

        Raises:
            BuildError: the training has no name.
        """
        if not training.strip("."):
            raise BuildError(f"training={training!r} is no name; say where the weights are from, such as 'published'.")
        threats: dict[str, tuple[dict[str, list[float | int | str]], dict[str, Any]]] = {"clean": ({}, {})}
        threats |= {name: ({"eps": list(evaluation.eps)}, {"attack": attack.settings()}) for name, attack in evaluation.attacks.items()}
        threats |= {
            name: ({"severity": list(SEVERITIES)}, {"corruption": dataset.corrupted.settings(name)}) for name in evaluation.corruptions
        }
        plain = json.loads(json.dumps({"source": SOURCE, **provenance, "dataset": dataset.checksum}))
        return cls(dataset.name, training, threats, plain)

    def name(self, threat: str, measure: str) -> Name:
        """Where an array stands."""
        return Name(self.dataset, self.training, threat, measure)


def store_measured(into: str | os.PathLike[str], measured: Measured, origins: Sequence[Origin], about: About) -> Changes:
    """Put outcomes and accuracies of measured networks into the class rows of their architectures; all of them, or none.

    Arguments:
        into: the store, which is made or extended.
        measured: of a stack as long as the origins; or of a plain network, with one origin.
        origins: at least one, all of one search space.

    Raises:
        BuildError: two networks of one class and seed, or more networks than a store can list.
        Contradiction: the store holds other numbers of the same network, or of networks that were measured otherwise.
        StoreError: as `robbench.store.writing.extend`.
    """
    spaces = {origin.space for origin in origins}
    if len(spaces) != 1:
        raise BuildError(f"networks of {len(spaces)} search spaces; expected at least one network, and all of one space.")
    space = space_named(spaces.pop())
    archs = [space.parse(origin.arch) for origin in origins]
    rows = Rows.of(space, space.members if space.members is not None else dict.fromkeys(archs))
    at = [rows.class_row[space.key(arch)] for arch in archs]
    places = [(row, checked_seed(origin.seed)) for row, origin in zip(at, origins, strict=True)]
    for place, origin in zip(places, origins, strict=True):
        if places.count(place) > 1:
            raise BuildError(f"{origin.key} and another network of its class have the same seed; a store holds one: give them their seeds.")
    return extend(into, rows, _arrays(Path(into), measured, origins, places, len(rows.keys), about))


def _arrays(
    into: Path, measured: Measured, origins: Sequence[Origin], places: Sequence[tuple[int, int]], classes: int, about: About
) -> Iterator[Array]:
    seeds = sorted({seed for _, seed in places})
    at = [row for row, _ in places], [seeds.index(seed) for _, seed in places]
    own = {origin.key: dict(origin.weights) for origin in origins}
    held = headers(into, about)
    for threat, (axes, how) in about.threats.items():
        outcomes = measured.outcomes[threat].reshape(len(origins), -1, measured.outcomes[threat].shape[-1])
        levels, images = tuple(map(len, axes.values())), outcomes.shape[-1]
        said = {**about.provenance, **how, "images": images, "seconds": round(measured.seconds[threat], 1), "weights": own}
        accuracy = np.full((classes, len(seeds), outcomes.shape[1]), np.nan)
        bits: np.ndarray = np.ma.masked_array(np.zeros((*accuracy.shape, -(-images // 8)), np.uint8), True)
        accuracy[at], bits[at] = outcomes.mean(-1), np.packbits(outcomes, axis=-1)
        accuracy = np.moveaxis(accuracy, 1, -1).reshape(classes, *levels, len(seeds))
        bits = np.moveaxis(bits, 1, -2).reshape(classes, *levels, len(seeds), -1)
        for name, values in ((about.name(threat, "accuracy"), accuracy), (about.name(threat, "outcomes"), bits)):
            provenance = joined(name, held[name].provenance, said) if name in held else said
            points: dict[str, list[float | int | str]] = {**axes, "seed": [*seeds]}
            of_images = name.measure == "outcomes"
            header = Header("class", points | {"image": []} if of_images else points, "bit" if of_images else "fraction", provenance)
            yield Array(name, header, values)


def joined(name: Name, present: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The provenance of an array of a store together with that of what is put into it.

    Raises:
        Contradiction: they were measured otherwise.
        BuildError: together they are of more networks than a store can list.
    """
    if differing := [field for field in present | new if field not in _OF_ONE_RUN and present.get(field) != new.get(field)]:
        field = differing[0]
        raise Contradiction(
            f"{name} in the store differs in {field} from what is to be put into it: {present.get(field)} and {new.get(field)}."
            " To keep both, give the new one another name (--training)."
        )
    weights = {**present.get("weights", {}), **new["weights"]}
    if len(json.dumps(weights)) > LISTING:
        raise BuildError(
            f"{name} would be of {len(weights)} networks, more than a store can list the files of; put some under another name (--training)."
        )
    return {**new, "weights": weights, "seconds": round(present.get("seconds", 0.0) + new["seconds"], 1)}


def headers(into: Path, about: About) -> dict[Name, Header]:
    """What a store says of the arrays that these measurements would stand in; nothing, where there is no store yet."""
    if not into.exists():
        return {}
    with Store(into) as store:
        names = {about.name(threat, measure) for threat in about.threats for measure in ("accuracy", "outcomes")}
        return {name: store.header(name) for name in store.names() if name in names}


def is_stored(origin: Origin, held: Mapping[Name, Header], about: About) -> bool:
    """Whether a store has all measurements of exactly these weights, measured in the same way.

    Raises:
        Contradiction: it has some that were measured otherwise.
    """
    for name, header in held.items():
        _, how = about.threats[name.metric]
        joined(name, header.provenance, {**header.provenance, **about.provenance, **how, "weights": {}, "seconds": 0.0})
    return len(held) == 2 * len(about.threats) and all(
        header.provenance["weights"].get(origin.key) == dict(origin.weights) for header in held.values()
    )
