"""How well are levels predicted that no surrogate learned, and the worst case?  Writes docs/levels.md.

Needs the published data (ROBBENCH_REFERENCE, or ../shared/reference beside the repository), the embedded store, and the extra `surrogates`.  Some three minutes
of one core.  What was computed is kept in scratch/levels/, or in the folder that ROBBENCH_SCRATCH names; delete that folder after a change to features or
models.  n is in each section.

    python benchmarks/levels.py
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import published
from published import ROOT, row, table
from scipy.interpolate import PchipInterpolator

from robbench import RobBench
from robbench.measurements.levels import between
from robbench.measurements.metrics import PUBLISHED_EPS, Metric, level_text, parse
from robbench.measurements.question import Question
from robbench.surrogates import splits
from robbench.surrogates.conformal import half_widths
from robbench.surrogates.curves import falling, monotone, reading_of
from robbench.surrogates.fitting import Data, gather, scores
from robbench.surrogates.networks import Networks

CACHE = Path(os.environ.get("ROBBENCH_SCRATCH", ROOT / "scratch")) / "levels"
ATTACKS = ["fgsm", "pgd", "apgd-ce", "square"]
LEVELS = list(PUBLISHED_EPS["pgd"])
INNER = LEVELS[1:-1]
SHARE = 0.9
"""Of measurements in an interval."""
Record = dict[str, Any]

TEXT = """# Levels that were not learned, and the worst case

Produced by `benchmarks/levels.py`.  Between two levels, queries that allow it and predictions interpolate alike: by a monotone cubic, of log-odds over the root of the level.

## What was measured, interpolated

R² of an inner level from the accuracies at the other levels, of all 6,466 classes: the mean over the inner levels, and the lowest of them.  No model has a part in it.
The published levels are seven, from 0.1/255 to 8/255; those of digits, the embedded store, are four, 8/255, 16/255, 32/255 and 64/255.
"""

MODELS = """
Log-odds are far nearer to straight lines than accuracies.  Over eps itself they are better on some curves and much worse on others; over the root of eps the worst of all
is the least bad, which is why it was chosen, by the published curves.  On digits a gap where a level was left out is of a factor of four in eps, from where
nearly all images withstand an attack to where few do: that is too wide, and interpolation is worth little.

## A level left out of a surrogate

cifar10, networks on the structure, one split by functional twins (seed 0).  A surrogate of the curves of four attacks learned all levels but one, of any attack on
either data set, and was asked for it.  Beside it the surrogate that learned that level, too.  Fitted on 64% of the groups of twins ({learned} classes), intervals
calibrated on 16% ({calibrating}), tested on the other 20% ({tested}), which no model has learned from, nor from a twin.  Bias is the mean of predicted minus measured.  An
interval at a level left out is calibrated on the measured curve of the other levels, interpolated: that level itself was seen nowhere.
"""

BETWEEN = """
A gap where a level was left out is about twice as wide as those between the published levels.  What interpolation misses there, the interval does not know of, and so
it covers less than it says.  Where the accuracy at the level above is 0, it may be anything from 0 in between, and so intervals say.
"""

WORST = """
## The worst case

The share of images that withstand every attack at a level is an output like others, kept below those of its attacks: what is predicted of it never exceeds what
is predicted of any of them, at any level.  Is it better to take the lowest of the predicted accuracies?  Networks on the structure, the same split, {n} classes tested.
"""

VERDICT = """The mean of the lowest is below the lowest of the means, and so the lowest prediction is biased upwards where attacks come near each other and break different images.
Where one attack is nearly always the lowest, as APGD on cifar10, it makes no difference.  So a worst case is fitted, not taken from attacks; to keep it below
them costs nothing.
"""

MEASURED_WORST = """
**Queries between levels** take the worst case from its own measured curve, kept below those of its attacks.  Digits, of all classes, an inner level from the other
three; no model has a part in it.
"""


def main() -> None:
    lines = [TEXT, *interpolated(), *left_out(), *worst_cases()]
    document = ROOT / "docs" / "levels.md"
    document.write_text(published.merged(document.read_text(encoding="utf-8"), "\n".join(lines)), encoding="utf-8")


def cached(name: str, compute: Callable[[], Any]) -> Any:
    return published.cached(CACHE / f"{name}.json", compute)


# A level left out


@cache
def gathered() -> Data:
    bench = RobBench(published.published_store(CACHE))
    return gather(
        bench.measurements, "+".join(str(Metric(attack, level, "accuracy")) for attack in ATTACKS for level in LEVELS), "structure"
    )


def sides(data: Data) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows to learn from, to calibrate on and to test on."""
    outside = ~splits.split(splits.TWIN, data.twins, seed=0)
    known = np.flatnonzero(~outside)
    calibrating = known[~splits.split(splits.TWIN, data.twins.of_rows(known), seed=1000)]
    return np.setdiff1d(known, calibrating), calibrating, np.flatnonzero(outside)


