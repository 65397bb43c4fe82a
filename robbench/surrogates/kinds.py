"""The kinds of surrogate models, by name."""

from __future__ import annotations

from typing import Any

from robbench.arguments import checked_choice
from robbench.errors import InvalidArgument, NewerFormat
from robbench.spaces import SearchSpace
from robbench.surrogates.blend import Blend
from robbench.surrogates.boosting import Boosting
from robbench.surrogates.ensemble import Ensemble
from robbench.surrogates.features import SEPARATOR
from robbench.surrogates.forest import Forest
from robbench.surrogates.graph import Graph
from robbench.surrogates.models import Model
from robbench.surrogates.networks import Networks
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


def features_of(model: str, features: str, space: SearchSpace[Any]) -> str:
    """Feature sets that a kind learns from: those named, and its own.

    Raises:
        InvalidArgument: there is no such kind, or the space has not what it takes.
    """
    kind_of(model)
    own, named = BESIDE.get(model, ()), features.split(SEPARATOR)
    if own and own[0] not in space.features:
        raise InvalidArgument(
            f"a surrogate of kind {model!r} runs along the terms of a cell, and {space.title} does not write them out; expected one of"
            f" {', '.join(kind for kind in KINDS if kind not in BESIDE)}."
        )
    there = {*space.features, *space.network_features}
    return SEPARATOR.join([*named, *(name for name in own if name in there and name not in named)])


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
