"""Anyone's measurements: one CSV file, of any search space, into a store.

    arch,seed,clean,pgd@1/255,pgd@2/255,fog@3,synflow
    |nor_conv_3x3~0|+|…|,0,93.1,39.4,11.2,71.0,4.6

One column names the architecture in any spelling that the space knows: its text, NASLib's tuple (nb201), the published index where the store carries it.  One may
name the seed.  Every other is a metric in the grammar of `robbench.measurements.metrics`.  An empty field is "not measured".
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from robbench.arguments import checked_choice, checked_count
from robbench.errors import InvalidArgument, SourceError, UnknownArchitecture, UnknownMetric
from robbench.measurements.metrics import Metric, parse, same_level
from robbench.measurements.question import UNTRAINED
from robbench.sources.lines import Line
from robbench.sources.reading import LEVELS, Reading, checked_levels, filled, fraction, quantity, shown
from robbench.spaces import SearchSpace
from robbench.store.arrays import Array, Header, Name
from robbench.store.rows import Rows

VALUES = 20_000_000
"""The most fields of a file that are measurements."""
ROWS = 1_000_000
ARRAY_BYTES = 1 << 28
MEASURES = ("accuracy", "validation_accuracy", "value")
"""One number an architecture: what a column can hold."""


class Description(NamedTuple):
    """What the file does not say of itself, once it is checked; see `robbench.sources.import_csv`."""

    dataset: str
    training: str | None
    citation: str
    percent: bool | None
    rows: str
    arch: str
    seed: str
    skip: Collection[str]
    split: str | None
    images: int | None

    def checked(self) -> Description:
        """Itself; raises InvalidArgument where one of its fields can't be."""
        if (
            not isinstance(self.citation, str)
            or not self.citation.strip()
            or len(self.citation) > 10_000
            or not self.citation.isprintable()
        ):
            raise InvalidArgument(
                f"citation={shown(self.citation)} does not say who measured; expected one line, such as 'Doe and Roe: Robust cells. 2024.'"
                " or 'own measurements, May 2026'."
            )
        checked_choice(self.rows, "rows", ("exact", "class"))
        if self.percent not in (True, False, None):
            raise InvalidArgument(f"percent={shown(self.percent)} has no meaning; expected True for 0 to 100, False for 0 to 1.")
        if self.images is not None:
            checked_count(self.images, "images")
        return self


class Table(NamedTuple):
    """What the file holds."""

    archs: list[Any]
    """Each architecture once, in the order of the file."""
    seeds: list[int] | None
    arch_at: array[int]
    """For each line, which of the architectures it is of."""
    seed_at: array[int]
    columns: dict[str, Metric]
    """Column → what it means."""
    values: dict[str, array[float]]
    """Column → a number for each line; NaN where the field is empty."""


def read(
    path: Path, reading: Reading, space: SearchSpace[Any], said: Description, at_index: Callable[[int], Any]
) -> tuple[Rows, Iterator[Array]]:
    """The rows of the architectures that the file names, and an array for each metric.

    Arguments:
        path: the file.
        reading: the import.
        space: what the architectures are of.
        said: what the file does not say.
        at_index: the architecture of a published index, or UnknownArchitecture.

    Raises:
        SourceError: a column that is no metric, or there twice; a field that is no number, or no architecture; a line that contradicts another: with its number.
        InvalidArgument: what the file does not say, and the columns need, was not given.
    """
    table = _table(path, reading, space, said, at_index)
    rows = Rows.of(space, table.archs)
    return rows, _arrays(path, table, rows, said)


def _table(path: Path, reading: Reading, space: SearchSpace[Any], said: Description, at_index: Callable[[int], Any]) -> Table:
    columns: dict[str, Metric] | None = None
    table = Table([], None, array("l"), array("l"), {}, {})
    seeds: dict[str, int] = {}
    where: dict[Any, int] = {}
    first_line: dict[tuple[Any, ...], int] = {}
    for line in reading.lines(path, {said.arch}):
        if columns is None:
            columns = _columns(path, list(line.fields), said)
            table.columns.update(columns)
            table.values.update({name: array("d") for name in columns})
        arch = _architecture(path, line, space, at_index, said.arch)
        seed = line.fields.get(said.seed)
        if seed is not None and not re.fullmatch("0|[1-9][0-9]{0,17}", seed):
            raise SourceError(f"{path}, line {line.number}: {shown(seed)} is not a seed; expected an integer of at least 0.")
        what = (arch if said.rows == "exact" else space.key(arch), seed)
        if what in first_line:
            alike = "" if said.rows == "exact" else ", or one of its class,"
            raise SourceError(
                f"{path}, line {line.number}: {arch}{alike}{'' if seed is None else f' with seed {seed}'} is on line {first_line[what]}, too;"
                f" expected each once{'' if seed is not None else f', or a column {said.seed!r} that tells them apart'}."
            )
        first_line[what] = line.number
        table.arch_at.append(where.setdefault(arch, len(where)))
        table.seed_at.append(seeds.setdefault(seed or "", len(seeds)))
        for name, metric in columns.items():
            table.values[name].append(_value(path, line, name, metric, said))
        if len(first_line) > ROWS or len(first_line) * len(columns) > VALUES or len(seeds) > LEVELS:
            raise SourceError(
                f"{path}, line {line.number}: too much for one file; expected up to {ROWS} lines, {VALUES} values, {LEVELS} seeds."
            )
    if columns is None:
        raise SourceError(f"{path} holds no measurements; expected a line for each architecture.")
    return table._replace(archs=list(where), seeds=None if "" in seeds else [int(seed) for seed in seeds])


