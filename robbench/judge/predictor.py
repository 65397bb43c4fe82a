"""What a predictor is worth: a report card of its learning curves, beside the package's, the mean, the parameters and the noise ceiling."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robbench.arguments import checked_count, checked_seed, options_checked
from robbench.bench import RobBench
from robbench.errors import CannotFit, NotMeasured
from robbench.judge.asking import clean_and_robust, trainings_of
from robbench.judge.calling import Faults, ending_in_workers, guarding
from robbench.judge.figures import Dots, Lines
from robbench.judge.fitting import LEVEL
from robbench.judge.intervals import FOLDS
from robbench.judge.keeping import kept_in
from robbench.judge.learning import MEAN, Fits, Setting, fit_all
from robbench.judge.lukasik import LUKASIK, has_published, is_partly, said
from robbench.judge.methods import source_of
from robbench.judge.report import Report, Section, made_by
from robbench.judge.scoring import HANGING
from robbench.measurements.directions import spelled
from robbench.search.repeated import processes

if TYPE_CHECKING:
    import pandas as pd

BESIDE = ("ridge", "forest")


@options_checked
def judge_predictor(
    bench: RobBench,
    method: str,
    *,
    metrics: Sequence[str] = (),
    features: str = "structure",
    beside: Sequence[str] | None = None,
    sizes: Sequence[int] = (),
    splits: int = 3,
    intervals: bool = False,
    seed: int = 0,
    dataset: str | None = None,
    training: str | None = None,
    limit: float | None = 300,
    workers: int = 1,
    keep: Path | None = None,
    progress: bool = False,
) -> Report:
    """The report card of a predictor.

    Arguments:
        bench: what was measured.
        method: ``module:name`` of a class, function or object (see `robbench.judge.fitting.brought`), or a kind of surrogate of the package, or
            ``"lukasik2023"``: see `robbench.judge.lukasik`.
        metrics: with their levels; clean accuracy, every attack and the mean over corruptions if left out.
        features: what is learned from; see `robbench.surrogates.features`.
        beside: kinds of surrogates, and ``"lukasik2023"``; if left out, `BESIDE`, and the latter where the store has the published ones of its proxies.
        sizes: numbers of architectures to learn from; those of `SIZES` that there are if left out.
        splits: how many splits by groups of twins; of each, every predictor learns from the same architectures, and is tested on the same.
        intervals: whether the package's kinds, the mean and the parameters give intervals, too, to compare with those of what is brought; each then is fitted
            `robbench.judge.intervals.FOLDS` times more.  Their predictions are the same with and without.
        seed: of the first split, and of the models; the others have the next.
        dataset, training: as for a query.
        limit: seconds that a fit with its predictions and intervals may take; None for no limit.
        workers: processes; the result does not depend on how many.
        keep: a folder for finished fits (see `robbench.judge.keeping`): a report that was cut goes on, and one of more splits, sizes, metrics or predictors in the
            same setting takes what is there.
        progress: show a bar on stderr.

    Returns:
        Sections ``scores``, of the largest size; ``intervals`` of those that give some; and ``learning curves``.

    Raises:
        CannotFit: too few architectures, or a size from which a kind does not learn, or has no intervals; otherwise as `robbench.surrogates.fit`.
        NotMeasured: ``"lukasik2023"`` was named, and the store has none of its proxies.
        InvalidArgument: a size beyond the training side, a method or number that is none, a kind of surrogate that the space has not the features for, or a folder
            that keeps fits of another setting.
        MethodFailed: a worker's process ended in a fit.
    """
    from tqdm import tqdm

    for name, value in (("splits", splits), ("workers", workers)):
        checked_count(value, name)
    names = list(dict.fromkeys(map(spelled, metrics))) or clean_and_robust(bench, training)
    setting = Setting(bench.path, dataset or bench.default_dataset, training, features, method, limit, intervals)
    fits = Fits(bench, setting)
    numbers = range(checked_seed(seed), seed + splits)
    predictors = list(dict.fromkeys((method, *(_beside(fits, names, sizes, numbers) if beside is None else beside))))
    made = made_by(bench, seed, dataset=setting.dataset, training=training, features=features)
    kept = kept_in(keep, made | {"limit": limit}, predictors)
    which = list(fits.planned(names, predictors, sizes, numbers))
    faults, asked, hanging = Faults(), 0, 0
    records: list[dict[str, Any]] = []
    with guarding(bench.path, faults), ending_in_workers(predictors), processes(workers) if workers > 1 else nullcontext() as executor:
        found = fit_all(fits, which, executor, kept, lambda fit: fit.predictor == method and hanging == HANGING)
        for fit, one in tqdm(found, total=len(which), unit="fit", disable=None if progress else True):
            if one is None:
                faults.note(f"was not asked any more after {HANGING} fits that hung")
                continue
            asked += fit.predictor == method
            for what, example in one["faults"]:
                faults.note(what, ", ".join(filter(None, (example, f"of {fit.metric} from {fit.size} architectures"))))
                hanging += what.startswith("was still")
            if one["scores"]:
                records.append(fit._asdict() | one["scores"] | fits.ceiling(fit) | one["took"])
    measured = trainings_of(bench, names, setting.dataset, training)
    options = {"splits": splits, "intervals": intervals or None, "limit": limit}
    made = {"method": method, "method_sha256": source_of(method), **options, **made, "training": measured}
    on = _judged_on(records)
    about = said({metric: fits.proxies(metric).names for metric in names}, on) if on else None
    sections = tuple(_sections(records, intervals, about)) if records else ()
    return Report("predictor", method, _summary(method, records, asked, partly=is_partly(on)), faults.of(asked), sections, made)


def _beside(fits: Fits, metrics: Sequence[str], sizes: Sequence[int], splits: Sequence[int]) -> tuple[str, ...]:
    """What is beside a predictor if nobody says it: a paper's, too, where the store has all of it that was published, and enough architectures have that."""
    try:
        if not all(has_published(fits.proxies(metric).names) for metric in metrics):
            return BESIDE
        list(fits.planned(metrics, [LUKASIK], sizes, splits))
    except (NotMeasured, CannotFit):
        return BESIDE
    return (*BESIDE, LUKASIK)


