"""Runs of one search: the same here and in other processes."""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from robbench import RobBench
from robbench.errors import CannotSearch, InvalidArgument, NotMeasured
from robbench.search import ALGORITHMS, Result, repeated
from robbench.search.random_search import random_search
from robbench.search.repeated import processes, repeat
from robbench.spaces import Subset
from robbench.spaces.moves import Moves
from robbench.spaces.nb201 import NB201
from tests.search.conftest import CLASSES


def test_a_run_is_the_search_from_its_seed(landscape: RobBench, space: Moves[Any]) -> None:
    runs = list(repeat("evolution", landscape, "clean", budget=60, runs=3, seed=5, options={"population": 10}))
    for index, run in enumerate(runs):
        oracle = landscape.oracle("clean", budget=60)
        alone = ALGORITHMS["evolution"](oracle, space, np.random.default_rng((5, index)), population=10)
        assert (run.seed, run.front, run.queries, run.best) == ((5, index), alone.front, oracle.queries, alone.best)
        assert run.incumbents.tolist() == oracle.incumbents().tolist()
    assert len({run.queries for run in runs}) == 3


def test_processes_find_the_same(landscape: RobBench) -> None:
    here = list(repeat("random", landscape, "clean", budget=20, runs=3, noise="twin"))
    with processes(2) as executor:
        there = list(repeat("random", landscape, "clean", budget=20, runs=3, noise="twin", executor=executor))
    assert [run[:3] for run in here] == [run[:3] for run in there]


def test_the_arithmetic_of_each_process_has_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several workers' threads on the same cores would wait for each other."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with processes(2) as executor:
        assert set(executor.map(threads, range(2))) == {1}


def test_what_is_interrupted_is_not_waited_for() -> None:
    """Ctrl-C ended when all runs had: after a minute."""
    start, waiting = time.monotonic(), list[Future[None]]()

    def interrupted() -> None:
        with processes(1) as executor:
            assert executor.submit(abs, -1).result() == 1
            waiting.extend(executor.submit(time.sleep, 60) for _ in range(3))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - start < 20
    assert all(future.done() for future in waiting)


def threads(_: int) -> int:
    return max(int(library["num_threads"]) for library in threadpool_info())


def test_in_this_process_too_a_run_has_one_thread(landscape: RobBench, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def counting(oracle: Any, space: Any, rng: Any) -> Result:
        seen.append(threads(0))
        return random_search(oracle, space, rng)

    monkeypatch.setitem(ALGORITHMS, "random", counting)
    repeated._threads.cache_clear()  # what the process has loaded since is among the libraries that are looked at, too
    before = threads(0)
    list(repeat("random", landscape, "clean", budget=2, runs=2))
    assert (seen, threads(0)) == ([1, 1], before)


def test_noise_is_another_in_each_run(landscape: RobBench) -> None:
    one = Subset(NB201, CLASSES[4000:4001])
    values = [run.front[0].value for run in repeat("random", landscape, "clean", budget=1, runs=8, space=one, noise="twin")]
    assert len(set(values)) > 4


def test_what_was_not_measured_is_left_out_unless_asked_for(landscape: RobBench) -> None:
    (run,) = repeat("random", landscape, "fog@1", budget=50, runs=1)
    assert not np.isnan([query.value for query in run.queries]).any()
    (run,) = repeat("random", landscape, "fog@1", budget=50, runs=1, missing="nan")
    assert np.isnan([query.value for query in run.queries]).any()


def test_several_objectives_have_fronts_and_no_incumbents(landscape: RobBench) -> None:
    (run,) = repeat("nsga2", landscape, ["clean", "pgd@1/255"], budget=60, runs=1)
    assert run.incumbents.size == 0
    assert run.best == max(run.front, key=lambda found: found.value).arch


def test_a_proxy_is_a_metric_of_the_store(landscape: RobBench) -> None:
    (run,) = repeat("warmup", landscape, "clean", budget=5, runs=1, proxy="synflow", options={"population": 5, "warmup": 300})
    assert run.incumbents[0] > 0.7


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"algorithm": "evolutoin"}, CannotSearch, r"'evolutoin' is not a search algorithm\. Did you mean 'evolution'\?"),
        ({"runs": 0}, InvalidArgument, "runs=0 is not a number of runs; expected an integer of at least 1"),
        ({"runs": True}, InvalidArgument, "runs=True is not a number of runs"),
        ({"algorithm": "warmup", "proxy": "nwot"}, NotMeasured, r"nwot .* is not in landscape\.h5"),
        ({"proxy": "synflow"}, InvalidArgument, r"random has no option 'proxy'\. Its options: none"),
        (
            {"algorithm": "evolution", "options": {"populaton": 9}},
            InvalidArgument,
            r"evolution has no option 'populaton'. Did you mean 'population'\?",
        ),
        ({"budget": None}, CannotSearch, "the oracle has no budget"),
    ],
)
def test_what_means_nothing_is_refused(given: dict[str, Any], error: type[Exception], message: str, landscape: RobBench) -> None:
    arguments: dict[str, Any] = {"algorithm": "random", "budget": 3, "runs": 1} | given
    with pytest.raises(error, match=message):
        list(repeat(arguments.pop("algorithm"), landscape, "clean", **arguments))


@pytest.mark.parametrize("seed", [0.5, -1, "0"])
def test_a_seed_that_is_none_is_refused(seed: Any, landscape: RobBench) -> None:
    with pytest.raises(InvalidArgument, match=rf"seed={seed!r} is not a seed; expected an integer of at least 0"):
        repeat("random", landscape, "clean", budget=3, runs=1, seed=seed)
