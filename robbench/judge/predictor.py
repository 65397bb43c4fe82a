"""What a predictor is worth: a report card of its learning curves, beside the package's, the mean, the parameters and the noise ceiling."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from robbench.analysis.ceiling import ceiling_of
from robbench.analysis.predictability import drawn
from robbench.arguments import checked_count, checked_seed, options_checked
from robbench.bench import RobBench
from robbench.errors import CannotFit
from robbench.judge.asking import clean_and_robust
from robbench.judge.calling import Faults, MethodFailed, called
from robbench.judge.fitting import LEVEL, Predicted, Predictor, brought, line, mean, ours
from robbench.judge.methods import Method
from robbench.judge.report import Report, Section, made_by
from robbench.judge.scoring import HANGING
from robbench.measurements.directions import spelled
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
        progress: show a bar on stderr.

    Returns:
        Sections ``scores``, of the largest size, and ``learning curves``.

    Raises:
        CannotFit: too few architectures; otherwise as `robbench.surrogates.fit`.
        InvalidArgument: a size beyond the training side, a method or number that is none.
    """
    from tqdm import tqdm

    checked_count(splits, "splits")
    others = {method: brought(Method(method).found)} if ":" in method else {}
    of_ours = [name for name in dict.fromkeys((method, *beside)) if name not in others]
    for name in of_ours:
        kind_of(name)
    names = list(dict.fromkeys(map(spelled, metrics))) or clean_and_robust(bench, training)
    faults, asked, hanging = Faults(), 0, 0
    records: list[dict[str, Any]] = []
    for name in tqdm(names, unit="metric", disable=None if progress else True):
        data = gather(bench.measurements, name, features, dataset=dataset, training=training)
        control = _control(bench, data)
        contestants: dict[str, Predictor] = {
            **others,
            **{name: ours(name, data.names) for name in of_ours},
            "mean": mean,
            **({} if control is None else {"parameters": line}),
        }
        for number in range(checked_seed(seed), seed + splits):
            train_side = _split(data, number)
            for size in sizes or [size for size in SIZES if size <= train_side.sum()] or [int(train_side.sum())]:
                learned, tested = drawn(train_side, size, number), np.flatnonzero(~train_side)
                ceiling = _ceiling(data, tested)
                for predictor, function in contestants.items():
                    is_judged = predictor == method
                    if is_judged and hanging == HANGING:
                        faults.note(f"was not asked any more after {HANGING} fits that hung")
                        continue
                    asked += is_judged
                    known = data.features if function is not line or control is None else control[:, np.newaxis]
                    start = time.perf_counter()
                    try:
                        predicted = called(
                            limit if is_judged else None, function, known[learned], data.targets[learned, 0], known[tested], number
                        )
                    except MethodFailed as error:
                        if not is_judged:
                            raise
                        failed = error.__cause__ if isinstance(error.__cause__, MethodFailed) else error
                        faults.note(failed.kind, f"{failed}, of {name} from {size} architectures")
                        hanging += failed.kind.startswith("was still")
                        continue
                    seconds = time.perf_counter() - start
                    if is_judged:
                        _note(faults, predicted, f"{name} from {size} architectures")
                    place = {"metric": name, "predictor": predictor, "size": size, "split": number}
                    records.append(place | _score(predicted, data.targets[tested, 0]) | ceiling | {"seconds": seconds})
    made = made_by(bench, seed, method=method, features=features, splits=splits, dataset=dataset, training=training)
    sections = tuple(_sections(records)) if records else ()
    return Report("predictor", method, _summary(method, records, asked), faults.of(asked), sections, made)


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


def _note(faults: Faults, predicted: Predicted, where: str) -> None:
    missing = int((~np.isfinite(predicted.means)).sum())
    if missing:
        faults.note("predicted NaN, or infinite values", f"{missing} of {len(predicted.means)}, of {where}")
    if predicted.depends_on_order:
        faults.note("predicted otherwise when asked in another order", where)


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
        Section("scores", SCORES_SAYS, largest, short),
        Section("learning curves", CURVES_SAYS, table, ("metric", "predictor"), ("size", "r2")),
    ]


def _summary(method: str, records: Sequence[dict[str, Any]], asked: int) -> tuple[str, ...]:
    judged = sum(record["predictor"] == method for record in records)
    return (f"{judged} of {asked} fits gave predictions.",)


SCORES_SAYS = (
    "On architectures of which neither they nor a twin were learned from: R² (mean over splits, least and greatest in brackets), the noise ceiling of R² with its 95%"
    f" interval, the share of it, Kendall's τ, mean absolute error; coverage: which share of measurements is in the {LEVEL:.0%} interval, where there is one, and how"
    " wide that is; seconds to fit and predict."
)
CURVES_SAYS = "R² after learning from so many architectures, mean over splits."
