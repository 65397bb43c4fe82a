"""One search, run again and again from different seeds, in this process or in several.

for run in repeat("evolution", bench, "pgd@1/255", budget=300, runs=100):
    run.best             the best architecture of this run
    run.incumbents       the best value so far, after each query

bench.search("evolution", "pgd@1/255")     the first of them alone, with its oracle
"""

from __future__ import annotations

import inspect
import math
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, Unpack

import numpy as np

from robbench.arguments import checked_count, checked_seed, refuse_unknown_options
from robbench.bench import RobBench
from robbench.measurements.metrics import Metric
from robbench.search.algorithms import algorithm as algorithm_of
from robbench.search.history import Query
from robbench.search.objectives import Function
from robbench.search.result import Found, Result
from robbench.spaces.moves import Moves
from robbench.workers import end_with_parent

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from multiprocessing.connection import Connection
    from pathlib import Path

    from threadpoolctl import ThreadpoolController

CHUNKS = 8
"""How many parts the runs are cut into for other processes: enough to keep several busy, few enough to send little."""


class OracleOptions(TypedDict, total=False):
    """The options of `RobBench.oracle` that all runs share; with noise, each run has noise of its own."""

    eps: float | str | None
    severity: int | None
    measure: str | None
    dataset: str | None
    training: str | None
    interpolate: bool
    cost: str | Metric | Function | None
    on: str
    on_repeat: str
    identity: str | None
    noise: str | None
    directions: Mapping[str, str] | None
    missing: str


Objectives = str | Metric | Function | Sequence[str | Metric | Function]


class Run(NamedTuple):
    """What one of several runs found."""

    seed: tuple[int, int]
    """Of its generator: ``np.random.default_rng(seed)``."""
    front: tuple[Found, ...]
    """As `Result.front`."""
    queries: tuple[Query, ...]
    """As `Oracle.queries`."""
    incumbents: np.ndarray
    """As `Oracle.incumbents`; empty where there are several objectives."""

    @classmethod
    def of(cls, found: Result, seed: tuple[int, int]) -> Run:
        """What a run from this seed found."""
        asked = found.oracle
        return cls(seed, found.front, asked.queries, np.empty(0) if asked.several else asked.incumbents())

    @property
    def best(self) -> Any:
        """The best architecture; of several objectives, that of the front which is best in the first."""
        return self.front[0].arch


def repeat(
    algorithm: str,
    bench: RobBench,
    objectives: Objectives,
    *,
    budget: float,
    runs: int,
    seed: int = 0,
    space: Moves[Any] | None = None,
    proxy: str | Metric | None = None,
    options: Mapping[str, Any] | None = None,
    executor: Executor | None = None,
    **oracle: Unpack[OracleOptions],
) -> Iterator[Run]:
    """Runs of one algorithm, in order, each with an oracle of its own; run i starts from the seed ``(seed, i)``, whoever runs it.

    Arguments:
        algorithm: a name in `ALGORITHMS`.
        objectives: one objective, or a list of them, as for `RobBench.oracle`.
        budget: of each run.
        space: what is searched; if left out, the architectures that the store has all objectives of, or, where none of these is measured, the whole space.
        proxy: a metric of the store that guides the algorithms with a warm-up; synflow if left out.
        options: of the algorithm.
        executor: what the runs are spread over (see `processes`); if left out, they run here, one by one, as they are asked for.
        oracle: see `OracleOptions`.

    Raises:
        CannotSearch: no such algorithm, or what the algorithm refuses.
        InvalidArgument: a misspelt option, a number of runs or a seed that is none; otherwise as `RobBench.oracle`.
    """
    checked_count(runs, "runs")
    task = _task(repeat, algorithm, bench, objectives, budget, seed, space, proxy, options, oracle)
    if executor is None:
        return (task.run(bench, task.space, i) for i in range(runs))
    return executor.map(task.run_in_worker, range(runs), chunksize=math.ceil(runs / CHUNKS))


def search(
    bench: RobBench,
    algorithm: str,
    objectives: Objectives,
    *,
    budget: float = 300,
    seed: int = 0,
    space: Moves[Any] | None = None,
    proxy: str | Metric | None = None,
    options: Mapping[str, Any] | None = None,
    **oracle: Unpack[OracleOptions],
) -> Result:
    """One run of an algorithm: the first of `repeat`, and of ``robbench search``, from the same seed.

    Arguments:
        budget: how many architectures it may ask for.
        algorithm, objectives, seed, space, proxy, options, oracle: as for `repeat`.

    Raises:
        As `repeat`.
    """
    task = _task(search, algorithm, bench, objectives, budget, seed, space, proxy, options, oracle)
    return task.result(bench, task.space, 0)


