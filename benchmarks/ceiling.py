"""How near do surrogates come to the noise ceiling, and how well is that known?  Writes docs/ceiling.md.

Needs the published data (ROBBENCH_REFERENCE, or ../shared/reference beside the repository), torch, and the extra `surrogates`.  Some ten minutes on two
cores.  What was computed is kept in scratch/ceiling/, or in the folder that ROBBENCH_SCRATCH names, so an interrupted run goes on where it was; delete that
folder after a change to features or models.  n is in each table.

Everything was chosen before, on development groups (see the text), and is tested here once, on groups that are not for development.

    python benchmarks/ceiling.py                     # writes docs/ceiling.md
    python benchmarks/ceiling.py --only intervals    # some of its parts; the others stay as they are
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import time
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import published
from published import ROOT, TARGETS, row, table

from robbench import RobBench, analysis
from robbench.measurements.metrics import parse
from robbench.spaces.nb201 import NB201
from robbench.surrogates import features, kinds, splits
from robbench.surrogates.blend import Blend
from robbench.surrogates.conformal import half_widths
from robbench.surrogates.ensemble import GRAPH_SHARE
from robbench.surrogates.fitting import Data, gather, scores
from robbench.surrogates.graph import Graph
from robbench.surrogates.splits import Twins

CACHE = Path(os.environ.get("ROBBENCH_SCRATCH", ROOT / "scratch")) / "ceiling"
DATASETS = ["cifar10", "cifar100"]
ASKED = len(DATASETS) * len(TARGETS)
SEEDS = range(5)
"""Of the splits for the test of all; a fit of networks along the graph takes the longest."""
INTERVAL_SEEDS = range(1)
FEW_SEEDS = range(3)
FEW = 100
LEVEL = 0.9
SHARE, CURVE = 98, 3
"""Of the ceiling, in percent; and how many points of the learning curve, the last ones, it is extrapolated from."""
FEATURES = "structure+signal+terms"


class Rows(NamedTuple):
    """The classes, with the targets of both datasets beside each other, and everything else that was measured of accuracies."""

    twins: Twins
    names: tuple[str, ...]
    features: np.ndarray
    targets: np.ndarray
    """``(classes, 12 + others)``."""


@cache
def rows() -> Rows:
    """A fit for one dataset learns from the accuracies on all; here one fit is asked for both."""
    bench = RobBench(published.published_store(CACHE))
    one, other = (gather(bench.measurements, "+".join(TARGETS), f"{FEATURES}+wiring", dataset=dataset) for dataset in DATASETS)
    asked = [(dataset, metric) for dataset in DATASETS for metric in one.outputs]
    rest = [len(TARGETS) + at for at, known in enumerate(one.auxiliary) if known not in asked]
    targets = np.column_stack([one.targets[:, : len(TARGETS)], other.targets[:, : len(TARGETS)], one.targets[:, rest]])
    return Rows(one.twins, one.names, one.features, targets)


def columns(sets: str) -> np.ndarray:
    """Which of the features are of these sets."""
    known = {**NB201.features, **NB201.network_features}
    wanted = {name for one in sets.split("+") for function in known[one] for name in function(NB201.members[:1]).names}
    return np.flatnonzero([name in wanted for name in rows().names])


def fitted(kind: Any, sets: str, learned: np.ndarray, seed: int, targets: np.ndarray | None = None) -> Any:
    found, chosen = rows(), columns(sets)
    wanted = found.targets[learned] if targets is None else targets
    return kind.fit(found.features[learned][:, chosen], wanted, min(ASKED, wanted.shape[1]), seed, [found.names[at] for at in chosen])


def predicted(model: Any, sets: str, asked: np.ndarray) -> np.ndarray:
    return np.asarray(model.predict(rows().features[asked][:, columns(sets)]))


def cached(name: str, compute: Any) -> Any:
    return published.cached(CACHE / f"{name}.json", compute)


def main() -> None:
    parts = {"test": test, "intervals": intervals, "more": more, "few": few}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    text = "\n".join([TEXT.format(seeds=len(SEEDS), share=SHARE), *(line for part in parser.parse_args().only for line in parts[part]())])
    document = ROOT / "docs" / "ceiling.md"
    document.write_text(published.merged(document.read_text(encoding="utf-8"), text), encoding="utf-8")


def test() -> list[str]:
    """On the test sides, once: R², and shares of the ceiling with their intervals, of the blend as it was and of what is new."""

    def run(name: str, seed: int) -> dict[str, Any]:
        (kind, sets), (learned, asked) = CONTESTANTS[name], sides(seed)
        start = time.process_time()
        means = predicted(fitted(kind, sets, learned, seed), sets, asked)
        return {"means": means.tolist(), "seconds": time.process_time() - start}

    def judge(seed: int) -> dict[str, Any]:
        fits = {name: cached(f"test-{name.replace(' ', '-')}-{seed}", partial(run, name, seed)) for name in CONTESTANTS}
        found = {name: np.array(one["means"]) for name, one in fits.items()}
        found["ensemble"] = GRAPH_SHARE * found["graph, with wiring"] + (1 - GRAPH_SHARE) * found["blend, with wiring"]
        learned, asked = sides(seed)
        measured, groups = rows().targets[asked], rows().twins.group[asked]
        judged = {
            name: [
                {"r2": scores(measured[:, at], means[:, at])["r2"], "share": analysis.share_of(measured[:, at], means[:, at], groups)}
                for at in range(ASKED)
            ]
            for name, means in found.items()
        }
        ceilings = [analysis.ceiling_of(measured[:, at], groups) for at in range(ASKED)]
        seconds = {name: one["seconds"] for name, one in fits.items()}
        return {"judged": judged, "ceiling": ceilings, "seconds": seconds, "n": len(asked), "learned": len(learned)}

    records = [judge(seed) for seed in SEEDS]
    lines: list[str] = []
    for place, dataset in enumerate(DATASETS):
        lines += [f"## {dataset}", "", f"n = {records[0]['learned']} to learn from, {records[0]['n']} to test.", "", *table(["", *TARGETS])]
        own = range(place * len(TARGETS), (place + 1) * len(TARGETS))

        def mean(values: Sequence[float], digits: int = 4) -> str:
            return f"{statistics.fmean(values):.{digits}f}"

        for name in records[0]["judged"]:
            judged = [record["judged"][name] for record in records]
            lines.append(row(f"{name}: R²", [mean([one[at]["r2"] for one in judged]) for at in own]))
            share = [[100 * statistics.fmean(one[at]["share"][end] for one in judged) for end in range(3)] for at in own]
            lines.append(row(f"{name}: share of the ceiling, %", [f"{at:.1f} ({low:.1f} to {high:.1f})" for at, low, high in share]))
        ceiling = [[statistics.fmean(record["ceiling"][at][end] for record in records) for end in range(3)] for at in own]
        lines += [row("ceiling", [f"{at:.4f} ({low:.4f} to {high:.4f})" for at, low, high in ceiling]), ""]
    seconds = {name: statistics.fmean(record["seconds"][name] for record in records) for name in CONTESTANTS}
    return [*lines, "Seconds of a processor for a fit of all twelve targets, and its predictions: "
            + ", ".join(f"{name} {one:.0f}" for name, one in seconds.items()) + ".", ""]  # fmt: skip


def sides(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows to learn from, and those to test."""
    train_side = splits.split(splits.TWIN, rows().twins, seed=seed)
    return np.flatnonzero(train_side), np.flatnonzero(~train_side)


