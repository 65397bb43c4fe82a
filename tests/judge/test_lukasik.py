"""The forest of Lukasik et al. (2023) beside other predictors: on the same splits, from the paper's proxies."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robbench import RobBench
from robbench.errors import CannotFit, NotMeasured
from robbench.judge import Report, judge_predictor
from robbench.judge.lukasik import LUKASIK, PUBLISHED
from robbench.spaces.nb201 import NB201
from robbench.store.rows import Rows
from robbench.store.writing import extend
from robbench.surrogates.fitting import gather
from robbench.surrogates.splits import split
from tests.judge.conftest import ARCHS, clean_of
from tests.synthetic import array

pytest.importorskip("sklearn")

ROWS = Rows.of(NB201, list(dict.fromkeys(ARCHS)))
EXACT = [NB201.parse(text) for text in ROWS.exact]
LACKING = np.random.default_rng(3).random(len(EXACT)) < 0.2
"""Architectures without proxies, in the stores that have some."""


def store(path: Path, names: Sequence[str], lacking: np.ndarray | None = None) -> RobBench:
    """Clean accuracy, and proxies that know some of it."""
    rng = np.random.default_rng(1)
    clean = np.array([clean_of(NB201.parse(text)) for text in ROWS.classes]) + rng.normal(scale=0.01, size=len(ROWS.classes))
    known = np.array([clean_of(cell) for cell in EXACT])
    values = {
        name: np.where(False if lacking is None else lacking, np.nan, known + rng.normal(scale=0.05, size=len(EXACT))) for name in names
    }
    proxies = [array(f"made untrained {name} value", one, rows="exact", unit="1") for name, one in values.items()]
    extend(path, ROWS, [array("made standard clean accuracy", clean), *proxies])
    return RobBench(path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RobBench:
    return store(tmp_path_factory.mktemp("whole") / "whole.h5", PUBLISHED)


@pytest.fixture(scope="module")
def lacking(tmp_path_factory: pytest.TempPathFactory) -> RobBench:
    return store(tmp_path_factory.mktemp("lacking") / "lacking.h5", PUBLISHED, LACKING)


def card(bench: RobBench, method: str = "ridge", **options: Any) -> Report:
    defaults: dict[str, Any] = {"metrics": ["clean"], "sizes": [100], "splits": 2}
    return judge_predictor(bench, method, **defaults | options)


def rows(report: Report, section: str = "learning curves") -> dict[str, dict[str, Any]]:
    """Of each predictor, what is in its row but how long it took."""
    found = json.loads(report.json())["sections"][section]
    return {row["predictor"]: {name: value for name, value in row.items() if not name.endswith("seconds")} for row in found}


def without(found: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: row for name, row in found.items() if name != LUKASIK}


def best(report: Report) -> str:
    found = rows(report)
    return max(found, key=lambda name: float(found[name]["r2"]))


def sides(bench: RobBench, number: int) -> tuple[np.ndarray, np.ndarray, list[Any], np.ndarray]:
    """What every predictor learns from and is tested on in a split: positions among the architectures, these, and their accuracies."""
    data = gather(bench.measurements, "clean", "structure")
    train_side = split("twin", data.twins, seed=number)
    learned = np.sort(np.random.default_rng(number).permutation(np.flatnonzero(train_side))[:100])
    return learned, np.flatnonzero(~train_side), [bench.measurements.lookup.archs("class")[row] for row in data.rows], data.targets[:, 0]


def by_hand(bench: RobBench, names: Sequence[str], number: int) -> tuple[float, int]:
    """R² of scikit-learn's own forest on the test side, and on how many of its architectures."""
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.metrics import r2_score

    learned, tested, archs, clean = sides(bench, number)
    proxies = np.column_stack([bench.query_many(archs, name, missing="nan") for name in names])
    learned, tested = (side[~np.isnan(proxies[side]).any(axis=1)] for side in (learned, tested))
    forest = RandomForestRegressor(random_state=number).fit(proxies[learned], clean[learned])
    return r2_score(clean[tested], forest.predict(proxies[tested])), len(tested)


def test_it_is_scikit_learns_forest_of_the_papers_proxies_alone(tmp_path: Path) -> None:
    bench = store(tmp_path / "all.h5", (*PUBLISHED, "croze", "jacob_fro", "hessian_10x256", "hessian"))
    report = card(bench, beside=[LUKASIK])
    names = (*PUBLISHED, "jacob_fro", "hessian_10x256")
    expected = [by_hand(bench, names, number) for number in range(2)]
    found = rows(report)[LUKASIK]
    assert found["r2"] == pytest.approx(np.mean([r2 for r2, _ in expected]), abs=1e-6)
    assert found["n"] == np.mean([n for _, n in expected]) == rows(report)["ridge"]["n"]
    says = report.sections[0].says
    assert f"Of these, the store has 15: {', '.join(names)}. All architectures of the test sides have them." in says
    assert len(report.summary) == 2
    assert rows(card(bench, LUKASIK, beside=["ridge"]))[LUKASIK]["r2"] == found["r2"]


