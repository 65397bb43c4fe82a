"""What a predictor is worth: a report card of its learning curves, beside the package's, the mean, the parameters and the noise ceiling."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from robbench.analysis.ceiling import ceiling_of
from robbench.analysis.predictability import drawn
from robbench.arguments import checked_count, checked_seed, options_checked
from robbench.bench import RobBench
from robbench.errors import CannotFit
from robbench.judge.asking import clean_and_robust
from robbench.judge.calling import Faults, MethodFailed, called, guarding
from robbench.judge.figures import Dots, Lines
from robbench.judge.fitting import LEVEL, Predicted, Predictor, brought, line, mean, ours
from robbench.judge.keeping import kept_in
from robbench.judge.methods import Method, source_of
from robbench.judge.report import Report, Section, made_by
from robbench.judge.scoring import HANGING
from robbench.measurements.directions import spelled
from robbench.search.repeated import one_thread
from robbench.surrogates.fitting import FEWEST_TEST, Data, gather, scores
from robbench.surrogates.kinds import kind_of
from robbench.surrogates.splits import TWIN, split

if TYPE_CHECKING:
    import pandas as pd

SIZES = (50, 200, 1000)
BESIDE = ("ridge", "forest")
PARAMETERS = "kernel_parameters"
RESAMPLES = 200


@options_checked
def judge_predictor(
    bench: RobBench,
    method: str,
    *,
    metrics: Sequence[str] = (),
    features: str = "structure",
    beside: Sequence[str] = BESIDE,
    sizes: Sequence[int] = (),
    splits: int = 3,
    seed: int = 0,
    dataset: str | None = None,
    training: str | None = None,
    limit: float | None = 300,
    keep: Path | None = None,
    progress: bool = False,
) -> Report:
    """The report card of a predictor.

    Arguments:
        bench: what was measured.
        method: ``module:name`` of a class, function or object (see `robbench.judge.fitting.brought`), or a kind of surrogate of the package.
        metrics: with their levels; clean accuracy, every attack and the mean over corruptions if left out.
        features: what is learned from; see `robbench.surrogates.features`.
        beside: kinds of surrogates.
        sizes: numbers of architectures to learn from; those of `SIZES` that there are if left out.
        splits: how many splits by groups of twins; of each, every predictor learns from the same architectures, and is tested on the same.
        seed: of the first split, and of the models; the others have the next.
        dataset, training: as for a query.
        limit: seconds that a fit with its predictions may take; None for no limit.
        keep: a folder for finished fits (see `robbench.judge.keeping`): a report that was cut goes on, and one of more splits, sizes, metrics or predictors in the
            same setting takes what is there.
        progress: show a bar on stderr.

    Returns:
        Sections ``scores``, of the largest size, and ``learning curves``.

    Raises:
        CannotFit: too few architectures; otherwise as `robbench.surrogates.fit`.
        InvalidArgument: a size beyond the training side, a method or number that is none, or a folder that keeps fits of another setting.
    """
    from tqdm import tqdm

    checked_count(splits, "splits")
    others = {method: brought(Method(method).found)} if ":" in method else {}
    of_ours = [name for name in dict.fromkeys((method, *beside)) if name not in others]
    for name in of_ours:
        kind_of(name)
    names = list(dict.fromkeys(map(spelled, metrics))) or clean_and_robust(bench, training)
    made = made_by(bench, seed, dataset=dataset or bench.default_dataset, training=training, features=features)
    kept = kept_in(keep, made | {"limit": limit}, [*others, *of_ours])
    faults, asked, hanging = Faults(), 0, 0
    records: list[dict[str, Any]] = []
    with guarding(bench.path, faults):
        for metric in tqdm(names, unit="metric", disable=None if progress else True):
            data = gather(bench.measurements, metric, features, dataset=dataset, training=training)
            predictors = {**others, **{name: ours(name, data.names) for name in of_ours}}
            for task in _tasks(data, predictors, _control(bench, data), sizes, range(checked_seed(seed), seed + splits)):
                is_judged = task.predictor == method
                if is_judged and hanging == HANGING:
                    faults.note(f"was not asked any more after {HANGING} fits that hung")
                    continue
                found = kept.done((task.predictor, metric, task.size, task.split), partial(_judged if is_judged else _trusted, task, limit))
                asked += is_judged
                for what, example in found["faults"]:
                    faults.note(what, ", ".join(filter(None, (example, f"of {metric} from {task.size} architectures"))))
                    hanging += what.startswith("was still")
                if found["scores"]:
                    place = {"metric": metric, "predictor": task.predictor, "size": task.size, "split": task.split}
                    records.append(place | found["scores"] | task.ceiling | {"seconds": found["seconds"]})
    made = {"method": method, "method_sha256": source_of(method), "splits": splits, **made}
    sections = tuple(_sections(records)) if records else ()
    return Report("predictor", method, _summary(method, records, asked), faults.of(asked), sections, made)


class _Task(NamedTuple):
    """One fit, and what it is tested on."""

    predictor: str
    size: int
    split: int
    function: Predictor
    called_with: tuple[np.ndarray, np.ndarray, np.ndarray, int]
    measured: np.ndarray
    """``(tested,)``."""
    ceiling: dict[str, float]


def _tasks(
    data: Data, predictors: Mapping[str, Predictor], control: np.ndarray | None, sizes: Sequence[int], splits: Sequence[int]
) -> Iterator[_Task]:
    """All fits for one metric: of the predictors, and of those that any must beat."""
    for number in splits:
        train_side = _split(data, number)
        tested = np.flatnonzero(~train_side)
        measured, ceiling = data.targets[tested, 0], _ceiling(data, tested)
        for size in sizes or [size for size in SIZES if size <= train_side.sum()] or [int(train_side.sum())]:
            learned = drawn(train_side, size, number)
            given: dict[str, tuple[Predictor, np.ndarray]] = {
                name: (function, data.features) for name, function in {**predictors, "mean": mean}.items()
            }
            if control is not None:
                given["parameters"] = line, control[:, np.newaxis]
            for name, (function, features) in given.items():
                called_with = features[learned], data.targets[learned, 0], features[tested], number
                yield _Task(name, size, number, function, called_with, measured, ceiling)


def _trusted(task: _Task, limit: float | None) -> dict[str, Any]:
    """What came of a fit: ``{"scores": {…}, "seconds": …, "faults": []}``; what is not judged has no limit, and raises its errors."""
    start = time.perf_counter()
    with one_thread():
        predicted = task.function(*task.called_with)
    return {"scores": _score(predicted, task.measured), "seconds": time.perf_counter() - start, "faults": []}


def _judged(task: _Task, limit: float | None) -> dict[str, Any]:
    """The same of what is judged, with its faults as ``[what, example]``; no scores where there are no predictions."""
    start = time.perf_counter()
    try:
        with one_thread():
            predicted = called(limit, task.function, *task.called_with)
    except MethodFailed as error:
        failed = error.__cause__ if isinstance(error.__cause__, MethodFailed) else error
        return {"scores": {}, "seconds": time.perf_counter() - start, "faults": [[failed.kind, failed.message]]}
    seconds, count, faults = time.perf_counter() - start, len(predicted.means), []
    missing = int((~np.isfinite(predicted.means)).sum())
    if missing:
        faults.append(["predicted NaN, or infinite values", f"{missing} of {count}"])
    if predicted.depends_on_order:
        faults.append(["predicted otherwise when asked in another order", f"some of {count}"])
    if predicted.low is not None and predicted.high is not None:
        empty = int((~(predicted.low <= predicted.high)).sum())  # NaN, too
        if empty:
            faults.append(["gave intervals that hold nothing", f"{empty} of {count}"])
    return {"scores": _score(predicted, task.measured), "seconds": seconds, "faults": faults}


def _split(data: Data, seed: int) -> np.ndarray:
    train_side = split(TWIN, data.twins, seed=seed)
    if (~train_side).sum() < FEWEST_TEST:
        raise CannotFit(f"{int((~train_side).sum())} architectures are left to test on; expected at least {FEWEST_TEST}.")
    return train_side


def _control(bench: RobBench, data: Data) -> np.ndarray | None:
    """The parameters of each architecture, ``(n,)``, as the space counts them; None where it does not."""
    attribute = bench.space.attributes.get(PARAMETERS)
    archs = bench.measurements.lookup.archs(data.kind)
    return None if attribute is None else np.array([attribute(archs[row]) for row in data.rows], np.float64)


def _ceiling(data: Data, tested: np.ndarray) -> dict[str, float]:
    try:
        found = ceiling_of(data.targets[tested, 0], data.twins.group[tested], RESAMPLES)
    except CannotFit:
        return dict.fromkeys(("ceiling", "ceiling_low", "ceiling_high"), np.nan)
    return {"ceiling": found.r2, "ceiling_low": found.low, "ceiling_high": found.high}


def _score(predicted: Predicted, measured: np.ndarray) -> dict[str, float]:
    """On the architectures of which there is a prediction."""
    there = np.isfinite(predicted.means)
    if not there.any():
        return {"r2": np.nan, "kendall": np.nan, "mae": np.nan, "n": 0, "coverage": np.nan, "width": np.nan}
    found = scores(measured[there], predicted.means[there])
    coverage = width = np.nan
    if predicted.low is not None and predicted.high is not None:
        inside = (predicted.low <= measured) & (measured <= predicted.high)
        coverage, width = float(inside[there].mean()), float((predicted.high - predicted.low)[there].mean())
    return {name: found[name] for name in ("r2", "kendall", "mae", "n")} | {"coverage": coverage, "width": width}


def _sections(records: Sequence[dict[str, Any]]) -> list[Section]:
    """Means over the splits, with the least and the greatest R²."""
    import pandas as pd

    grouped = pd.DataFrame.from_records(records).groupby(["metric", "predictor", "size"], sort=False)
    curves = grouped.mean(numeric_only=True).drop(columns="split")
    curves.insert(1, "r2_low", grouped["r2"].min())
    curves.insert(2, "r2_high", grouped["r2"].max())
    curves["share"] = curves["r2"] / curves["ceiling"]
    table = curves.reset_index()
    largest: pd.DataFrame = table[table["size"] == table["size"].max()].reset_index(drop=True)
    short = ("metric", "predictor", "size", "r2", "ceiling", "share", "kendall", "mae", "coverage", "width", "seconds")
    return [
        Section("scores", SCORES_SAYS, largest, short, figure=Dots(("metric",), "predictor", "r2", "ceiling")),
        Section("learning curves", CURVES_SAYS, table, ("metric", "predictor"), ("size", "r2"), figure=CURVES),
    ]


def _summary(method: str, records: Sequence[dict[str, Any]], asked: int) -> tuple[str, ...]:
    judged = sum(record["predictor"] == method for record in records)
    return (f"{judged} of {asked} fits gave predictions.",)


SCORES_SAYS = (
    "On architectures of which neither they nor a twin were learned from: R² (mean over splits, least and greatest in brackets), the noise ceiling of R² with its 95%"
    f" interval, the share of it, Kendall's τ, mean absolute error; coverage: which share of measurements is in the {LEVEL:.0%} interval, where there is one, and how"
    " wide that is; seconds to fit and predict, with one thread of linear algebra."
)
CURVES = Lines(("metric",), "predictor", "size", "r2", "ceiling")
CURVES_SAYS = "R² after learning from so many architectures, mean over splits."
