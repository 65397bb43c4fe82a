"""What an oracle answers with: metrics of a store, predictions of a surrogate, or anyone's function.

    Measured    what a store holds; NaN where it holds nothing
    Predicted   the mean that a surrogate in a store predicts, of any architecture
    Evaluated   any function from an architecture of the space to a number, such as a live proxy

All are called alike, ``objective(arch)``, with an architecture of the space.  Each says which architectures it tells apart (its identity): one that was measured
once a class gives the same number for all of a class.  A function tells exact architectures apart, unless it has an attribute ``identity = "class"``.
"""

from __future__ import annotations

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

if TYPE_CHECKING:
    from robbench.surrogates.predictions import Surrogates

Function = Callable[[Any], float]
CLASS, EXACT = "class", "exact"


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

    def __call__(self, arch: Any) -> float:
        """The number; NaN where there is none."""
        ...


class Measured:
    """A metric of a store."""

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

    def lacking(self, archs: Sequence[Any]) -> int:
        """Of how many of these architectures nothing was measured."""
        if not archs:
            return 0
        try:
            rows = itemgetter(*archs)(self._known) if len(archs) > 1 else [self._known[arch] for arch in archs]
        except KeyError:
            return sum(value != value for value in map(self, archs))
        return int(np.isnan(self.column.values[np.fromiter(rows, np.intp, len(archs))]).sum())

    def _first(self, arch: Any) -> float:
        try:
            return self._values[self._measurements.lookup.row(self.identity, arch)]
        except NotMeasured:
            return np.nan


class Predicted:
    """What a surrogate in a store predicts of a metric."""

    def __init__(self, surrogates: Surrogates, question: Question) -> None:
        self._surrogates, self._question = surrogates, question
        self._predictions = surrogates.predictions(question, level=0.9)
        self.name, self.identity = str(question.metric), self._predictions.identity

    def __reduce__(self) -> tuple[type[Predicted], tuple[Surrogates, Question]]:
        return Predicted, (self._surrogates, self._question)

    def __call__(self, arch: Any) -> float:
        """The predicted mean; NaN where a feature is missing that the surrogate needs."""
        try:
            return self._predictions.prediction(arch).mean
        except NotMeasured:
            return np.nan


class Evaluated:
    """A function of the user's, whose errors and answers are checked."""

    def __init__(self, function: Function) -> None:
        self._function = function
        self.name = str(getattr(function, "name", None) or getattr(function, "__name__", type(function).__name__))
        self.identity = str(getattr(function, "identity", EXACT))
        checked_choice(self.identity, f"identity of the objective {self.name}", (CLASS, EXACT))

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
                f"the objective {self.name} returned {value!r:.80}, a {type(value).__name__}, for {arch}; expected one number: give each of several"
                " objectives a function of its own."
            )
        return float(value)


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
        InvalidArgument: there are none, or two of one name.
    """
    if not given:
        raise InvalidArgument("there are no objectives; expected at least one metric, such as 'pgd@1/255', or a function.")
    found: list[Objective] = []
    for one in given:
        if callable(one) and not isinstance(one, Metric):
            found.append(Evaluated(one))
            continue
        question = Question.of(one, **options)
        found.append(Predicted(surrogates, question) if surrogates else Measured(measurements, measurements.without_training(question)))
    names = [objective.name for objective in found]
    if again := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise InvalidArgument(f"{', '.join(again)} is among the objectives more than once; name each once.")
    return found
