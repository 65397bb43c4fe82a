"""Which settings the surrogate models have, and why.  Writes docs/selection.md: the search, line by line.

Only the development groups of functional twins are seen (robbench/surrogates/splits.py), which are on no test side, on cifar10 and cifar100.
The search goes along the grid of a model once, one setting after the other: those before as chosen, those after at their first value.

    python benchmarks/selection.py                 # writes docs/selection.md
    python benchmarks/selection.py --only graph    # one of its sections; the others stay as they are

What was computed is kept in scratch/selection/, or in the folder that ROBBENCH_SCRATCH names, so an interrupted run goes on where it was; delete that folder after
a change to features or models.  Needs the published data (ROBBENCH_REFERENCE, or ../shared/reference beside the repository), torch, and the extra `surrogates`.

Cost: about twenty minutes on two cores.  n: 1,471 groups of twins (1,923 classes), four fifths of them to learn from.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar

import ceiling
import numpy as np
from published import ROOT, TARGETS, cached, merged, published_store, row, table

from robbench import RobBench
from robbench.surrogates import networks
from robbench.surrogates.boosting import Boosting
from robbench.surrogates.fitting import Data, gather, scores
from robbench.surrogates.graph import Graph
from robbench.surrogates.models import Model

CACHE = Path(os.environ.get("ROBBENCH_SCRATCH", ROOT / "scratch")) / "selection"
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
GRAPH: dict[str, list[Any]] = {
    "features": ["structure+terms", "structure+signal+terms", "structure+terms+wiring"],
    "width": [32, 16],
    "members": [6, 3, 1],
}
GRAPH_FOLDS = 2
"""Of the five: a fit of networks along the graph takes the longest."""
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
    sections = {kind: partial(searched, kind) for kind in GRIDS} | {
        "blend": partial(blend),
        "graph": partial(graph),
        "features of the network": partial(of_the_network),
    }
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=sections, default=list(sections))
    rows, _ = gathered(DATASETS[0], "structure")
    text = TEXT.format(groups=len(np.unique(rows.twins.group)), classes=len(rows.rows), folds=FOLDS, few=FEW, members=MEMBERS)
    text = "\n".join([text, *(line for one in parser.parse_args().only for line in sections[one]())])
    document = ROOT / "docs" / "selection.md"
    document.write_text(merged(document.read_text(encoding="utf-8"), text), encoding="utf-8")


GRAPH_SAYS = """## graph

The first {folds} of the folds, both datasets in one fit; what both models have is as chosen for the networks.  Of fewer members, those of one fit.
"""
NETWORK_SAYS = """## features of the network

