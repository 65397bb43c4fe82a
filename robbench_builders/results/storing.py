"""Measured networks of named architectures → store, without a plan: whoever brings weights, or a network, says what it is.

    measured = measure(network, dataset, evaluation)
    store_measured("mine.h5", measured, [Origin("nb201", arch, seed=0, weights={"file": "mine.pth", …})], about)

What a store holds under a training's name is extended by more architectures and seeds, as long as they are measured in the same way; library versions and
devices may differ, as between builds that are merged, and are said of each (`robbench_builders.results.together`).
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from robbench_builders.confidences import AXES, UNITS
from robbench_builders.datasets import Dataset
from robbench_builders.differences import listed
from robbench_builders.errors import BuildError
from robbench_builders.evaluations import Evaluation
from robbench_builders.measure import Measured
from robbench_builders.recipes import checked_name
from robbench_builders.results import listing, together
from robbench_builders.results.again import without_what_is_there
from robbench_builders.results.built import unmeasured
from robbench_builders.results.merge import Axes, threats
from robbench_builders.results.origins import Origin, Place, places, refuse_other_weights
from robbench_builders.units import settings_of_evaluation
from robbench.arguments import SEED_BITS, checked_seed
from robbench.errors import Contradiction
from robbench.spaces import space_named
from robbench.store import Store
from robbench.store.arrays import MISSING, Array, Header, Name
from robbench.store.blockwise import Blocks, placed
from robbench.store.rows import Rows
from robbench.store.writing import Changes, extend

__all__ = ["SOURCE", "About", "Origin", "Present", "refuse_twice", "store_measured", "stored"]

SOURCE = "robbench build evaluate"
_AXES: dict[str, Axes] = {"accuracy": {}, "outcomes": {"image": []}, **AXES}
"""What the arrays of a measure run over, after levels and seeds."""
_UNITS = {"accuracy": "fraction", "outcomes": "bit", **UNITS}


@dataclass(frozen=True)
class About:
    """What all measured networks have in common, for where their numbers stand and for their provenance."""

    dataset: str
    training: str
    """The name of the training protocol, which says where the weights are from."""
    threats: dict[str, tuple[Axes, dict[str, Any]]]
    """For each threat, the axis of its levels, and its settings."""
    provenance: dict[str, Any]
    measures: tuple[str, ...] = ()
    """What is stored besides accuracies and outcomes: `robbench_builders.evaluations.Evaluation.measures`."""

    @classmethod
    def of(cls, dataset: Dataset, evaluation: Evaluation, training: str, provenance: Mapping[str, Any]) -> About:
        """Of an evaluation's threats.

        Raises:
            BuildError: the training has no name.
        """
        settings = settings_of_evaluation(evaluation, dataset)
        plain = json.loads(json.dumps({"source": SOURCE, **provenance, "dataset": dataset.checksum}))
        return cls(dataset.name, checked_name(training), threats(settings), plain, evaluation.measures)

    def name(self, threat: str, measure: str) -> Name:
        """Where an array stands."""
        return Name(self.dataset, self.training, threat, measure)


class Present(NamedTuple):
    """What a store holds of a threat."""

    provenance: dict[str, Any]
    networks: frozenset[Place]
    """Those that were measured."""


def store_measured(into: str | os.PathLike[str], measured: Measured, origins: Sequence[Origin], about: About) -> Changes:
    """Put outcomes and accuracies of measured networks into the class rows of their architectures; all of them, or none.

    Arguments:
        into: the store, which is made or extended.
        measured: of a stack as long as the origins; or of a plain network, with one origin.
        origins: at least one, all of one search space.

    Raises:
        BuildError: two networks of one class and seed.
        Contradiction: the store holds other numbers of the same network, by more than rounding, or of networks that were measured otherwise.
        StoreError: as `robbench.store.writing.extend`.
    """
    spaces = {origin.space for origin in origins}
    if len(spaces) != 1:
        raise BuildError(f"networks of {len(spaces)} search spaces; expected at least one network, and all of one space.")
    space = space_named(spaces.pop())
    refuse_twice(origins)
    rows = Rows.of(space, space.members if space.members is not None else dict.fromkeys(space.parse(origin.arch) for origin in origins))
    return extend(into, rows, without_what_is_there(_arrays(Path(into), measured, origins, rows, about), rows, Path(into)))


def refuse_twice(origins: Sequence[Origin]) -> None:
    """Raise BuildError where two networks would have one place in a store, or one has a seed that is none."""
    for origin in origins:
        checked_seed(origin.seed, bits=SEED_BITS)
    for place, count in Counter(origin.place for origin in origins).items():
        if count > 1:
            key = next(origin.key for origin in origins if origin.place == place)
            raise BuildError(f"{key} and another network of its class have the same seed; a store holds one: give them their seeds.")


def stored(into: Path, origins: Sequence[Origin], about: About) -> list[bool]:
    """Of each network, whether a store has all its measurements.

    Raises:
        Contradiction: it has some that were measured otherwise, or of other weights.
        BuildError: it has those of so many networks that they are not listed, and not all of them are among these.
    """
    present, given = _present(into, about), {origin.place: origin for origin in origins}
    for threat, found in present.items():
        name, (_, how) = about.name(threat, "accuracy"), about.threats[threat]
        _refuse_otherwise(name, found.provenance, {**found.provenance, **about.provenance, **how})
        with Store(into) as store:
            refuse_other_weights(store, name, given)
    held = [present, *(_present(into, about, measure) for measure in about.measures)]
    return [
        all(threat in found and origin.place in found[threat].networks for found in held for threat in about.threats) for origin in origins
    ]


def _arrays(into: Path, measured: Measured, origins: Sequence[Origin], rows: Rows, about: About) -> Iterator[Array]:
    seeds = sorted({origin.seed for origin in origins})
    at = [rows.class_row[origin.place[0]] for origin in origins], [seeds.index(origin.seed) for origin in origins]
    present = {measure: _present(into, about, measure) for measure in ("accuracy", *about.measures)}  # as it is while nobody else writes
    for threat, (axes, how) in about.threats.items():
        outcomes = measured.outcomes[threat]
        outcomes = outcomes.reshape(len(origins), -1, outcomes.shape[-1])
        new = {**about.provenance, **how, "images": outcomes.shape[-1], "seconds": round(measured.seconds[threat], 1)}
        found = {"accuracy": outcomes.mean(-1), "outcomes": np.packbits(outcomes, axis=-1)}
        for measure in about.measures:
            summary = measured.summaries[measure][threat]
            found[measure] = summary.reshape(*outcomes.shape[:2], *summary.shape[-len(AXES[measure]) :])
        for measure, each in found.items():
            name = about.name(threat, measure)
            said = _said(name, present["accuracy" if measure == "outcomes" else measure].get(threat), new, origins)
            header = Header("class", {**axes, "seed": [*seeds], **_AXES[measure]}, _UNITS[measure], said)
            yield Array(name, header, _in_rows(each, at, (len(rows.keys), len(seeds)), tuple(map(len, axes.values()))))


def _in_rows(found: np.ndarray, at: tuple[list[int], list[int]], shape: tuple[int, int], levels: tuple[int, ...]) -> Blocks:
    """Numbers of networks, ``(networks, levels, *)``, in their class rows and seeds: ``(classes, *levels, seeds, *)``; others are not measured."""
    (given, seeds), (classes, count), besides = at, shape, found.shape[2:]
    rows = sorted(set(given))
    values = unmeasured((len(rows), count, *found.shape[1:]), found.dtype)
    values[[rows.index(row) for row in given], seeds] = found
    values = np.moveaxis(values, 1, 2).reshape(len(rows), *levels, count, *besides)
    missing = 0 if found.dtype == np.uint8 else MISSING if found.dtype == np.uint16 else np.nan
    return placed(values, np.array(rows), classes, missing)


def _said(name: Name, present: Present | None, new: dict[str, Any], origins: Sequence[Origin]) -> dict[str, Any]:
    """The provenance of an array, with what a store holds of it and what is put into it: what was measured in one environment is one build."""
    networks = frozenset[Place]() if present is None else present.networks
    weights = {origin.key: origin.weights for origin in origins if origin.place not in networks}
    if present is None:
        return {**new, "weights": listing.listing(weights)}
    _refuse_otherwise(name, present.provenance, new)
    builds = together.builds_of(present.provenance)
    if not weights:  # what is measured again is not put in again
        return together.of_builds(new, builds)
    nothing: dict[str, Any] = {"weights": {}, "seconds": 0}
    mine = next((build for build in builds if build.get("environment") == new.get("environment")), nothing)
    others = [build for build in builds if build is not mine]
    room = listing.LONGEST - len(json.dumps(others)) if others else None
    own = {field: new[field] for field in ("environment",) if field in new}
    seconds = round(mine["seconds"] + new["seconds"], 1)
    return together.of_builds(new, [*others, {**own, "weights": listing.extended(mine["weights"], weights, room), "seconds": seconds}])


def _refuse_otherwise(name: Name, present: dict[str, Any], new: dict[str, Any]) -> None:
    if differing := together.differing(name, present, new):
        raise Contradiction(
            f"{name} in the store differs from what is to be put into it: {listed(differing)}."
            " To keep both, give the new one another name (--training)."
        )


def _present(into: Path, about: About, measure: str = "accuracy") -> dict[str, Present]:
    """What a store holds of a measure of each threat; nothing, where there is no store yet."""
    found: dict[str, Present] = {}
    if not into.exists():
        return found
    with Store(into) as store:
        names = set(store.names())
        for threat in about.threats:
            if (name := about.name(threat, measure)) in names:
                header = store.header(name)
                if header.provenance.get("source") != SOURCE or not header.axes.get("seed"):
                    raise Contradiction(
                        f"{into} holds {name} from {header.provenance.get('source')}; give what is measured here another name (--training)."
                    )
                found[threat] = Present(header.provenance, places(store, name))
    return found
