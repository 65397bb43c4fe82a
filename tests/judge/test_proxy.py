"""Report cards of proxies whose worth is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from robbench import RobBench
from robbench.errors import InvalidArgument, UnknownMetric
from robbench.judge import Report, from_csv, from_store, judge_proxy, live
from robbench.judge.gains import _out_of_fold
from robbench.judge.methods import checksum
from robbench.judge.ranking import correlations, order_of, overlaps, strata
from robbench.spaces.nb201 import NB201
from tests.judge.conftest import clean_of, parameters

ROW = ["dataset", "training", "metric"]


def card(bench: RobBench, function: Callable[..., Any], **options: Any) -> Report:
    return judge_proxy(bench, live(bench, function, "mine:score"), adds=False, **options)


def row(report: Report, metric: str, section: str = "ranking") -> pd.Series[Any]:
    table = report.section(section)
    return table[table["metric"] == metric].iloc[0]


def test_the_accuracy_itself_is_a_perfect_proxy(judged: RobBench) -> None:
    report = card(judged, lambda arch: judged.query(arch, "clean"))
    found = row(report, "clean")
    assert [found[name] for name in ("spearman", "kendall", "top", "spearman_low")] == pytest.approx([1] * 4)
    assert found["top_low"] > 0.9
    assert found["gap"] == 0
    assert row(report, "pgd@1/255")["gap"] == pytest.approx(row(report, "pgd@1/255")["spearman"] - 1)
    assert row(report, "pgd@1/255")["spearman"] < -0.9
    assert row(report, "clean", "beside the proxies of the store")["place"] == "1 of 4"
    assert not report.faults


def test_a_random_score_is_of_no_worth(judged: RobBench) -> None:
    rng = np.random.default_rng(3)
    values = {arch: rng.random() for arch in judged.classes}
    found = row(card(judged, values.__getitem__), "clean")
    for name, chance in (("spearman", 0), ("kendall", 0), ("partial", 0), ("top", 0.1)):
        assert found[f"{name}_low"] < chance < found[f"{name}_high"]


def test_a_function_of_the_parameters_says_nothing_beyond_them(judged: RobBench) -> None:
    """Whatever function it is, and however well it ranks."""
    found = row(card(judged, lambda arch: np.sin(parameters(arch)) + parameters(arch)), "clean")
    assert found["spearman"] > 0.3
    assert [found[name] for name in ("partial", "partial_low", "partial_high")] == [0, 0, 0]
    assert found["partial_top"] == pytest.approx(0.1, abs=0.01), "as by chance"
    itself = row(card(judged, lambda arch: judged.query(arch, "clean")), "clean")
    assert itself[["partial_top", "partial_kendall", "partial_kendall_low"]].tolist() == pytest.approx([1, 1, 1])
    assert row(card(judged, clean_of), "pgd@1/255")["partial_kendall_high"] < -0.3
    assert row(card(judged, clean_of), "clean")["partial"] > 0.5


def test_lower_may_be_better(judged: RobBench) -> None:
    scores = live(judged, lambda arch: -clean_of(arch), "mine:score", lower_is_better=True)
    report = judge_proxy(judged, scores, adds=False)
    assert row(report, "clean")["spearman"] > 0.95
    assert report.made["lower_is_better"]


def test_the_ceiling_is_what_noise_leaves(judged: RobBench) -> None:
    """A proxy that knows the accuracy without its noise reaches it."""
    found = row(card(judged, clean_of), "clean")
    assert found["spearman"] == pytest.approx(found["ceiling"], abs=0.01)
    assert found["ceiling_low"] < found["ceiling"] < found["ceiling_high"] < 1


def test_few_twins_do_not_say_what_noise_leaves(judged: RobBench) -> None:
    few = row(judge_proxy(judged, live(judged, clean_of, "mine:score", sample=60), adds=False), "clean")
    assert few[["ceiling", "ceiling_low", "ceiling_high"]].isna().all()
    assert few["spearman"] > 0.9


def test_what_a_score_adds_to_a_predictor(judged: RobBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The accuracy tells more than any structure; how many zeros there are is known already."""
    pytest.importorskip("sklearn")
    monkeypatch.setattr("robbench.judge.gains.TREES", 8)
    accuracy = live(judged, lambda arch: judged.query(arch, "clean"), "mine:accuracy")
    known = live(judged, lambda arch: arch.ops.count("none"), "mine:zeros")
    title = "what it adds to a predictor"
    adds, nothing = (row(judge_proxy(judged, one, metrics=["clean"]), "clean", title) for one in (accuracy, known))
    assert adds["added_to_structure_low"] > 0
    assert abs(nothing["added_to_structure"]) < 0.02
    assert nothing["structure_with_score"] == pytest.approx(nothing["structure"] + nothing["added_to_structure"])