Networks as chosen, both datasets in one fit.  The last set tells functional twins apart; it is what `ensemble` reads beside what it is given.
"""
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


def searched(kind: str) -> list[str]:
    """The table of a kind alone."""
    return search(kind)[1]


def blend() -> list[str]:
    """Of the two kinds as chosen."""
    parts = [predictions(kind, search(kind)[0]) for kind in GRIDS]
    blends = [[share * one + (1 - share) * other for one, other in zip(*parts, strict=True)] for share in SHARES]
    return ["## blend", "", *table(HEAD), *tried("share of networks", SHARES, blends)[1], ""]


def graph() -> list[str]:
    """As `search`; a fit is of both datasets at once, and fewer members are the first of it."""
    setting = {name: values[0] for name, values in GRAPH.items()} | {"members": MEMBERS}
    lines = [GRAPH_SAYS.format(folds=GRAPH_FOLDS), *table(HEAD)]
    for name, values in GRAPH.items():
        setting[name], more = tried(name, values, [along_graph(setting | {name: value}) for value in values], GRAPH_FOLDS)
        lines += more
    return [*lines, ""]


def of_the_network() -> list[str]:
    """Networks with features of the network that is trained, and without; a fit is of both datasets at once."""
    values = ["structure", "structure+signal", "structure+wiring"]
    return [NETWORK_SAYS, *table(HEAD), *tried("features", values, [by_networks(sets) for sets in values])[1], ""]


def by_networks(sets: str) -> list[np.ndarray]:
    """As `predictions`."""
    _, given, targets, fold = both(sets)
    found = np.empty((len(fold), ceiling.ASKED))

    def compute(one: int) -> list[Any]:
        model = networks.Networks.fit(given[fold != one], targets[fold != one], ceiling.ASKED, one)
        predicted: list[Any] = model.predict(given[fold == one]).tolist()
        return predicted

    for one in range(FOLDS):
        found[fold == one] = cached(CACHE / f"both-{sets}-{one}.json", partial(compute, one))
    return np.split(found, len(DATASETS), axis=1)


def both(sets: str) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """Names, features and targets of both datasets, of the rows of `gathered`, and the fold of each row."""
    rows, columns = ceiling.rows(), ceiling.columns(sets)
    here = np.flatnonzero((rows.twins.development & ~rows.twins.constant)[rows.twins.group])
    return [rows.names[at] for at in columns], rows.features[here][:, columns], rows.targets[here], gathered(DATASETS[0], "structure")[1]


def along_graph(setting: Setting) -> list[np.ndarray]:
    """As `predictions`; NaN in folds that are left out."""
    _, fold = gathered(DATASETS[0], "structure")
    fitted = {name: value for name, value in setting.items() if name != "members"}
    found = np.full((len(fold), ceiling.ASKED), np.nan)
    for one in range(GRAPH_FOLDS):
        name = "-".join(["graph", *map(str, fitted.values()), str(one)])
        members = cached(CACHE / f"{name}.json", partial(by_member, fitted, one))
        found[fold == one] = np.mean(members[: setting["members"]], axis=0)
    return np.split(found, len(DATASETS), axis=1)


def by_member(setting: Setting, one: int) -> list[Any]:
    """What each member of a fit predicts for a fold: ``(members, classes, targets of both datasets)``."""
    names, given, targets, fold = both(setting["features"])

    class Trial(Graph):
        settings = Graph.settings._replace(members=MEMBERS, width=setting["width"])

    arrays = Trial.fit(given[fold != one], targets[fold != one], ceiling.ASKED, one, names).arrays()
    each = [{name: values[at : at + 1] if values.ndim == 3 else values for name, values in arrays.items()} for at in range(MEMBERS)]
    return [Graph(part).predict(given[fold == one]).tolist() for part in each]


def tried(name: str, values: list[Any], predicted: Sequence[Sequence[np.ndarray]], folds: int = FOLDS) -> tuple[Any, list[str]]:
    """The value that is chosen, and a line for each: `predicted` has an array for each value and dataset."""
    r2 = np.array([[r2_of_folds(dataset, found, folds) for dataset, found in zip(DATASETS, one, strict=True)] for one in predicted])
    of_fold = r2.mean(axis=1)
    below = of_fold[of_fold.mean(axis=1).argmax()] - of_fold
    mean, error = below.mean(axis=1), below.std(axis=1, ddof=1) / np.sqrt(folds)
    taken = int((mean <= error).argmax())
    lines = []
    for at, value in enumerate(values):
        cells = [f"{of_fold[at].mean():.4f}", f"{mean[at]:.4f} ± {error[at]:.4f}", "yes" if at == taken else ""]
        lines.append(row(name, [str(value), *cells, *(f"{one.mean():.4f}" for one in r2[at])]))
    return values[taken], lines


def r2_of_folds(dataset: str, predicted: np.ndarray, folds: int) -> list[float]:
    """The mean over the targets of R², in each of the first folds."""
    rows, fold = gathered(dataset, "structure")
    return [
        float(np.mean([scores(rows.targets[fold == one, i], predicted[fold == one, i])["r2"] for i in range(len(TARGETS))]))
        for one in range(folds)
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
