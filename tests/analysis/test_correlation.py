from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robbench import InvalidArgument, RobBench, UnknownMetric
from robbench.analysis import correlation_matrix, correlations, rank_correlation
from robbench.analysis.correlation import KENDALL_RESAMPLES
from robbench.store.writing import extend
from tests.synthetic import CLASSES, ROWS, UNMEASURED, array

stats = pytest.importorskip("scipy.stats")


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=40))
def test_scipy_agrees_ties_and_all(pairs: list[tuple[int, int]]) -> None:
    one, other = np.array(pairs, np.float64).T
    found = rank_correlation(one, other, np.arange(len(one)), resamples=0)
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        assert np.isnan([found.kendall, found.spearman]).all()
    else:
        assert found.kendall == pytest.approx(stats.kendalltau(one, other).statistic)
        assert found.spearman == pytest.approx(stats.spearmanr(one, other).statistic)


def test_intervals_are_those_of_resamples_written_out() -> None:
    """The second witness draws the same classes, writes each resample out, and lets scipy correlate it."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 30, 60)
    one = rng.integers(0, 10, 60).astype(np.float64)
    other = one + rng.integers(0, 10, 60)
    found = rank_correlation(one, other, classes, resamples=KENDALL_RESAMPLES, seed=5)
    names = np.unique(classes)
    draws = np.random.default_rng(5)
    taus, rhos = [], []
    for _ in range(KENDALL_RESAMPLES):
        drawn = draws.integers(len(names), size=len(names))
        rows = np.concatenate([np.flatnonzero(classes == names[name]) for name in drawn])
        taus.append(stats.kendalltau(one[rows], other[rows]).statistic)
        rhos.append(stats.spearmanr(one[rows], other[rows]).statistic)
    assert (found.kendall_low, found.kendall_high) == pytest.approx(np.quantile(taus, [0.025, 0.975]))
    assert (found.spearman_low, found.spearman_high) == pytest.approx(np.quantile(rhos, [0.025, 0.975]))


def test_the_interval_of_independent_pairs_is_as_wide_as_theory_says() -> None:
    """Of n independent pairs, Spearman's ρ has standard deviation 1/√(n - 1), Kendall's τ √(2(2n + 5) / 9n(n - 1)) (Kendall, 1970)."""
    n = 400
    one, other = np.random.default_rng(1).normal(size=(2, n))
    found = rank_correlation(one, other, np.arange(n))
    assert (found.spearman_high - found.spearman_low) / 3.92 == pytest.approx(1 / np.sqrt(n - 1), rel=0.15)
    assert (found.kendall_high - found.kendall_low) / 3.92 == pytest.approx(np.sqrt(2 * (2 * n + 5) / (9 * n * (n - 1))), rel=0.2)
    assert found == rank_correlation(one, other, np.arange(n))
    assert found != rank_correlation(one, other, np.arange(n), seed=1)


def test_architectures_of_one_class_are_drawn_together() -> None:
    """Copies of a measurement add no certainty."""
    one, other = np.random.default_rng(2).normal(size=(2, 100))
    alone = rank_correlation(one, other, np.arange(100), resamples=100)
    copied = rank_correlation(np.repeat(one, 5), np.repeat(other, 5), np.repeat(np.arange(100), 5), resamples=100)
    assert copied.spearman_high - copied.spearman_low == pytest.approx(alone.spearman_high - alone.spearman_low, rel=0.01)


def test_pairs_run_over_what_both_were_measured_of(bench: RobBench) -> None:
    found = correlations(bench, "clean", ["pgd@1/255", "synflow", "kernel_parameters"], resamples=5).set_index("metric")
    known = ~np.isnan(bench.query_many(bench.architectures, "clean", missing="nan"))
    both = known & ~np.isnan(bench.query_many(bench.architectures, "synflow", missing="nan"))
    assert found["rows"].tolist() == ["class", "exact", "class"]
    assert found["n"].tolist() == [CLASSES - 1, both.sum(), CLASSES - 1]
    clean, synflow = (bench.query_many(bench.architectures, metric, missing="nan")[both] for metric in ("clean", "synflow"))
    assert found.loc["synflow", "kendall"] == pytest.approx(stats.kendalltau(clean, synflow).statistic)
    assert found.loc["synflow", "spearman"] == pytest.approx(stats.spearmanr(clean, synflow).statistic)
    assert (found["kendall_low"] < found["kendall_high"]).all()


def test_a_latency_correlates_as_speed(bench: RobBench) -> None:
    found = correlations(bench, ["clean", "edgegpu_latency"], "edgegpu_latency", resamples=0)
    assert found["target_better"].tolist() == ["higher", "lower"]
    assert found["better"].tolist() == ["lower", "lower"]
    row = np.flatnonzero(~np.isnan(bench.query_many(bench.architectures, "clean", missing="nan")))
    clean, latency = (bench.query_many(bench.architectures, metric, missing="nan")[row] for metric in ("clean", "edgegpu_latency"))
    assert found["spearman"].tolist() == pytest.approx([-stats.spearmanr(clean, latency).statistic, 1])
    assert found[["kendall_low", "spearman_high"]].isna().all(axis=None)


def test_published_correlations(published: RobBench) -> None:
    clean, pgd = (published.query_many(published.classes, metric) for metric in ("clean", "pgd@1/255"))
    found = correlations(published, "pgd@1/255", "clean", resamples=20).loc[0]
    assert found["kendall"] == pytest.approx(stats.kendalltau(clean, pgd).statistic)
    assert found["spearman"] == pytest.approx(stats.spearmanr(clean, pgd).statistic)
    assert found["kendall_low"] < found["kendall"] < found["kendall_high"]


@pytest.mark.parametrize(("method", "witness"), [("kendall", "kendalltau"), ("spearman", "spearmanr")])
def test_the_matrix_is_of_the_same_numbers(bench: RobBench, method: str, witness: str) -> None:
    found = correlation_matrix(bench, ["clean", "pgd@1/255", "edgegpu_latency"], method=method)
    assert found.index.tolist() == found.columns.tolist() == ["clean", "pgd@1/255", "edgegpu_latency"]
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_allclose(np.diag(found), 1)
    rows = [row for row in range(CLASSES) if row != UNMEASURED]
    clean, pgd = (bench.query_many(bench.classes, metric, missing="nan")[rows] for metric in ("clean", "pgd@1/255"))
    assert found.loc["clean", "pgd@1/255"] == pytest.approx(getattr(stats, witness)(clean, pgd).statistic)
    assert found.loc["clean", "edgegpu_latency"] == correlations(bench, "clean", "edgegpu_latency", resamples=0)[method][0]


def test_a_table_of_some_against_others_runs_over_classes_where_that_is_asked_for(bench: RobBench) -> None:
    found = correlation_matrix(bench, ["synflow", "kernel_parameters"], ["clean", "pgd@1/255"], rows="class")
    assert found.shape == (2, 2)
    synflow, clean = (bench.query_many(bench.classes, metric, missing="nan") for metric in ("synflow", "clean"))
    both = ~np.isnan(synflow + clean)
    assert found.loc["synflow", "clean"] == pytest.approx(stats.kendalltau(synflow[both], clean[both]).statistic)
    over_exact = correlation_matrix(bench, ["synflow"], ["clean"])
    assert not np.allclose(over_exact.to_numpy(), found.to_numpy()[:1, :1])
    with pytest.raises(InvalidArgument, match="rows='exact' has no meaning"):
        correlation_matrix(bench, ["synflow"], ["clean"], rows="exact")


def test_what_does_not_vary_or_was_never_measured_together_has_no_correlation(tmp_path: Path) -> None:
    half = np.arange(CLASSES) % 2 == 0
    values = np.linspace(0, 1, CLASSES)
    arrays = [
        array("toy standard clean accuracy", np.full(CLASSES, 0.5)),
        array("toy standard fgsm accuracy", np.where(half, values, np.nan)[:, np.newaxis], {"eps": [1 / 255]}),
        array("toy standard pgd accuracy", np.where(half, np.nan, values)[:, np.newaxis], {"eps": [1 / 255]}),
    ]
    extend(tmp_path / "toy.h5", ROWS, arrays)
    found = correlations(RobBench(tmp_path / "toy.h5"), "fgsm@1/255", ["clean", "pgd@1/255"])
    assert found["n"].tolist() == [CLASSES // 2, 0]
    assert found[["kendall", "kendall_low", "spearman", "spearman_high"]].isna().all(axis=None)


def test_wrong_questions_say_so(bench: RobBench) -> None:
    with pytest.raises(InvalidArgument, match="resamples=-1 is not a number of resamples; expected an integer of at least 0"):
        correlations(bench, "clean", "synflow", resamples=-1)
    with pytest.raises(
        InvalidArgument, match=r"method='kendal' has no meaning\. Did you mean 'kendall'\? Expected 'kendall' or 'spearman'"
    ):
        correlation_matrix(bench, ["clean"], method="kendal")
    with pytest.raises(UnknownMetric, match=r"'synflo' is not a metric\. Did you mean 'synflow'"):
        correlations(bench, "clean", "synflo")
    with pytest.raises(InvalidArgument, match=r"correlations has no option 'dataste'\. Did you mean 'dataset'"):
        correlations(bench, "clean", "synflow", dataste="toy10")  # type: ignore[call-arg]
    with pytest.raises(InvalidArgument, match=r"correlation_matrix has no option 'metod'\. Did you mean 'method'"):
        correlation_matrix(bench, ["clean"], metod="spearman")  # type: ignore[call-arg]
    with pytest.raises(InvalidArgument, match="seed=-1 is not a seed; expected an integer of at least 0"):
        correlations(bench, "clean", "synflow", seed=-1)