GRAPH, BLEND = "graph, with wiring", "blend, with wiring"
CONTESTANTS: dict[str, tuple[Any, str]] = {
    GRAPH: (Graph, "structure+terms+wiring"),
    "blend": (Blend, "structure"),
    BLEND: (Blend, "structure+wiring"),
}


def intervals() -> list[str]:
    """Coverage and width: learned from 64% of the groups, calibrated on 16%, tested on the rest."""

    def run(seed: int) -> dict[str, list[list[float]]]:
        train_side, asked = sides(seed)
        calibrating = train_side[~splits.split(splits.TWIN, rows().twins.of_rows(train_side), seed=1000 + seed)]
        learned, either = np.setdiff1d(train_side, calibrating), np.concatenate([calibrating, asked])
        means = {
            name: predicted(fitted(kind, sets, learned, seed), sets, either)
            for name in (GRAPH, BLEND)
            for kind, sets in [CONTESTANTS[name]]
        }
        means = {GRAPH: means[GRAPH], "ensemble": GRAPH_SHARE * means[GRAPH] + (1 - GRAPH_SHARE) * means[BLEND]}
        return {
            name: [held(rows().targets[either, at], found[:, at], len(calibrating)) for at in range(ASKED)] for name, found in means.items()
        }

    records = [cached(f"intervals-{seed}", partial(run, seed)) for seed in INTERVAL_SEEDS]
    lines = [INTERVALS_SAY.format(splits=len(records)), *table(["", *TARGETS])]
    for place, dataset in enumerate(DATASETS):
        for name in records[0]:
            found = np.mean([record[name][place * len(TARGETS) : (place + 1) * len(TARGETS)] for record in records], axis=0)
            lines += [
                row(f"{dataset}, {name}: {what}", [f"{one:.3f}" for one in found[:, at]])
                for at, what in enumerate(("coverage", "median width"))
            ]
    return [*lines, ""]


