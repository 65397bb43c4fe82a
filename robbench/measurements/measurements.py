"""Everything that one store answers: questions resolved, columns measured, interpolated, derived or computed, and kept for the next time.

measurements = Measurements(store, "cifar10")
measurements.column(Question.of("pgd", eps=1 / 255)).values        (rows,)
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

import numpy as np

from robbench.arguments import nearest
from robbench.errors import InvalidArgument, NotMeasured
from robbench.measurements.columns import Column, Columns
from robbench.measurements.derived import DERIVED, Formula
from robbench.measurements.levels import position
from robbench.measurements.lookup import Architecture, Lookup
from robbench.measurements.metrics import TABLE, Metric
from robbench.measurements.question import OPTIONS, STANDARD, UNTRAINED, Question
from robbench.spaces import SearchSpace
from robbench.store.arrays import Name
from robbench.store.reading import Store

COMPUTED = "computed"
COMPLETED = "measured, completed by arithmetic"


class Answer(NamedTuple):
    """A question's answer for all architectures, ready to be picked from: ``values[known[arch]]``."""

    values: list[float]
    known: dict[Architecture, int]
    """Architecture, as it was written when it was looked up → row; `Lookup.row` adds to it."""
    column: Column


class Bench(Protocol):
    """What has measurements, such as a `RobBench`."""

    @property
    def measurements(self) -> Measurements:
        """The answers of its store."""
        ...


