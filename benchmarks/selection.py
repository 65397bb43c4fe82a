"""Which settings the surrogate models have, and why.  Writes docs/selection.md: the search, line by line.

Only the development groups of functional twins are seen (robbench/surrogates/splits.py), which are on no test side, on cifar10 and cifar100.
The search goes along the grid of a model once, one setting after the other: those before as chosen, those after at their first value.

    python benchmarks/selection.py

What was computed is kept in scratch/selection/, so an interrupted run goes on where it was; delete that folder after a change to features
or models.  Needs the published data (ROBBENCH_REFERENCE, or ../shared/reference beside the repository) and the extra `surrogates`.

Cost: about fifteen minutes on two cores.  n: 1,471 groups of twins (1,923 classes), four fifths of them to learn from.
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

import numpy as np
from published import ROOT, TARGETS, cached, published_store, row, table

from robbench import RobBench
from robbench.surrogates import networks
from robbench.surrogates.boosting import Boosting
from robbench.surrogates.fitting import Data, gather, scores
from robbench.surrogates.models import Model

CACHE = ROOT / "scratch" / "selection"
DATASETS = ["cifar10", "cifar100"]
FOLDS = 5
FEW = 100
"""Architectures that the fewest steps are chosen for."""
MEMBERS = 6
"""Not chosen: more are always better, and dearer."""
Setting = dict[str, Any]

GRIDS: dict[str, dict[str, list[Any]]] = {
    "networks": {
        "auxiliary": ["none", "of the dataset", "of every dataset"],
        "epochs": [60, 100],
        "hidden": [(128, 128, 64), (192, 192, 96)],
        "batch": [128, 64],
        "rate": [3e-3, 1e-3],
        "decay": [0.3, 0.1, 0.6, 1.0],
        "fewest_steps": [500, 1500],
    },
    "boosting": {
        "subsample": [0.5, 0.7, 1.0],
        "max_depth": [4, 6, 8],
        "min_child_weight": [10, 3, 1],
        "colsample_bytree": [0.4, 0.8, 1.0],
        "eta, rounds": [(0.1, 200), (0.05, 400)],
        "features": ["structure", "paths", "nodes", "operations"],
    },
}
SHARES = [0.7, 0.0, 0.3, 0.5, 0.6, 0.8, 0.9, 1.0]

TEXT = """# Settings of the surrogate models, and how they were chosen

Produced by `benchmarks/selection.py`, from the development groups of functional twins alone: {groups} groups ({classes} classes), which are on the
training side of every split, on cifar10 and cifar100.  A score is the mean R² of six targets (clean; FGSM, PGD, APGD and Square at 1/255; mean
corruption) on both datasets, over {folds} folds of these groups.  The tables go along a grid once, one setting after the other: those before as
chosen, those after at their first value.  Values within one standard error of the best (of the paired differences over the folds) count as
equal to it, and the first of them is chosen; they stand in the order of cost, or, where they cost the same, with the usual one first.

What is assumed: that a number of epochs, not of steps, carries over from these few groups to three times as many; and that what is
best for six targets at once is good for one.  The steps that a fit takes at least are for few rows, and are chosen, and scored here, with {few}
architectures to learn from.  The grids end where a fit of one target on two cores would come near 20 s, or loading a surrogate near 20 ms.
Networks have {members} members: more are always better, and dearer.

