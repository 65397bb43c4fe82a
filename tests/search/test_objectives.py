"""What an oracle answers with: metrics, surrogates and functions, alone and mixed, and what counts as the same architecture then."""

from __future__ import annotations

import math
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robbench import RobBench
from robbench.errors import BudgetExhausted, InvalidArgument, NotMeasured, ObjectiveFailed, RobBenchError, UnknownArchitecture
from robbench.search import ALGORITHMS
from robbench.search.oracle import Oracle
from robbench.spaces.nb201 import NB201, Cell
from tests.search.conftest import ALL, CLASSES, PARTITION, height

ISOMORPHIC = [[ALL[i] for i in np.flatnonzero(np.array(PARTITION.group) == group)] for group in range(200)]
SIX = next(cells for cells in ISOMORPHIC if len(cells) >= 6)[:6]
"""Cells of one class."""
OTHERS = CLASSES[3000:3005]


class Live:
    """A function with a name of its own, which remembers what it was asked."""

    def __init__(self, name: str, function: Callable[[Cell], Any] = height, identity: str = "exact") -> None:
        self.name, self.identity, self._function = name, identity, function
        self.asked: list[Cell] = []

    def __call__(self, cell: Cell) -> Any:
        self.asked.append(cell)
        return self._function(cell)


def by_position(cell: Cell) -> float:
    """A number that tells all cells apart."""
    return float(ALL.index(cell))


# ---- identity


def test_cells_are_counted_one_by_one_where_an_objective_tells_them_apart(landscape: RobBench) -> None:
    """Six isomorphic cells have six latencies: with a budget of five, five of them are given, and counted."""
    oracle = landscape.oracle(["clean", "pgd@1/255", "edgegpu_latency"], budget=5)
    values = [oracle(cell) for cell in SIX[:5]]
    assert values == [tuple(landscape.query(cell, one) for one in ("clean", "pgd@1/255", "edgegpu_latency")) for cell in SIX[:5]]
    assert len({value[2] for value in values}) > 1  # type: ignore[index]
    with pytest.raises(BudgetExhausted, match="5 of the budget of 5 are spent"):
        oracle(SIX[5])
    assert (oracle.identity, oracle.spent, oracle.asked) == ("exact", 5, 5)
    assert list(zip(oracle.history()["arch"], oracle.history()["edgegpu_latency"], strict=True)) == [
        (str(cell), value[2])  # type: ignore[index]
        for cell, value in zip(SIX, values, strict=False)
    ]


@pytest.mark.parametrize("order", [SIX, SIX[::-1], SIX[3:] + SIX[:3]])
def test_a_class_has_the_values_of_its_representative_whatever_is_asked_first(order: list[Cell], landscape: RobBench) -> None:
    live = Live("position", by_position)
    oracle = landscape.oracle(["clean", "edgegpu_latency", live], identity="class", budget=1)
    (representative,) = {landscape.classes[landscape.measurements.lookup.row("class", cell)] for cell in order}
    expected = landscape.query(representative, "clean"), landscape.query(representative, "edgegpu_latency"), by_position(representative)
    assert {oracle(cell) for cell in order} == {expected}
    assert (oracle.spent, oracle.asked, live.asked) == (1, 1, [representative])
    assert oracle.history()["position"].tolist() == [by_position(representative)]


def test_everything_an_oracle_gives_is_in_its_history(landscape: RobBench) -> None:
    """However classes, exact cells and functions are mixed."""
    mixtures: list[tuple[list[Any], str | None]] = [
        (["clean", "edgegpu_latency"], None), (["clean", "edgegpu_latency"], "class"), (["clean", Live("live")], None),
        (["clean", Live("live", identity="class")], None), ([Live("a"), Live("b", identity="class")], "class"), (["clean", "pgd@1/255"], "exact"),
    ]  # fmt: skip
    for objectives, identity in mixtures:
        oracle = landscape.oracle(objectives, identity=identity, budget=40)
        given = set()
        rng = np.random.default_rng(0)
        try:
            for _ in range(1000):
                given.add(oracle(SIX[rng.integers(6)] if rng.random() < 0.5 else NB201.sample(rng)))
        except BudgetExhausted:
            pass
        assert oracle.spent == len(oracle.queries) == 40
        assert given == {query.value for query in oracle.queries}


