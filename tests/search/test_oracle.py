"""Oracles: what they charge, what they remember, when they end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from robbench import RobBench
from robbench.errors import BudgetExhausted, InvalidArgument, NotMeasured, ObjectiveFailed, UnknownArchitecture, UnknownMetric
from robbench.spaces.nb201 import Cell, cells
from robbench.spaces.nb201.identity import class_partition
from tests.synthetic import UNMEASURED

ALL = list(cells())
PARTITION = class_partition()
CLASSES = [ALL[first] for first in PARTITION.representative]
MEASURED = [cell for row, cell in enumerate(CLASSES) if row != UNMEASURED]
SPELLINGS = [group for group in range(len(CLASSES)) if PARTITION.group.count(group) > 2 and group != UNMEASURED]
TWICE = [cell for cell, group in zip(ALL, PARTITION.group, strict=True) if group == SPELLINGS[0]]
"""Cells of one class."""


def test_a_budget_pays_for_so_many_architectures_and_no_more(bench: RobBench) -> None:
    oracle = bench.oracle("pgd@1/255", budget=3)
    values = [oracle(cell) for cell in MEASURED[:3]]
    assert values == [bench.query(cell, "pgd@1/255") for cell in MEASURED[:3]]
    with pytest.raises(BudgetExhausted, match=r"3 of the budget of 3 are spent, and \|.*\| costs 1 more; make a new oracle"):
        oracle(MEASURED[3])
    assert (oracle.spent, oracle.asked, len(oracle.history())) == (3, 3, 3)
    assert oracle(MEASURED[0]) == values[0], "what is known stays free"


def test_an_architecture_is_charged_once_however_it_is_written(bench: RobBench) -> None:
    oracle = bench.oracle("clean", budget=1)
    index = bench.published_index(TWICE[0])
    answers = {oracle(arch) for _ in range(2) for arch in (TWICE[0], str(TWICE[0]), list(TWICE[0].ops), index, *TWICE)}
    assert answers == {bench.query(TWICE[0], "clean")}
    assert (oracle.spent, oracle.asked) == (1, 1)


def test_exact_identity_tells_isomorphic_cells_apart(bench: RobBench) -> None:
    oracle = bench.oracle("clean", identity="exact")
    for cell in TWICE:
        oracle(cell)
    assert oracle.asked == len(TWICE)
    assert bench.oracle("clean").identity == bench.oracle(["clean", "pgd@1/255"]).identity == "class"
    assert bench.oracle("synflow").identity == bench.oracle(["synflow", "clean"], missing="nan").identity == "exact"


def test_repeats_are_charged_where_asked(bench: RobBench) -> None:
    oracle = bench.oracle("clean", budget=2, on_repeat="charge")
    assert oracle(TWICE[0]) == oracle(TWICE[1])
    assert (oracle.spent, oracle.asked) == (2, 1)
    with pytest.raises(BudgetExhausted):
        oracle(TWICE[0])


def test_the_history_is_a_table_of_what_was_charged(bench: RobBench) -> None:
    oracle = bench.oracle("pgd@1/255", budget=50)
    asked = MEASURED[100:150]
    values = [oracle(cell) for cell in asked for _ in range(2)][::2]
    table = oracle.history()
    assert list(table.columns) == ["arch", "pgd@1/255", "incumbent", "cost"]
    assert table.index.tolist() == list(range(1, 51)) == table["cost"].tolist()
    assert table["arch"].tolist() == list(map(str, asked))
    assert table["pgd@1/255"].tolist() == values
    assert table["incumbent"].tolist() == [max(values[: n + 1]) for n in range(50)] == oracle.incumbents().tolist()
    assert bench.oracle("clean", history=False)(asked[0]) == bench.query(asked[0], "clean")


def test_a_forgetful_oracle_still_counts(bench: RobBench) -> None:
    oracle = bench.oracle("clean", budget=2, history=False)
    oracle(MEASURED[0])
    oracle(MEASURED[1])
    assert (oracle.spent, oracle.asked, len(oracle.history()), len(oracle.incumbents())) == (2, 2, 0, 0)
    with pytest.raises(BudgetExhausted):
        oracle(MEASURED[2])


def test_several_objectives_give_a_tuple(bench: RobBench) -> None:
    oracle = bench.oracle(["clean", "pgd@1/255"])
    cell = MEASURED[7]
    assert oracle(cell) == (bench.query(cell, "clean"), bench.query(cell, "pgd@1/255"))
    assert list(oracle.history().columns) == ["arch", "clean", "pgd@1/255", "cost"]
    assert bench.oracle(["clean"])(cell) == (bench.query(cell, "clean"),)
    with pytest.raises(InvalidArgument, match="there is no incumbent of 2 objectives"):
        oracle.incumbents()


def test_a_training_is_of_what_was_trained(bench: RobBench) -> None:
    oracle = bench.oracle(["clean", "synflow"], training="pgd-8/255", cost="edgegpu_latency", missing="nan")
    cell = next(cell for cell in MEASURED if not np.isnan(bench.query_many([cell], "synflow", missing="nan")[0]))
    assert oracle(cell) == (bench.query(cell, "clean", training="pgd-8/255"), bench.query(cell, "synflow"))
    assert oracle.spent == bench.query(cell, "edgegpu_latency")


def test_directions_come_from_the_table_unless_given(bench: RobBench) -> None:
    assert bench.oracle(["clean", "edgegpu_latency"], missing="nan").directions == ("max", "min")
    lowest = bench.oracle("clean", directions={"clean": "min"})
    values = [lowest(cell) for cell in MEASURED[:20]]
    assert lowest.directions == ("min",)
    assert lowest.incumbents().tolist() == [min(values[: n + 1]) for n in range(20)]


def test_what_a_query_costs_can_be_measured(bench: RobBench) -> None:
    seconds = [bench.query(cell, "edgegpu_latency") for cell in MEASURED[:5]]
    oracle = bench.oracle("clean", cost="edgegpu_latency", budget=sum(seconds[:4]) + seconds[4] / 2)
    for cell in MEASURED[:4]:
        oracle(cell)
    assert oracle.history()["cost"].tolist() == pytest.approx(np.cumsum(seconds[:4]))
    with pytest.raises(BudgetExhausted, match=f"costs {seconds[4]:g} more"):
        oracle(MEASURED[4])
    assert oracle.asked == 4


def test_what_a_query_costs_can_be_a_function_of_any_name(bench: RobBench) -> None:
    def cost(cell: Cell) -> int:
        return 1 + cell.kernel_parameters

    oracle = bench.oracle("clean", cost=cost, budget=sum(map(cost, MEASURED[:4])))
    for cell in MEASURED[:4]:
        oracle(cell)
    assert oracle.spent == sum(map(cost, MEASURED[:4]))
    with pytest.raises(BudgetExhausted):
        oracle(MEASURED[4])
    gift = bench.oracle("clean", cost=lambda cell: -1.0, budget=2)
    with pytest.raises(ObjectiveFailed, match="expected at least 0"):
        gift(MEASURED[0])
    assert (gift.spent, gift.asked) == (0, 0)


def test_what_was_not_measured_is_refused_or_answers_nan(bench: RobBench) -> None:
    missing = CLASSES[UNMEASURED]
    strict, lenient = bench.oracle("clean", budget=1), bench.oracle("clean", budget=2, missing="nan")
    with pytest.raises(
        NotMeasured, match=rf"clean of toy10 \(standard\) was not measured for \|.*: 1 of {len(CLASSES)} classes lack it; miss"
    ):
        strict(missing)
    assert strict.spent == 0
    assert not strict.answers(missing)
    assert strict.answers(MEASURED[0])
    assert np.isnan(lenient(missing))
    assert np.isnan(lenient.incumbents()[0])
    value = lenient(MEASURED[0])
    assert lenient.incumbents()[1] == value
    proxied = next(cell for cell in MEASURED if np.isnan(bench.query_many([cell], "synflow", missing="nan")[0]))
    with pytest.raises(NotMeasured, match=r"was not measured for .* of 15625 architectures lack it"):
        bench.oracle(["clean", "synflow"])(proxied)


def test_an_unknown_architecture_costs_nothing(bench: RobBench) -> None:
    oracle = bench.oracle("clean", budget=1)
    with pytest.raises(UnknownArchitecture):
        oracle("|nor_conv_5x5~0|")
    with pytest.raises(UnknownArchitecture):
        oracle(True)
    assert oracle.spent == 0


def test_noise_belongs_to_a_seed_and_an_architecture(bench: RobBench) -> None:
    one, same, other = (bench.oracle("clean", noise="twin", noise_seed=seed) for seed in (1, 1, 2))
    asked = MEASURED[:30]
    values = [one(cell) for cell in asked]
    assert values == [same(cell) for cell in reversed(asked)][::-1] == [one(cell) for cell in asked]
    assert values != [other(cell) for cell in asked]
    assert values != [bench.query(cell, "clean") for cell in asked]
    again = bench.oracle("clean", noise="twin", noise_seed=1, on_repeat="charge")
    trained = [again(asked[0]) for _ in range(10)]
    assert trained[0] == values[0]
    assert len(set(trained)) > 1
    once = bench.oracle("clean", noise="twin-once", noise_seed=1, on_repeat="charge")
    assert {once(asked[0]) for _ in range(10)} == {values[0]}
    assert once.spent == 10
    assert np.isnan(bench.oracle("clean", noise="twin", missing="nan")(CLASSES[UNMEASURED]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": 0}, "budget=0 is not a budget; expected a whole number of queries, at least 1"),
        ({"budget": -3}, "budget=-3 is not a budget"),
        ({"budget": 1.5}, "budget=1.5 is not a budget"),
        ({"budget": float("inf")}, "budget=inf is not a budget"),
        ({"budget": "300"}, "budget='300' is not a budget"),
        ({"budget": 0, "cost": "edgegpu_latency"}, "expected a number above 0, in the unit of edgegpu_latency"),
        ({"on_repeat": "fee"}, "on_repeat='fee' has no meaning. Did you mean 'free'\\? Expected 'free' or 'charge'"),
        ({"identity": "cell"}, "identity='cell' has no meaning.* Expected None or 'class' or 'exact'"),
        ({"missing": "skip"}, "missing='skip' has no meaning. Expected 'raise' or 'nan'"),
        ({"noise": "gaussian"}, "noise='gaussian' has no meaning. Expected None or 'twin' or 'twin-once'"),
        ({"noise": "twin", "noise_seed": 0.5}, "noise_seed=0.5 is not a seed; expected an integer"),
        ({"noise": "twin", "noise_seed": -1}, "noise_seed=-1 is not a seed"),
        ({"directions": {"clean": "maximize"}}, "direction of clean='maximize' has no meaning"),
        ({"directions": {"pgd@1/255": "max"}}, "directions names pgd@1/255, which is not an objective"),
        ({"directions": "max"}, r"directions='max' is a str; expected one for each objective's name: \{'clean': 'max'\}"),
        ({"directions": ["max"]}, r"directions=\['max'\] is a list; expected one for each objective's name"),
    ],
)
def test_options_that_mean_nothing_are_refused(bench: RobBench, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        bench.oracle("clean", **options)


def test_a_cost_that_is_no_metric_is_refused(bench: RobBench) -> None:
    with pytest.raises(UnknownMetric, match="'secs' is not a metric"):
        bench.oracle("clean", cost="secs")


def test_noise_needs_accuracies_of_one_kind(bench: RobBench) -> None:
    with pytest.raises(InvalidArgument, match=r"the objectives are synflow \(once an exact architecture\)"):
        bench.oracle("synflow", noise="twin")
    with pytest.raises(InvalidArgument, match="there are no objectives"):
        bench.oracle([])


def test_what_could_not_be_asked_is_counted_beforehand(bench: RobBench) -> None:
    missing = CLASSES[UNMEASURED]
    asked = [missing, *MEASURED[:3]]
    oracle = bench.oracle(["clean"], cost="edgegpu_latency", budget=1)
    assert oracle.several
    assert oracle.lacking(asked) == {"clean": 1, "edgegpu_latency": 0}
    assert bench.oracle("clean", cost="synflow", missing="nan").lacking(bench.architectures) == {"synflow": len(bench.architectures[::7])}
    assert oracle.spent == 0


def test_one_training_is_named_for_objectives_of_which_some_belong_to_untrained_networks(bench: RobBench) -> None:
    cell = next(cell for cell in MEASURED if bench.oracle("synflow").answers(cell))
    oracle = bench.oracle(["pgd@1/255", "synflow"], training="pgd-8/255", seed=777)
    assert oracle(cell) == (bench.query(cell, "pgd@1/255", training="pgd-8/255", seed=777), bench.query(cell, "synflow"))
    with pytest.raises(NotMeasured, match="training 'none' is not in"):
        bench.oracle(["clean", "synflow"], training="none")
