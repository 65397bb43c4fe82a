"""Report cards of predictors whose worth is known."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from robbench import RobBench
from robbench.errors import CannotFit, InvalidArgument
from robbench.judge import Report, judge_predictor
from robbench.judge.predictor import ahead
from robbench.surrogates.fitting import gather
from robbench.surrogates.kinds import KINDS

MINE = "tests.judge.test_predictor:"
UNLIKE = ["predictor", "seconds", "core_seconds"]


class Mean:
    """The mean, written anew."""

    def fit(self, features: np.ndarray, y: np.ndarray) -> Any:
        self.mean = y.mean()
        return self

    def predict(self, features: np.ndarray) -> np.ndarray:
        return np.full(len(features), self.mean)


class Linear(Mean):
    """Least squares by scikit-learn's rules, with a spread."""

    def fit(self, features: np.ndarray, y: np.ndarray) -> None:
        ones = np.column_stack([np.ones(len(features)), features])
        self.weights = np.linalg.solve(ones.T @ ones + 0.1 * np.eye(ones.shape[1]), ones.T @ y)
        self.spread = np.std(y - ones @ self.weights)

    def predict(self, features: np.ndarray, return_std: bool = False) -> Any:
        means = np.column_stack([np.ones(len(features)), features]) @ self.weights
        return (means, np.full(len(features), self.spread)) if return_std else means


