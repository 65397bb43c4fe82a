"""What a store measured, a column at a time: one metric of every row, at one level, of one seed or the mean over seeds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from robbench.errors import InvalidArgument
from robbench.measurements.levels import at_epoch, at_level, at_or_between, is_between, over_seeds
from robbench.measurements.metrics import TABLE
from robbench.measurements.question import Question
from robbench.store.arrays import Name
from robbench.store.reading import Store


class Column(NamedTuple):
    """The answer to a question for every row."""

    question: Question
    """As asked, with dataset and training filled in."""
    how: str
    """measured, interpolated, derived, "derived, interpolated", computed (from the structure), or "measured, completed by arithmetic"."""
    parts: tuple[Name, ...]
    """The arrays that it comes from."""
    rows: str
    """"class" or "exact": what the values run over."""
    values: np.ndarray
    """``(rows,)``, float64; NaN where nothing was measured."""


class Columns:
    """The measured columns of one store.  Each array is read once, when it is first asked for."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._arrays: dict[Name, np.ndarray] = {}
        self._held: dict[tuple[str, str, str, str], tuple[Name, ...]] = {}

    def array(self, name: Name) -> np.ndarray:
        """All values of an array, kept for the next time."""
        if name not in self._arrays:
            self._arrays[name] = self.store.read(name)
        return self._arrays[name]

    def holds(self, question: Question) -> bool:
        """Whether there is an array of the question's metric, dataset and training."""
        return question.name() in self.store

    def held(self, question: Question, kind: str, measure: str) -> tuple[Name, ...]:
        """The arrays of a measure of all metrics of a kind (attack, corruption), for the question's dataset and training, in the metrics' order."""
        where = str(question.dataset), str(question.training), kind, measure
        if where not in self._held:
            names = (question.name(metric, measure) for metric, entry in TABLE.items() if entry.kind == kind)
            self._held[where] = tuple(name for name in names if name in self.store)
        return self._held[where]

    def is_number(self, question: Question) -> bool:
        """Whether a resolved question's answer is one number an architecture."""
        header = self.store.header(question.name())
        return (header if question.epoch is None else header.without("epoch")).is_number

    def column(self, question: Question) -> Column:
        """The column that a resolved question asks for.

        Raises:
            InvalidArgument: the metric is an array for each architecture.
            NotMeasured: there is no such seed; LevelNotMeasured where the level is not among the measured ones.
        """
        name = question.name()
        if not self.is_number(question):
            at = ", or name an epoch" if "epoch" in self.store.header(name).axes else ""
            raise InvalidArgument(
                f"{question.metric} is an array for each architecture, not a number; ask for one architecture with query(){at}."
            )
        header, array = at_epoch(question, self.store.header(name), self.array(name))
        how = "interpolated" if is_between(question, header) else "measured"
        return Column(question, how, (name,), header.rows, over_seeds(question, header, at_or_between(question, header, array)))

    def every(self, question: Question) -> np.ndarray:
        """A metric that is an array for each architecture, of all of them: ``(rows, …)``; kept by nobody."""
        name = question.name()
        header = self.store.header(name)
        return over_seeds(question, header, at_level(question, header, self.store.read(name)))

    def row(self, question: Question, row: int) -> np.ndarray:
        """A metric that is an array for each architecture, of one row: only that row is read."""
        name = question.name()
        header = self.store.header(name)
        values = over_seeds(question, header, at_level(question, header, self.store.read(name, row)[np.newaxis]))[0]
        return (
            np.unpackbits(values, axis=-1, count=header.provenance["images"]).astype(bool) if "image" in header.axes else np.asarray(values)
        )