def interpolated() -> list[str]:
    """R² of each inner level from the others, as measured."""

    def run(dataset: str, attack: str) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {name: [] for name in WAYS}
        levels, curve = measured(dataset, attack)
        for out in range(1, len(levels) - 1):
            others = [at for at in range(len(levels)) if at != out]
            for name, way in WAYS.items():
                found[name].append(scores(curve[:, out], way(np.take(levels, others), curve[:, others], levels[out]))["r2"])
        return found

    lines = table(["", *WAYS])
    for dataset in ("cifar10", "cifar100", "digits"):
        for attack in ATTACKS:
            found = cached(f"measured-{dataset}-{attack}", partial(run, dataset, attack))
            lines.append(row(f"{dataset}, {attack}", [f"{np.mean(r2):.3f} ({min(r2):.3f})" for r2 in found.values()]))
    return lines


def measured(dataset: str, name: str) -> tuple[list[float], np.ndarray]:
    """The levels of a metric, and its values of every class there, ``(classes, levels)``."""
    if dataset == "digits":
        bench = RobBench()
        levels = bench.measurements.levels(bench.measurements.resolve(Question(parse(name), dataset)))
    else:
        bench, levels = RobBench(published.published_store(CACHE)), LEVELS
    return levels, np.stack([bench.query_many(bench.classes, name, eps=level, dataset=dataset) for level in levels], axis=1)


def plain(levels: np.ndarray, values: np.ndarray, level: float) -> np.ndarray:
    return np.asarray(PchipInterpolator(levels, values, axis=-1)(level))


def log_odds(levels: np.ndarray, values: np.ndarray, level: float) -> np.ndarray:
    odds = np.clip(values, 0.0005, 0.9995)
    return np.asarray(1 / (1 + np.exp(-plain(levels, np.log(odds / (1 - odds)), level))))


WAYS: dict[str, Callable[[np.ndarray, np.ndarray, float], np.ndarray]] = {
    "accuracies over eps": plain,
    "log-odds over eps": log_odds,
    "log-odds over the root of eps: ours": partial(between, unit="fraction"),
}


def left_out() -> list[str]:
    """For each inner level and attack, predictions of a fit without the level beside those of one with it."""

    def run(without: float | None) -> list[list[list[float]]]:
        data, (learned, *others) = gathered(), sides(gathered())
        kept = [index for index, metric in enumerate(data.outputs) if metric.level != without]
        helping = [len(data.outputs) + index for index, (_, metric) in enumerate(data.auxiliary) if metric.level != without]
        model = Networks.fit(data.features[learned], data.targets[learned][:, kept + helping], len(kept), 0)
        return [np.round(model.predict(data.features[rows]).clip(0, 1), 6).tolist() for rows in others]

    counts = [len(side) for side in sides(gathered())]
    learned = judged_at(None, cached("learned", partial(run, None)))
    apart = {
        name: one for level in INNER for name, one in judged_at(level, cached(f"without-{level * 255:g}", partial(run, level))).items()
    }
    lines = [MODELS.format(**dict(zip(("learned", "calibrating", "tested"), counts, strict=True)))]
    lines += table(["level left out", *(f"{title}: {which}" for title, _ in FORMS.values() for which in ("learned", "left out"))])
    for attack in ATTACKS:
        for level in INNER:
            one = str(Metric(attack, level, "accuracy"))
            lines.append(row(one, [f"{of[one][name]:{form}}" for name, (_, form) in FORMS.items() for of in (learned, apart)]))
    return [*lines, BETWEEN]


def judged_at(without: float | None, predicted: list[list[list[float]]]) -> dict[str, Record]:
    """How well a fit without a level, or with all, does at it, or at all inner ones."""
    data, (learned, calibrating, tested) = gathered(), sides(gathered())
    kept = [index for index, metric in enumerate(data.outputs) if metric.level != without]
    outputs = [data.outputs[index] for index in kept]
    curves = monotone(outputs, data.targets[learned][:, kept])
    before, means = (falling(np.array(values), curves) for values in predicted)
    found = {}
    for index, metric in enumerate(data.outputs):
        if metric.level in INNER and without in (None, metric.level):
            reading = reading_of(list(map(str, outputs)), curves, metric)
            assert reading is not None, "an inner level is between others"
            measured, mean, known = data.targets[tested, index], reading.of(means), data.targets[calibrating][:, kept]
            wrong = reading.missed(before, known) if reading.between else known[:, reading.output] - before[:, reading.output]
            half = half_widths(reading.of(before), wrong, mean, SHARE)
            found[str(metric)] = {
                "r2": scores(measured, mean)["r2"],
                "bias": float((mean - measured).mean()),
                "coverage": float((np.abs(measured - mean) <= half).mean()),
                "width": float(2 * np.median(half)),
            }
    return found


