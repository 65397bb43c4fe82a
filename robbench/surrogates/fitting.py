"""Fitting a surrogate: which numbers, of which architectures, and its scores on the test side."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from robbench.arguments import checked_choice, options_checked
from robbench.clock import clock
from robbench.errors import CannotFit
from robbench.measurements.columns import Column
from robbench.measurements.measurements import Bench, Measurements
from robbench.measurements.metrics import TABLE, Metric, parse
from robbench.measurements.question import Question
from robbench.surrogates import features as feature_sets
from robbench.surrogates import splits
from robbench.surrogates.curves import monotone
from robbench.surrogates.kinds import features_of, fitted, kind_of
from robbench.surrogates.known import follows, numbers_of, refuse_known
from robbench.surrogates.splits import Twins
from robbench.surrogates.surrogate import About, Surrogate
from robbench.version import __version__

FEWEST_TEST = 20
"""Architectures on a test side."""
_LIBRARIES = ("numpy", "scikit-learn", "xgboost")


class Data(NamedTuple):
    """A target's measurements, beside the features of the architectures that they were made of."""

    outputs: list[Metric]
    auxiliary: list[tuple[str, Metric]]
    """With the dataset of each."""
    training: str
    kind: str
    """"class" or "exact": what `rows` are rows of."""
    rows: np.ndarray
    """``(n,)``: row in the store of each."""
    twins: Twins
    """Of each, its group of functional twins."""
    names: tuple[str, ...]
    needed: tuple[str, ...]
    """The features that are metrics of their own, which all of the rows have."""
    features: np.ndarray
    """``(n, features)``."""
    targets: np.ndarray
    """``(n, outputs + auxiliary)``."""


def spelled(target: str | Sequence[str]) -> str:
    """A target, one metric or several, in its canonical spelling, under which a store keeps its surrogate; raises UnknownMetric."""
    return "+".join(str(parse(text)) for text in (target.split("+") if isinstance(target, str) else target))


def gather(measurements: Measurements, target: str, features: str, *, dataset: str | None = None, training: str | None = None) -> Data:
    """Every architecture of which the whole target was measured, and each metric that is a feature.

    Auxiliary targets are what else was measured of all of them under the same training, on every dataset: the clean accuracy, and that under
    each attack and level; but for what follows from the features.

    Raises:
        UnknownMetric, NotMeasured: the target or the features are not to be had from this store.
        InvalidArgument: there are no such features, or a target follows from them.
        CannotFit: the target mixes metrics of classes with metrics of exact architectures.
    """
    question = measurements.resolve(Question(parse(target.split("+")[0]), dataset, training))
    outputs = numbers_of(measurements, question, target.split("+"))
    asked = [question._replace(metric=metric) for metric in outputs]
    found = [measurements.column(one) for one in asked]
    kinds = {column.rows for column in found}
    if len(kinds) > 1:
        raise CannotFit(f"{target} mixes metrics of classes with metrics of exact architectures; fit a surrogate for each.")
    kind, lookup = found[0].rows, measurements.lookup
    archs = lookup.archs(kind)
    where = str(question.dataset), question.training
    known = feature_sets.known(measurements, features, *where)
    refuse_known(measurements, asked, known)
    table = feature_sets.table(features, measurements, *where)
    values = table.values[table.row_of[[lookup.row("exact", arch) for arch in archs]]]
    targets = np.stack([column.values for column in found], axis=1)
    rows = np.flatnonzero(~np.isnan(targets).any(axis=1) & ~table.is_lacking(values))
    auxiliary = _auxiliary(measurements, asked, known, rows) if kind == "class" else {}
    everything = np.column_stack([targets[rows], *auxiliary.values()])
    twins = Twins.of(measurements.space, archs).of_rows(rows)
    return Data(outputs, list(auxiliary), str(question.training), kind, rows, twins, table.names, table.needed, values[rows], everything)


def _auxiliary(
    measurements: Measurements, asked: list[Question], known: list[Column], rows: np.ndarray
) -> dict[tuple[str, Metric], np.ndarray]:
    """Accuracies ``(n,)`` on every dataset, clean and attacked, of these rows, where none is missing; what is asked, or follows from the features, is left out."""
    found = {}
    for dataset in measurements.store.datasets():
        here = asked[0]._replace(dataset=dataset)
        held = here.training in measurements.store.trainings(dataset)
        for metric in measurements.numbers(here) if held else []:
            one = here._replace(metric=metric)
            if one not in asked and metric.measure == "accuracy" and TABLE[metric.name].kind in ("clean", "attack"):
                column = measurements.column(one)
                if column.rows == "class" and not np.isnan(column.values[rows]).any() and not follows(measurements, one, known):
                    found[dataset, metric] = column.values[rows]
    return found


