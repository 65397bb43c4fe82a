"""Surrogates on data sets that nothing about them was chosen on, and how near they come to the ceiling there.

    python benchmarks/unseen.py

Kinds of models, features and hyper-parameters were chosen on cifar10 and cifar100 of Jung et al. (2023), standard training.  Here they learn, as `robbench fit`
makes them, ImageNet16-120 of NAS-RobBench-201 (Wu et al., 2024; trained adversarially) and the digits of the embedded store, whose networks are tiny.  By groups
of functional twins, 80% to learn and 20% to judge, one split; a share of the ceiling has its 95% interval by a bootstrap of groups, of predictions and noise together.
Writes docs/unseen.md.  What is fitted is kept in scratch/unseen.  Needs the published data (ROBBENCH_REFERENCE, or ../shared/reference beside the repository) and
torch; some five minutes of one core.
"""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path
from typing import Any

import published
from published import REFERENCE, ROOT, row, table

from robbench import RobBench, analysis
from robbench.sources import import_source
from robbench.surrogates import fit, splits
from robbench.surrogates.fitting import gather

FOLDER = Path(os.environ.get("ROBBENCH_SCRATCH", ROOT / "scratch")) / "unseen"
DOCUMENT = ROOT / "docs" / "unseen.md"
MODELS = ("forest", "blend", "ensemble")
SEED = 0
TARGETS = {
    "ImageNet16-120": ("clean", "fgsm@3/255", "fgsm@8/255", "pgd@3/255", "pgd@8/255"),
    "digits": ("clean", "fgsm@16/255", "pgd@16/255", "apgd-ce@16/255", "square@16/255", "mean_corruption"),
}
TRAININGS = {"ImageNet16-120": "pgd-8/255", "digits": "standard"}
NAMES = {"ImageNet16-120": "ImageNet16-120, adversarial training (PGD at 8/255)", "digits": "digits, standard training"}


def bench_of(dataset: str) -> RobBench:
    """Where a data set is measured; published data is imported where it is not there yet."""
    if dataset == "digits":
        return RobBench()
    path, unfinished = FOLDER / "nasrobbench201.h5", FOLDER / "unfinished.h5"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        unfinished.unlink(missing_ok=True)
        import_source("natsbench", REFERENCE / "natsbench" / "nats_bench.csv", unfinished)  # numbers the networks
        import_source("nasrobbench201", REFERENCE / "nasrobbench201" / "NAS-RobBench-201_html.json", unfinished)
        unfinished.rename(path)
    return RobBench(path)


def judged(dataset: str, model: str) -> dict[str, Any]:
    """Of one fit: R², the share of the ceiling and the ceiling of each target, each of the last with its interval; how many were learned from, and tested; CPU seconds."""
    bench, target, training = bench_of(dataset), "+".join(TARGETS[dataset]), TRAININGS[dataset]
    start = time.process_time()
    surrogate = fit(bench, target, model=model, dataset=dataset, training=training, seed=SEED)
    seconds = time.process_time() - start
    data = gather(bench.measurements, target, "operations", dataset=dataset, training=training)
    tested = ~splits.split(splits.TWIN, data.twins, seed=SEED)
    groups, outputs = data.twins.group[tested], len(TARGETS[dataset])
    means, errors = surrogate.calibration[:, :outputs], surrogate.calibration[:, outputs:]
    found = {}
    for at, metric in enumerate(TARGETS[dataset]):
        mean, measured = means[:, at].astype(float), (means[:, at] + errors[:, at]).astype(float)
        found[metric] = {
            "r2": surrogate.about.scores[metric]["r2"],
            "share": analysis.share_of(measured, mean, groups),
            "ceiling": analysis.ceiling_of(measured, groups)[:3],
        }
    return {"of": found, "learned": len(surrogate.training_rows), "tested": len(means), "seconds": seconds}


def section(dataset: str) -> list[str]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    fits = {model: published.cached(FOLDER / f"{dataset}-{model}.json", partial(judged, dataset, model)) for model in MODELS}
    one = next(iter(fits.values()))
    seconds = ", ".join(f"{model} {found['seconds']:.0f}" for model, found in fits.items())
    lines = [
        f"## {NAMES[dataset]}",
        "",
        f"n = {one['learned']} to learn from, {one['tested']} to test; seconds of a processor for a fit: {seconds}.",
        "",
    ]
    lines += table(["", *TARGETS[dataset]])
    for model, found in fits.items():
        lines.append(row(f"{model}: R²", [f"{found['of'][metric]['r2']:.4f}" for metric in TARGETS[dataset]]))
        shares = [[100 * end for end in found["of"][metric]["share"]] for metric in TARGETS[dataset]]
        lines.append(row(f"{model}: share of the ceiling, %", [f"{share:.1f} ({low:.1f} to {high:.1f})" for share, low, high in shares]))
    ceilings = [one["of"][metric]["ceiling"] for metric in TARGETS[dataset]]
    return [*lines, row("ceiling", [f"{ceiling:.4f} ({low:.4f} to {high:.4f})" for ceiling, low, high in ceilings]), ""]


TEXT = """# Data sets that no choice was made on

Produced by `benchmarks/unseen.py`.  Kinds of models, features and hyper-parameters were chosen on the development groups of cifar10 and cifar100, standard
training ([selection.md](selection.md), [ceiling.md](ceiling.md)).  Here they learn other data as `robbench fit` makes them: by groups of functional twins, 80% to
learn and 20% to judge, one split.  A share is R² over the ceiling of the same test rows, in brackets its 95% interval by a bootstrap of groups of twins,
of predictions and noise together.

On the adversarially trained networks the ensemble is at 99% of the ceiling under every attack, and ahead of the blend. On digits, whose networks differ by little but noise
and a few failures, nothing is to be gained from it: clean accuracy hangs on the few that fail, which it predicts worst of all, and a forest best.
"""


def main() -> None:
    os.nice(5)
    lines = [line for dataset in TARGETS for line in section(dataset)]
    DOCUMENT.write_text("\n".join([TEXT, *lines]), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