FORMS = {
    "r2": ("R²", ".3f"),
    "bias": ("bias", "+.4f"),
    "coverage": (f"coverage of {SHARE:.0%} intervals", ".3f"),
    "width": ("median width", ".3f"),
}


# The worst case


def worst_cases() -> list[str]:
    """Worst cases that are fitted, beside the lowest of the predicted accuracies."""
    digits, cifar10 = cached("digits", of_digits), cached("cifar10", of_cifar10)
    lines = [WORST.format(n=digits["n"]), "**Digits, the embedded store, image by image.**", "", *compared(digits), ""]
    lines += [
        "**cifar10.** What was published has no outcomes of images; this is the lowest of the four accuracies.",
        "",
        *compared(cifar10),
    ]
    return [*lines, "", VERDICT, *interpolated_worst_case()]


def interpolated_worst_case() -> list[str]:
    """That of the embedded store at its inner levels from the other three, as measured: by its own curve, and kept below those of its attacks."""
    found = {name: measured("digits", name) for name in (*ATTACKS, "worst_case")}
    levels, worst = found["worst_case"]
    lines = [MEASURED_WORST, *table(["level", *(f"{way}: {what}" for way in ("its own curve", "kept below") for what in ("R²", "bias"))])]
    for out, level in list(enumerate(levels))[1:-1]:
        others = [at for at in range(len(levels)) if at != out]
        drawn = [between(np.take(levels, others), curve[:, others], level, "fraction") for _, curve in found.values()]
        cells = [
            f"{scores(worst[:, out], way)['r2']:.3f} | {(way - worst[:, out]).mean():+.4f}" for way in (drawn[-1], np.minimum.reduce(drawn))
        ]
        lines.append(row(level_text("pgd", level), cells))
    return [*lines, ""]


def compared(found: Record) -> list[str]:
    names = list(found["levels"][0])[1:]
    lines = table(["level", "measured mean", *(f"{name}: {what}" for name in names[1:] for what in ("R²", "bias"))])
    for one in found["levels"]:
        cells = [f"{one[name][0]:.3f} | {one[name][1]:+.4f}" for name in names[1:]]
        lines.append(row(one["level"], [f"{one['mean']:.3f}", *cells]))
    return lines


def of_digits() -> Record:
    """Outputs: four attacks and the worst case, at all levels."""
    data = gather(RobBench().measurements, "+".join([*ATTACKS, "worst_case"]), "structure")
    return judged(data.outputs, data.targets[:, : len(data.outputs)], data)


def of_cifar10() -> Record:
    """The same, with the lowest of the four accuracies in place of the worst case."""
    data = gathered()
    attacked = data.targets[:, : len(data.outputs)]
    lowest = [attacked[:, [index for index, metric in enumerate(data.outputs) if metric.level == level]].min(axis=1) for level in LEVELS]
    return judged(
        [*data.outputs, *(Metric("worst_case", level, "accuracy") for level in LEVELS)], np.column_stack([attacked, *lowest]), data
    )


def judged(outputs: list[Metric], targets: np.ndarray, data: Data) -> Record:
    """R² and bias of the worst case: as fitted, kept below its attacks, and by the lowest of the attacks' predictions."""
    inside = splits.split(splits.TWIN, data.twins, seed=0)
    helping = data.targets[inside][:, len(data.outputs) :]
    model = Networks.fit(data.features[inside], np.column_stack([targets[inside], helping]), len(outputs), 0)
    alone = model.predict(data.features[~inside]).clip(0, 1)
    kept, measured = falling(alone, monotone(outputs, targets[inside])), targets[~inside]
    levels = []
    for index, metric in enumerate(outputs):
        if metric.name == "worst_case":
            attacks = [at for at, one in enumerate(outputs) if one.level == metric.level and one.name != metric.name]
            ways = {
                "fitted alone": alone[:, index],
                "kept below its attacks": kept[:, index],
                "lowest predicted": kept[:, attacks].min(axis=1),
            }
            found = {
                name: [scores(measured[:, index], means)["r2"], float((means - measured[:, index]).mean())] for name, means in ways.items()
            }
            levels.append({"level": level_text("pgd", float(metric.level or 0)), "mean": float(measured[:, index].mean()), **found})
    return {"n": len(measured), "levels": levels}


if __name__ == "__main__":
    main()