def _columns(path: Path, header: list[str], said: Description) -> dict[str, Metric]:
    """What each column that is neither architecture, nor seed, nor skipped, means."""
    found: dict[str, Metric] = {}
    if absent := [name for name in said.skip if name not in header]:
        raise InvalidArgument(f"skip={absent[0]!r} is no column of {path.name}; it has {', '.join(header):.1000}.")
    for column in header:
        if column in (said.arch, said.seed) or column in said.skip:
            continue
        metric = _metric(path, column)
        for other, known in found.items():
            level = metric.level is None or known.level is None or same_level(metric.level, known.level)
            if (known.name, known.measure) == (metric.name, metric.measure) and level:
                raise SourceError(f"{path}: the columns {other!r} and {column!r} are both {metric}; expected each once.")
        found[column] = metric
    if not found:
        raise SourceError(f"{path} has no column of a metric; expected some, such as 'clean', 'pgd@1/255' or 'synflow'.")
    trained = [column for column, metric in found.items() if _is_of_trained(metric)]
    if trained and said.training is None:
        raise InvalidArgument(
            f"{trained[0]!r} is of trained networks, so say how they were trained: training='standard' (--training standard)."
        )
    accuracies = [column for column, metric in found.items() if metric.entry.unit == "fraction"]
    if accuracies and said.percent is None:
        raise InvalidArgument(
            f"say in what {accuracies[0]!r} is written: percent=True (--percent) for 0 to 100, percent=False (--fraction) for 0 to 1."
        )
    return found


def _metric(path: Path, column: str) -> Metric:
    try:
        metric = parse(column)
    except (UnknownMetric, InvalidArgument) as error:
        raise SourceError(
            f"{path}: the column {shown(column)} is no metric: {error} Rename it, or leave it out: skip=[{column[:80]!r}] (--skip)."
        ) from error
    kind = metric.entry.kind
    if kind in ("derived", "attribute"):
        raise SourceError(f"{path}: the column {column!r} is not measured but computed, from what was measured; leave it out (--skip).")
    if metric.measure not in MEASURES:
        raise SourceError(f"{path}: the column {column!r} is not one number an architecture; expected {', '.join(MEASURES)}.")
    if metric.level is None and metric.entry.axis is not None:
        example = f"{metric.name}@{'1/255' if metric.entry.axis == 'eps' else 3}"
        raise SourceError(f"{path}: the column {column!r} does not say its {metric.entry.axis}; expected one such as {example!r}.")
    return metric


def _is_of_trained(metric: Metric) -> bool:
    return metric.measure != "value" or metric.name.startswith("training_")


def _architecture(path: Path, line: Line, space: SearchSpace[Any], at_index: Callable[[int], Any], column: str) -> Any:
    text = line.fields[column]
    try:
        if re.fullmatch("[0-9]{1,18}", text):
            return at_index(int(text))
        return space.from_text(text)
    except UnknownArchitecture as error:
        raise SourceError(f"{path}, line {line.number}: {error}") from error


def _value(path: Path, line: Line, name: str, metric: Metric, said: Description) -> float:
    text = line.fields[name]
    where = f"line {line.number}, {name}"
    if text == "":
        return np.nan
    if metric.entry.unit == "fraction":
        return fraction(path, where, text, percent=bool(said.percent))
    return quantity(path, where, metric.name, text)


def _arrays(path: Path, table: Table, rows: Rows, said: Description) -> Iterator[Array]:
    exact = np.frombuffer(table.arch_at, np.dtype("l"))
    row = exact if said.rows == "exact" else rows.class_of[exact].astype(np.intp)
    seeds = table.seeds or []
    order = np.argsort(seeds)
    place = np.argsort(order)[np.frombuffer(table.seed_at, np.dtype("l"))] if seeds else None
    provenance: dict[str, Any] = {"source": said.citation, "citation": said.citation, "file": path.name.encode(errors="replace").decode()}
    provenance |= {name: value for name, value in (("split", said.split), ("images", said.images)) if value is not None}
    for name, measure in dict.fromkeys((metric.name, metric.measure) for metric in table.columns.values()):
        columns = {metric.level: column for column, metric in table.columns.items() if (metric.name, metric.measure) == (name, measure)}
        levels = sorted(level for level in columns if level is not None)
        metric = Metric(name, None, measure)
        axis = metric.entry.axis
        if axis == "eps":
            checked_levels(path, name, levels)
        shape = (rows.count(said.rows) or 0, max(1, len(levels)), max(1, len(seeds)))
        values = filled(path, name, shape, most=ARRAY_BYTES)
        for at, level in enumerate(levels or [None]):
            found = np.frombuffer(table.values[columns[level]], np.float64)
            if np.isnan(found).all():
                raise SourceError(f"{path}: the column {columns[level]!r} is empty; leave it out (--skip).")
            values[row, at, 0 if place is None else place] = found
        axes: dict[str, list[float | int | str]] = {axis: [*levels]} if axis else {}
        if seeds:
            axes["seed"] = [seeds[position] for position in order]
        values = values.reshape(shape[0], *(len(points) for points in axes.values()))
        training = said.training if _is_of_trained(metric) else UNTRAINED
        assert training is not None, "the columns were compared with what was said"
        yield Array(Name(said.dataset, training, name, measure), Header(said.rows, axes, metric.entry.unit, provenance), values)
