"""Feature sets: from architectures to named numbers that a surrogate can learn from.

    those of the space     functions of the structure, equal for functional twins: of NAS-Bench-201, operations, paths, nodes, structure,
                           signal and terms
    those of the network   what twins may differ in: of NAS-Bench-201, wiring.  Of a class a store has one network, that of the class's representative, so these
                           are of it, whichever of the class is asked for
    proxies                the zero-cost proxies of a store; NaN where one was not measured; of exact architectures

Sets are joined by "+": "structure+proxies".
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from robbench.arguments import nearest
from robbench.errors import InvalidArgument, NotMeasured
from robbench.measurements.measurements import Measurements
from robbench.measurements.metrics import TABLE, Metric
from robbench.measurements.question import UNTRAINED, Question
from robbench.spaces import Groups, SearchSpace
from robbench.spaces.space import Features

SEPARATOR = "+"
PROXIES = "proxies"


class Table(NamedTuple):
    """Features of every exact architecture of a store, equal rows once."""

    names: tuple[str, ...]
    values: np.ndarray
    """``(rows, features)``, float64."""
    row_of: np.ndarray
    """``(exact,)``: where each exact architecture of the store has its row."""


def parse_sets(space: SearchSpace[Any], text: str) -> tuple[str, ...]:
    """The feature sets that a text such as ``"structure+proxies"`` names.

    Raises:
        InvalidArgument: there is no such set.
    """
    names = tuple(text.split(SEPARATOR))
    known = [*space.features, *space.network_features, PROXIES]
    for name in names:
        if name not in known:
            raise InvalidArgument(f"{name!r} is not a feature set.{nearest(name, known)} Known: {', '.join(known)}; join them by '+'.")
    return names


def proxies(measurements: Measurements, dataset: str) -> Features:
    """The zero-cost proxies that a store holds for a dataset: ``(exact, proxies)``, NaN where one was not measured.

    Raises:
        NotMeasured: the store holds none for this dataset, or one of them for no architecture at all.
    """
    store, names, values = measurements.store, [], []
    for name, entry in TABLE.items():
        question = Question(Metric(name, None, "value"), dataset, UNTRAINED)
        if entry.kind == "proxy" and question.name() in store:
            column = measurements.measured(question)
            if np.isnan(column.values).all():
                raise NotMeasured(
                    f"the proxy {name} of {dataset} is missing for every architecture; leave it out of the store, or measure it."
                )
            names.append(name)
            values.append(column.values[measurements.lookup.class_of] if column.rows == "class" else column.values)
    if not names:
        raise NotMeasured(
            f"{store.file_name} holds no proxies of {dataset}, which the features 'proxies' are made of;"
            " `robbench import nbsuite_zero` brings some, and features='structure' needs none."
        )
    return Features(tuple(names), np.stack(values, axis=1))


def table(text: str, measurements: Measurements, dataset: str) -> Table:
    """The features of every exact architecture: a row for each group of twins; for each class where features of the network are among them; and for each
    architecture where proxies are.

    Raises:
        InvalidArgument, NotMeasured: as `parse_sets` and `proxies`.
    """
    space = measurements.store.space
    archs, group = _told_apart(measurements, text)
    parts = _structure(space, text, archs)
    if PROXIES not in parse_sets(space, text):
        return Table(*_joined(parts), group)
    spread = [part._replace(values=part.values[group]) for part in parts]
    return Table(*_joined([*spread, proxies(measurements, dataset)]), np.arange(len(group)))


def are_of_function(space: SearchSpace[Any], text: str) -> bool:
    """Whether features are equal for all architectures of one function, be they in a store or not; raises as `parse_sets`."""
    return all(name in space.features for name in parse_sets(space, text))


def _told_apart(measurements: Measurements, text: str) -> tuple[Sequence[Any], np.ndarray]:
    """The architectures that features of structure and network are computed of, and which of them is that of each exact one, ``(exact,)``."""
    space, lookup = measurements.store.space, measurements.lookup
    if not space.network_features.keys().isdisjoint(parse_sets(space, text)):
        return lookup.classes, lookup.class_of
    twins = Groups.of(map(space.twin_key, lookup.exact))
    return [lookup.exact[position] for position in twins.representative], np.array(twins.group, np.intp)


def of_architectures(space: SearchSpace[Any], text: str, archs: Sequence[Any]) -> Features:
    """The features of architectures that need not be in any store: ``(archs, features)``.

    Raises:
        InvalidArgument: as `parse_sets`.
        NotMeasured: proxies are among the sets, which only a store has.
    """
    if PROXIES in parse_sets(space, text):
        raise NotMeasured(
            f"{archs[0]} has no row in the store, and the features {text!r} take its proxies from there; features of the structure need none."
        )
    return _joined(_structure(space, text, archs))


def _structure(space: SearchSpace[Any], text: str, archs: Sequence[Any]) -> list[Features]:
    known = {**space.features, **space.network_features}
    sets = [known[name] for name in parse_sets(space, text) if name in known]
    functions: dict[Callable[[Sequence[Any]], Features], None] = dict.fromkeys(itertools.chain(*sets))
    return [function(archs) for function in functions]


def _joined(parts: list[Features]) -> Features:
    return Features(tuple(itertools.chain(*(part.names for part in parts))), np.concatenate([part.values for part in parts], axis=1))