def test_what_is_the_same_is_what_all_objectives_agree_on(landscape: RobBench) -> None:
    of_classes = Live("of classes", identity="class")
    assert landscape.oracle(["clean", of_classes]).identity == landscape.oracle(of_classes).identity == "class"
    mixtures: list[list[Any]] = [["clean", "kernel_parameters"], ["clean", height], ["clean", "edgegpu_latency"], [of_classes, height]]
    for objectives in mixtures:
        assert (
            landscape.oracle(objectives, directions={"kernel_parameters": "min"} if "kernel_parameters" in objectives else None).identity
            == "exact"
        )
    oracle = landscape.oracle(["clean", of_classes], budget=1)
    assert len({oracle(cell) for cell in SIX}) == len(of_classes.asked) == 1
    with pytest.raises(InvalidArgument, match=r"identity of the objective odd='cell' has no meaning\. Expected 'class' or 'exact'"):
        landscape.oracle(Live("odd", identity="cell"))


# ---- functions


def test_a_function_is_an_objective_alone_and_beside_metrics(landscape: RobBench) -> None:
    cell = CLASSES[4000]
    assert landscape.oracle(height)(cell) == landscape.oracle(lambda arch: height(arch))(cell) == height(cell)
    mixed = landscape.oracle(["clean", Live("live"), height], budget=3)
    assert mixed(str(cell)) == (landscape.query(cell, "clean"), height(cell), height(cell))
    assert mixed.objectives == ("clean", "live", "height")
    assert list(mixed.history().columns) == ["arch", "clean", "live", "height", "cost"]
    assert landscape.oracle(partial(height)).objectives == ("partial",)
    with pytest.raises(UnknownArchitecture):
        mixed("|nor_conv_5x5~0|")


def test_a_function_is_called_once_for_an_architecture_however_it_is_written(landscape: RobBench) -> None:
    live = Live("live")
    oracle = landscape.oracle(live)
    for spelling in (SIX[0], str(SIX[0]), list(SIX[0].ops), landscape.published_index(SIX[0]), SIX[0]):
        assert oracle(spelling) == height(SIX[0])
    assert live.asked == [SIX[0]]


@pytest.mark.parametrize("value", [1, np.float32(0.5), np.int64(3), np.float64(2.5), Fraction(1, 4), math.inf])
def test_any_real_number_will_do(value: Any, landscape: RobBench) -> None:
    answer = landscape.oracle(lambda _: value)(SIX[0])
    assert type(answer) is float
    assert answer == value


def failing(_: Cell) -> float:
    raise ZeroDivisionError("by nothing")


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (failing, ObjectiveFailed, r"the objective bad failed for \|.*\| with ZeroDivisionError: by nothing"),
        (lambda _: "0.5", ObjectiveFailed, r"the objective bad returned '0\.5', a str, for \|.*\|; expected one number"),
        (lambda _: (0.1, 0.2), ObjectiveFailed, r"returned \(0\.1, 0\.2\), a tuple, for \|.*\|; expected one number"),
        (lambda _: None, ObjectiveFailed, r"returned None, a NoneType, for"),
        (lambda _: True, ObjectiveFailed, r"returned True, a bool, for"),
        (lambda _: np.True_, ObjectiveFailed, r"returned np\.True_, a bool, for|returned True, a bool_?, for"),
        (lambda _: np.zeros(2), ObjectiveFailed, r"an ndarray|a ndarray, for"),
        (lambda _: 1j, ObjectiveFailed, r"returned 1j, a complex, for"),
        (lambda _: 10**400, ObjectiveFailed, r"the objective bad returned for \|.*\| a number that is too large for a float"),
        (lambda _: math.nan, NotMeasured, r"the objective bad has no value for \|.*\|: it is NaN; missing='nan' answers NaN"),
    ],
)  # fmt: skip
def test_a_function_that_fails_costs_nothing_and_spoils_nothing(
    function: Callable[[Cell], Any], error: type[Exception], message: str, landscape: RobBench
) -> None:
    bad = SIX[1]
    oracle = landscape.oracle(["clean", Live("bad", lambda cell: function(cell) if cell == bad else 1.0)], budget=2)
    assert oracle(SIX[0]) == (landscape.query(SIX[0], "clean"), 1)
    for _ in range(2):
        with pytest.raises(error, match=message) as raised:
            oracle(bad)
        assert str(bad) in str(raised.value)
    assert (oracle.spent, oracle.asked, len(oracle.history())) == (1, 1, 1)
    assert oracle(SIX[2]) == (landscape.query(SIX[2], "clean"), 1)
    assert (oracle.spent, oracle.asked) == (2, 2)