@options_checked
def fit(
    bench: Bench,
    target: str | Sequence[str],
    *,
    features: str = "structure",
    model: str = "blend",
    dataset: str | None = None,
    training: str | None = None,
    split: str = splits.TWIN,
    train: float = 0.8,
    seed: int = 0,
    progress: bool = False,
) -> Surrogate:
    """A surrogate of one target, fitted on the training side of a split; the test side scores it and calibrates its intervals.

    Arguments:
        bench: where the measurements are.
        target: a metric, or several, as a list or joined by "+"; one that has levels and names none, such as ``"pgd"`` or ``"worst_case"``, means its
            whole curve, of which any level in between is predicted, too.
        features: feature sets joined by "+"; see `robbench.surrogates.features`.  A metric is one: with ``"structure+clean+fgsm@1/255"`` what was measured of
            these stands beside the structure, and the surrogate predicts where they were measured and the target was not; see
            `robbench.surrogates.residual`.  A kind that runs along the graph takes ``terms`` beside them, and an ensemble ``wiring``, too.
        model: ``"forest"``, ``"boosting"``, ``"networks"``, or ``"blend"`` of the last two; ``"graph"``, networks along the cell's graph, or ``"ensemble"`` of
            these and a blend, which need torch to be fitted; for few architectures ``"ridge"``, ``"process"`` (Gaussian), or
            ``"small"``: the one of ridge, process and forest that errs least in folds of the training side.
        dataset: the bench's default if left out.
        training: the protocol; as for a query.
        split: ``"twin"``, or ``"random"`` to compare with papers; or ``"folds"``, for few architectures: the model learns from all of them, and its scores
            and intervals are of models that have left out a fold each.
        train: share of the groups of twins on the training side; about 0.3 of them, for development, always are.  With folds, the share of all but one:
            0.9 for ten.
        seed: of the split and of the model.
        progress: show on stderr, where that is a terminal, that it goes on, and for how long.

    Returns:
        The surrogate; its `save` puts it into a store.

    Raises:
        UnknownMetric, NotMeasured: the store lacks the target or the features; the message says what it has.
        InvalidArgument: no such kind of model, features, split, share or seed; or a target that follows from the features.
        CannotFit: too few architectures.
        MissingLibrary: the model's library is not installed.
    """
    learner, measurements, target = kind_of(model), bench.measurements, spelled(target)
    features = features_of(model, features, measurements.space)
    data = gather(measurements, target, features, dataset=dataset, training=training)
    left_out = _left_out(data.twins, split, train, seed)
    tested_side = np.any(left_out, axis=0)
    train_side = ~tested_side if split != splits.FOLDS else np.ones(len(data.rows), bool)
    learned, tested = len(data.rows) - max(int(part.sum()) for part in left_out), int(tested_side.sum())
    if learned < learner.fewest_rows or tested < FEWEST_TEST:
        raise CannotFit(
            f"{target} was measured for {len(data.rows)} architectures{_with(data.needed)}: {learned} to train on and {tested} to test on; a {model} needs at least"
            f" {learner.fewest_rows} and {FEWEST_TEST}. Measure more, or choose another model or share (train=…)."
        )
    folds = left_out if split == splits.FOLDS else []
    with clock(f"{target}: {model} of {int(train_side.sum())} architectures", 1 + len(folds), shown=progress) as done:
        start = time.perf_counter()
        model_of_all = fitted(model, data.features[train_side], data.targets[train_side], len(data.outputs), seed, data.names)
        seconds = time.perf_counter() - start
        done()
        judged = [model_of_all] if not folds else []
        for part in folds:
            judged.append(fitted(model, data.features[~part], data.targets[~part], len(data.outputs), seed, data.names))
            done()
    outputs = [str(metric) for metric in data.outputs]
    about = About(
        dataset=dataset or measurements.default_dataset,
        training=data.training,
        target=target,
        outputs=outputs,
        monotone=monotone(data.outputs, data.targets[train_side]),
        model=model,
        model_version=learner.version,
        features=features,
        feature_version=measurements.space.feature_version,
        feature_names=list(data.names),
        rows=data.kind,
        split={"kind": split, "train": train, "seed": seed},
        scores={},
        versions={"robbench": __version__, **_versions()},
        seconds=round(seconds, 2),
    )
    surrogate = Surrogate(about, model_of_all, data.rows[train_side].astype(np.uint32), np.empty((0, 0), np.float32))
    means = np.empty((len(data.rows), len(outputs)))
    for part, one in zip(left_out, judged, strict=True):
        means[part] = Surrogate(about, one, surrogate.training_rows, surrogate.calibration).predict(data.features[part])
    means = means[tested_side]
    measured = data.targets[tested_side][:, : len(outputs)]
    surrogate.calibration = np.concatenate([means, measured - means], axis=1).astype(np.float32)
    scored = {output: scores(measured[:, index], means[:, index]) for index, output in enumerate(outputs)}
    surrogate.about = about._replace(scores=scored)
    return surrogate


def _with(needed: Sequence[str]) -> str:
    return f" that have {' and '.join(needed)}" if needed else ""


def _left_out(twins: Twins, split: str, train: float, seed: int) -> list[np.ndarray]:
    """The architectures that judge, ``(archs,)``, bool: a test side, or folds that are left out in turn."""
    checked_choice(split, "split", (*splits.SPLITS, splits.FOLDS))
    if split != splits.FOLDS:
        return [~splits.split(split, twins, train=train, seed=seed)]
    fold = splits.folds(twins, train, seed)
    return [fold == one for one in range(max(int(fold.max(initial=0)) + 1, 1))]


def scores(measured: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """How well predictions ``(n,)`` do: r2, Kendall's τ, Spearman's ρ, mae and n; a rank correlation of constants is 0."""
    from scipy.stats import kendalltau, spearmanr

    residual, total = ((measured - predicted) ** 2).sum(), ((measured - measured.mean()) ** 2).sum()
    constant = np.ptp(measured) == 0 or np.ptp(predicted) == 0
    return {
        "r2": float(1 - residual / total) if total else 0.0,
        "kendall": 0.0 if constant else float(kendalltau(measured, predicted).statistic),
        "spearman": 0.0 if constant else float(spearmanr(measured, predicted).statistic),
        "mae": float(np.abs(measured - predicted).mean()),
        "n": len(measured),
    }


def _versions() -> dict[str, str]:
    """Of the libraries that are installed."""
    found = {distribution.name.lower(): distribution.version for distribution in map(_distribution, _LIBRARIES) if distribution}
    return dict(sorted(found.items()))


def _distribution(name: str) -> importlib.metadata.Distribution | None:
    try:
        return importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return None