def processes(workers: int) -> ProcessPoolExecutor:
    """An executor for `repeat`: so many fresh processes, which end with this one.  Each opens the store itself.

    As a context manager it is left at once where its block ends in an error, or is interrupted (Ctrl-C): runs that are not finished are given up.
    """
    return _Processes(workers)


class _Processes(ProcessPoolExecutor):
    def __init__(self, workers: int) -> None:
        context = multiprocessing.get_context("spawn")
        given_up, self._held = context.Pipe(duplex=False)
        super().__init__(workers, mp_context=context, initializer=_start_worker, initargs=(given_up,))

    def __exit__(self, *error: Any) -> None:
        if error[0] is not None:
            self._held.close()
        self.shutdown(cancel_futures=error[0] is not None)


def _start_worker(given_up: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal; what becomes of the runs, the first one says
    end_with_parent(given_up)
    _threads().limit(limits=1)


def one_thread() -> AbstractContextManager[object]:
    """A block in which linear algebra takes one thread.

    Predictors multiply small matrices, where threads wait for each other, and for a core that another process has, twenty times longer than they work.
    """
    limited: AbstractContextManager[object] = _threads().limit(limits=1)
    return limited


@lru_cache(maxsize=1)
def _threads() -> ThreadpoolController:
    """Of the libraries that are loaded, numpy's among them; looking for them takes as long as a random search."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def options_of(algorithm: str) -> list[str]:
    """The names of an algorithm's options; raises CannotSearch where there is no such algorithm."""
    return _keywords(algorithm_of(algorithm))


def _keywords(function: Callable[..., Any]) -> list[str]:
    return [name for name, parameter in inspect.signature(function).parameters.items() if parameter.kind is parameter.KEYWORD_ONLY]


def _check_options(algorithm: str, options: Mapping[str, Any]) -> None:
    refuse_unknown_options(algorithm, options, options_of(algorithm))


@dataclass(frozen=True)
class _Task:
    """What a process needs for any one of the runs."""

    algorithm: str
    path: Path
    dataset: str
    objectives: Objectives
    budget: float
    seed: int
    space: Moves[Any]
    proxy: str | Metric | None
    options: dict[str, Any]
    oracle: OracleOptions

    def run_in_worker(self, index: int) -> Run:
        return self.run(opened(self.path, self.dataset), self.space, index)

    def run(self, bench: RobBench, space: Moves[Any], index: int) -> Run:
        return Run.of(self.result(bench, space, index), (self.seed, index))

    def result(self, bench: RobBench, space: Moves[Any], index: int) -> Result:
        seed = self.seed, index
        noise_seed = noise_seed_of(seed) if self.oracle.get("noise") else 0
        options = dict(self.options)
        if self.proxy is not None:
            options["proxy"] = bench.oracle(self.proxy, missing="nan", dataset=self.oracle.get("dataset"))
        asked = bench.oracle(self.objectives, budget=self.budget, noise_seed=noise_seed, **self.oracle)
        with one_thread():
            return algorithm_of(self.algorithm)(asked, space, np.random.default_rng(seed), **options)


def _task(
    asking: Callable[..., Any],
    algorithm: str,
    bench: RobBench,
    objectives: Objectives,
    budget: float,
    seed: int,
    space: Moves[Any] | None,
    proxy: str | Metric | None,
    options: Mapping[str, Any] | None,
    oracle: OracleOptions,
) -> _Task:
    """What was asked for, in the name of the function that is asking, once it is checked."""
    _check_options(algorithm, {**(options or {}), **({} if proxy is None else {"proxy": proxy})})
    refuse_unknown_options(asking.__name__, oracle, [*_keywords(asking), *OracleOptions.__annotations__])
    checked_seed(seed)
    if space is None:
        asked = bench.oracle(objectives, budget=budget, **oracle)
        space = asked.subset() if asked.bound_to_store and oracle.get("missing", "raise") == "raise" else bench.space
    return _Task(algorithm, bench.path, bench.default_dataset, objectives, budget, seed, space, proxy, dict(options or {}), oracle)


def noise_seed_of(seed: tuple[int, int]) -> int:
    """The seed of a run's noise."""
    return int(np.random.SeedSequence(seed).generate_state(1)[0])


@lru_cache(maxsize=1)
def opened(path: Path, dataset: str) -> RobBench:
    """The bench of a store, opened once a process."""
    return RobBench(path, dataset=dataset)
