"""How well are levels predicted that no surrogate learned, and the worst case?  Writes docs/levels.md.

Needs the published data (ROBBENCH_REFERENCE, or ../shared/reference beside the repository), the embedded store, and the extra `surrogates`.  Some five minutes
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

from robbench import RobBench
from robbench.measurements.metrics import PUBLISHED_EPS, Metric, level_text
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

Produced by `benchmarks/levels.py`.  Networks on the structure, one split by functional twins (seed 0): R² and coverage are of architectures that the model has
not learned from, nor any twin of them.

## A level left out

cifar10.  A surrogate of the curves of four attacks learned all levels but one, of any attack on either data set, and was asked for it: between its neighbours, it
interpolates as a query does that allows this (monotone, cubic).  Beside it the surrogate that learned that level, too.  Fitted on 64% of the groups of
twins ({learned} classes), intervals calibrated on 16% ({calibrating}), tested on the other 20% ({tested}).  An interval at a level left out is calibrated on the
measured curve of the other levels, interpolated: that level itself was seen nowhere.  *Measured, interpolated* is how far interpolation goes with what was
measured at the other levels, and no model.
"""

BETWEEN = """
Above a level left out, accuracies are those of the level below and below, those of the level above: nothing else is known of a curve there.  Where it is steep or
bends sharply (0.5/255 lies between 0.1/255 and 1/255), predictions are off by the bias in the table, which the interval does not know of; levels of a usual
grid are nearer to each other than the gaps here.
"""

WORST = """
## The worst case

The share of images that withstand every attack at a level is an output like others, kept below those of its attacks: what is predicted of it never exceeds what is predicted of
any of them, at any level.  Is it better to take the lowest of the predicted accuracies?  Bias is the mean of predicted minus measured.
"""


def main() -> None:
    lines = left_out() + worst_cases()
    (ROOT / "docs" / "levels.md").write_text("\n".join(lines), encoding="utf-8")


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


def left_out() -> list[str]:
    """For each inner level and attack, predictions of a fit without the level beside those of one with it."""

    def run(without: float | None) -> list[Record]:
        data, (learned, calibrating, tested) = gathered(), sides(gathered())
        kept = [index for index, metric in enumerate(data.outputs) if metric.level != without]
        helping = [len(data.outputs) + index for index, (_, metric) in enumerate(data.auxiliary) if metric.level != without]
        outputs, curves = (
            [data.outputs[index] for index in kept],
            monotone([data.outputs[index] for index in kept], data.targets[learned][:, kept]),
        )
        model = Networks.fit(data.features[learned], data.targets[learned][:, kept + helping], len(kept), 0)
        before, means = (falling(model.predict(data.features[rows]).clip(0, 1), curves) for rows in (calibrating, tested))
        found = []
        for index, metric in enumerate(data.outputs):
            if metric.level in INNER and (without is None or metric.level == without):
                reading = reading_of(list(map(str, outputs)), curves, metric)
                assert reading is not None, "an inner level is between others"
                measured, calibration, mean = data.targets[tested, index], reading.of(before), reading.of(means)
                half = half_widths(calibration, reading.of(data.targets[calibrating][:, kept]) - calibration, mean, SHARE)
                found.append(
                    {
                        "metric": str(metric),
                        "r2": scores(measured, mean)["r2"],
                        "bias": float((mean - measured).mean()),
                        "coverage": float((np.abs(measured - mean) <= half).mean()),
                        "width": float(2 * np.median(half)),
                        "measured": scores(measured, reading.of(data.targets[tested][:, kept]))["r2"],
                    }
                )
        return found

    learned = {one["metric"]: one for one in cached("learned", partial(run, None))}
    counts = cached("counts", lambda: [len(side) for side in sides(gathered())])
    lines = [TEXT.format(**dict(zip(("learned", "calibrating", "tested"), counts, strict=True)))]
    lines += table(["level left out", *(f"{name}: {which}" for name in ("R²", "bias", f"coverage of {SHARE:.0%} intervals", "median width")
                                        for which in ("learned", "left out")), "R²: measured, interpolated"])  # fmt: skip
    apart = {one["metric"]: one for level in INNER for one in cached(f"without-{level * 255:g}", partial(run, level))}
    for attack in ATTACKS:
        for level in INNER:
            one = str(Metric(attack, level, "accuracy"))
            cells = [f"{of[one][name]:{form}}" for name, form in FORMS.items() for of in (learned, apart)]
            lines.append(row(one, [*cells, f"{apart[one]['measured']:.3f}"]))
    return [*lines, BETWEEN]


FORMS = {"r2": ".3f", "bias": "+.4f", "coverage": ".3f", "width": ".3f"}


# The worst case


def worst_cases() -> list[str]:
    """Worst cases that are fitted, beside the lowest of the predicted accuracies."""
    lines = [WORST]
    digits, cifar10 = cached("digits", of_digits), cached("cifar10", of_cifar10)
    lines += [f"**Digits, the embedded store, exact by images.** n = {digits['n']} tested.", "", *compared(digits), ""]
    lines += [
        f"**cifar10.** What was published has no outcomes image by image; this is the lowest of the four accuracies. n = {cifar10['n']} tested.",
        "",
        *compared(cifar10),
        "",
    ]
    return lines


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
