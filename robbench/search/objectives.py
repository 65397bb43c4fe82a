"""What an oracle answers with: metrics of a store, predictions of a surrogate, or anyone's function.

    Measured    what a store holds; NaN where it holds nothing
    Computed    what follows from the structure of any architecture, such as its kernel parameters
    Predicted   the mean that a surrogate in a store predicts, of any architecture
    Evaluated   any function from an architecture of the space to a number, such as a live proxy

All are called alike, ``objective(arch)``, with an architecture of the space.  Each says which architectures it tells apart (its identity): one that was measured
once a class gives the same number for all of a class.  A function tells exact architectures apart, unless it has an attribute ``identity = "class"``; a
history calls it by its attribute ``name``, or by the name that it was defined under.  One with an attribute ``prepare``, a function of a list of architectures,
is told which it will be asked for next, where a search knows, so that it may score them at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Real
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Protocol, Unpack

import numpy as np

from robbench.arguments import checked_choice
from robbench.errors import InvalidArgument, NotMeasured, ObjectiveFailed, RobBenchError
from robbench.measurements.measurements import Measurements
from robbench.measurements.metrics import Metric
from robbench.measurements.question import Options, Question
from robbench.spaces import SearchSpace

if TYPE_CHECKING:
    from robbench.surrogates.predictions import Surrogates

Function = Callable[[Any], float]
CLASS, EXACT = "class", "exact"
RESERVED = ("order", "arch", "incumbent", "cost")
"""Columns of a history, so no names for objectives."""


class Objective(Protocol):
    """A number for each architecture."""

    @property
    def name(self) -> str:
        """What a history calls it; a metric's name says which direction is better."""
        ...

    @property
    def identity(self) -> str:
        """``"class"`` if it is equal for all of a class, else ``"exact"``."""
        ...

    @property
    def bound_to_store(self) -> bool:
        """Whether only architectures that the store holds have a value."""
        ...

    def __call__(self, arch: Any) -> float:
        """The number; NaN where there is none."""
        ...

    def has_value(self, archs: Sequence[Any]) -> np.ndarray:
        """Which of these architectures have a value: ``(len(archs),)``, bool.  A function of the user's is not called, and taken to have one."""
        ...


class Measured:
    """A metric of a store."""

    bound_to_store = True

    def __init__(self, measurements: Measurements, question: Question) -> None:
        self._measurements, self._question = measurements, question
        answer = measurements.answer(question)
        self.column = answer.column
        self.name, self.identity = str(answer.column.question.metric), answer.column.rows
        self._values, self._known = answer.values, answer.known

    def __reduce__(self) -> tuple[type[Measured], tuple[Measurements, Question]]:
        return Measured, (self._measurements, self._question)

    def __call__(self, arch: Any) -> float:
        """What was measured; NaN where nothing was."""
        try:
            return self._values[self._known[arch]]
        except KeyError:  # met for the first time
            return self._first(arch)

    def has_value(self, archs: Sequence[Any]) -> np.ndarray:
        """Which of these architectures were measured: ``(len(archs),)``, bool."""
        try:  # an itemgetter is the fastest way through a dict, but of one key it makes no tuple
            rows = itemgetter(*archs)(self._known) if len(archs) > 1 else [self._known[arch] for arch in archs]
        except KeyError:  # some are met for the first time
            return np.array([not math.isnan(self(arch)) for arch in archs], bool)
        return np.asarray(~np.isnan(self.column.values[np.fromiter(rows, np.intp, len(archs))]))

    def _first(self, arch: Any) -> float:
        try:
            return self._values[self._measurements.lookup.row(self.identity, arch)]
        except NotMeasured:
            return np.nan


class Computed:
    """An attribute of the structure, which needs no store."""

    identity = EXACT
    bound_to_store = False

    def __init__(self, space: SearchSpace[Any], name: str) -> None:
        self.name = name
        self._space, self._attribute = space, space.attributes[name]

    def __reduce__(self) -> tuple[type[Computed], tuple[SearchSpace[Any], str]]:
        return Computed, (self._space, self.name)

    def __call__(self, arch: Any) -> float:
        """What follows from the structure."""
        return float(self._attribute(arch))

    def has_value(self, archs: Sequence[Any]) -> np.ndarray:
        """All have one: ``(len(archs),)``, bool."""
        return np.ones(len(archs), bool)