def held(measured: np.ndarray, means: np.ndarray, calibrating: int) -> list[float]:
    """The share of measurements in their intervals, and the median width, of those rows that come after so many that calibrate."""
    before, after = means[:calibrating], means[calibrating:]
    half = half_widths(before, measured[:calibrating] - before, after, LEVEL)
    return [float((np.abs(measured[calibrating:] - after) <= half).mean()), float(2 * np.median(half))]


def more() -> list[str]:
    """How many architectures a share of the ceiling would take, by what docs/surrogates.md has of learning curves."""
    text = (ROOT / "docs" / "surrogates.md").read_text(encoding="utf-8")
    of_model, curves = text.partition("## cifar10: by model")[2], text.partition("## Learning curves")[2].partition("## ")[0]
    ceiling = np.array([float(cell.split()[0]) for cell in cells_of(of_model, "noise ceiling")])
    learned = np.array([int(size) for size in re.findall(r"^\| (?:all \()?([0-9]+)\)? \|", curves, re.MULTILINE)][-CURVE:])
    r2 = np.array(
        [[float(cell.split()[0]) for cell in line.split("|")[2:-1]] for line in curves.splitlines() if re.match(r"\| (all|[0-9])", line)]
    )[-CURVE:]
    lines = [MORE_SAYS.format(share=SHARE, first=learned[0], last=learned[-1]), *table(["", *TARGETS])]
    slope, offset = np.polyfit(np.log(learned), np.log(ceiling - r2), 1)
    takes = np.exp((np.log(ceiling * (1 - SHARE / 100)) - offset) / slope)
    lines.append(row("gap to the ceiling, by all", [f"{gap:.3f}" for gap in ceiling - r2[-1]]))
    lines.append(row("falls with the number to the power", [f"{one:.2f}" for one in slope]))
    lines.append(row(f"architectures for {SHARE}%", [f"{round(one, -2):,.0f}" for one in takes]))
    return [*lines, ""]


def cells_of(text: str, name: str) -> list[str]:
    """The cells of the first line of a table that has this name."""
    return next(line for line in text.splitlines() if line.startswith(f"| {name} |")).split("|")[2:-1]


def few() -> list[str]:
    """R² on the test sides from a hundred architectures, by what is known beside their own measurements."""

    def run(name: str, seed: int) -> dict[str, float]:
        kind, known, every = FROM_FEW[name]
        data = known_beside(known, BESIDE.get(kind, ()))
        train_side = splits.split(splits.TWIN, data.twins, seed=seed)
        learned, asked = np.random.default_rng(seed).permutation(np.flatnonzero(train_side))[:FEW], np.flatnonzero(~train_side)
        outputs = len(data.outputs)
        targets = data.targets[learned] if every else data.targets[learned, :outputs]
        means = kinds.fitted(kind, data.features[learned], targets, outputs, seed, data.names).predict(data.features[asked])
        return {str(one): scores(data.targets[asked, at], means[:, at])["r2"] for at, one in enumerate(data.outputs)}

    lines = [FEW_SAYS.format(few=FEW, splits=len(FEW_SEEDS)), *table(["R²", *TARGETS])]
    for name in FROM_FEW:
        records = [cached(f"known-{name.replace(' ', '-')}-{seed}", partial(run, name, seed)) for seed in FEW_SEEDS]
        r2 = {target: statistics.fmean(record[target] for record in records) for target in records[0]}
        lines.append(row(name, [f"{r2[target]:.3f}" if target in r2 else "known" for target in TARGETS]))
    return [*lines, ""]


@cache
def known_beside(known: str, own: tuple[str, ...]) -> Data:
    """What was measured on cifar10, with the structure and what is known of every architecture among the features, and as targets what is not known."""
    names = [parse(one).name for one in known.split("+") if one not in ("", features.PROXIES)]
    targets = [target for target in TARGETS if parse(target).name not in names]
    sets = "+".join(filter(None, (SEEN, known, *own)))
    return gather(RobBench(published.published_store(CACHE)).measurements, "+".join(targets), sets, dataset=DATASETS[0])


