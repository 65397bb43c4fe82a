"""What a search space is: architectures as assignments to categorical variables, and which of them are the same.

    variables   what is chosen, and among what: the operation on each edge of a cell, say
    code        one architecture as numbers, each the position of a choice: (3, 0, 1, 4, 2, 1)
    key         equal for architectures that count as the same, such as isomorphic cells
    twin key    equal for architectures that compute the same function, where the space knows more of them than `key`

A space is written as a subclass that parses, prints and compares its architectures.  How to go from one architecture to another is written once, over the
variables, in `robbench.spaces.moves`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from math import prod
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import numpy as np

from robbench.spaces.moves import Code, Moves

A = TypeVar("A")

CACHED_NEIGHBORS = 400_000
"""Architectures: enough for all neighbourhoods of NAS-Bench-201; a larger space keeps those that were asked for last."""


class Variable(NamedTuple):
    """One choice that an architecture makes."""

    name: str
    choices: tuple[str, ...]


class Features(NamedTuple):
    """A named table of numbers, one row an architecture."""

    names: tuple[str, ...]
    values: np.ndarray
    """``(architectures, features)``, float64; NaN where one is missing."""


class Graph(NamedTuple):
    """An architecture as it is drawn: nodes in a plane, and an arrow for each operation."""

    nodes: Mapping[str, tuple[float, float]]
    """Name → where its centre is; neighbouring nodes are 1 apart."""
    arrows: tuple[Arrow, ...]
    labels: Mapping[str, str] = MappingProxyType({})
    """Name → what is written into the node, where that is not its name."""
    titles: Mapping[str, tuple[float, float]] = MappingProxyType({})
    """Text → where its middle is: of an architecture of several cells, what each is."""


class Arrow(NamedTuple):
    """An operation, from one node to another."""

    source: str
    target: str
    operation: str
    label: str
    height: float
    """How far above the straight line its middle is."""


class SearchSpace(Moves[A]):
    """A space of architectures of the type `A`: immutable, hashable, and such that ``parse(str(arch)) == arch``."""

    name: str
    """As stores and keys write it: ``"nb201"``."""
    title: str
    """As papers write it: ``"NAS-Bench-201"``."""
    architecture: type[A]
    variables: tuple[Variable, ...]
    variable_kind: str = "variable"
    """What each variable is, as tables head it: ``"edge"``."""
    relabels: bool = False
    """Whether `canonical` is one architecture for all that have its key, and of these each computes the same as the others."""
    feature_version: int = 1
    """Of `features`: a surrogate is evaluated only on the features that it was fitted on."""

    def __init__(self) -> None:
        most = sum(len(variable.choices) - 1 for variable in self.variables)  # neighbours of one
        self._near = lru_cache(CACHED_NEIGHBORS // max(most, 1))(self._changed_once)

    def __reduce__(self) -> str:
        """The one instance is a global of its module, under its name in capitals."""
        return self.name.upper()

    def __repr__(self) -> str:
        return f"<search space {self.title}: {len(self.variables)} variables, {self.size:.4g} architectures>"

    @property
    def space(self) -> SearchSpace[A]:
        """The space itself; of a `Subset`, the space that it is of."""
        return self

    @abstractmethod
    def parse(self, arch: Any) -> A:
        """The architecture that a text, or any other accepted spelling, means; an architecture means itself.

        Raises:
            UnknownArchitecture: it means none; says what was given, where it goes wrong, and what would be right.
        """

    def from_text(self, text: str) -> A:
        """The architecture that a text means, as anyone may have written it: as `parse`, or in one of its `spellings`; raises as `parse`."""
        return self.parse(text)

    @abstractmethod
    def encode(self, arch: A) -> Code:
        """For each variable, the position of what the architecture chooses."""

    @abstractmethod
    def decode(self, code: Sequence[int]) -> A:
        """The architecture of a code."""

    @abstractmethod
    def canonical_form(self, arch: A) -> str:
        """What all architectures that count as the same have in common, as text."""

    def canonical(self, arch: A) -> A:
        """The architecture that stands for all that are the same but for labels; itself, where the space knows of no labels."""
        return arch

    @abstractmethod
    def key(self, arch: A) -> str:
        """16 hexadecimal digits, a hash of `canonical_form`, the same in every version of RobBench."""

    def twin_key(self, arch: A) -> str:
        """16 hexadecimal digits, equal for architectures that compute the same function, whatever the weights; the key, unless the space knows more."""
        return self.key(arch)

    def is_valid(self, code: Sequence[int]) -> bool:
        """Whether a code is one of an architecture."""
        return len(code) == len(self.variables) and all(
            0 <= choice < len(variable.choices) for choice, variable in zip(code, self.variables, strict=True)
        )

    def is_constant(self, arch: A) -> bool:
        """Whether the network answers the same whatever its input is, as the structure shows: there is nothing to learn from it."""
        return False

    @cached_property
    def size(self) -> int:
        """How many codes there are."""
        return prod(len(variable.choices) for variable in self.variables)

    @cached_property
    def members(self) -> tuple[A, ...] | None:
        """All architectures, in lexicographic order of their codes; None where there are too many to list."""
        return None

    @property
    def features(self) -> Mapping[str, tuple[Callable[[Sequence[A]], Features], ...]]:
        """Sets of features of the structure, equal for twins, from which surrogates learn; each is one or several functions."""
        return {}

    @property
    def network_features(self) -> Mapping[str, tuple[Callable[[Sequence[A]], Features], ...]]:
        """Further sets, of what the network that is trained has beyond its function: twins may differ in them, and architectures of one class."""
        return {}

    @property
    def attributes(self) -> Mapping[str, Callable[[A], float]]:
        """Numbers that follow from the structure, by the names of `robbench.measurements.metrics`."""
        return {}

    def costs(self, dataset: str) -> Mapping[str, Callable[[A], float]]:
        """Numbers that follow from the structure of the network that the space's authors build for a data set, by the names of `metrics`; none for others."""
        return {}

    @property
    def encodings(self) -> Mapping[str, Callable[[Sequence[A]], np.ndarray]]:
        """What predictors of a search see of architectures, ``(architectures, columns)``; the first is the space's own choice."""
        return {"one-hot": self.one_hot}

    def one_hot(self, archs: Sequence[A]) -> np.ndarray:
        """A column for each choice of each variable: ``(architectures, columns)``, float64, 0 or 1."""
        codes = np.array([self.encode(arch) for arch in archs], np.intp).reshape(len(archs), len(self.variables))
        return np.concatenate([np.eye(len(variable.choices))[codes[:, column]] for column, variable in enumerate(self.variables)], axis=1)

    def assignment(self, arch: A) -> dict[str, str]:
        """Variable → what the architecture chooses: a ConfigSpace configuration, or the parameters of an Optuna trial."""
        return {variable.name: variable.choices[choice] for variable, choice in zip(self.variables, self.encode(arch), strict=True)}

    def from_assignment(self, choices: Mapping[str, Any]) -> A:
        """The architecture of a choice for each variable.

        Raises:
            UnknownArchitecture: a variable has no choice, or one that is not among its own.
        """
        from robbench.errors import UnknownArchitecture

        names = ", ".join(variable.name for variable in self.variables)
        if not isinstance(choices, Mapping):
            raise UnknownArchitecture(f"{choices!r} is a {type(choices).__name__}; expected a choice for each of {names}.")
        if lacking := [variable.name for variable in self.variables if variable.name not in choices]:
            raise UnknownArchitecture(f"{dict(choices)} has no choice for {', '.join(lacking)}; expected one for each of {names}.")
        for variable in self.variables:
            if choices[variable.name] not in variable.choices:
                raise UnknownArchitecture(
                    f"{choices[variable.name]!r} is not a choice of {variable.name}; expected one of {', '.join(variable.choices)}."
                )
        code = tuple(variable.choices.index(choices[variable.name]) for variable in self.variables)
        if not self.is_valid(code):
            raise UnknownArchitecture(f"{dict(choices)} is not an architecture of {self.title}: its choices do not go together.")
        return self.decode(code)

    def label(self, variable: Variable) -> str:
        """A variable as tables write it: its name, unless the space has a shorter way."""
        return variable.name

    def spellings(self, arch: A) -> dict[str, str]:
        """Other ways in which the architecture is written, by who writes it so."""
        return {}

    def drawing(self, arch: A) -> str:
        """The architecture drawn in text."""
        return str(arch)

    def graph(self, arch: A) -> Graph:
        """The architecture as it is drawn in papers.

        Raises:
            CannotPlot: the space does not say how.
        """
        from robbench.errors import CannotPlot

        raise CannotPlot(f"there is no figure of architectures of {self.title}; `drawing` has one in text.")

    def sample(self, rng: np.random.Generator) -> A:
        """An architecture, uniformly at random."""
        if self.members is not None:
            return self.members[int(rng.random() * len(self.members))]  # `integers` takes eight times as long for a single one
        while True:
            drawn = self._admitted([int(rng.random() * len(variable.choices)) for variable in self.variables])
            if drawn is not None:
                return drawn

    def neighbors(self, arch: A) -> tuple[A, ...]:
        """The architectures that differ in one variable: variable by variable, in the order of its choices."""
        return self._near(arch)

    def _changed_once(self, arch: A) -> tuple[A, ...]:
        code = tuple(self.encode(arch))
        changed = (
            self._admitted((*code[:place], choice, *code[place + 1 :]))
            for place, variable in enumerate(self.variables)
            for choice in range(len(variable.choices))
            if choice != code[place]
        )
        return tuple(near for near in changed if near is not None)

    def _admitted(self, code: Sequence[int]) -> A | None:
        return self.decode(code) if self.is_valid(code) else None