def test_a_functions_nan_is_an_answer_where_that_is_asked_for(landscape: RobBench) -> None:
    oracle = landscape.oracle(Live("nothing", lambda _: math.nan), missing="nan", budget=1)
    assert math.isnan(oracle(SIX[0]))  # type: ignore[arg-type]
    assert oracle.spent == 1
    assert oracle.front().empty


def test_an_error_of_ours_passes_through_a_function(landscape: RobBench) -> None:
    def looked_up(cell: Cell) -> float:
        return float(landscape.query(cell, "fog@1"))

    oracle = landscape.oracle(looked_up, budget=1)
    lacking = next(cell for cell in CLASSES if not landscape.oracle("fog@1").answers(cell))
    with pytest.raises(NotMeasured) as ours:
        landscape.query(lacking, "fog@1")
    with pytest.raises(NotMeasured) as passed:
        oracle(lacking)
    assert str(passed.value) == str(ours.value)
    assert oracle.spent == 0
    assert oracle(CLASSES[0]) == landscape.query(CLASSES[0], "fog@1")


def test_an_exhausted_budget_is_said_before_a_function_is_called(landscape: RobBench) -> None:
    live = Live("live")
    oracle = landscape.oracle(live, budget=2)
    oracle(OTHERS[0])
    oracle(OTHERS[1])
    with pytest.raises(BudgetExhausted):
        oracle(OTHERS[2])
    assert live.asked == OTHERS[:2]


def test_a_function_that_asks_its_own_oracle_cannot_overspend(landscape: RobBench) -> None:
    """The second query is paid first, and then there is nothing left for the first."""

    def asking(cell: Cell) -> float:
        if cell == OTHERS[0]:
            oracle(OTHERS[1])
        return height(cell)

    oracle: Oracle = landscape.oracle(asking, budget=1)
    with pytest.raises(BudgetExhausted):
        oracle(OTHERS[0])
    assert [query.arch for query in oracle.queries] == OTHERS[1:2]
    assert oracle.spent == 1


def test_functions_have_names_and_directions(landscape: RobBench) -> None:
    assert landscape.oracle([height, "edgegpu_latency"]).directions == ("max", "min")
    lowest = landscape.oracle(height, directions={"height": "min"}, budget=5)
    values = [lowest(cell) for cell in OTHERS]
    assert lowest.incumbents()[-1] == min(values)
    with pytest.raises(InvalidArgument, match=r"directions names clean, which is not an objective\."):
        landscape.oracle([height, Live("live")], directions={"clean": "min"})
    with pytest.raises(InvalidArgument, match=r"clean is among the objectives more than once; name each once\. A function is called by"):
        landscape.oracle(["clean", Live("clean")])
    with pytest.raises(InvalidArgument, match="<lambda> is among the objectives more than once"):
        landscape.oracle([lambda _: 1.0, lambda _: 2.0])
    with pytest.raises(InvalidArgument, match="an objective is called cost, which is a column of every history"):
        landscape.oracle(["clean", Live("cost")])


# ---- threads


def test_threads_that_ask_for_the_same_architectures_pay_once(landscape: RobBench) -> None:
    workers, cells = 8, [*SIX, *OTHERS]
    barrier = threading.Barrier(workers)

    def slow(cell: Cell) -> float:
        time.sleep(0.002)
        return height(cell)

    live = Live("slow", slow)
    oracle = landscape.oracle(["clean", live], budget=len(cells))

    def ask(worker: int) -> list[Any]:
        barrier.wait()
        order = np.random.default_rng(worker).permutation(len(cells))
        answers = {cells[i]: oracle(cells[i] if worker % 2 else str(cells[i])) for i in order}
        return [answers[cell] for cell in cells]

    with ThreadPoolExecutor(workers) as executor:
        answers = list(executor.map(ask, range(workers)))
    assert all(one == [(landscape.query(cell, "clean"), height(cell)) for cell in cells] for one in answers)
    assert set(Counter(live.asked).values()) == {1}
    assert oracle.spent == oracle.asked == len(oracle.queries) == len(cells)
    assert [query.cost for query in oracle.queries] == list(range(1, len(cells) + 1))


def test_threads_that_charge_again_lose_no_charge(landscape: RobBench) -> None:
    oracle = landscape.oracle("clean", on_repeat="charge")
    with ThreadPoolExecutor(8) as executor:
        list(executor.map(lambda i: oracle(ALL[i % 10]), range(4000)))
    assert oracle.spent == len(oracle.queries) == 4000
    assert oracle.asked == len({PARTITION.group[i] for i in range(10)})