SEEN = "structure+signal"
BESIDE = {"graph": ("terms",)}
FROM_FEW: dict[str, tuple[str, str, bool]] = {
    "process": ("process", "", False),
    "boosting": ("boosting", "", False),
    "networks, these six targets": ("networks", "", False),
    "networks, every accuracy of both datasets": ("networks", "", True),
    "graph, every accuracy of both datasets": ("graph", "", True),
    "process, proxies known": ("process", "proxies", False),
    "process, clean known": ("process", "clean", False),
    "boosting, clean known": ("boosting", "clean", False),
    "process, clean and proxies known": ("process", "clean+proxies", False),
    "process, clean and FGSM known": ("process", "clean+fgsm@1/255", False),
    "small, clean and FGSM known": ("small", "clean+fgsm@1/255", False),
    "forest, clean and FGSM known": ("forest", "clean+fgsm@1/255", False),
    "boosting, clean and FGSM known": ("boosting", "clean+fgsm@1/255", False),
    "networks, clean and FGSM known, every accuracy": ("networks", "clean+fgsm@1/255", True),
    "process, clean and FGSM at every level known": ("process", "clean+fgsm", False),
    "boosting, clean and FGSM at every level known": ("boosting", "clean+fgsm", False),
}
"""The kind, what is known of every architecture and stands among the features, and whether the other accuracies are targets, too."""


TEXT = """# Near the ceiling

Produced by `benchmarks/ceiling.py`, by groups of functional twins: {seeds} of the five splits in [surrogates.md](surrogates.md).  A fit is of both datasets at
once: twelve targets, with every other accuracy that was measured beside them; a blend is as `robbench fit` makes it, but for that.  A share is R² over the
ceiling of the same test rows; in brackets its 95% interval, by a bootstrap of groups of twins that draws the errors of the predictions and the noise
together, for one split, and averaged over the splits where there are several.

    graph       networks along the cell's graph: an operation is a small network, a node the sum of what arrives
    ensemble    0.4 of graph, 0.6 of a blend, both with wiring
    wiring      features of the network that is trained: convolutions computed twice, and how variance and gradient grow before training

All that was chosen was chosen on development groups, which are on no test side: features, width and members with figures in [selection.md](selection.md), where
networks do a little better with wiring, and graph does as well without it; the rest in trials on two to four of five folds, of which no figures were kept.  There,
stopping each member early by a tenth of its rows cost more than it gave; a Gaussian process with a length for each feature was well behind; other shares of graph,
from 0.4 to 0.7, or one for each target, made no difference; accuracies on a logit scale were worse; and targets that count by how much of them is noise, by twins,
were better with networks, and worse with graph.

On the test sides, wiring and the graph together gain over the blend as it is fitted without them under every attack, half a hundredth of R² on average and up to
nine thousandths; on clean images next to nothing, and on corrupted ones of cifar10 they lose half a hundredth.  {share}% of the ceiling are reached on clean images and under FGSM on
cifar10.  They are within the interval of what is reached under PGD, APGD and Square on cifar10, and under PGD and APGD on cifar100: there the ceiling is not known well enough
to say how much is lacking.  Outside it, and so lacking beyond noise, are FGSM and Square on cifar100, and corrupted images on both.  More architectures would do, but
the space has not so many (see below).  The ceiling itself is that by all functional twins; for a predictor that sees wiring it is higher, by up to two
hundredths under Square ([twins.md](twins.md)).
"""


INTERVALS_SAY = """## Intervals

Level 90%: learned from 64% of the groups, calibrated on 16%, tested on the other 20%; {splits} of the splits.
"""


MORE_SAYS = """## How many architectures would do

cifar10, by the blend in the learning curves of [surrogates.md](surrogates.md): the gap to the ceiling as a power of the number of architectures, from {first} to
{last} of them, carried on to {share}% of the ceiling.  Architectures are classes, of which the space has 6,466: where it takes more, all that could be measured is not enough for
a blend, and what is left is to know more of each.
"""


FEW_SAYS = """## From {few} architectures

cifar10; mean of R² on the test sides of {splits} splits.  Every kind sees the structure, with signal.  What is known of every architecture, of those to predict, too,
is a feature, as in `robbench fit --features structure+signal+clean+fgsm`: clean accuracy, FGSM accuracy at 1/255 or at every level, the published proxies.

Targets in plenty hardly help with so few: what is known of all architectures does.  With clean and FGSM accuracy at one level known, trees and a Gaussian process
learn PGD from a hundred nearly as well as the others do from thousands of architectures without them.  With FGSM at every level, boosting does better than that,
and comes to the noise ceiling of what knows the function alone: FGSM has seen what the same training made of the network, noise and all.  Trees and networks learn
what a linear function of the known accuracies leaves; on development groups they made far less of these without it.  Proxies beside a linear kernel go wrong
where one is far from what was learned from.
"""


if __name__ == "__main__":
    main()
