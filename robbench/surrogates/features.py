"""Feature sets: from architectures to named numbers that a surrogate can learn from.

    those of the space     functions of the structure, equal for functional twins: of NAS-Bench-201, operations, paths, nodes, structure,
                           signal and terms
    those of the network   what twins may differ in: of NAS-Bench-201, wiring.  Of a class a store has one network, that of the class's representative, so these
                           are of it, whichever of the class is asked for
    proxies                the zero-cost proxies of a store; NaN where one was not measured; of exact architectures
    a metric               what is known of every architecture, in the grammar of metrics: clean, fgsm@1/255, fgsm (its whole curve), synflow; see `known`.
                           An architecture without it is not learned from, and not predicted

Sets are joined by "+": "structure+proxies", "structure+clean+fgsm@1/255".
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from robbench.arguments import nearest
from robbench.errors import InvalidArgument, NotMeasured, UnknownMetric
from robbench.measurements.columns import Column
from robbench.measurements.measurements import Measurements
from robbench.measurements.metrics import TABLE, Metric, parse
from robbench.measurements.question import UNTRAINED, Question
from robbench.spaces import Groups, SearchSpace
from robbench.spaces.space import Features
from robbench.surrogates.known import columns_of

SEPARATOR = "+"
PROXIES = "proxies"


class Table(NamedTuple):
    """Features of every exact architecture of a store, equal rows once."""

    names: tuple[str, ...]
    values: np.ndarray
    """``(rows, features)``, float64."""
    row_of: np.ndarray
    """``(exact,)``: where each exact architecture of the store has its row."""
    needed: tuple[str, ...]
    """The features that are metrics of their own: a row that lacks one of them is neither learned from nor predicted."""
    identity: str
    """``"class"`` if the features are equal for all of a class, else ``"exact"``."""

    def is_lacking(self, values: np.ndarray) -> np.ndarray:
        """Which of these rows, ``(rows, features)``, lack a feature that is needed, or have none at all: ``(rows,)``, bool."""
        needed = [self.names.index(name) for name in self.needed]
        return np.asarray(np.isnan(values).all(axis=1) | np.isnan(values[:, needed]).any(axis=1))


def parse_sets(space: SearchSpace[Any], text: str) -> tuple[str, ...]:
    """The feature sets that a text such as ``"structure+proxies"`` names, metrics in their canonical spelling.

    Raises:
        InvalidArgument: there is no such set, or a metric has a level or measure that means nothing.
    """
    computed = {*space.features, *space.network_features, PROXIES}
    return tuple(name if name in computed else _metric(space, name) for name in text.split(SEPARATOR))


def _metric(space: SearchSpace[Any], name: str) -> str:
    try:
        return str(parse(name))
    except UnknownMetric as error:
        sets = [*space.features, *space.network_features, PROXIES]
        near = nearest(name, sets) or nearest(name.partition("@")[0], TABLE)
        raise InvalidArgument(
            f"{name!r} is not a feature set.{near} Known: {', '.join(sets)}, and any metric, such as clean or fgsm@1/255; join them by '+'."
        ) from error


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
            values.append(values_of_exact(measurements, column))
    if not names:
        raise NotMeasured(
            f"{store.file_name} holds no proxies of {dataset}, which the features 'proxies' are made of;"
            " `robbench import nbsuite_zero` brings some, and features='structure' needs none."
        )
    return Features(tuple(names), np.stack(values, axis=1))


def known(measurements: Measurements, text: str, dataset: str, training: str | None) -> list[Column]:
    """The columns of the metrics among feature sets, each once; raises as for a query."""
    space = measurements.space
    computed = {*space.features, *space.network_features, PROXIES}
    metrics = [name for name in parse_sets(space, text) if name not in computed]
    return list({str(column.question.metric): column for column in columns_of(measurements, metrics, dataset, training)}.values())


def table(text: str, measurements: Measurements, dataset: str, training: str | None = None) -> Table:
    """The features of every exact architecture: a row for each group of twins; or for each class where features of the network or metrics of classes are among
    them; or for each architecture where proxies or metrics of exact architectures are.

    Arguments:
        text: feature sets joined by "+".
        measurements: of a store.
        dataset: of which proxies and metrics are.
        training: of which metrics are; as for a query.

    Raises:
        InvalidArgument, NotMeasured: as `parse_sets`, `proxies` and a query.
    """
    space, lookup, sets = measurements.space, measurements.lookup, parse_sets(measurements.space, text)
    # Of a class that a store does not hold, each architecture has features of a network of its own.
    of_network = not space.network_features.keys().isdisjoint(sets)
    archs, group = (lookup.classes, lookup.class_of) if of_network else _told_apart(measurements)
    columns = known(measurements, text, dataset, training)
    measured = [proxies(measurements, dataset)] if PROXIES in sets else []
    of_exact = bool(measured) or any(column.rows == "exact" for column in columns)
    measured += [Features((str(column.question.metric),), values_of_exact(measurements, column)[:, np.newaxis]) for column in columns]
    equal = np.arange(len(group)) if of_exact else lookup.class_of if columns else group
    _, first, row_of = np.unique(equal, return_index=True, return_inverse=True)
    parts = [part._replace(values=part.values[group[first]]) for part in _structure(space, text, archs)]
    joined = _joined(parts + [part._replace(values=part.values[first]) for part in measured])
    identity = "exact" if of_exact or of_network else "class"
    return Table(*joined, row_of.reshape(-1), tuple(str(column.question.metric) for column in columns), identity)


def of_architectures(text: str, measurements: Measurements, archs: Sequence[Any], dataset: str, training: str | None = None) -> Features:
    """The features of architectures that need not be in the store: ``(archs, features)``, NaN where a metric is not known of one; otherwise as `table`.

    Raises:
        NotMeasured: proxies are among the sets, which only a store has.
    """
    space = measurements.space
    if PROXIES in parse_sets(space, text):
        raise NotMeasured(
            f"{archs[0]} has no row in the store, and the features {text!r} take its proxies from there; features of the structure need none."
        )
    columns = known(measurements, text, dataset, training)
    measured = [Features((str(one.question.metric),), _of_each(measurements, one, archs)[:, np.newaxis]) for one in columns]
    return _joined([*_structure(space, text, archs), *measured])


def _told_apart(measurements: Measurements) -> tuple[Sequence[Any], np.ndarray]:
    """The architectures that features of the structure are computed of, and which of them is that of each exact one, ``(exact,)``."""
    exact = measurements.lookup.exact
    twins = Groups.of(map(measurements.space.twin_key, exact))
    return [exact[position] for position in twins.representative], np.array(twins.group, np.intp)


def values_of_exact(measurements: Measurements, column: Column) -> np.ndarray:
    """The values of every exact architecture of a store: ``(exact,)``."""
    return column.values[measurements.lookup.class_of] if column.rows == "class" else column.values


def _of_each(measurements: Measurements, column: Column, archs: Sequence[Any]) -> np.ndarray:
    """The values of these architectures: ``(archs,)``; NaN where the store has none, and nothing computes it."""
    answer, found = measurements.answer(column.question), np.full(len(archs), np.nan)
    for place, arch in enumerate(archs):
        with suppress(NotMeasured):
            found[place] = measurements.number(answer, arch)
    return found


def _structure(space: SearchSpace[Any], text: str, archs: Sequence[Any]) -> list[Features]:
    known = {**space.features, **space.network_features}
    sets = [known[name] for name in parse_sets(space, text) if name in known]
    functions: dict[Callable[[Sequence[Any]], Features], None] = dict.fromkeys(itertools.chain(*sets))
    return [function(archs) for function in functions]


def _joined(parts: list[Features]) -> Features:
    """All columns; of those of one name, such as a proxy that is named beside all of them, the last."""
    names = tuple(itertools.chain(*(part.names for part in parts)))
    joined = Features(names, np.concatenate([part.values for part in parts], axis=1))
    if len(set(names)) == len(names):
        return joined
    last = sorted({name: place for place, name in enumerate(names)}.values())
    return Features(tuple(names[place] for place in last), joined.values[:, last])