class Everything(Mean):
    """Intervals that nothing escapes."""

    def predict_interval(self, features: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros(len(features)), np.ones(len(features))


class Broken(Mean):
    def fit(self, features: np.ndarray, y: np.ndarray) -> Any:
        raise MemoryError("too many features")


class Cancelled(Mean):
    def fit(self, features: np.ndarray, y: np.ndarray) -> Any:
        raise asyncio.CancelledError


class Leaving(Mean):
    def predict(self, features: np.ndarray) -> np.ndarray:
        sys.exit(3)


class Short(Mean):
    def predict(self, features: np.ndarray) -> np.ndarray:
        return super().predict(features)[1:]


class Silent(Mean):
    def predict(self, features: np.ndarray) -> np.ndarray:
        return super().predict(features) * np.nan


class Ordered(Mean):
    def predict(self, features: np.ndarray) -> np.ndarray:
        return np.arange(len(features), dtype=float)


class Reversed(Mean):
    def predict_interval(self, features: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
        return np.ones(len(features)), np.zeros(len(features))


class Unknown(Mean):
    def predict_interval(self, features: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros(len(features)), np.full(len(features), np.nan)


class Writing(Mean):
    """It writes to the store that it is judged by."""

    path = Path()

    def fit(self, features: np.ndarray, y: np.ndarray) -> Any:
        with self.path.open("ab") as file:
            file.write(b"x")
        return super().fit(features, y)


class HangingLate(Mean):
    def predict_interval(self, features: np.ndarray, level: float) -> Any:
        while True:
            pass


class Hanging(Mean):
    def fit(self, features: np.ndarray, y: np.ndarray) -> Any:
        while True:
            pass


def card(bench: RobBench, name: str, **options: Any) -> Report:
    defaults: dict[str, Any] = {"metrics": ["clean"], "beside": ["ridge"], "sizes": [30, 150], "splits": 2}
    return judge_predictor(bench, name if name == "ridge" else MINE + name, **defaults | options)


def row(report: Report, predictor: str, section: str = "scores") -> pd.Series[Any]:
    table = report.section(section)
    return table[table["predictor"] == predictor].iloc[-1]


def test_the_mean_written_anew_is_the_mean(judged: RobBench) -> None:
    report = card(judged, "Mean")
    ours, mean = row(report, MINE + "Mean"), row(report, "mean")
    assert ours.drop(UNLIKE).to_dict() == pytest.approx(mean.drop(UNLIKE).to_dict(), nan_ok=True)
    assert ours["r2"] == pytest.approx(0, abs=0.1)
    assert ours["kendall"] == 0
    assert not report.faults
    assert report.summary[0] == "4 of 4 fits gave predictions."


def test_what_learns_the_structure_beats_the_parameters(judged: RobBench) -> None:
    report = card(judged, "Linear")
    ours, parameters = row(report, MINE + "Linear"), row(report, "parameters")
    assert ours["r2"] > parameters["r2"] > 0
    assert ours["share"] == pytest.approx(ours["r2"] / ours["ceiling"])
    assert ours["ceiling_low"] <= ours["ceiling"] <= ours["ceiling_high"]
    curve = report.section("learning curves").query("predictor == 'ridge'")
    assert curve["size"].tolist() == [30, 150]
    assert curve["r2"].is_monotonic_increasing
    assert ours["r2_low"] <= ours["r2"] <= ours["r2_high"]


def test_who_is_ahead_in_one_split_and_behind_in_another_is_not_ahead() -> None:
    r2 = {"clean": [(0.5, 0.4), (0.5, 0.4)], "fgsm": [(0.5, 0.4), (0.3, 0.4)], "pgd": [(0.1, 0.4), (0.1, 0.4)]}
    records = [
        {"metric": metric, "predictor": predictor, "size": size, "split": split, "r2": size * value}
        for metric, found in r2.items()
        for split, pair in enumerate(found)
        for predictor, value in zip(("mine:Model", "ridge"), pair, strict=True)
        for size in (-1, 50)
    ]
    assert ahead("mine:Model", records) == (
        "From 50 architectures, its R² is above every other's in all 2 splits under 1 of 3 metrics, and below the best other's in all of them under 1;"
        " where splits disagree, noise may have decided."
    )
    assert ahead("mine:Model", records[:4]) == "One split does not say what noise may have decided."


def test_one_split_has_no_least_and_no_greatest(judged: RobBench) -> None:
    assert np.isnan(
        row(card(judged, "Linear", beside=(), sizes=[30], splits=1), MINE + "Linear")[["r2_low", "r2_high"]].astype(float)
    ).all()


def test_intervals_are_compared_with_measurements(judged: RobBench) -> None:
    everything, linear = (row(card(judged, name, beside=()), MINE + name) for name in ("Everything", "Linear"))
    assert (everything["coverage"], everything["width"]) == (1, 1)
    assert 0 < linear["coverage"] < 1
    assert np.isnan(row(card(judged, "Mean", beside=()), "mean")["coverage"])


def test_a_kind_of_the_package_is_judged_by_its_name(judged: RobBench) -> None:
    """By the same scores as `predictability`, which fits and tests on the same architectures."""
    from robbench.analysis import predictability

    found = row(card(judged, "ridge", beside=(), sizes=[100], splits=1), "ridge")
    known = predictability(judged, ["clean"], model="ridge", sizes=[100]).iloc[0]
    assert found[["r2", "kendall", "mae", "ceiling"]].tolist() == pytest.approx(known[["r2", "kendall", "mae", "ceiling"]].tolist())


class Wordy(Mean):
    def predict(self, features: np.ndarray) -> Any:
        return ["good"] * len(features)


class Nothing(Mean):
    def predict(self, features: np.ndarray) -> Any:
        return None


class Half(Mean):
    """Its predictions are sound, its intervals are not."""

    def predict_interval(self, features: np.ndarray, level: float) -> np.ndarray:
        return np.zeros(len(features))


FAULTS = {
    "Broken": "raised MemoryError",
    "Cancelled": "raised CancelledError",
    "Leaving": "raised SystemExit",
    "Short": "predict returned another number of values than of architectures",
    "Silent": "predicted NaN, or infinite values",
    "Reversed": "gave intervals that hold nothing",
    "Unknown": "gave intervals that hold nothing",
    "Half": "gave no intervals (raised ValueError)",
    "Wordy": "predict returned what are no numbers",
    "Nothing": "predict returned another number of values than of architectures",
    "Ordered": "predicted otherwise when asked in another order",
    "Hanging": "was still at work after 0.05 s",
    "HangingLate": "was still at work after 0.05 s",
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_goes_wrong_is_named(judged: RobBench, name: str) -> None:
    report = card(judged, name, sizes=[30], limit=0.05 if "Hanging" in name else 60)
    assert (report.faults[0].what, report.faults[0].times, report.faults[0].of) == (FAULTS[name], 2, 2)
    assert row(report, "ridge")["r2"] > 0
    predicted = 2 if name in ("Half", "Ordered", "Reversed", "Unknown") else 0
    assert report.summary[0] == f"{predicted} of 2 fits gave predictions."
    assert len(report.summary) == 1 + (predicted > 0)
    assert (MINE + name in set(report.section("scores")["predictor"])) is (predicted > 0)


def test_a_store_that_was_written_to_is_named(judged_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = shutil.copy(judged_store, tmp_path / "mine.h5")
    monkeypatch.setattr(Writing, "path", path)
    report = card(RobBench(path), "Writing", sizes=[30], splits=1)
    assert [(fault.what, fault.example) for fault in report.faults] == [("changed the store", "mine.h5")]


class Terms:
    """A kind of the package that reads features of its own."""

    fewest_rows = 10

    def __init__(self, answer: float) -> None:
        self.answer = answer

    @classmethod
    def fit(cls, features: np.ndarray, targets: np.ndarray, outputs: int, seed: int, names: Sequence[str]) -> Terms:
        assert features.shape[1] == len(names)
        assert any("term" in name for name in names)
        return cls(targets.mean())

    def predict(self, features: np.ndarray) -> np.ndarray:
        return np.full((len(features), 1), self.answer)


def test_a_kind_that_reads_more_is_given_it(judged: RobBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the same architectures: its mean is that of the others."""
    monkeypatch.setitem(KINDS, "graph", Terms)
    report = card(judged, "Mean", beside=["graph"], sizes=[30])
    assert row(report, "graph")["r2"] == row(report, "mean")["r2"] == row(report, MINE + "Mean")["r2"]
    assert not report.faults


def test_a_size_that_a_kind_does_not_learn_from_is_refused(judged: RobBench) -> None:
    with pytest.raises(CannotFit, match="kind 'networks' learns from 42 architectures or more, not from 30"):
        card(judged, "Mean", beside=["networks"], sizes=[30])


def test_bad_options_are_refused(judged: RobBench) -> None:
    with pytest.raises(InvalidArgument, match=r"sizes=1000 is more than the \d+ architectures with clean to learn from"):
        card(judged, "Mean", sizes=[1000])
    with pytest.raises(InvalidArgument, match=r"'forst' is not a kind of surrogate. Did you mean 'forest'?.*your own is module:name"):
        card(judged, "Mean", beside=["forst"])
    with pytest.raises(InvalidArgument, match="test_predictor:MINE is of type str; expected a class or function that makes a model"):
        card(judged, "MINE")
    with pytest.raises(InvalidArgument, match="no 'Meen'"):
        card(judged, "Meen")


def test_the_defaults_suit_the_store(judged: RobBench) -> None:
    report = judge_predictor(judged, MINE + "Mean", beside=(), splits=1)
    table = report.section("learning curves")
    assert list(dict.fromkeys(table["metric"])) == ["clean", "pgd@1/255"]
    assert list(dict.fromkeys(table["size"])) == [50, 200]
    assert len(gather(judged.measurements, "clean", "structure").rows) > 200