def test_the_features_of_a_report_are_not_its_features(whole: RobBench) -> None:
    one, other = (rows(card(whole, beside=[LUKASIK], features=features)) for features in ("structure", "operations"))
    assert one[LUKASIK] == other[LUKASIK]
    assert one["ridge"] != other["ridge"]


def test_it_is_beside_where_the_store_has_what_was_published_and_changes_no_other(tmp_path: Path, whole: RobBench) -> None:
    report = card(whole)
    found = rows(report)
    assert list(found) == ["ridge", "forest", LUKASIK, "mean", "parameters"]
    assert without(found) == rows(card(whole, beside=["ridge", "forest"]))
    assert f"the store has 13: {', '.join(PUBLISHED)}; and not jacob_fro, hessian." in report.sections[0].says
    fewer = card(store(tmp_path / "fewer.h5", PUBLISHED[1:]))
    assert list(rows(fewer)) == ["ridge", "forest", "mean", "parameters"]
    assert LUKASIK not in fewer.sections[0].says


def test_where_proxies_are_lacking_it_is_judged_on_the_rest_and_the_others_on_all(lacking: RobBench) -> None:
    report = card(lacking)
    found, expected = rows(report), [by_hand(lacking, PUBLISHED, number) for number in range(2)]
    assert found[LUKASIK]["r2"] == pytest.approx(np.mean([r2 for r2, _ in expected]), abs=1e-6)
    assert found[LUKASIK]["n"] == np.mean([n for _, n in expected])
    all_of = [len(sides(lacking, number)[1]) for number in range(2)]
    assert found["mean"]["n"] == np.mean(all_of) > found[LUKASIK]["n"]
    assert without(found) == rows(card(lacking, beside=["ridge", "forest"]))
    assert found[LUKASIK]["share"] == pytest.approx(found[LUKASIK]["r2"] / found[LUKASIK]["ceiling"])
    assert found[LUKASIK]["ceiling"] != found["mean"]["ceiling"]
    n, of = min(zip([n for _, n in expected], all_of, strict=True), key=lambda one: one[0] / one[1])
    assert f"it is judged on {n} of {of} of a test side, or more" in report.sections[0].says


def test_who_is_ahead_is_said_among_those_that_are_tested_on_the_same(whole: RobBench, lacking: RobBench) -> None:
    behind, neither, first = (
        f"under {above} of 1 metrics, and below the best other's in all of them under {below}" for above, below in ((0, 1), (0, 0), (1, 0))
    )
    asked: dict[str, Any] = {"features": "operations", "beside": [LUKASIK], "sizes": [20]}
    assert best(card(whole, **asked)) == best(card(lacking, **asked)) == LUKASIK
    assert behind in card(whole, **asked).summary[1]
    assert neither in card(lacking, **asked).summary[1], "ridge and parameters, each once"
    assert first in card(whole, LUKASIK, **asked).summary[1]
    assert card(lacking, LUKASIK, **asked).summary == ("2 of 2 fits gave predictions.",)


def test_it_is_refused_where_there_is_nothing_to_learn_from_or_to_test_on(tmp_path: Path, lacking: RobBench) -> None:
    with pytest.raises(NotMeasured, match="holds none of the proxies of made that lukasik2023 learns from"):
        card(store(tmp_path / "none.h5", ()), beside=[LUKASIK])
    few = np.arange(len(EXACT)) % 4 > 0
    with pytest.raises(NotMeasured, match="or of fewer than half of the architectures that have clean: epe_nas, fisher"):
        card(store(tmp_path / "few.h5", PUBLISHED, few), beside=[LUKASIK])
    with pytest.raises(
        CannotFit, match=r"lukasik2023 learns from 10 architectures or more, not from \d, which is how many of 10 have all its proxies"
    ):
        card(lacking, beside=[LUKASIK], sizes=[10])
    assert LUKASIK not in rows(card(lacking, sizes=[10]))


def test_a_proxy_that_few_architectures_have_is_not_learned_from(tmp_path: Path, whole: RobBench) -> None:
    path = Path(shutil.copy(whole.path, tmp_path / "rare.h5"))
    rare = np.where(np.arange(len(EXACT)) % 4 > 0, np.nan, 1.0)
    extend(path, ROWS, [array("made untrained hessian value", rare, rows="exact", unit="1")])
    with_it, without_it = card(RobBench(path), beside=[LUKASIK]), card(whole, beside=[LUKASIK])
    assert with_it.sections[0].says == without_it.sections[0].says
    assert rows(with_it) == rows(without_it)


def test_a_proxy_that_is_to_be_predicted_is_not_learned_from(whole: RobBench) -> None:
    report = card(whole, metrics=["zen"], beside=[LUKASIK])
    assert f"the store has 12: {', '.join(PUBLISHED[:-1])}; and not zen, jacob_fro, hessian." in report.sections[0].says
    assert rows(report)[LUKASIK]["r2"] < 0.95


def test_its_intervals_are_calibrated_as_the_packages_are(lacking: RobBench) -> None:
    report = card(lacking, beside=[LUKASIK], sizes=[200], splits=1, intervals=True)
    found = rows(report, "intervals")
    assert 0.8 <= found[LUKASIK]["coverage"] <= 1
    assert found[LUKASIK]["interval_score"] < found["mean"]["interval_score"]