def _judged_on(records: Sequence[dict[str, Any]]) -> list[tuple[int, int]]:
    """Of each fit of `LUKASIK`: on how many architectures it was judged, and on how many the others were."""
    all_of = {(record["metric"], record["split"]): record["n"] for record in records if record["predictor"] == MEAN}
    return [(record["n"], all_of[record["metric"], record["split"]]) for record in records if record["predictor"] == LUKASIK]


def _sections(records: Sequence[dict[str, Any]], intervals: bool, about: str | None) -> list[Section]:
    """Means over the splits, with the least and the greatest R² and interval score."""
    import pandas as pd

    grouped = pd.DataFrame.from_records(records).groupby(["metric", "predictor", "size"], sort=False)
    curves = grouped.mean(numeric_only=True).drop(columns="split")
    for name in ("r2", "interval_score"):
        place, several = list(curves).index(name), grouped[name].count() > 1
        curves.insert(place + 1, f"{name}_low", grouped[name].min().where(several))
        curves.insert(place + 2, f"{name}_high", grouped[name].max().where(several))
    curves["share"] = curves["r2"] / curves["ceiling"]
    table = curves.reset_index()
    largest: pd.DataFrame = table[table["size"] == table["size"].max()].reset_index(drop=True)
    known = largest[largest["coverage"].notna()].reset_index(drop=True)
    says = SCORES_SAYS if about is None else f"{SCORES_SAYS}\n\n{about}"
    return [
        Section("scores", says, largest, ("metric", "predictor", "size", *SCORED, "seconds"), figure=SCORES),
        *([_intervals(known, intervals)] if len(known) else []),
        Section("learning curves", CURVES_SAYS, table, ("metric", "predictor"), ("size", "r2"), figure=CURVES),
    ]


