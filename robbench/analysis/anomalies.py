"""Signs of gradient masking and of broken measurement: accuracies that are above another that they should not exceed.

An attack with a larger eps can do whatever it does with a smaller one; a stronger attack should leave no more than a weaker one; and what
Square finds without gradients, an attack that has them should find too (Athalye, Carlini and Wagner, 2018, section 3.1).  An excess counts
where it is more than `threshold` binomial standard errors of the difference, the two accuracies taken as independent.  They are of
the same images, so the true error is smaller, and what is reported is reported with too little confidence rather than too much.
The noise between twins (`noise_ceiling`) does not enter: it is of training, and both accuracies are of one trained network.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

import numpy as np

from robbench.arguments import checked_count, options_checked
from robbench.errors import InvalidArgument, NotMeasured
from robbench.measurements.joining import Joined, join
from robbench.measurements.measurements import Bench, Measurements
from robbench.measurements.metrics import TABLE, Metric, same_level
from robbench.measurements.question import Question, Where

if TYPE_CHECKING:
    import pandas as pd

THRESHOLD = 4.0
"""In standard errors: of 6,466 networks, less than one would exceed it by chance (one in 30,000)."""
RISES = {"attack": "rises with eps", "corruption": "rises with severity"}
BLACK_BOX, WEAKER, CONSTANT = "black box beats white box", "weaker beats stronger", "constant"
EVERY = "every accuracy"
# (metric, against): the accuracy under the first should not be above that under the second, at the same eps.
PAIRS = {
    BLACK_BOX: (("pgd", "square"), ("apgd-ce", "square"), ("pgd", "square-rescaled"), ("apgd-ce", "square-rescaled")),
    WEAKER: (
        ("pgd", "fgsm"),
        ("apgd-ce", "fgsm"),
        ("apgd-ce", "pgd"),
        ("autoattack", "fgsm"),
        ("autoattack", "pgd"),
        ("autoattack", "apgd-ce"),
        ("square-rescaled", "square"),
    ),
}


class _Comparison(NamedTuple):
    """One metric that should not be above another, for every architecture."""

    kind: str
    metric: str
    against: np.ndarray
    """``(n,)``: the name of the other, which may differ by architecture."""
    values: np.ndarray
    others: np.ndarray
    errors: np.ndarray
    """``(n,)``: the excess in standard errors; NaN where one was not measured."""


@options_checked
def anomalies(
    bench: Bench,
    *,
    images: int | None = None,
    threshold: float = THRESHOLD,
    counts: bool = False,
    dataset: str | None = None,
    training: str | None = None,
    seed: int | None = None,
) -> pd.DataFrame:
    """Every accuracy that is above another that it should not exceed, by more than noise; and networks that nothing changes.

    - rises with eps, rises with severity: above the lowest accuracy at the smaller levels of the same threat.
    - black box beats white box: PGD or APGD-CE leaves more than Square at the same eps.
    - weaker beats stronger: PGD leaves more than FGSM, APGD-CE more than PGD, and so on, at the same eps.
    - constant: the accuracy is exactly the same under everything that was measured, as of a network that ignores its input.

    Arguments:
        bench: where the measurements are.
        images: that accuracies are of; by default what the store says of each.
        threshold: in standard errors; see the module.
        counts: how many architectures each comparison finds, in place of which: `anomaly_counts`.
        dataset, training, seed: as for a query.

    Returns:
        One row a finding, largest first within each kind: arch, kind, metric, against, value, other, size (value - other), errors (size
        in standard errors).

    Raises:
        InvalidArgument: a threshold below 0; the store does not say how many images, and neither does the call.
        NotMeasured: the store holds no accuracies of the dataset.
    """
    import pandas as pd

    from robbench.measurements.frames import Architectures

    if counts:
        return anomaly_counts(bench, images=images, threshold=threshold, dataset=dataset, training=training, seed=seed)
    joined, comparisons = _comparisons(bench, images, threshold, dataset=dataset, training=training, seed=seed)
    tables = [_constant(joined)]
    for one in comparisons:
        rows = np.flatnonzero(one.errors > threshold)
        tables.append(
            pd.DataFrame(
                {
                    "arch": [str(joined.archs[row]) for row in rows],
                    "kind": one.kind,
                    "metric": one.metric,
                    "against": one.against[rows],
                    "value": one.values[rows],
                    "other": one.others[rows],
                    "size": (one.values - one.others)[rows],
                    "errors": one.errors[rows],
                }
            )
        )
    found = pd.concat([table for table in tables if len(table)] or tables[:1])
    return Architectures(found).sort_values(["kind", "size"], ascending=[True, False], kind="stable", ignore_index=True)


@options_checked
def anomaly_counts(
    bench: Bench,
    *,
    images: int | None = None,
    threshold: float = THRESHOLD,
    dataset: str | None = None,
    training: str | None = None,
    seed: int | None = None,
) -> pd.DataFrame:
    """How many architectures are above what they should not exceed; arguments and errors as for `anomalies`.

    Returns:
        One row a comparison: kind, metric, against, compared (architectures), above (by however little), beyond_noise, largest (excess, at
        least 0).  Where nearly all are above and none beyond noise, the effect is small and systematic.
    """
    import pandas as pd

    joined, comparisons = _comparisons(bench, images, threshold, dataset=dataset, training=training, seed=seed)
    records: list[dict[str, Any]] = []
    for one in comparisons:
        excess = one.values - one.others
        records.append(
            {
                "kind": one.kind,
                "metric": one.metric,
                "against": one.against[0] if one.kind in PAIRS else "smaller levels",
                "compared": int((~np.isnan(excess)).sum()),
                "above": int((excess > 0).sum()),
                "beyond_noise": int((one.errors > threshold).sum()),
                "largest": float(np.nanmax(excess, initial=0)),
            }
        )
    constant = _constant(joined)
    compared = int(_several(joined).sum())
    records.append(
        {
            "kind": CONSTANT,
            "metric": EVERY,
            "against": "every other",
            "compared": compared,
            "above": len(constant),
            "beyond_noise": len(constant),
            "largest": 0.0,
        }
    )
    return pd.DataFrame.from_records(records)


def _comparisons(bench: Bench, images: int | None, threshold: float, **where: Unpack[Where]) -> tuple[Joined, list[_Comparison]]:
    """Everything that can be compared in this store."""
    if not threshold >= 0:
        raise InvalidArgument(f"threshold={threshold!r} is not a number of standard errors; expected 0 or more, such as {THRESHOLD:g}.")
    if images is not None:
        checked_count(images, "images")
    measurements, question = bench.measurements, Question.of("clean", **where)
    metrics = [
        metric
        for metric in measurements.numbers(question)
        if metric.measure == "accuracy" and metric.entry.kind in ("clean", "attack", "corruption")
    ]
    if not metrics:
        raise NotMeasured(
            f"{measurements.store.file_name} holds no accuracies of {question.dataset or measurements.default_dataset}, so there is nothing to compare."
        )
    joined = join(measurements, metrics, **where)
    counts = {str(metric): images or _images(measurements, question._replace(metric=metric)) for metric in metrics}
    return joined, [*_rises(joined, metrics, counts), *_pairs(joined, metrics, counts)]


def _rises(joined: Joined, metrics: list[Metric], images: dict[str, int]) -> Iterator[_Comparison]:
    """Each level of a threat against the lowest accuracy at smaller ones."""
    for name in dict.fromkeys(metric.name for metric in metrics if TABLE[metric.name].kind in RISES):
        levels = sorted((metric for metric in metrics if metric.name == name), key=lambda metric: metric.level or 0)
        texts = list(map(str, levels))
        for position in range(1, len(texts)):
            smaller = np.stack([joined.values[text] for text in texts[:position]])
            lowest = np.where(np.isnan(smaller), np.inf, smaller).argmin(axis=0)
            others = np.take_along_axis(smaller, lowest[np.newaxis], axis=0)[0]
            against = np.array(texts, object)[lowest]
            yield _comparison(RISES[TABLE[name].kind], texts[position], against, joined.values[texts[position]], others, images)


def _pairs(joined: Joined, metrics: list[Metric], images: dict[str, int]) -> Iterator[_Comparison]:
    """Attacks at the same eps."""
    for kind, pairs in PAIRS.items():
        for stronger, weaker in pairs:
            for one in (metric for metric in metrics if metric.name == stronger):
                for other in (metric for metric in metrics if metric.name == weaker and same_level(metric.level or 0, one.level or 0)):
                    against = np.full(len(joined.archs), str(other), object)
                    yield _comparison(kind, str(one), against, joined.values[str(one)], joined.values[str(other)], images)


def _comparison(kind: str, metric: str, against: np.ndarray, values: np.ndarray, others: np.ndarray, images: dict[str, int]) -> _Comparison:
    variance = values * (1 - values) / images[metric] + others * (1 - others) / images[str(against[0])]
    excess = values - others
    # Two accuracies of exactly 0 or 1 have no binomial error: any excess between them is beyond it.
    errors = np.divide(excess, np.sqrt(variance), out=np.where(excess > 0, np.inf, 0 * excess), where=variance > 0)
    return _Comparison(kind, metric, against, values, others, errors)


def _constant(joined: Joined) -> pd.DataFrame:
    """Networks of which at least three accuracies were measured, all the same."""
    import pandas as pd

    values = list(joined.values.values())
    lowest, highest = np.fmin.reduce(values), np.fmax.reduce(values)
    rows = np.flatnonzero(_several(joined) & (lowest == highest))
    return pd.DataFrame(
        {
            "arch": [str(joined.archs[row]) for row in rows],
            "kind": CONSTANT,
            "metric": EVERY,
            "against": "every other",
            "value": lowest[rows],
            "other": highest[rows],
            "size": 0.0,
            "errors": 0.0,
        }
    )


def _several(joined: Joined) -> np.ndarray:
    """Of which networks at least three accuracies were measured: ``(n,)``, bool."""
    return np.asarray((~np.isnan(list(joined.values.values()))).sum(axis=0) > 2)


def _images(measurements: Measurements, question: Question) -> int:
    resolved = measurements.resolve(question)
    count = measurements.store.header(resolved.name()).provenance.get("images")
    if count is None:
        raise InvalidArgument(
            f"the store does not say how many images {question.metric} of {resolved.dataset} is an accuracy of, so its noise is not known;"
            " give images=…, such as images=10000 for cifar10 and cifar100."
        )
    return int(count)