class Predicted:
    """What a surrogate in a store predicts of a metric."""

    bound_to_store = False

    def __init__(self, surrogates: Surrogates, question: Question) -> None:
        self._surrogates, self._question = surrogates, question
        self._predictions = surrogates.predictions(question)
        self.name, self.identity = str(question.metric), self._predictions.identity

    def __reduce__(self) -> tuple[type[Predicted], tuple[Surrogates, Question]]:
        return Predicted, (self._surrogates, self._question)

    def __call__(self, arch: Any) -> float:
        """The predicted mean; NaN where a feature is missing that the surrogate needs."""
        try:
            return self._predictions.mean(arch)
        except NotMeasured:
            return np.nan

    def has_value(self, archs: Sequence[Any]) -> np.ndarray:
        """Which of these architectures have the features that the surrogate needs: ``(len(archs),)``, bool."""
        return np.array([not math.isnan(self(arch)) for arch in archs], bool)


class Evaluated:
    """A function of the user's, whose errors and answers are checked."""

    bound_to_store = False

    def __init__(self, function: Function) -> None:
        self._function = function
        self.name = str(getattr(function, "name", None) or getattr(function, "__name__", type(function).__name__))
        self.identity = str(getattr(function, "identity", EXACT))
        checked_choice(self.identity, f"identity of the objective {self.name}", (CLASS, EXACT))

    @property
    def scores_ahead(self) -> bool:
        """Whether the function can score several architectures at once, before it is asked for them one by one."""
        return hasattr(self._function, "prepare")

    def prepare(self, archs: Sequence[Any]) -> None:
        """Let the function score these architectures at once.

        Raises:
            ObjectiveFailed: it raised an error.
        """
        try:
            self._function.prepare(archs)  # type: ignore[attr-defined]
        except RobBenchError:
            raise
        except Exception as error:
            raise ObjectiveFailed(
                f"the objective {self.name} failed for {len(archs)} architectures at once with {type(error).__name__}: {error}"
            ) from error

    def __call__(self, arch: Any) -> float:
        """The function's value.

        Raises:
            ObjectiveFailed: it raised an error, or returned something other than a number.
        """
        try:
            value = self._function(arch)
        except RobBenchError:
            raise
        except Exception as error:
            raise ObjectiveFailed(f"the objective {self.name} failed for {arch} with {type(error).__name__}: {error}") from error
        if not isinstance(value, Real) or isinstance(value, bool | np.bool_):
            raise ObjectiveFailed(
                f"the objective {self.name} returned {value!r:.80}, a {type(value).__name__}, for {arch}; expected one number, such as a float:"
                " give each of several objectives a function of its own."
            )
        try:
            return float(value)
        except OverflowError as error:
            raise ObjectiveFailed(f"the objective {self.name} returned for {arch} a number that is too large for a float.") from error

    def has_value(self, archs: Sequence[Any]) -> np.ndarray:
        """All are taken to have one: ``(len(archs),)``, bool."""
        return np.ones(len(archs), bool)


def objectives_of(
    given: Sequence[str | Metric | Function], measurements: Measurements, surrogates: Surrogates | None = None, **options: Unpack[Options]
) -> list[Objective]:
    """The objectives that metrics and functions mean; see `RobBench.oracle`.

    Arguments:
        given: metrics, functions, or both.
        measurements: what metrics are read from;
        surrogates: or, if given, what predicts them.
        options: of the metrics.

    Raises:
        UnknownMetric, NotMeasured: as for a query.
        InvalidArgument: there are none, two of one name, or one that is called like a column of a history.
    """
    return checked_names([objective_of(one, measurements, surrogates, **options) for one in given])


def checked_names(objectives: list[Objective]) -> list[Objective]:
    """The objectives, if there are some, and their names tell them apart in a history; raises InvalidArgument."""
    if not objectives:
        raise InvalidArgument("there are no objectives; expected at least one metric, such as 'pgd@1/255', or a function.")
    names = [objective.name for objective in objectives]
    if again := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise InvalidArgument(
            f"{', '.join(again)} is among the objectives more than once; name each once. A function is called by its attribute `name`, if it has one."
        )
    if taken := [name for name in names if name in RESERVED]:
        raise InvalidArgument(f"an objective is called {taken[0]}, which is a column of every history; give the function another `name`.")
    return objectives


def objective_of(
    given: str | Metric | Function, measurements: Measurements, surrogates: Surrogates | None = None, **options: Unpack[Options]
) -> Objective:
    """What one metric, or one function, means, by whatever name; raises UnknownMetric and NotMeasured as for a query."""
    if callable(given):
        return Evaluated(given)
    question = Question.of(given, **options)
    if question.metric.entry.kind == "attribute":
        return Computed(measurements.space, str(measurements.resolve(question).metric))
    return Predicted(surrogates, question) if surrogates else Measured(measurements, measurements.without_training(question))
