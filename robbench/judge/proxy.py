"""What a proxy is worth: a report card of the scores that someone brings, beside all proxies of the store and the ceiling that noise sets.

report = judge_proxy(bench, live(bench, function, "mine:score"))
report.section("ranking")       a row for each training and metric: how far the score ranks as it does
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from robbench.analysis.ceiling import ceiling_of
from robbench.analysis.correlation import kendall_tau
from robbench.analysis.resampling import draws, interval
from robbench.arguments import checked_count, checked_seed, options_checked
from robbench.bench import RobBench
from robbench.errors import CannotFit, InvalidArgument, NotMeasured
from robbench.judge.asking import SUMMARIES, one_level_each
from robbench.judge.comparing import Place, Wanted, beside_all, board_of, compared_with, others_of
from robbench.judge.figures import Dots
from robbench.judge.gains import FOLDS, gains
from robbench.judge.keeping import kept_in
from robbench.judge.ranking import correlations, order_of, overlaps, residuals, strata
from robbench.judge.report import Report, Section, made_by
from robbench.judge.scoring import Scores
from robbench.measurements.directions import higher_is_better, spelled
from robbench.measurements.joining import join
from robbench.measurements.metrics import parse
from robbench.measurements.question import UNTRAINED, Question
from robbench.search.repeated import one_thread

RESAMPLES = 200
KENDALL_RESAMPLES = 100
"""Kendall's τ of a resample takes milliseconds; its interval is from the first of the same resamples."""
FEWEST = 20
FEWEST_TWINS = 10
PANELS = ("dataset", "training")
RANKING = "ranking"
BESIDE = "beside the proxies of the store"


@dataclass(frozen=True)
class _Options:
    top: float
    resamples: int
    seed: int


@options_checked
def judge_proxy(
    bench: RobBench,
    scores: Scores,
    *,
    metrics: Sequence[str] = (),
    datasets: Sequence[str] = (),
    top: float = 0.1,
    resamples: int = RESAMPLES,
    seed: int = 0,
    adds: bool = True,
    keep: Path | None = None,
) -> Report:
    """The report card of a proxy.

    It runs over classes, each once; intervals are 95% percentile bootstraps over groups of functional twins.

    Arguments:
        bench: what was measured.
        scores: what the proxy says; see `robbench.judge.scoring`.
        metrics: accuracies with their levels; if left out, every threat of each training at the level at which architectures differ most, and the means over
            attacks and over corruptions.
        datasets: the bench's default if left out.
        top: the share of architectures that counts as the best, for overlaps.
        resamples: of the bootstraps.
        seed: of the bootstraps, of the folds and of the predictor.
        adds: whether to measure what the score adds to predictors, which takes longest.
        keep: a folder for finished tables (see `robbench.judge.keeping`), which may be that of `live`: a report that was cut goes on, and one of more data sets takes
            what is there.  What is kept is of exactly these scores.

    Returns:
        Sections ``ranking``, ``beside the proxies of the store``, ``all proxies`` and ``what it adds to a predictor``; one that there is nothing for is left out.

    Raises:
        UnknownMetric, NotMeasured: a metric that is none, or was measured on none of the data sets.
        InvalidArgument: a share, number or seed that is none, or a folder that keeps tables of another setting.
        MissingLibrary: scikit-learn is not installed, and `adds` is wanted.
    """
    import pandas as pd

    if not 0 < top < 1:
        raise InvalidArgument(f"top={top!r} is not a share of the architectures between 0 and 1.")
    options = _Options(top, checked_count(resamples, "resamples"), checked_seed(seed))
    kept, usable = kept_in(keep, made_by(bench, seed), []), ~np.isnan(scores.values)
    digest = hashlib.sha256(scores.values.tobytes()).hexdigest()[:16]
    ranking: list[dict[str, Any]] = []
    beside: list[dict[str, Any]] = []
    board: list[dict[str, Any]] = []
    added: list[dict[str, Any]] = []
    with one_thread():
        for place in [Place(bench, dataset) for dataset in datasets or [bench.default_dataset]]:
            for rows, wanted in _wanted(bench, place.dataset, metrics, usable):
                of = (scores.name, digest, place.dataset, *map(" ".join, wanted), f"resamples {resamples}")
                found = kept.done(("ranks", *of, f"top {top}"), partial(_ranks, place, scores, rows, wanted, options))
                ranking += found["ranking"]
                beside += found["beside"]
                board += found["board"]
                if adds:
                    added += kept.done(("gains", *of), partial(_gains, bench, place, scores, rows, wanted, options))["added"]
    sections = [
        Section(title, says, pd.DataFrame.from_records(found), short, figure=figure)
        for title, says, found, short, figure in (
            (RANKING, _ranking_says(options), ranking, RANKING_SHORT, Dots(PANELS, "metric", "spearman", "ceiling")),
            (BESIDE, BESIDE_SAYS, beside, (), None),
            ("all proxies", BOARD_SAYS, board, (), Dots(PANELS, "proxy", "attacks")),
            ("what it adds to a predictor", ADDS_SAYS, added, (), Dots(PANELS, "metric", "added_to_structure")),
        )
        if found
    ]
    made = made_by(bench, seed, method=scores.name, **scores.made, resamples=resamples, top=top)
    return Report("proxy", scores.name, _summary(scores, sections), scores.faults, tuple(sections), made)