def _intervals(table: pd.DataFrame, calibrated: bool) -> Section:
    shown = ("metric", "predictor", "size", "coverage", "width", "interval_score", *(["interval_seconds"] if calibrated else []))
    return Section("intervals", f"{INTERVALS_SAYS}\n\n{CALIBRATED_SAYS if calibrated else OWN_SAYS}", table, shown, figure=INTERVALS)


def _summary(method: str, records: Sequence[dict[str, Any]], asked: int, *, partly: bool) -> tuple[str, ...]:
    judged = sum(record["predictor"] == method for record in records)
    sentences = [f"{judged} of {asked} fits gave predictions."]
    if judged and not (partly and method == LUKASIK):
        sentences.append(ahead(method, [record for record in records if not (partly and record["predictor"] == LUKASIK)]))
    return tuple(sentences)


def ahead(method: str, records: Sequence[dict[str, Any]]) -> str:
    """Under how many metrics a predictor is better, or worse, than the others whichever split is looked at.

    Arguments:
        method: the predictor.
        records: of each fit, its ``metric``, ``predictor``, ``size``, ``split`` and ``r2``.
    """
    import pandas as pd

    table = pd.DataFrame.from_records(records)
    largest = table[table["size"] == table["size"].max()]
    r2 = largest.pivot_table(index=["metric", "split"], columns="predictor", values="r2", dropna=False, sort=False)
    splits = largest["split"].nunique()
    if method not in r2 or splits == 1:
        return "One split does not say what noise may have decided."
    lead = (r2[method] - r2.drop(columns=method).max(axis=1)).groupby("metric", sort=False)
    first, last = int((lead.min() > 0).sum()), int((lead.max() < 0).sum())
    return (
        f"From {largest['size'].max()} architectures, its R² is above every other's in all {splits} splits under {first} of {len(lead)} metrics, and below the best"
        f" other's in all of them under {last}; where splits disagree, noise may have decided."
    )


SCORES_SAYS = (
    "On architectures of which neither they nor a twin were learned from: R² (mean over splits, least and greatest in brackets), the noise ceiling of R² with its 95%"
    " interval (blank where no twins say it), the share of it, Kendall's τ, mean absolute error; seconds to fit and predict, with one thread of linear algebra. JSON has"
    " core_seconds, too, which a busy machine makes no longer."
)
INTERVALS_SAYS = (
    f"On the same architectures, of those that give {LEVEL:.0%} intervals: coverage: which share of measurements is inside; width: how wide they are; interval_score: the"
    f" width, and {2 / (1 - LEVEL):.0f} times how far outside a measurement is, mean over architectures (Gneiting and Raftery, 2007, eq. 43; least and greatest of the"
    " splits in brackets). Less is better: neither wide intervals win, nor narrow ones that miss."
)
OWN_SAYS = "They are the method's own, made within its seconds; the others were asked for none."
CALIBRATED_SAYS = (
    "Those of a method that was brought are its own, made within its seconds. Those of the package's kinds, of the mean and of the parameters stand around the same"
    f" predictions as without intervals, and are as wide as the errors of {FOLDS} more fits say, each of which has left out a fold of the groups of twins that were learned"
    " from (groups for development are in none): interval_seconds, which is not in seconds."
)
SCORED = ("r2", "ceiling", "share", "kendall", "mae")
INTERVALS = Dots(("metric",), "predictor", "interval_score", ends="from the least to the greatest of the splits")
SCORES = Dots(("metric",), "predictor", "r2", "ceiling", ends="from the least to the greatest of the splits")
CURVES = Lines(("metric",), "predictor", "size", "r2", "ceiling")
CURVES_SAYS = "R² after learning from so many architectures, mean over splits."
