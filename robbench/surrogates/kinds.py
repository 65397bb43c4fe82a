"""The kinds of surrogate models, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from robbench.arguments import checked_choice
from robbench.errors import InvalidArgument, NewerFormat
from robbench.spaces import SearchSpace
from robbench.surrogates.blend import Blend
from robbench.surrogates.boosting import Boosting
from robbench.surrogates.ensemble import Ensemble
from robbench.surrogates.features import SEPARATOR, parse_sets
from robbench.surrogates.forest import Forest
from robbench.surrogates.graph import Graph
from robbench.surrogates.models import Arrays, Model, Regressor
from robbench.surrogates.networks import Networks
from robbench.surrogates.residual import Residual, accuracies
from robbench.surrogates.small import GaussianProcess, Ridge, Small

KINDS: dict[str, type[Model]] = {
    "forest": Forest,
    "boosting": Boosting,
    "networks": Networks,
    "blend": Blend,
    "graph": Graph,
    "ensemble": Ensemble,
    "ridge": Ridge,
    "process": GaussianProcess,
    "small": Small,
}

BESIDE: dict[str, tuple[str, ...]] = {"graph": ("terms",), "ensemble": ("terms", "wiring")}
"""The sets of features that a kind reads beside those that a user names: the first, which it runs along, and others where a space has them."""


LINEAR = ("ridge", "process")
"""Kinds that have a linear part of their own; on development groups a process did worse after another."""


def fitted(name: str, features: np.ndarray, targets: np.ndarray, outputs: int, seed: int, names: Sequence[str]) -> Regressor:
    """A model of a kind, fitted as `Model.fit` says; where known accuracies are among the features, on what a linear function of these leaves.

    Raises:
        InvalidArgument: there is no such kind.
    """
    kind, known = kind_of(name), accuracies(names)
    if name in LINEAR or not known.size:
        return kind.fit(features, targets, outputs, seed, names)
    return Residual.fit(kind, known, features, targets, outputs, seed, names)


def stored(kind: type[Model], arrays: Arrays) -> Regressor:
    """The model that a store has kept, of its kind alone or after a linear function; raises as `Model.from_arrays`."""
    return Residual.from_arrays(kind, arrays) if "known" in arrays else kind.from_arrays(arrays)


def features_of(model: str, features: str, space: SearchSpace[Any]) -> str:
    """Feature sets that a kind learns from: those named, in their canonical spelling, and its own.

    Raises:
        InvalidArgument: there is no such kind or feature set, or the space has not what the kind takes.
    """
    kind_of(model)
    own, sets = BESIDE.get(model, ()), parse_sets(space, features)
    if own and own[0] not in space.features:
        raise InvalidArgument(
            f"a surrogate of kind {model!r} runs along the terms of a cell, and {space.title} does not write them out; expected one of"
            f" {', '.join(kind for kind in KINDS if kind not in BESIDE)}."
        )
    there = {*space.features, *space.network_features}
    return SEPARATOR.join((*sets, *(name for name in own if name in there and name not in sets)))


def kind_of(name: str) -> type[Model]:
    """The kind of a name that a user gave.

    Raises:
        InvalidArgument: there is none of that name.
    """
    checked_choice(name, "model", tuple(KINDS))
    return KINDS[name]


def stored_kind(name: str, version: int) -> type[Model]:
    """The kind of a model that a store has kept, if its arrays of this version can be evaluated here.

    Raises:
        NewerFormat: there is no such kind, or not of this version.
    """
    if name not in KINDS:
        raise NewerFormat(
            f"{name!r} is not a kind of surrogate that this RobBench knows; it knows {', '.join(KINDS)}. Install a newer one."
        )
    kind = KINDS[name]
    known = range(kind.oldest, kind.version + 1)
    if version not in known:
        raise NewerFormat(
            f"the surrogate is a {name} of version {version}; this RobBench evaluates version {' or '.join(map(str, known))}."
            " Fit it again with `robbench fit`, or install the RobBench that wrote it."
        )
    return kind
