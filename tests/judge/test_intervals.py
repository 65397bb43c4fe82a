"""Intervals of predictors: those of toys that are known, those that are calibrated here, and their score by a second way of computing it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from robbench import RobBench
from robbench.errors import CannotFit
from robbench.judge import Report, judge_predictor, learning
from robbench.judge.fitting import LEVEL, Predicted, mean
from robbench.judge.intervals import FOLDS, calibrated, calibrating_folds, interval_score
from robbench.surrogates.conformal import fewest
from robbench.surrogates.splits import DEVELOPMENT, Twins

MINE = "tests.judge.test_intervals:"
TIMES = ["seconds", "core_seconds", "interval_seconds", "interval_core_seconds"]
POINT = 0.4


class Points:
    """It is sure of one number."""

    def fit(self, features: np.ndarray, y: np.ndarray) -> Points:
        return self

    def predict(self, features: np.ndarray) -> np.ndarray:
        return np.full(len(features), POINT)

    def predict_interval(self, features: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
        return self.predict(features), self.predict(features)


class Bands(Points):
    """It is sure of all that is beyond that number."""

    def predict_interval(self, features: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
        return self.predict(features), np.full(len(features), 2.0)


def card(bench: RobBench, name: str, **options: Any) -> Report:
    defaults: dict[str, Any] = {"metrics": ["clean"], "beside": ["ridge"], "sizes": [30, 150], "splits": 2}
    return judge_predictor(bench, name, **defaults | options)


def row(report: Report, predictor: str) -> pd.Series[Any]:
    table = report.section("intervals")
    return table[table["predictor"] == predictor].iloc[-1]


# ---- the score


def test_the_interval_score_is_the_width_and_what_is_outside() -> None:
    low, high = np.full(4, 0.4), np.full(4, 0.7)
    found = interval_score(np.array([0.5, 0.4, 0.3, 0.9]), low, high, 0.9)
    assert found == pytest.approx([0.3, 0.3, 0.3 + 20 * 0.1, 0.3 + 20 * 0.2])
    assert interval_score(np.array([1.0]), np.array([0.0]), np.array([0.5]), 0.5) == pytest.approx([0.5 + 4 * 0.5])


def test_the_interval_score_is_that_of_its_two_quantiles() -> None:
    """A second witness: the losses of both ends as quantiles, 2 / α times as much, as scikit-learn computes them."""
    mean_pinball_loss = pytest.importorskip("sklearn.metrics").mean_pinball_loss
    rng = np.random.default_rng(0)
    measured, (low, high) = rng.normal(size=500), np.sort(rng.normal(size=(2, 500)), axis=0)
    for level in (0.5, 0.9, 0.95):
        alpha = 1 - level
        losses = mean_pinball_loss(measured, low, alpha=alpha / 2) + mean_pinball_loss(measured, high, alpha=1 - alpha / 2)
        assert interval_score(measured, low, high, level).mean() == pytest.approx(2 / alpha * losses)


def test_nobody_wins_by_being_wide_or_narrow() -> None:
    """Of a normal distribution its own quantiles score least, 4 φ(z) / α."""
    measured, z = norm.ppf((np.arange(20000) + 0.5) / 20000), norm.ppf((1 + LEVEL) / 2)
    scores = {factor: interval_score(measured, -factor * z, factor * z, LEVEL).mean() for factor in (0.5, 0.9, 1.0, 1.1, 2.0)}
    assert scores[1.0] == pytest.approx(4 * norm.pdf(z) / (1 - LEVEL), rel=1e-3)
    assert min(scores, key=scores.__getitem__) == 1.0


# ---- those of a method that is brought


def test_intervals_of_a_method_are_scored_as_they_are(judged: RobBench) -> None:
    points, bands = (row(card(judged, MINE + name, beside=()), MINE + name) for name in ("Points", "Bands"))
    assert (points["coverage"], points["width"]) == (0, 0)
    assert points["interval_score"] == pytest.approx(20 * points["mae"]), "as far outside as the prediction errs"
    assert points["interval_score_low"] <= points["interval_score"] <= points["interval_score_high"]
    assert bands["width"] == pytest.approx(2 - POINT)
    assert bands["interval_score"] > 2 - POINT
    assert 0 < bands["coverage"] < 1


def test_without_intervals_there_is_no_such_section(judged: RobBench) -> None:
    assert [section.title for section in card(judged, "ridge", sizes=[30]).sections] == ["scores", "learning curves"]
    alone = card(judged, MINE + "Points", sizes=[30])
    assert alone.section("intervals")["predictor"].tolist() == [MINE + "Points"]
    assert "the others were asked for none" in alone.text(width=10**6)
    assert "interval_seconds" not in alone.text()


# ---- those that are calibrated here


def test_only_what_could_be_on_a_test_side_calibrates() -> None:
    rng = np.random.default_rng(0)
    group = rng.integers(0, 60, 200)
    twins = Twins(group, np.arange(60) < 60 * DEVELOPMENT // 256, np.arange(60) == 59)
    fold = calibrating_folds(twins, 0)
    never = twins.development | twins.constant
    assert set(fold[never[group]]) == {-1}
    assert set(fold[~never[group]]) == set(range(FOLDS))
    assert all(len(set(fold[group == one])) <= 1 for one in range(60)), "twins are left out together"


def test_half_an_interval_is_a_quantile_of_errors_on_what_was_not_seen() -> None:
    rng = np.random.default_rng(0)
    targets, fold, tested = rng.uniform(0.3, 0.7, 33), np.repeat([0, 1, 2, -1], [9, 8, 7, 9]), np.zeros((5, 1))
    errors = [abs(target - targets[fold != one].mean()) for target, one in zip(targets, fold, strict=True) if one >= 0]
    half = sorted(errors)[23 - 1]  # of 24: ceil(0.9 (24 + 1))
    found = calibrated(mean, fold, fraction=True)(np.zeros((33, 1)), targets, tested, 0)
    assert found.low is not None
    assert found.high is not None
    assert np.array_equal(found.means, mean(np.zeros((33, 1)), targets, tested, 0).means)
    assert found.low == pytest.approx(np.full(5, targets.mean() - half))
    assert found.high == pytest.approx(np.full(5, targets.mean() + half))


def test_what_knows_by_heart_has_intervals_of_what_it_does_not_know() -> None:
    """And those of a fraction end at 0 and 1."""

    def by_heart(features: np.ndarray, targets: np.ndarray, tested: np.ndarray, seed: int) -> Predicted:
        known = dict(zip(features[:, 0], targets, strict=True))
        return Predicted(np.array([known.get(one, 0.0) for one in tested[:, 0]]))

    features, targets = np.arange(20.0)[:, np.newaxis], np.linspace(0.05, 1, 20)
    for fraction, low in ((False, -0.95), (True, 0.0)):
        found = calibrated(by_heart, np.arange(20) % FOLDS, fraction=fraction)(features, targets, features[:1] - 1, 0)
        assert found.low == pytest.approx(np.array([low]))
        assert found.high == pytest.approx(np.array([0.95])), "the 19th of 20 errors"


def test_calibrated_intervals_leave_all_else_as_it_is(judged: RobBench) -> None:
    without, asked = card(judged, MINE + "Points"), card(judged, MINE + "Points", intervals=True)
    same = [
        name
        for name in without.section("learning curves")
        if name not in TIMES and not str(name).startswith(("coverage", "width", "interval"))
    ]
    assert {"r2", "r2_low", "kendall", "mae", "n", "ceiling", "share"} < set(same)
    assert asked.section("learning curves")[same].equals(without.section("learning curves")[same])
    assert row(asked, MINE + "Points")["interval_score"] == row(without, MINE + "Points")["interval_score"]
    assert np.isnan(row(asked, MINE + "Points")["interval_seconds"])
    for name in ("ridge", "mean", "parameters"):
        assert row(asked, name)["coverage"] == pytest.approx(LEVEL, abs=0.08)
        assert row(asked, name)["interval_seconds"] > 0
    assert row(asked, "ridge")["interval_score"] < row(asked, "parameters")["interval_score"] < row(asked, "mean")["interval_score"]


def test_every_form_says_how_intervals_were_made(judged: RobBench) -> None:
    report = card(judged, "ridge", beside=(), sizes=[30], intervals=True)
    for text in (report.text(width=10**6), report.markdown(), report.html()):
        assert "as wide as the errors of 5 more fits say" in text
        assert "interval_seconds" in text
        assert f"{row(report, 'ridge')['interval_score']:.3f} [" in text
    said = json.loads(report.json())
    assert said["made"]["intervals"] is True
    assert [one["predictor"] for one in said["sections"]["intervals"]] == ["ridge", "mean", "parameters"]
    assert said["sections"]["intervals"][0]["interval_score"] == pytest.approx(row(report, "ridge")["interval_score"])


def test_too_few_to_calibrate_on_are_refused_before_anything_is_fitted(judged: RobBench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (fewest(0.5), fewest(0.9), fewest(0.95)) == (1, 9, 19)
    monkeypatch.setattr(learning, "_trusted", None)
    with pytest.raises(
        CannotFit, match=r"of 10 architectures to learn from, \d can calibrate intervals.*90% take 9 or more: name larger sizes"
    ):
        card(judged, "ridge", beside=(), sizes=[10], intervals=True)
    with pytest.raises(CannotFit, match=r"'networks' learns from 42 architectures or more, and of 44 some fold leaves \d\d when"):
        card(judged, "ridge", beside=["networks"], sizes=[44], intervals=True)


def test_with_and_without_intervals_are_kept_side_by_side(judged: RobBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fits of a method that is brought are the same, and not made again."""
    calls: list[str] = []
    original = learning.Fits.found

    def counted(fits: learning.Fits, fit: learning.Fit) -> learning.Found:
        calls.append(fit.predictor)
        return original(fits, fit)

    monkeypatch.setattr(learning.Fits, "found", counted)
    first, second = ({"sizes": [30], "splits": 1, "keep": tmp_path / "kept", "intervals": one} for one in (False, True))
    reports = [card(judged, MINE + "Points", **options) for options in (first, second, first, second)]
    assert calls == [MINE + "Points", "ridge", "mean", "parameters", "ridge", "mean", "parameters"]
    assert [report.text() for report in reports[:2]] == [report.text() for report in reports[2:]]