def test_how_far_forests_differ_by_their_seeds_is_estimated_from_one_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.setattr("robbench.judge.gains.TREES", 10)
    rng = np.random.default_rng(0)
    features = rng.normal(size=(90, 4))
    targets, fold = (features[:, :2] + rng.normal(size=(90, 2))) * [1, 1000], np.arange(90) % 4 - 1
    grown = [_out_of_fold(features, targets, fold, seed) for seed in range(16)]
    errors = [((one.predicted - targets)[fold >= 0] ** 2).sum(axis=0) for one in grown]
    between = np.std(errors, axis=0) / ((fold >= 0).sum() * targets[fold >= 0].var(axis=0))
    assert np.mean([one.deviation for one in grown], axis=0) == pytest.approx(between, rel=0.5)
    assert np.isnan(grown[0].predicted[fold < 0]).all()


def test_a_proxy_is_seconds_and_an_effective_rate(judged: RobBench) -> None:
    report = card(judged, lambda arch: np.nan if arch.ops[0] == "none" else 1.0 + clean_of(arch))
    missing = sum(arch.ops[0] == "none" for arch in judged.classes)
    asked = len(judged.classes)
    assert report.faults[0][:3] == ("returned NaN", missing, asked)
    assert report.summary[0].startswith(f"Effective rate {1 - missing / asked:.3f}")
    assert row(report, "clean")["n"] == asked - missing
    assert "s an architecture" in report.summary[1]


def test_a_sample_is_drawn_by_the_seed(judged: RobBench) -> None:
    one, same, other = (live(judged, clean_of, "mine:score", sample=50, seed=seed) for seed in (0, 0, 1))
    assert one.asked.sum() == 50
    assert np.array_equal(one.values, same.values, equal_nan=True)
    assert not np.array_equal(one.asked, other.asked)
    assert judge_proxy(judged, one, adds=False).section("ranking").equals(judge_proxy(judged, same, adds=False).section("ranking"))


def broken(arch: Any) -> float:
    raise ValueError(f"no weights for {arch}")


def hanging(arch: Any) -> float:
    while True:
        pass


