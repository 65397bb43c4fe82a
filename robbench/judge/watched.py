"""One run of a search that someone brings: an oracle that can be asked and read, and nothing else, and what was asked of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from robbench.errors import BudgetExhausted, NotMeasured, UnknownArchitecture
from robbench.judge.calling import Faults, MethodFailed, called
from robbench.search.evaluation import PATIENCE
from robbench.search.history import Query, Value
from robbench.search.oracle import Oracle
from robbench.search.result import Result
from robbench.spaces.moves import Moves

READABLE = frozenset(
    {"objectives", "directions", "identity", "budget", "spent"} | {name for name in vars(Oracle) if not name.startswith("_")}
)
"""What an oracle says of itself: its public attributes, properties and methods."""


class Watched:
    """An oracle as a search sees it: called and read as `Oracle` is, but with nothing to change and nothing private, and with an eye on what is asked."""

    __slots__ = ("_read", "_report")

    def __init__(self, oracle: Oracle, faults: Faults, patience: int, told: list[BaseException] | None = None) -> None:
        refused = idle = 0

        def tell(what: str, example: str, error: Exception) -> Exception:
            faults.note(what, example)
            if told is not None:
                told.append(error)
            return error

        def ask(arch: Any) -> Value:
            nonlocal refused, idle
            if idle >= patience:
                if idle == patience:
                    faults.note(f"asked {patience} times in a row for what it had asked before, and was ended")
                idle += 1
                raise BudgetExhausted(f"{patience} architectures in a row cost nothing; this search finds nothing new.")
            spent = oracle.spent
            try:
                value = oracle(arch)
                idle = idle + 1 if oracle.spent == spent else 0
                return value
            except BudgetExhausted:
                refused += 1
                if refused == 2:  # the first time is how a search learns that it is over
                    faults.note("asked on when its budget was spent")
                raise
            except UnknownArchitecture as error:
                tell("asked for what is no architecture of the space", str(error)[:200], error)
                raise
            except NotMeasured as error:
                tell("asked for an architecture without a measurement", str(error)[:200], error)
                raise

        def read(name: str) -> Any:
            if name == "__call__":
                return ask
            if name in READABLE:
                return getattr(oracle, name)
            refusal = AttributeError(f"{name!r} is nothing that a search may read of an oracle; it may read {', '.join(sorted(READABLE))}.")
            if name.startswith("__"):  # what Python itself looks for
                raise refusal
            raise tell("reached into the oracle", name, refusal)

        def report(name: str) -> None:
            raise tell("tried to change the oracle", name, AttributeError(f"{name!r} of an oracle cannot be changed by a search."))

        object.__setattr__(self, "_read", read)
        object.__setattr__(self, "_report", report)

    def __call__(self, arch: Any) -> Value:
        """As an `Oracle`."""
        value: Value = self._read("__call__")(arch)
        return value

    def __getattr__(self, name: str) -> Any:
        return self._read(name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._report(name)


class Asked(NamedTuple):
    """What one run asked."""

    queries: tuple[Query, ...]
    """Those that were charged."""
    seconds: float
    faults: Faults


def watch(function: Callable[..., Any], oracle: Oracle, space: Moves[Any], rng: np.random.Generator, limit: float | None) -> Asked:
    """Run a search; however it ends, what it asked is kept, and what it says that it found counts for nothing."""
    faults, returned, patience = Faults(), None, max(PATIENCE, len(space.members or ()))
    told: list[BaseException] = []
    start = time.perf_counter()
    try:
        returned = called(limit, function, Watched(oracle, faults, patience, told), space, rng)
    except MethodFailed as error:
        if not isinstance(error.__cause__, BudgetExhausted) and error.__cause__ not in told:  # of which it is said already what led to it
            faults.note(error.kind, error.message)
    seconds = time.perf_counter() - start
    if isinstance(returned, Result):
        asked = {oracle.identity_of(query.arch) for query in oracle.queries}
        for found in returned.front:
            if oracle.identity_of(found.arch) not in asked:
                faults.note("returned an architecture that it never asked for", str(found.arch))
    return Asked(oracle.queries, seconds, faults)


def unlike(one: Sequence[Query], other: Sequence[Query]) -> int | None:
    """The number, from 1, of the first query in which two runs differ; None where they do not."""
    if list(one) == list(other):
        return None
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False), 1) if a != b), min(len(one), len(other)) + 1)
