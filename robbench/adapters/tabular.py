"""A store as a table over a whole search space: what the tabular benchmarks of other libraries are made of.

values    (datasets, architectures, seeds, epochs, metrics)      one seed where the mean over them is meant, one epoch where the result is
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, TypeVar, Unpack

import numpy as np

from robbench.arguments import checked_choice, checked_count, refuse_unknown_options
from robbench.citing import cite
from robbench.errors import InvalidArgument, NotMeasured, UnknownArchitecture
from robbench.measurements.directions import listed
from robbench.measurements.levels import EPOCHS_FROM_0
from robbench.measurements.measurements import Bench, Measurements
from robbench.measurements.metrics import Metric, parse
from robbench.measurements.question import Question
from robbench.spaces import SearchSpace

if TYPE_CHECKING:
    import pandas as pd

A = TypeVar("A")
ALL = "all"


class Tabulation(TypedDict, total=False):
    """The options of `tabulate`."""

    datasets: Sequence[str] | None
    training: str | None
    seeds: Sequence[int] | None
    epochs: Sequence[int] | str | None
    missing: str


class Table(NamedTuple):
    """Metrics of every architecture of a store that has them."""

    archs: tuple[Any, ...]
    """The exact architectures: all of a class have what was measured once for it."""
    choices: pd.DataFrame
    """``(architectures, variables)``: what each chooses, as text."""
    metrics: tuple[Metric, ...]
    datasets: tuple[str, ...]
    epochs: tuple[int, ...]
    """The points of the learning curves, as epochs of training, so that the first is 1; empty where values are the published results."""
    length: int
    """Epochs of training of a whole learning curve; 1 where there is none."""
    values: np.ndarray
    """``(datasets, architectures, seeds, epochs, metrics)``, float64, none of them NaN."""


def tabulate(bench: Bench, metrics: str | Metric | Sequence[str | Metric], **options: Unpack[Tabulation]) -> Table:
    """Metrics of all architectures of a store, side by side.

    Arguments:
        bench: where they are.
        metrics: one or several, as for `RobBench.query`.
        options: ``datasets``: their names; the bench's default if left out.
            ``training``: the protocol, as for a query.
            ``seeds``: of the training; the mean over seeds if left out.
            ``epochs``: points of the learning curves, as `RobBench.query` counts them, or ``"all"`` for those that all curves have; the published
            results if left out.  What belongs to an architecture whatever its weights, such as a proxy or a latency, is the same after each.
            ``missing``: an architecture that lacks a value is refused, ``"raise"``, or left out, ``"drop"``.

    Raises:
        UnknownMetric, InvalidArgument: as for a query; there are no datasets, seeds or epochs.
        NotMeasured: as for a query; or values are missing.
    """
    import pandas as pd

    refuse_unknown_options("a table", options, tuple(Tabulation.__annotations__))
    missing = options.get("missing", "raise")
    checked_choice(missing, "missing", ("raise", "drop"))
    measurements, training = bench.measurements, options.get("training")
    asked = tuple(map(parse, listed(metrics, "metrics")))
    names = ", ".join(map(str, asked))
    datasets: list[str] = _several(options.get("datasets"), "datasets", measurements.default_dataset)
    seeds: list[int | None] = _several(options.get("seeds"), "seeds", None)
    curves = [] if (epochs := options.get("epochs")) is None else _curves(measurements, asked, datasets, training)
    points = _points(epochs, curves, names)
    columns = [
        _column(measurements, metric, dataset, training, seed, epoch)
        for dataset in datasets
        for seed in seeds
        for epoch in points
        for metric in asked
    ]
    values = np.reshape(columns, (len(datasets), len(seeds), len(points), len(asked), -1))
    chosen = [_assignment(measurements.space, arch) for arch in measurements.lookup.exact]
    whole = np.array([choices is not None for choices in chosen]) & ~np.isnan(values).any(axis=(0, 1, 2, 3))
    if not whole.any() or (missing == "raise" and not whole.all()):
        hint = "; missing='drop' leaves them out" if whole.any() else ""
        raise NotMeasured(
            f"{int((~whole).sum())} of {len(whole)} architectures of {measurements.store.file_name} lack one of {names}, or are outside"
            f" the search space, so that they have no choices{hint}."
        )
    kept = np.flatnonzero(whole)
    return Table(
        tuple(measurements.lookup.exact[row] for row in kept),
        pd.DataFrame([chosen[row] for row in kept], dtype=object),
        asked,
        tuple(datasets),
        tuple(epoch + curves[0].first for epoch in points if epoch is not None),
        max((curve.epochs[-1] + curve.first for curve in curves), default=1),
        np.moveaxis(values[..., whole], -1, 1),
    )


def citation(bench: Bench, metrics: Sequence[str | Metric], **options: Unpack[Tabulation]) -> str:
    """BibTeX of the sources of a table, as `robbench.citing.cite`; the arguments are those of `tabulate`."""
    asked = [parse(metric) for metric in metrics]
    if options.get("epochs") is not None:
        asked = [Question.of(metric, epoch=0).metric if _has_curve(metric) else metric for metric in asked]
    datasets = options.get("datasets") or [bench.measurements.default_dataset]
    entries = [cite(bench, asked, dataset=dataset, training=options.get("training")).split("\n\n") for dataset in datasets]
    return "\n\n".join(dict.fromkeys(entry.strip() for of_dataset in entries for entry in of_dataset)) + "\n"


class _Curve(NamedTuple):
    """The epochs of one learning curve, as the source counts them, and what to add so that they count from 1."""

    epochs: list[int]
    first: int


def _assignment(space: SearchSpace[A], arch: A) -> dict[str, str] | None:
    """What an architecture chooses; None for one that is outside the space, as some are that others measured."""
    try:
        return space.assignment(arch)
    except UnknownArchitecture:
        return None


def _several(given: Sequence[Any] | None, what: str, default: Any) -> list[Any]:
    if given is None:
        return [default]
    if isinstance(given, str) or not isinstance(given, Sequence) or not given or len({*map(str, given)}) < len(given):
        hint = f", or {ALL!r}" if what == "epochs" else ""
        raise InvalidArgument(f"{what}={given!r} is not a list of {what}; expected at least one, each named once{hint}.")
    return list(given)


def _has_curve(metric: Metric) -> bool:
    """Whether it is of a trained network: the rest is the same after every epoch."""
    return metric.entry.kind not in ("proxy", "cost", "attribute")


def _curves(measurements: Measurements, metrics: Sequence[Metric], datasets: Sequence[str], training: str | None) -> list[_Curve]:
    """The learning curves of the metrics that have one; raises InvalidArgument where none has, or they count differently."""
    found = []
    for dataset in datasets:
        for metric in filter(_has_curve, metrics):
            header = measurements.store.header(
                measurements.resolve(Question.of(metric, dataset=dataset, training=training, epoch=0)).name()
            )
            epochs = sorted(int(epoch) for epoch in header.axes["epoch"])
            found.append(_Curve(epochs, int(header.provenance.get("epochs") == EPOCHS_FROM_0)))
    if len({curve.first for curve in found}) != 1:
        said = "learning curves that count from 0, and others that count from 1," if found else "no learning curves"
        raise InvalidArgument(
            f"there are {said} among {', '.join(map(str, metrics))} of {', '.join(datasets)}; leave epochs out, or ask for fewer."
        )
    return found


def _points(epochs: Sequence[int] | str | None, curves: Sequence[_Curve], names: str) -> list[int | None]:
    if epochs is None:
        return [None]
    if epochs != ALL:
        return [*sorted(checked_count(epoch, "epoch", least=0, of="epochs") for epoch in _several(epochs, "epochs", None))]
    common = set.intersection(*(set(curve.epochs) for curve in curves))
    if not common:
        raise NotMeasured(f"there is no epoch after which all of {names} were measured; ask for fewer metrics.")
    return [*sorted(common)]


def _column(
    measurements: Measurements, metric: Metric, dataset: str, training: str | None, seed: int | None, epoch: int | None
) -> np.ndarray:
    """A metric of every exact architecture: ``(architectures,)``, float64."""
    question = Question.of(metric, dataset=dataset, training=training, seed=seed, epoch=epoch if _has_curve(metric) else None)
    column = measurements.column(measurements.without_training(question))
    return column.values[measurements.lookup.class_of] if column.rows == "class" else column.values