def _ranks(place: Place, scores: Scores, rows: np.ndarray, wanted: Wanted, options: _Options) -> dict[str, Any]:
    """Rows of the tables of rank correlations."""
    compared = compared_with(place, scores, rows, wanted, options.resamples, options.seed)
    return {
        "ranking": _ranking(place, scores.values[rows], rows, wanted, options),
        "beside": list(beside_all(place, compared)),
        "board": board_of(place, compared),
    }


def _gains(bench: RobBench, place: Place, scores: Scores, rows: np.ndarray, wanted: Wanted, options: _Options) -> dict[str, Any]:
    """Rows of the table of what the score adds to predictors."""
    others = others_of(place, scores, rows)
    found = gains(bench, scores.values, others, rows, list(wanted.values()), options.seed, options.resamples)
    return {"added": [place.of(*key) | gain for key, gain in zip(wanted, found, strict=False)]}


def _wanted(bench: RobBench, dataset: str, metrics: Sequence[str], usable: np.ndarray) -> Iterator[tuple[np.ndarray, Wanted]]:
    """What to judge by, more being better, sorted by which architectures have both it and a score: those of the same ones share their resamples."""
    by_rows: dict[bytes, Wanted] = {}
    for training, names in _asked(bench, dataset, metrics).items():
        values = join(bench.measurements, names, rows="class", dataset=dataset, training=training).values
        for name in names:
            rows = usable & ~np.isnan(values[name])
            by_rows.setdefault(rows.tobytes(), {})[training, name] = (1 if higher_is_better(name) else -1) * values[name][rows]
    for encoded, wanted in by_rows.items():
        rows = np.frombuffer(encoded, bool)
        if rows.sum() >= FEWEST:
            yield rows, wanted


def _asked(bench: RobBench, dataset: str, metrics: Sequence[str]) -> dict[str, list[str]]:
    """For each training of a data set, the metrics to judge by."""
    measurements, found = bench.measurements, dict[str, list[str]]()
    names = list(dict.fromkeys(map(spelled, metrics)))
    for training in bench.measurements.store.trainings(dataset):
        if training == UNTRAINED:
            continue
        wanted = names or [*one_level_each(bench, dataset, training), *SUMMARIES]
        for name in wanted:
            with suppress(NotMeasured):
                measurements.column(Question(parse(name), dataset, training))
                found.setdefault(training, []).append(name)
    for name in names:
        if not any(name in held for held in found.values()):
            measurements.column(Question(parse(name), dataset))  # says what there is instead
    return found


def _ranking(place: Place, score: np.ndarray, rows: np.ndarray, wanted: Wanted, options: _Options) -> list[dict[str, Any]]:
    """For each metric, how far the score ranks as it does: all of ``(rows,)``."""
    groups, targets = place.groups[rows], np.stack(list(wanted.values()))
    control = None if place.control is None else strata(place.proxies[place.control][rows])
    left = None if control is None else (residuals(score, control), np.stack([residuals(target, control) for target in targets]))
    pairs = {"kendall": (order_of(score), [order_of(target) for target in targets])}
    if left is not None:
        pairs["partial_kendall"] = order_of(left[0]), [order_of(target) for target in left[1]]
    drawn: dict[str, list[np.ndarray]] = {name: [] for name in ("spearman", "top", "partial", "partial_top", *pairs)}
    for weights in draws(groups, options.resamples, np.random.default_rng(options.seed)):
        drawn["spearman"].append(correlations(score[np.newaxis], targets, weights)[:, 0])
        drawn["top"].append(overlaps(score, targets, weights, options.top))
        if left is not None:
            drawn["partial"].append(correlations(score[np.newaxis], targets, weights, control)[:, 0])
            drawn["partial_top"].append(overlaps(*left, weights, options.top))
        taken = sum(map(len, drawn["kendall"]))
        for weight in weights.T[: max(KENDALL_RESAMPLES - taken, 0)].astype(np.intp):
            for name, (ours, theirs) in pairs.items():
                one = np.repeat(ours, weight)
                drawn[name].append(np.array([[kendall_tau(one, np.repeat(target, weight)) for target in theirs]]))
    once = np.ones((len(score), 1))
    points = {
        "spearman": correlations(score[np.newaxis], targets, once)[0, 0],
        **{name: np.array([kendall_tau(ours, target) for target in theirs]) for name, (ours, theirs) in pairs.items()},
        "top": overlaps(score, targets, once, options.top)[0],
        "partial": np.full(len(targets), np.nan) if left is None else correlations(score[np.newaxis], targets, once, control)[0, 0],
        "partial_top": np.full(len(targets), np.nan) if left is None else overlaps(*left, once, options.top)[0],
    }
    resampled = {name: np.concatenate(found) if found else np.empty((0, len(targets))) for name, found in drawn.items()}
    clean = [list(wanted).index((training, "clean")) if (training, "clean") in wanted else -1 for training, _ in wanted]
    for found in (points, resampled):
        found["gap"] = np.where(np.array(clean) >= 0, found["spearman"] - found["spearman"][..., clean], np.nan)
    records = []
    for index, (key, target) in enumerate(wanted.items()):
        record = place.of(*key) | {"n": len(score)}
        for statistic, point in points.items():
            low, high = interval(resampled[statistic][:, index])
            record |= {statistic: float(point[index]), f"{statistic}_low": low, f"{statistic}_high": high}
        records.append(record | _ceiling(target, groups, options))
    return records


