"""Report cards of searches whose worth is known, and of some that cheat."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from robbench import RobBench
from robbench.errors import BudgetExhausted, InvalidArgument, UnknownMetric
from robbench.judge import Report, judge_search
from robbench.judge.asking import clean_and_robust, one_level_each
from robbench.judge.calling import Faults, MethodFailed
from robbench.judge.searching import Setting, checkpoints, run_of
from robbench.judge.significance import holm, paired, runs_to_tell
from robbench.judge.watched import READABLE, Watched
from robbench.search import ALGORITHMS, Found, Result
from tests.judge.conftest import clean_of

MINE = "tests.judge.test_search:"


def knowing(oracle: Any, space: Any, rng: np.random.Generator) -> None:
    """Asks for the best first: it knows the truth, but for the noise."""
    for arch in sorted(space.members, key=clean_of, reverse=True):
        oracle(arch)


def blind(oracle: Any, space: Any, rng: np.random.Generator) -> None:
    """Random search, written anew."""
    while True:
        oracle(space.sample(rng))


def forgetful(oracle: Any, space: Any, rng: np.random.Generator) -> None:
    arch = space.sample(rng)
    while True:
        oracle(arch)


def spending(oracle: Any, space: Any, rng: np.random.Generator) -> None:
    oracle(space.sample(rng))
    oracle.spent = 0


def peeking(oracle: Any, space: Any, rng: np.random.Generator) -> None:
    oracle(space.sample(rng))
    oracle._measurements.column("clean")


def inventing(oracle: Any, space: Any, rng: np.random.Generator) -> Result:
    first, best = space.members[0], max(space.members, key=clean_of)
    return Result(oracle, (Found(best, oracle(first)),))


def beyond(oracle: Any, space: Any, rng: np.random.Generator) -> None:
    for arch in space.members:
        try:
            oracle(arch)
        except BudgetExhausted:
            continue


def outside(oracle: Any, space: Any, rng: np.random.Generator) -> None:
    oracle(space.sample(rng))
    oracle("|conv_7x7~0|")


def elsewhere(oracle: Any, space: Any, rng: np.random.Generator) -> None:
    oracle(space.sample(rng))
    oracle(next(arch for arch in space.space.members if arch not in space and not oracle.answers(arch)))


def moody(oracle: Any, space: Any, rng: np.random.Generator) -> None:
    rng = np.random.default_rng(None)
    oracle(space.sample(rng))
    oracle(space.sample(rng))
    oracle(space.sample(rng))


def broken(oracle: Any, space: Any, rng: np.random.Generator) -> None:
    for arch in space.members[:5]:
        oracle(arch)
    raise KeyError("weights")


def hanging(oracle: Any, space: Any, rng: np.random.Generator) -> None:
    oracle(space.sample(rng))
    while True:
        pass


def idle(oracle: Any, space: Any, rng: np.random.Generator) -> None:
    """Asks for nothing."""


class Needing:
    def __init__(self, depth: int) -> None:
        self.depth = depth

    def __call__(self, oracle: Any, space: Any, rng: np.random.Generator) -> None:
        """Never asked."""


not_a_function = 3


def card(bench: RobBench, name: str, **options: Any) -> Report:
    defaults: dict[str, Any] = {"objectives": ["clean"], "beside": ["random"], "budget": 20, "runs": 6}
    return judge_search(bench, name if name in ALGORITHMS else MINE + name, **defaults | options)


def row(table: pd.DataFrame, **where: str) -> pd.Series[Any]:
    for name, value in where.items():
        table = table[table[name] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_who_knows_the_truth_wins(judged: RobBench) -> None:
    report = card(judged, "knowing")
    ours, random = (row(report.section("results"), algorithm=name) for name in (MINE + "knowing", "random"))
    assert ours["regret"] < 0.01 < random["regret_low"]
    assert (ours["rank"], random["rank"], ours["asked"]) == (1, 2, 20)
    test = row(report.section("tests"), against="random")
    assert (test["better"], test["worse"], test["effect"]) == (6, 0, 1)
    assert test["p_holm"] < 0.05
    assert not report.faults


def test_random_search_written_anew_is_random_search(judged: RobBench) -> None:
    test = row(card(judged, "blind").section("tests"), against="random")
    assert test[["equal", "difference", "effect", "p_holm"]].tolist() == [6, 0, 0, 1]


def test_a_card_says_what_noise_may_have_decided(judged: RobBench) -> None:
    ranked = "Under one objective, its mean rank is {} of 2 algorithms; no other's is less."
    told = "Of 1 comparisons with others, in {} it is better and in 0 it is worse (p_holm below 0.05); in the other {}, noise may have decided."
    assert card(judged, "knowing").summary == (ranked.format("1.00"), told.format(1, 0))
    assert card(judged, "blind").summary == (ranked.format("1.50"), told.format(0, 1))
    assert runs_to_tell(1) == 5
    needed = runs_to_tell(3)
    assert holm([paired(np.zeros(needed), np.arange(1.0, needed + 1))[0], 1, 1])[0] < 0.05
    assert holm([paired(np.zeros(needed - 1), np.arange(1.0, needed))[0], 1, 1])[0] >= 0.05
    three = card(judged, "knowing", runs=5, beside=["random", "local", "evolution"]).summary
    assert three[-1] == f"5 runs tell nothing of so many comparisons, however they end; {needed} are the fewest that can."
    few = card(judged, "blind", runs=4)
    assert few.summary[1:] == ("Of fewer than 5 runs there are no tests and no intervals: noise may have decided.",)
    assert few.section("results")[["regret_low", "regret_high"]].isna().all(axis=None)
    assert card(judged, "blind", beside=[]).summary == ()


def test_regret_is_that_of_the_best_asked(judged: RobBench) -> None:
    setting = Setting(judged.path, "made", None, 7, 3, None, None, None)
    run = run_of(setting, ("random", "clean", 2))
    oracle = judged.oracle("clean", budget=7)
    found = ALGORITHMS["random"](oracle, oracle.subset(), np.random.default_rng((3, 2)))
    best = np.nanmax(judged.query_many(judged.classes, "clean"))
    assert checkpoints(7).tolist() == [1, 2, 5, 7]
    assert run.regret.tolist() == pytest.approx((best - found.incumbents()[[0, 1, 4, 6]]).tolist())
    seconds = [judged.query(query.arch, "training_seconds") for query in oracle.queries]
    assert run.costs.tolist() == pytest.approx(np.cumsum(seconds)[[0, 1, 4, 6]].tolist())


def test_with_noise_what_was_found_is_judged_without(judged: RobBench) -> None:
    """Noise decides which of the same architectures is taken for the best, and never makes it better than the best of them."""
    setting = Setting(judged.path, "made", None, 20, 0, "twin", None, None)
    run = run_of(setting, ("random", "clean", 0))
    plain = run_of(Setting(judged.path, "made", None, 20, 0, None, None, None), ("random", "clean", 0))
    assert (run.regret >= 0).all()
    assert (run.regret >= plain.regret - 1e-12).all()
    assert run.regret[0] == plain.regret[0]


def test_two_objectives_are_judged_by_hypervolume(judged: RobBench) -> None:
    report = card(judged, "nsga2", objectives=["clean+pgd@1/255"], beside=["random", "trnas"], runs=2, budget=30)
    results = report.section("results")
    assert set(results["algorithm"]) == {"nsga2", "trnas"}
    assert results["regret"].between(0, 1).all()
    assert "Not applicable to clean+pgd@1/255: random." in report.summary
    curve = report.section("curves").query("algorithm == 'nsga2'")
    assert (np.diff(curve["regret"]) <= 1e-12).all()
    assert (np.diff(curve["training_seconds"]) > 0).all()
    assert report.section("costs").equals(report.section("curves")), "all of it has its cost in this store"
    drawn = [
        section.figure.drawn(section.table, "nsga2")
        for section in report.sections
        if section.title == "costs" and section.figure is not None
    ]
    assert [caption for ((caption, _),) in drawn] == ["clean+pgd@1/255: regret by training_seconds"]


CHEATS: dict[Callable[..., Any], str] = {
    spending: "tried to change the oracle",
    peeking: "reached into the oracle",
    inventing: "returned an architecture that it never asked for",
    beyond: "asked on when its budget was spent",
    outside: "asked for what is no architecture of the space",
    elsewhere: "asked for an architecture without a measurement",
    moody: "asked otherwise when run again from the same seed",
    broken: "raised KeyError",
    hanging: "was still at work after 0.1 s",
    forgetful: "asked 1000 times in a row for what it had asked before, and was ended",
}


@pytest.mark.parametrize("cheat", CHEATS)
def test_what_goes_wrong_is_named_and_what_was_asked_is_judged(judged: RobBench, cheat: Callable[..., Any]) -> None:
    report = card(judged, cheat.__name__, runs=1, limit=0.1 if cheat is hanging else 60)
    assert [fault.what for fault in report.faults] == [CHEATS[cheat]], "and once"
    ours = row(report.section("results"), algorithm=MINE + cheat.__name__)
    assert 0 < ours["asked"] <= 20
    assert ours["regret"] >= 0


def test_who_asks_nothing_is_not_judged(judged: RobBench) -> None:
    report = card(judged, "idle", runs=1)
    assert f"{MINE}idle asked for nothing, so there is nothing of it to judge." in report.summary
    assert set(report.section("results")["algorithm"]) == {"random"}


def test_the_same_seed_gives_the_same_card(judged: RobBench) -> None:
    one, same, other = (card(judged, "blind", seed=seed, runs=2).section("curves") for seed in (0, 0, 1))
    assert one.equals(same)
    assert not one.equals(other)


def test_what_is_judged_by_if_nobody_says_it(judged: RobBench) -> None:
    report = card(judged, "random", objectives=(), runs=1, beside=())
    assert list(dict.fromkeys(report.section("curves")["objective"])) == ["clean", "pgd@1/255"]
    assert [(fault.what, "under clean+pgd@1/255" in fault.example) for fault in report.faults] == [("raised CannotSearch", True)]


def test_the_worst_case_is_judged_where_it_can_be_computed() -> None:
    """At the level at which architectures differ most."""
    bench = RobBench()
    spread = {eps: np.nanstd(bench.query_many(bench.classes, f"worst_case@{eps}/255")) for eps in (8, 16, 32, 64)}
    most = f"worst_case@{max(spread, key=lambda eps: spread[eps])}/255"
    assert clean_and_robust(bench, None)[-2:] == [most, "mean_corruption"]
    assert one_level_each(bench, "digits", "standard")[-1] == most


def test_bad_options_are_refused(judged: RobBench) -> None:
    with pytest.raises(
        InvalidArgument,
        match=r"'evolutoin' is not a search algorithm of the package. Did you mean 'evolution'?.*no other can stand beside what is",
    ):
        card(judged, "blind", beside=["evolutoin"])
    with pytest.raises(InvalidArgument, match=r"'evolutoin' is not a search algorithm.*; your own is module:name"):
        judge_search(judged, "evolutoin")
    with pytest.raises(InvalidArgument, match="cannot be called"):
        card(judged, "not_a_function")
    with pytest.raises(InvalidArgument, match=r"Needing cannot be made without arguments: TypeError: .*'depth'"):
        card(judged, "Needing")
    with pytest.raises(UnknownMetric, match="'synflo' is not a metric"):
        card(judged, "blind", proxy="synflo")
    with pytest.raises(InvalidArgument, match="runs=0"):
        card(judged, "blind", runs=0)


def test_a_report_is_json(judged: RobBench) -> None:
    said = json.loads(card(judged, "blind", runs=1, noise="twin", limit=5).json())
    assert said["made"] | {"noise": "twin", "dataset": "made", "training": "standard", "limit": 5} == said["made"], (
        "the training, though nobody named it"
    )
    assert {"objective", "algorithm", "queries", "regret"} <= said["sections"]["curves"][0].keys()


def test_all_that_is_public_of_an_oracle_may_be_read(judged: RobBench) -> None:
    """Else algorithms of the package would fail here."""
    oracle = judged.oracle("clean", budget=3)
    assert {name for name in dir(oracle) if not name.startswith("_")} == READABLE
    assert all(getattr(Watched(oracle, Faults(), 3), name) is not None for name in READABLE - {"incumbents"})


def test_an_algorithm_of_the_package_that_fails_is_named(judged: RobBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ALGORITHMS, "random", broken)
    report = card(judged, "blind", runs=1)
    assert [fault.what for fault in report.faults] == ["was set beside random, which raised KeyError"]


class Dying:
    """An executor of a process that ends in a run."""

    def map(self, *given: Any, chunksize: int) -> Iterator[Any]:
        raise BrokenProcessPool("A process in the process pool was terminated abruptly")


def test_a_run_that_ends_its_process_is_named(judged: RobBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("robbench.judge.search.processes", lambda workers: nullcontext(Dying()))
    with pytest.raises(
        MethodFailed,
        match=r"ended the process that it ran in: workers=1 shows in which run.* Methods: tests.judge.test_search:blind, random\.",
    ):
        card(judged, "blind", workers=2)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]).tolist() == [1, 1]


def test_the_effect_is_one_where_every_pair_is_better() -> None:
    ours, theirs = np.zeros(8), np.arange(1.0, 9)
    assert paired(ours, theirs)[1] == 1
    assert paired(theirs, ours)[1] == -1
    assert paired(ours, ours) == (1, 0)
    assert paired(ours, theirs)[0] < 0.05


def test_a_search_is_found_by_its_name_wherever_it_runs(judged_store: Path) -> None:
    setting = Setting(judged_store, "made", None, 5, 0, None, None, None)
    assert run_of(setting, (MINE + "blind", "clean", 0)).asked == 5