class Measurements:
    """The answers of one store.  Names and headers are read once a store, each array once, and each question is answered once."""

    def __init__(self, store: Store, default_dataset: str) -> None:
        self.store = store
        self.default_dataset = default_dataset
        self.lookup = Lookup(store)
        self._columns = Columns(store)
        self.answers: dict[tuple[Any, ...], Answer] = {}
        """By what was asked: a `Question`, or the arguments of `RobBench.query` as they were given."""

    def __reduce__(self) -> tuple[Callable[[str, str], Measurements], tuple[str, str]]:
        return _opened, (self.store.path, self.default_dataset)

    def __deepcopy__(self, memo: dict[int, Any]) -> Measurements:
        return self  # nothing that a question does can be seen

    @property
    def space(self) -> SearchSpace[Any]:
        """The search space whose architectures were measured."""
        return self.store.space

    def answer(self, question: Question) -> Answer:
        """The answer to a question about a metric that is one number an architecture; raises as `column`."""
        try:
            return self.answers[question]
        except KeyError:  # not asked before
            resolved = self.resolve(question)
            answer = self.answers[question] = self.answers[resolved] = self.answers.get(resolved) or self._computed(resolved)
            return answer
        except TypeError:  # not hashable; then what is computed says what is wrong
            return self._computed(self.resolve(question))

    def asked(self, arguments: tuple[Any, ...]) -> Answer:
        """The answer to the arguments of `RobBench.query` from the metric on, kept under these arguments; raises as `column`."""
        metric, *options = arguments
        answer = self.answer(Question.of(metric, **dict(zip(OPTIONS, options, strict=True))))
        with suppress(TypeError):  # not hashable, such as a level in an array of no dimensions
            self.answers[arguments] = answer
        return answer

    def value(self, question: Question, arch: Architecture) -> Any:
        """The answer of one architecture: a float, or an array where the metric is one for each architecture, of which only this row is read.

        Raises:
            UnknownArchitecture: it is none of the space.
            NotMeasured: nothing was measured of it; otherwise as `column`.  An attribute of the space needs no measurement.
        """
        question = self.resolve(question)
        if self.is_number(question):
            value: Any = self.number(self.answer(question), arch)
            if value == value:
                return value
        else:
            value = self._array(question, self.lookup.row(self.store.header(question.name()).rows, arch))
            if value is not None:
                return value
        raise NotMeasured(f"{question.metric} of {question.dataset} ({question.training}) was not measured for {self.lookup.parse(arch)}.")

    def number(self, answer: Answer, arch: Architecture) -> float:
        """What an answer is for one architecture; NaN where nothing was measured.  What is computed is so of any, in the store or not.

        Raises:
            UnknownArchitecture: it is none of the space.
            NotMeasured: the store has no row for it.
        """
        try:
            return answer.values[self.lookup.row(answer.column.rows, arch)]
        except NotMeasured:
            rule = self._rule(answer.column.question) if answer.column.how in (COMPUTED, COMPLETED) else None
            if rule is None:
                raise
            return float(rule(self.lookup.parse(arch)))

    def every(self, question: Question) -> np.ndarray:
        """A metric that is an array for each architecture, of all of them: ``(rows, …)``, NaN where nothing was measured; raises as `column`.

        All of it is read, which may be much.
        """
        return self._columns.every(self.resolve(question))

    def levels(self, question: Question) -> list[float]:
        """The levels of a question's metric: those at which it was measured, or all that it is derived from was; empty where it has none.

        Raises:
            NotMeasured: as `resolve`; LevelNotMeasured where what it is derived from has no level in common.
        """
        question = self.resolve(question)
        if question.metric.entry.kind == "derived":
            return DERIVED[question.metric.name].levels(self._columns, question)
        return self.store.header(question.name()).levels

    def column(self, question: Question) -> Column:
        """The whole column of a metric that is one number an architecture.

        Raises:
            InvalidArgument: a metric that is an array for each architecture.
            NotMeasured: the store does not hold it; LevelNotMeasured where it does, at other levels.
        """
        return self.answer(question).column

    def measured(self, question: Question) -> Column:
        """As `column`, of what is in the store alone: gaps stay, though arithmetic could fill them.

        Raises:
            NotMeasured: the store holds no array of the metric; otherwise as `column`.
        """
        resolved = self.resolve(question)
        if not self._columns.holds(resolved):
            raise NotMeasured(f"{resolved.metric} of {resolved.dataset} ({resolved.training}) is not in {self.store.file_name}.")
        return self._columns.column(resolved)

    def _array(self, question: Question, row: int) -> np.ndarray | None:
        """A metric that is an array for each architecture, of one row; None where it was not measured."""
        values = self._columns.row(question, row)
        if values.dtype == bool:  # outcomes have no value that says "not measured"; their accuracy has
            accuracy = self.column(question._replace(metric=question.metric._replace(measure="accuracy")))
            return None if np.isnan(accuracy.values[row]) else values
        if np.isnan(values).all():  # not where some are: no image has a label, or a prediction, that a confidence is the mean over
            return None
        return values.astype(np.int64) if question.metric.measure == "confusion" else values

    def is_number(self, question: Question) -> bool:
        """Whether a resolved question's answer is one number an architecture."""
        return (
            question.metric.entry.kind in ("derived", "attribute")
            or (not self._columns.holds(question) and self._rule(question) is not None)
            or self._columns.is_number(question)
        )

    def origin(self, question: Question, arch: Architecture) -> str:
        """How the number that a resolved question has for an architecture came about: the column's `how`, or what it is of this one."""
        column = self.column(question)
        if column.how != COMPLETED:
            return column.how
        with suppress(NotMeasured):  # not among the store's rows
            if not np.isnan(self._columns.column(question).values[self.lookup.row(column.rows, arch)]):
                return "measured"
        return COMPUTED

    def formula(self, question: Question) -> Formula:
        """How the derived metric of a resolved question is computed, or one that is arithmetic; of other metrics, nothing."""
        name = question.metric.name
        if question.metric.entry.kind == "proxy" and self.column(question).how in (COMPUTED, COMPLETED):
            return Formula(f"arithmetic over the operations of the published network for {question.dataset}", {})
        return DERIVED[name].formula(self._columns, question) if question.metric.entry.kind == "derived" else Formula("", {})

    def numbers(self, question: Question) -> list[Metric]:
        """Every metric that is a number, level by level, of the question's dataset and training, whatever metric it names."""
        dataset = self._among("dataset", question.dataset or self.default_dataset, self.store.datasets())
        if question.training is not None:
            self._among("training", question.training, self.store.trainings(dataset))
        found: list[Metric] = []
        for name in self.store.names():
            metric = Metric(name.metric, None, name.measure)
            if name.dataset == dataset and name.metric in TABLE and self._is_answered_by(question._replace(metric=metric), name):
                header = self.store.header(name)
                if header.is_number:
                    found += [metric._replace(level=level) for level in header.levels] if header.levels else [metric]
        return found

    def resolve(self, question: Question) -> Question:
        """The question with dataset and training filled in, once it is sure that the store holds what it asks for.

        Raises:
            NotMeasured: no such dataset or training, or no array of the metric; the message says which there are.
        """
        metric = question.metric
        dataset = self._among("dataset", question.dataset or self.default_dataset, self.store.datasets())
        if metric.entry.kind == "attribute":
            self._among("attribute", metric.name, list(self.space.attributes))
            return question._replace(dataset=dataset, training=UNTRAINED)
        trainings = self.store.trainings(dataset)
        holding = [training for training in trainings if self._holds(question._replace(dataset=dataset, training=training))]
        if not holding and question.training in (None, UNTRAINED) and self._rule(question._replace(dataset=dataset)) is not None:
            return question._replace(dataset=dataset, training=UNTRAINED)
        if question.training is not None:
            self._among("training", question.training, trainings)
        if metric.entry.kind in ("proxy", "cost"):
            default = next((training for training in (UNTRAINED, STANDARD) if training in holding), None)
        else:
            # Where a dataset has standard training, a threat means that one, so that no adversarially trained network slips in.
            default = STANDARD if STANDARD in trainings else None
        training = question.training or default
        if training in holding:
            return question._replace(dataset=dataset, training=training)
        if training is None and len(holding) == 1:
            return question._replace(dataset=dataset, training=holding[0])
        what = f"{metric.name} ({metric.measure}) of {dataset}"
        if not holding:
            lacks = self._lacks(question._replace(dataset=dataset, training=training or next(iter(trainings), STANDARD)))
            raise NotMeasured(f"{what} is not in {self.store.file_name}; `metrics()` lists what is.{lacks}")
        if training is None:
            raise NotMeasured(f"{what} was measured under {', '.join(holding)}; name one: training={holding[0]!r}, for example.")
        raise NotMeasured(
            f"{what} was not measured under {training}; it was under {', '.join(holding)}: training={holding[0]!r}, for example."
        )

    def without_training(self, question: Question) -> Question:
        """The question, asked of untrained networks where its metric belongs to these: training and seed don't matter to it."""
        dataset = self._among("dataset", question.dataset or self.default_dataset, self.store.datasets())
        untrained = Question(question.metric, dataset, UNTRAINED)
        if self._columns.holds(untrained):
            return untrained._replace(dataset=question.dataset)
        if self._rule(untrained) is not None and not (question.training and self._columns.holds(question._replace(dataset=dataset))):
            return Question(question.metric, question.dataset)
        return question

    def _computed(self, question: Question) -> Answer:
        """The answer to a resolved question."""
        column = self._column(question)
        return Answer(column.values.tolist(), self.lookup.known[column.rows], column)

    def _column(self, question: Question) -> Column:
        """The column of a resolved question."""
        name, kind = question.metric.name, question.metric.entry.kind
        if (rule := self._rule(question)) is not None:
            return self._by_rule(question, rule)
        if kind != "derived":
            return self._columns.column(question)
        parts, values = DERIVED[name].compute(self._columns, question)
        levels = [position(question.metric, self.store.header(part)) for part in parts if part.metric != "clean"]
        between = question.metric.level is not None and None in levels
        return Column(question, "derived, interpolated" if between else "derived", parts, "class", values)

    def _by_rule(self, question: Question, rule: Callable[[Any], float]) -> Column:
        """The column of what follows from the structure; measured numbers come first, and their gaps are filled where the rule gives all that were measured."""
        held = self._columns.column(question) if self._columns.holds(question) else None
        if held is not None and (held.rows != "exact" or not np.isnan(held.values).any()):
            return held
        values = np.array([rule(arch) for arch in self.lookup.exact], np.float64)
        if held is None:
            return Column(question, COMPUTED, (), "exact", values)
        # Networks of another width or depth than the published ones have other numbers, which the rule knows nothing of.
        known = ~np.isnan(held.values)
        return held._replace(how=COMPLETED, values=values) if np.array_equal(held.values[known], values[known]) else held

    def _rule(self, question: Question) -> Callable[[Any], float] | None:
        """What computes a metric from the structure alone: an attribute, or a cost of the published network for the question's dataset."""
        name, entry = question.metric.name, question.metric.entry
        if entry.kind == "attribute":
            return self.space.attributes.get(name)
        return self.space.costs(str(question.dataset)).get(name) if question.metric.measure == "value" else None

    def _holds(self, question: Question) -> bool:
        if question.metric.entry.kind == "derived":
            return DERIVED[question.metric.name].computable(self._columns, question)
        return self._columns.holds(question)

    def _lacks(self, question: Question) -> str:
        """What a derived metric lacks, as a sentence with a space before it."""
        name = question.metric.name
        said = DERIVED[name].lacks(self._columns, question) if question.metric.entry.kind == "derived" else ""
        return f" {said}" if said else ""

    def _is_answered_by(self, question: Question, name: Name) -> bool:
        """Whether the array that answers this question is that one."""
        try:
            return self.resolve(question).name() == name
        except NotMeasured:
            return False

    def _among(self, what: str, given: str, held: list[str]) -> str:
        if not isinstance(given, str):
            raise InvalidArgument(f"{what}={given!r} is a {type(given).__name__}; expected a name, such as {(held or ['cifar10'])[0]!r}.")
        if given not in held:
            raise NotMeasured(
                f"{what} {given!r} is not in {self.store.file_name}.{nearest(given, held)} It holds {', '.join(held) or 'none'}."
            )
        return given


def _opened(path: str, default_dataset: str) -> Measurements:
    return Measurements(Store(path), default_dataset)