counter = iter(range(10**9))
BAD: dict[str, tuple[Callable[..., Any], str]] = {
    "raises": (broken, "raised ValueError"),
    "exits": (lambda arch: exit(1), "raised SystemExit"),
    "all NaN": (lambda arch: np.nan, "returned NaN"),
    "infinite": (lambda arch: np.inf, "returned an infinite number"),
    "text": (str, "returned no number"),
    "nothing": (lambda arch: None, "returned NaN"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_goes_wrong_is_named(judged: RobBench, name: str) -> None:
    function, what = BAD[name]
    report = card(judged, function)
    assert report.faults[0][:3] == (what, len(judged.classes), len(judged.classes))
    assert report.sections == ()
    assert report.summary == (
        f"Effective rate 0.000: 0 of {len(judged.classes)} classes have a score.",
        "With fewer than 20 scores beside a measurement there is nothing more to judge.",
    )


def test_a_constant_ranks_nothing(judged: RobBench) -> None:
    report = card(judged, lambda arch: 1)
    assert report.summary[1] == "All of them are 1, so they rank nothing."
    assert np.isnan(row(report, "clean")["spearman"])
    assert "rank nothing" not in " ".join(card(judged, clean_of).summary)


def test_some_that_fail_do_not_hinder_the_others(judged: RobBench) -> None:
    report = card(judged, lambda arch: broken(arch) if arch.ops[0] == "none" else clean_of(arch))
    assert row(report, "clean")["spearman"] > 0.95
    assert "no weights for |none~0|" in report.faults[0].example


def test_what_hangs_is_interrupted_and_not_asked_for_ever(judged: RobBench) -> None:
    scores = live(judged, hanging, "mine:score", limit=0.02)
    assert [fault[:2] for fault in scores.faults] == [
        ("was still at work after 0.02 s", 3),
        ("was not asked any more after 3 calls that hung", len(judged.classes) - 3),
    ]
    assert np.isnan(scores.values).all()


def test_a_function_that_takes_a_seed_is_asked_by_another_one_too(judged: RobBench) -> None:
    def drawn(arch: Any, seed: int = 7) -> float:
        return clean_of(arch) + float(np.random.default_rng([seed, *map(len, arch.ops)]).normal(scale=0.05))

    one, same, other = (live(judged, drawn, "mine:score", seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(one.values, same.values)
    assert one.values[0] == drawn(judged.classes[0], 3)
    assert not np.array_equal(one.values, other.values)
    assert one.agreement == pytest.approx(1)
    assert not one.faults
    assert one.reseeded is not None
    assert 0.3 < one.reseeded < 1
    assert (
        f"By another seed, its scores agree with themselves by Spearman's ρ {one.reseeded:.3f}."
        in judge_proxy(judged, one, adds=False).summary
    )
    assert live(judged, clean_of, "mine:score", sample=40).reseeded is None
    assert live(judged, len, "mine:score", sample=3).reseeded is None


def test_scores_that_depend_on_the_order_of_asking_are_named(judged: RobBench) -> None:
    scores = live(judged, lambda arch: next(counter), "mine:score")
    assert scores.faults[0].what == "scored otherwise when 32 were asked again in another order"
    assert scores.faults[0].times == 32
    assert scores.agreement is not None
    assert scores.agreement < 0.9
    assert not live(judged, clean_of, "mine:score").faults


def test_what_writes_to_the_store_is_named(judged_store: Path, tmp_path: Path) -> None:
    path = tmp_path / "own.h5"
    path.write_bytes(judged_store.read_bytes())

    def writing(arch: Any) -> float:
        path.write_bytes(judged_store.read_bytes() + b" ")
        return clean_of(arch)

    scores = live(RobBench(path), writing, "mine:score", sample=3)
    assert [fault[:2] for fault in scores.faults] == [("changed the store", 1)]


class Ahead:
    """Knows scores of those only that it was told of before."""

    def __init__(self) -> None:
        self.told: list[int] = []
        self.scores: dict[Any, float] = {}

    def prepare(self, archs: list[Any]) -> None:
        self.told.append(len(archs))
        self.scores = {arch: clean_of(arch) for arch in archs}

    def __call__(self, arch: Any) -> float:
        return self.scores[arch]


def test_who_can_score_ahead_is_told_what_comes(judged: RobBench) -> None:
    ahead = Ahead()
    scores = live(judged, ahead, "mine:score", sample=100)
    assert ahead.told == [64, 36, 32]
    assert not scores.faults
    assert np.array_equal(scores.values, live(judged, clean_of, "mine:score", sample=100).values, equal_nan=True)


def test_many_at_once(judged: RobBench) -> None:
    alone = live(judged, clean_of, "mine:score").values
    assert np.array_equal(live(judged, lambda archs: [clean_of(arch) for arch in archs], "mine:scores", batch=64).values, alone)
    short = live(judged, lambda archs: [clean_of(arch) for arch in archs][1:], "mine:scores", batch=64)
    assert short.faults[0].what == "returned another number of scores than of architectures"
    assert np.isnan(short.values).all()


def test_scores_of_a_file(judged: RobBench, tmp_path: Path) -> None:
    archs = [str(arch) for arch in judged.classes]
    lines = [f"{arch},{clean_of(judged.parse(arch))}" for arch in archs[2:]]
    elsewhere = next(arch for arch in NB201.members or () if NB201.key(arch) not in map(NB201.key, judged.classes))
    bad = [f"{archs[0]},oops", "nonsense,1", f"{archs[5]},77", f"{elsewhere},1"]
    path = tmp_path / "scores.csv"
    path.write_text("\n".join(["arch,score", *lines, *bad]))
    scores = from_csv(judged, path)
    assert scores.name == "scores.csv:score"
    assert scores.made["method_sha256"] == checksum(path)
    assert scores.asked.sum() == len(archs) - 1
    assert np.isnan(scores.values[:2]).all()
    assert scores.values[2:] == pytest.approx([clean_of(arch) for arch in judged.classes[2:]])
    assert sorted(fault.what for fault in scores.faults) == [
        "has no finite number",
        "has two scores for one architecture, of which the first counts",
        "names architectures that the store does not hold",
        "names what is no architecture of the space",
    ]


@pytest.mark.parametrize(("text", "said"), [("a,b\n1,2", "expected 'arch'"), ("arch,x,y\n1,2,3", "one of scores: say which")])
def test_a_file_that_does_not_say_which_scores_is_refused(judged: RobBench, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "scores.csv").write_text(text)
    with pytest.raises(InvalidArgument, match=said):
        from_csv(judged, tmp_path / "scores.csv")


def test_a_proxy_of_the_store_is_not_set_beside_itself(judged: RobBench) -> None:
    report = judge_proxy(judged, from_store(judged, "synflow"), adds=False)
    assert row(report, "clean", "beside the proxies of the store")["place"] == "1 of 3"
    table = judged.table(["clean", "synflow"])
    assert row(report, "clean")["spearman"] == pytest.approx(spearmanr(table["clean"], table["synflow"]).statistic)


def test_all_proxies_stand_side_by_side(judged: RobBench) -> None:
    board = card(judged, clean_of).section("all proxies").set_index("proxy")
    assert set(board.index) == {"mine:score", "params", "synflow", "kernel_parameters"}
    assert board["clean"].idxmax() == "mine:score"
    assert board["attacks"].is_monotonic_decreasing
    assert board.loc["params", "clean"] == pytest.approx(board.loc["kernel_parameters", "clean"])
    assert board["corruptions"].isna().all()


def test_a_report_says_what_made_it(judged: RobBench) -> None:
    report = card(judged, clean_of, metrics=["clean"], seed=4, resamples=20)
    said = json.loads(report.json())
    assert said["made"] | {"seed": 4, "resamples": 20, "store": "judged.h5", "method": "mine:score"} == said["made"]
    assert said["sections"]["ranking"][0]["metric"] == "clean"
    assert len(said["sections"]["ranking"]) == 1
    assert said["made"]["sample"] is None
    assert said["made"]["method_sha256"] == checksum(Path(clean_of.__code__.co_filename))
    drawn = judge_proxy(judged, live(judged, lambda archs: [0] * len(archs), "mine:score", sample=30, batch=7, limit=3), adds=False)
    assert dict(drawn.made) | {"sample": 30, "batch": 7, "limit": 3} == drawn.made
    assert "| made | standard | clean |" in report.markdown()
    assert said["made"]["store_sha256"] in report.markdown()


def test_digits_that_are_no_index_are_no_architecture(judged: RobBench, tmp_path: Path) -> None:
    """Python reads no integer of 5,000 digits."""
    (tmp_path / "scores.csv").write_text(f"arch,score\n{'9' * 5000},1\n")
    scores = from_csv(judged, tmp_path / "scores.csv")
    assert [fault[:2] for fault in scores.faults] == [("names what is no architecture of the space", 1)]


def test_bad_options_are_refused(judged: RobBench) -> None:
    with pytest.raises(UnknownMetric):
        card(judged, clean_of, metrics=["cleen"])
    with pytest.raises(InvalidArgument, match="top=2"):
        card(judged, clean_of, top=2)
    with pytest.raises(InvalidArgument, match="limit=-1"):
        live(judged, clean_of, "mine:score", limit=-1)


def test_overlap_counts_ties_by_their_chance() -> None:
    """Two of four are best by the target; the score ties all of them, so half of its best two are."""
    target = np.array([[4.0, 3, 2, 1]])
    weights = np.ones((4, 1))
    assert overlaps(np.zeros(4), target, weights, 0.5) == pytest.approx(0.5)
    assert overlaps(np.array([4.0, 1, 2, 3]), target, weights, 0.5) == pytest.approx(0.5)
    assert overlaps(target[0], target, weights, 0.5) == pytest.approx(1)


def test_a_weight_of_two_is_a_row_twice() -> None:
    rng = np.random.default_rng(0)
    one, other, weights = rng.integers(0, 9, 40).astype(float), rng.normal(size=40), rng.integers(0, 3, 40)
    first, second = (np.repeat(values, weights)[np.newaxis] for values in (one, other))
    control = rng.integers(0, 3, 40)
    columns, once = weights[:, np.newaxis].astype(float), np.ones((weights.sum(), 1))
    for held, repeated in ((None, None), (control, np.repeat(control, weights))):
        found = correlations(one[np.newaxis], other[np.newaxis], columns, held)
        assert found == pytest.approx(correlations(first, second, once, repeated))
    assert overlaps(one, other[np.newaxis], columns, 0.25) == pytest.approx(overlaps(first[0], second, once, 0.25))


def test_the_order_of_values_is_kept_in_small_integers() -> None:
    assert order_of(np.array([0.5, -1, 0.5, 2])).tolist() == [1, 0, 1, 2]
    assert order_of(np.arange(32768) / 7).dtype.itemsize > 2
    assert order_of(np.arange(32767) / 7).max() == 32766


def test_strata_are_equal_values_or_quantiles() -> None:
    assert strata(np.array([3.0, 1, 3, np.nan])).tolist() == [1, 0, 1, 2]
    many = strata(np.random.default_rng(0).normal(size=1000))
    assert np.bincount(many).tolist() == [20] * 50
