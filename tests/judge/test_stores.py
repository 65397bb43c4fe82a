"""Searches that are judged on several stores at once, of several spaces."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from robbench import RobBench
from robbench.errors import CannotFit, InvalidArgument, NotMeasured, UnknownMetric
from robbench.judge import Report, judge_search, searching
from robbench.judge.keeping import SETTING
from robbench.judge.methods import checksum
from robbench.judge.significance import holm
from robbench.judge.stores import named
from tests.judge.test_keeping import Cut, Elsewhere, cutting, same, untimed
from tests.judge.test_search import blind
from tests.toy_space import TOY, register
from tests.toy_store import write_toy_store

MINE = "tests.judge.test_stores:"
SEARCH: dict[str, Any] = {"objectives": ["clean", "pgd@1/255"], "beside": ["random", "evolution"], "budget": 5, "runs": 5}


def of_cells(oracle: Any, space: Any, rng: np.random.Generator) -> None:
    """Knows one space: a chain has no such key."""
    oracle(space.sample(rng))
    if space.space.name == TOY.name:
        raise KeyError("edge_3_4")
    blind(oracle, space, rng)


def largest(oracle: Any, space: Any, rng: np.random.Generator) -> None:
    """Asks for the largest first, in whatever space."""
    for arch in sorted(space.members, key=space.space.attributes["kernel_parameters"], reverse=True):
        oracle(arch)


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RobBench:
    register(monkeypatch)
    write_toy_store(tmp_path / "toy.h5")
    return RobBench(tmp_path / "toy.h5")


def card(benches: RobBench | list[RobBench], method: str = "tests.judge.test_search:blind", **options: Any) -> Report:
    return judge_search(benches, method, **SEARCH | options)


def of_store(table: pd.DataFrame, store: str) -> pd.DataFrame:
    return table[table["store"] == store].drop(columns="store").reset_index(drop=True)


def test_each_store_has_the_numbers_that_it_has_alone(judged: RobBench, toy: RobBench) -> None:
    both = card([judged, toy])
    for bench, name in ((judged, "judged.h5"), (toy, "toy.h5")):
        alone = card(bench)
        for title in ("results", "tests", "curves"):
            table = of_store(both.section(title), name)
            dropped = [column for column in table if str(column).endswith("seconds") or column == "p_holm"]
            pd.testing.assert_frame_equal(table.drop(columns=dropped), alone.section(title).drop(columns=dropped))
        assert {f"{sentence.replace(f' on {name}', '')}" for sentence in both.summary if name in sentence} == {
            sentence for sentence in alone.summary if sentence.startswith("Under")
        }
    assert of_store(both.section("costs"), "judged.h5").equals(card(judged).section("costs")), "the other store has no costs"
    assert set(both.section("costs")["store"]) == {"judged.h5"}


def test_one_store_in_a_list_is_one_store(judged: RobBench) -> None:
    one, other = card([judged]), card(judged)
    assert same(one, other)
    assert one.made == other.made
    assert all("store" not in section.table for section in one.sections)


def test_tests_are_corrected_for_the_rows_of_all_stores(judged: RobBench, toy: RobBench) -> None:
    report = card([judged, toy], MINE + "largest")
    tests = report.section("tests")
    assert list(dict.fromkeys(tests["store"])) == ["judged.h5", "toy.h5"]
    assert tests["p_holm"].tolist() == holm(tests["p"].tolist()).tolist()
    alone = [card(bench, MINE + "largest").section("tests") for bench in (judged, toy)]
    assert tests["p"].tolist() == [p for table in alone for p in table["p"]]
    assert tests["p_holm"].min() == pytest.approx(8 * tests["p"].min()), "of two stores with two objectives and two others"
    assert f"Of {len(tests)} comparisons with others" in "".join(report.summary)


def test_json_says_of_each_store_what_it_is(judged: RobBench, toy: RobBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(toy.path.parent)
    report = card([judged, RobBench("toy.h5")], runs=1)
    said = json.loads(report.json())
    assert said["sections"]["stores"] == [
        {"store": bench.path.name, "path": path, "sha256": checksum(bench.path), "space": space, "dataset": dataset}
        | {"training": "standard", "proxy": "synflow"}
        for bench, path, space, dataset in ((judged, str(judged.path), "nb201", "made"), (toy, "toy.h5", "toy", "toy10"))
    ]
    assert not {"store", "store_sha256", "space", "dataset", "training", "proxy"} & said["made"].keys()
    assert said["made"] | {"seed": 0, "budget": 5, "runs": 1} == said["made"]
    assert str(judged.path.parent) not in report.text() + report.markdown() + report.html()
    assert report.html().count("<svg") == 2 + 2 + 2 + 2 + 2, (
        "a panel of results and of curves for each store and objective, of costs for one store"
    )


def test_what_fails_on_one_store_is_named_and_the_others_are_judged(judged: RobBench, toy: RobBench) -> None:
    report = card([judged, toy], MINE + "of_cells", objectives=["clean"], runs=2)
    assert [fault[:3] for fault in report.faults] == [("on toy.h5: raised KeyError", 2, 2)]
    assert report.faults[0].example == "'edge_3_4', in run 0 under clean"
    ours = report.section("results").query(f"algorithm == '{MINE}of_cells'")
    assert list(zip(ours["store"], ours["asked"], strict=True)) == [("judged.h5", 5), ("toy.h5", 1)]


def test_what_each_store_is_judged_by_if_nobody_says_it(judged: RobBench, toy: RobBench) -> None:
    report = card([judged, toy], "random", objectives=(), beside=(), runs=1)
    asked = report.section("curves")[["store", "objective"]].drop_duplicates()
    assert list(asked.itertuples(index=False, name=None)) == [
        (store, objective) for store, most in (("judged.h5", "pgd@1/255"), ("toy.h5", "pgd@2/255")) for objective in ("clean", most)
    ]
    assert "on toy.h5: raised CannotSearch" in {fault.what for fault in report.faults}


def test_runs_that_were_cut_go_on(judged: RobBench, toy: RobBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "kept"
    whole = card([judged, toy])
    with monkeypatch.context() as cut:
        cutting(cut, searching, "run_of", after=32)
        with pytest.raises(Cut):
            card([judged, toy], keep=kept)
    calls = cutting(monkeypatch, searching, "run_of", after=99)
    assert same(card([judged, toy], keep=kept), whole)
    assert len(calls) == 60 - 32
    card([toy, judged], keep=kept)
    assert len(calls) == 60 - 32, "nothing is done twice, in whatever order stores are named"
    assert {path.name for path in kept.iterdir()} == {checksum(bench.path) for bench in (judged, toy)}


def test_a_folder_of_one_store_and_one_of_several_are_told_apart(judged: RobBench, toy: RobBench, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    card(judged, keep=kept, runs=1)
    with pytest.raises(InvalidArgument, match="kept holds results of one store, or other files; name a new folder"):
        card([judged, toy], keep=kept, runs=1)
    assert all(path.is_file() for path in kept.iterdir()), "nothing was begun"
    card([judged, toy], keep=tmp_path / "both", runs=1)
    with pytest.raises(InvalidArgument, match="both holds other files"):
        card(judged, keep=tmp_path / "both", runs=1)
    with pytest.raises(InvalidArgument, match=rf"{checksum(judged.path)} keeps results of another setting, which differs in seed"):
        card([judged, toy], keep=tmp_path / "both", runs=1, seed=1)
    with pytest.raises(InvalidArgument, match=rf"{SETTING} cannot keep results"):
        card([judged, toy], keep=kept / SETTING, runs=1)


def test_workers_change_nothing(judged: RobBench, toy: RobBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = card([judged, toy], MINE + "of_cells")
    monkeypatch.setattr("robbench.judge.search.processes", lambda workers: nullcontext(Elsewhere()))
    there = card([judged, toy], MINE + "of_cells", workers=2, keep=tmp_path / "kept")
    assert same(there, here)
    assert there.faults == here.faults
    assert len(untimed(there)) == 5


@pytest.fixture
def never_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """No run may begin."""
    cutting(monkeypatch, searching, "run_of", after=0)


@pytest.mark.usefixtures("never_run")
def test_what_cannot_be_judged_is_refused_before_anything_is_run(judged: RobBench, toy: RobBench, tmp_path: Path) -> None:
    shutil.copy(toy.path, tmp_path / "copy.h5")
    for twice in ([toy, toy], [toy, judged, RobBench(tmp_path / "copy.h5")]):
        with pytest.raises(InvalidArgument, match=r"toy\.h5 and .*(toy|copy)\.h5 are the same store, with the same content; give it once"):
            card(twice)
    with pytest.raises(NotMeasured, match=r"training_seconds.*not in toy\.h5"):
        card([judged, toy], objectives=["training_seconds"], keep=tmp_path / "kept")
    write_toy_store(tmp_path / "alone.h5", TOY.members[-1:])
    with pytest.raises(CannotFit, match=r"noise needs twins that were measured apart, and there are none in alone\.h5"):
        card([judged, RobBench(tmp_path / "alone.h5")], noise="twin")
    with pytest.raises(UnknownMetric, match="'synflo' is not a metric"):
        card([judged, toy], proxy="synflo")
    for wrong in ([], [judged, judged.path]):
        with pytest.raises(InvalidArgument, match="are no stores to judge a search on; expected a RobBench, or several"):
            card(wrong)  # type: ignore[arg-type]
    assert not (tmp_path / "kept").exists()


def test_stores_are_called_by_as_much_of_their_paths_as_tells_them_apart(
    judged_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch)
    made: dict[str, Callable[[Path], None]] = {
        "a/s.h5": lambda path: write_toy_store(path),
        "b/a/s.h5": lambda path: write_toy_store(path, TOY.members[:6]),
        "c/s.h5": lambda path: write_toy_store(path, TOY.members[:9]),
        "t.h5": lambda path: write_toy_store(path, TOY.members[:3]),
    }
    for name, write in made.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write(tmp_path / name)
    found = named([RobBench(tmp_path / name) for name in made])
    assert list(found) == [f"{tmp_path.name}/a/s.h5", "b/a/s.h5", "c/s.h5", "t.h5"]
    assert list(named([RobBench(judged_store)])) == [""]
