"""One search, run again and again from different seeds, in this process or in several.

for run in repeat("evolution", bench, "pgd@1/255", budget=300, runs=100):
    run.best             the best network of this run
    run.incumbents       the best value so far, after each query
"""

from __future__ import annotations

import inspect
import math
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import lru_cache
from numbers import Integral
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from robbench.bench import RobBench
from robbench.errors import CannotSearch
from robbench.measurements.metrics import Metric, nearest
from robbench.search.oracle import Query
from robbench.search.algorithms import algorithm as algorithm_of
from robbench.search.result import Found
from robbench.arguments import checked_seed
from robbench.spaces.nb201 import Cell
from robbench.spaces.subset import Space
from robbench.workers import end_with_parent

if TYPE_CHECKING:
    from pathlib import Path

CHUNKS = 8
"""How many parts the runs are cut into for other processes: enough to keep several busy, few enough to send little."""


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

    @property
    def best(self) -> Cell:
        """The best architecture; of several objectives, that of the front which is best in the first."""
        return self.front[0].arch


def repeat(
    algorithm: str,
    bench: RobBench,
    metric: str | Metric | Sequence[str | Metric],
    *,
    budget: float,
    runs: int,
    seed: int = 0,
    space: Space | None = None,
    proxy: str | Metric | None = None,
    options: Mapping[str, Any] | None = None,
    executor: Executor | None = None,
    **oracle: Any,
) -> Iterator[Run]:
    """Runs of one algorithm, in order, each with an oracle of its own; run i starts from the seed ``(seed, i)``, whoever runs it.

    Arguments:
        algorithm: a name in `ALGORITHMS`.
        metric: one objective, or a list of them, as for `RobBench.oracle`.
        budget: of each run.
        space: what is searched; the architectures that the store has all objectives of, if left out.
        proxy: a metric of the store that guides the algorithms with a warm-up.
        options: of the algorithm.
        executor: what the runs are spread over (see `processes`); if left out, they run here, one by one, as they are asked for.
        oracle: options of `RobBench.oracle`; with noise, each run has noise of its own.

    Raises:
        CannotSearch: no such algorithm, a number of runs that is none, or what the algorithm refuses.
        UnknownMetric: a seed that is none, or as `RobBench.oracle`.
    """
    _check_options(algorithm, {**(options or {}), **({} if proxy is None else {"proxy": proxy})})
    checked_seed(seed)
    if not isinstance(runs, Integral) or isinstance(runs, bool) or runs < 1:
        raise CannotSearch(f"runs={runs!r} is not a number of runs; expected an integer of at least 1.")
    if space is None:
        asked = bench.oracle(metric, budget=budget, **oracle)
        space = Space.answered_by(asked) if oracle.get("missing", "raise") == "raise" else Space()
    task = _Task(algorithm, bench.path, bench.default_dataset, metric, budget, seed, space, proxy, dict(options or {}), oracle)
    if executor is None:
        return (task.run(bench, space, i) for i in range(runs))
    return executor.map(task, range(runs), chunksize=math.ceil(runs / CHUNKS))


def processes(workers: int) -> ProcessPoolExecutor:
    """An executor for `repeat`: so many fresh processes, which end with this one.  Each opens the store itself."""
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker)


def _start_worker() -> None:
    from threadpoolctl import threadpool_limits

    end_with_parent()
    # Predictors multiply small matrices: the threads of several workers' BLAS would wait for each other, twenty times longer than they work.
    threadpool_limits(1)


def _check_options(algorithm: str, options: Mapping[str, Any]) -> None:
    known = inspect.signature(algorithm_of(algorithm)).parameters
    names = [name for name, parameter in known.items() if parameter.kind is parameter.KEYWORD_ONLY]
    for name in options:
        if name not in names:
            raise CannotSearch(f"{algorithm} has no option {name!r}.{nearest(name, names)} Its options: {', '.join(names) or 'none'}.")
    if "proxy" in names and "proxy" not in options:
        raise CannotSearch(f"{algorithm} is guided by a proxy; name one that the store holds, such as proxy='synflow'.")


class _Task(NamedTuple):
    """All that a process needs to know for any one of the runs."""

    algorithm: str
    path: Path
    dataset: str
    metric: str | Metric | Sequence[str | Metric]
    budget: float
    seed: int
    space: Space
    proxy: str | Metric | None
    options: dict[str, Any]
    oracle: dict[str, Any]

    def __call__(self, index: int) -> Run:
        return self.run(_bench(self.path, self.dataset), self.space, index)

    def run(self, bench: RobBench, space: Space, index: int) -> Run:
        seed = self.seed, index
        oracle = dict(self.oracle)
        if oracle.get("noise") is not None:
            oracle["noise_seed"] = int(np.random.SeedSequence(seed).generate_state(1)[0])
        options = dict(self.options)
        if self.proxy is not None:
            where = {name: oracle[name] for name in ("dataset",) if name in oracle}
            options["proxy"] = bench.oracle(self.proxy, missing="nan", **where)
        asked = bench.oracle(self.metric, budget=self.budget, **oracle)
        found = algorithm_of(self.algorithm)(asked, space, np.random.default_rng(seed), **options)
        return Run(seed, found.front, asked.queries, np.empty(0) if asked.several else asked.incumbents())


@lru_cache(maxsize=1)
def _bench(path: Path, dataset: str) -> RobBench:
    return RobBench(path, dataset=dataset)