def _ceiling(target: np.ndarray, groups: np.ndarray, options: _Options) -> dict[str, float]:
    """The highest Spearman's ρ of any function of the architecture with one measurement, with its interval: from how far twins' ranks differ.

    NaN where few are twins: resamples of these would differ too little to say how little they know.
    """
    from scipy.stats import rankdata

    found = None
    if len(groups) - len(np.unique(groups)) >= FEWEST_TWINS:
        with suppress(CannotFit):
            found = ceiling_of(rankdata(target), groups, options.resamples, options.seed)
    r2 = (np.nan, np.nan, np.nan) if found is None else found[:3]
    return {f"ceiling{end}": float(np.sqrt(np.maximum(value, 0))) for end, value in zip(("", "_low", "_high"), r2, strict=True)}


def _summary(scores: Scores, sections: Sequence[Section]) -> tuple[str, ...]:
    asked, usable = int(scores.asked.sum()), int((~np.isnan(scores.values) & scores.asked).sum())
    said = [f"Effective rate {usable / max(asked, 1):.3f}: {usable} of {asked} classes have a score."]
    if usable > 1 and np.nanmin(scores.values) == np.nanmax(scores.values):
        said.append(f"All of them are {np.nanmax(scores.values):g}, so they rank nothing.")
    if scores.seconds is not None:
        said.append(f"{scores.seconds:.3g} s an architecture.")
    if scores.agreement is not None:
        said.append(f"Asked again in another order, its scores agree with themselves by Spearman's ρ {scores.agreement:.3f}.")
    if scores.reseeded is not None:
        said.append(f"By another seed, its scores agree with themselves by Spearman's ρ {scores.reseeded:.3f}.")
    if not sections:
        said.append(f"With fewer than {FEWEST} scores beside a measurement there is nothing more to judge.")
    return tuple(said)


RANKING_SHORT = ("dataset", "training", "metric", "n", "spearman", "ceiling", "partial", "kendall", "top", "gap")


def _ranking_says(options: _Options) -> str:
    return (
        "spearman, kendall: rank correlations with the metric, over classes, with 95% intervals over groups of twins. partial: Spearman's, of ranks less their"
        f" mean among architectures of as many parameters. top: which share of the best {options.top:.0%} by the metric is among the best {options.top:.0%} by"
        f" the score; {options.top:.2f} by chance. ceiling: the highest Spearman's that noise of training allows, as far as twins say; blank where fewer than"
        f" {FEWEST_TWINS} are twins of others. gap: Spearman's less that with clean accuracy. JSON has partial_kendall and"
        " partial_top, too, of such ranks."
    )


BESIDE_SAYS = "Spearman's correlations over the architectures that the proxies of the store score, too: the place among them, the best other, and the difference from it."
BOARD_SAYS = (
    "Spearman's correlations of all of them over the same architectures: with clean accuracy, and means over those under attacks and corruptions, with 95% intervals"
    " over groups of twins. behind: less the best's under attacks, or of clean accuracy where there are none, in the same resamples; where its interval reaches 0, noise may have decided."
)
ADDS_SAYS = (
    f"R² of a random forest in {FOLDS} folds of groups of twins: of the structure alone and with the score; of all other proxies of the store and with it; and"
    " what the score adds, with 95% intervals over groups of twins and over how forests are grown."
)