def test_threads_share_a_budget_to_the_last_query(landscape: RobBench) -> None:
    oracle = landscape.oracle(height, budget=50)

    def ask(i: int) -> bool:
        try:
            oracle(ALL[i])
        except BudgetExhausted:
            return False
        return True

    with ThreadPoolExecutor(8) as executor:
        assert sum(executor.map(ask, range(200))) == 50
    assert oracle.spent == oracle.asked == len(oracle.queries) == 50


# ---- surrogates, attributes, fronts


def test_a_surrogate_is_an_objective_of_any_architecture(landscape: RobBench, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    from robbench.surrogates import fit

    path = tmp_path / "fitted.h5"
    shutil.copy(landscape.path, path)
    fit(RobBench(path), "fog@1", model="forest", features="operations").save(path)
    bench = RobBench(path)
    lacking = [cell for cell in CLASSES[:40] if not bench.oracle("fog@1").answers(cell)]
    oracle = bench.oracle(["fog@1", "kernel_parameters", height], on="surrogate", directions={"kernel_parameters": "min"}, budget=50)
    assert len(lacking) > 10
    for cell in lacking:
        assert oracle(cell) == (bench.predict(cell, "fog@1").mean, cell.kernel_parameters, height(cell))
    assert oracle.bound_to_store == ()
    assert len(oracle.subset()) == len(ALL)
    single = bench.oracle("fog@1", on="surrogate", budget=60)
    assert single.identity == "class"
    result = ALGORITHMS["evolution"](single, bench.space, np.random.default_rng(0), population=10)
    assert result.value == max(query.value for query in single.queries) == bench.predict(result.best, "fog@1").mean
    with pytest.raises(NotMeasured, match="no surrogate of clean"):
        bench.oracle("clean", on="surrogate")


def test_attributes_follow_from_the_structure(landscape: RobBench) -> None:
    oracle = landscape.oracle("kernel_parameters")
    assert (
        [oracle(cell) for cell in OTHERS]
        == [cell.kernel_parameters for cell in OTHERS]
        == [landscape.query(cell, "kernel_parameters") for cell in OTHERS]
    )
    assert (oracle.directions, oracle.identity, oracle.bound_to_store) == (("max",), "exact", ())
    with pytest.raises(InvalidArgument, match="kernel_parameters is a proxy for accuracy"):
        landscape.oracle(["clean", "kernel_parameters"])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("objectives", "directions"),
    [("clean", None), ("edgegpu_latency", None), (["clean", "pgd@1/255"], None), (["clean", "fog@1", "edgegpu_latency"], {"fog@1": "min"})],
)
def test_the_front_is_what_no_other_query_dominates(
    objectives: Any, directions: dict[str, str] | None, seed: int, landscape: RobBench
) -> None:
    """A second witness: every query is compared with every other."""
    oracle = landscape.oracle(objectives, directions=directions, missing="nan", on_repeat="charge")
    rng = np.random.default_rng(seed)
    for _ in range(80):
        oracle(ALL[int(rng.integers(len(ALL) if rng.random() < 0.8 else 5))])
    signs = [1 if direction == "max" else -1 for direction in oracle.directions]
    values = [[sign * one for sign, one in zip(signs, np.atleast_1d(query.value), strict=True)] for query in oracle.queries]

    def dominated(mine: list[float]) -> bool:
        return any(
            all(a >= b for a, b in zip(other, mine, strict=True)) and other != mine for other in values if not any(map(math.isnan, other))
        )

    expected = [order for order, mine in enumerate(values, start=1) if not any(map(math.isnan, mine)) and not dominated(mine)]
    front = oracle.front()
    assert front.index.tolist() == expected
    assert len(expected) > 0
    assert front.equals(oracle.history().loc[expected])


def test_the_front_of_nothing_is_empty(landscape: RobBench) -> None:
    assert landscape.oracle(["clean", "pgd@1/255"]).front().empty


def test_what_could_be_asked_is_told_by_what_would_be_evaluated(landscape: RobBench) -> None:
    """With `identity="class"` an objective of exact cells is that of the representative; synflow lacks every tenth cell."""
    oracle = landscape.oracle(["clean", "synflow"], identity="class")
    for cell in (*SIX, *ALL[:50]):
        try:
            oracle(cell)
            asked = True
        except RobBenchError:
            asked = False
        assert oracle.answers(cell) == asked == (oracle.lacking([cell])["synflow"] == 0)
    assert set(oracle.subset().members) == {cell for cell in ALL if oracle.answers(cell)}