These are not all the looks that were taken at the development groups.  Some values were tried before, on three folds, to draw up the grids.  The
grid of boosting was gone along once in another order, from other first values, and in this order with 700 rounds at eta 0.03, which were
better still than 400, and left out as slower to load and larger.  What to vary, and around which
values, was known from trials before there were development groups, which did look at others; the choice among the values was made here.
"""


def main() -> None:
    rows, _ = gathered(DATASETS[0], "structure")
    lines = [TEXT.format(groups=len(np.unique(rows.twins.group)), classes=len(rows.rows), folds=FOLDS, few=FEW, members=MEMBERS)]
    chosen = {}
    for kind in GRIDS:
        chosen[kind], more = search(kind)
        lines += more
    parts = [predictions(kind, setting) for kind, setting in chosen.items()]
    blends = [[share * one + (1 - share) * other for one, other in zip(*parts, strict=True)] for share in SHARES]
    lines += ["## blend", "", *table(HEAD), *tried("share of networks", SHARES, blends)[1]]
    (ROOT / "docs" / "selection.md").write_text("\n".join([*lines, ""]), encoding="utf-8")


HEAD = ["setting", "value", "mean R²", "below the best by", "chosen", *DATASETS]


def search(kind: str) -> tuple[Setting, list[str]]:
    """What is chosen along the grid, and a table of what was tried."""
    setting = {name: values[0] for name, values in GRIDS[kind].items()}
    lines = [f"## {kind}", "", *table(HEAD)]
    for name, values in GRIDS[kind].items():
        few = name == "fewest_steps"
        setting[name], more = tried(name, values, [predictions(kind, setting | {name: value}, few) for value in values])
        lines += more
    return setting, [*lines, ""]


def tried(name: str, values: list[Any], predicted: list[list[np.ndarray]]) -> tuple[Any, list[str]]:
    """The value that is chosen, and a line for each: `predicted` has an array for each value and dataset."""
    r2 = np.array([[r2_of_folds(dataset, found) for dataset, found in zip(DATASETS, one, strict=True)] for one in predicted])
    folds = r2.mean(axis=1)
    below = folds[folds.mean(axis=1).argmax()] - folds
    mean, error = below.mean(axis=1), below.std(axis=1, ddof=1) / np.sqrt(FOLDS)
    taken = int((mean <= error).argmax())
    lines = []
    for at, value in enumerate(values):
        cells = [f"{folds[at].mean():.4f}", f"{mean[at]:.4f} ± {error[at]:.4f}", "yes" if at == taken else ""]
        lines.append(row(name, [str(value), *cells, *(f"{one.mean():.4f}" for one in r2[at])]))
    return values[taken], lines


def r2_of_folds(dataset: str, predicted: np.ndarray) -> list[float]:
    """The mean over the targets of R², in each fold."""
    rows, fold = gathered(dataset, "structure")
    return [
        float(np.mean([scores(rows.targets[fold == one, i], predicted[fold == one, i])["r2"] for i in range(len(TARGETS))]))
        for one in range(FOLDS)
    ]


def predictions(kind: str, setting: Setting, few: bool = False) -> list[np.ndarray]:
    """For each dataset what is predicted for each fold from the others, or from a few architectures of them: ``(classes, targets)``."""

    def compute() -> list[Any]:
        return [out_of_fold(kind, setting, dataset, few).tolist() for dataset in DATASETS]

    name = "-".join([kind, *map(str, setting.values()), *(["few"] if few else [])])
    return [np.array(found) for found in cached(CACHE / f"{name.replace(' ', '')}.json", compute)]


def out_of_fold(kind: str, setting: Setting, dataset: str, few: bool) -> np.ndarray:
    rows, fold = gathered(dataset, setting.get("features", "structure"))
    learner, columns = networks_of(setting, rows, dataset, few) if kind == "networks" else boosting_of(setting)
    found = np.empty((len(fold), len(TARGETS)))
    for one in range(FOLDS):
        learned = np.flatnonzero(fold != one)
        if few:
            learned = np.random.default_rng(one).permutation(learned)[:FEW]
        model = learner.fit(rows.features[learned], rows.targets[learned][:, columns], len(TARGETS), one)
        found[fold == one] = model.predict(rows.features[fold == one])
    return found


def networks_of(setting: Setting, rows: Data, dataset: str, few: bool) -> tuple[type[Model], list[int]]:
    """The learner, and which of the targets it is given."""
    given = dict(setting)
    which = given.pop("auxiliary")
    wanted = [which == "of every dataset" or (which == "of the dataset" and of == dataset) for of, _ in rows.auxiliary]
    if not few:  # or it would count instead of the epochs
        given["fewest_steps"] = 1

    class Trial(networks.Networks):
        settings = networks.Settings(members=MEMBERS, **given)

    return Trial, [*range(len(TARGETS)), *(len(TARGETS) + np.flatnonzero(wanted)).tolist()]


def boosting_of(setting: Setting) -> tuple[type[Model], list[int]]:
    """The learner, and which of the targets it is given."""
    given = {name: value for name, value in setting.items() if name != "features"}
    eta, trees = given.pop("eta, rounds")

    class Trial(Boosting):
        parameters: ClassVar = {"eta": eta, **given}
        rounds = trees

    return Trial, [*range(len(TARGETS))]


@cache
def gathered(dataset: str, features: str) -> tuple[Data, np.ndarray]:
    """Of the development groups that depend on their input, the measurements; and the fold of each row."""
    rows = gather(RobBench(published_store(CACHE)).measurements, "+".join(TARGETS), features, dataset=dataset)
    known = (rows.twins.development & ~rows.twins.constant)[rows.twins.group]
    kept = rows._replace(rows=rows.rows[known], twins=rows.twins.of_rows(known), features=rows.features[known], targets=rows.targets[known])
    groups = np.random.default_rng(0).permutation(np.unique(kept.twins.group))
    return kept, np.array([np.flatnonzero(groups == group)[0] % FOLDS for group in kept.twins.group])


if __name__ == "__main__":
    main()
