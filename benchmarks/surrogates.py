"""How well is robustness predicted, how near is that to the noise, and how fast?  Writes docs/surrogates.md.

Needs the published data (ROBBENCH_REFERENCE, or ../shared/reference beside the repository), torch, and the extra `surrogates`.  About three
quarters of an hour on two cores.  What was computed is kept in scratch/surrogates/, or in the folder that ROBBENCH_SCRATCH names, so an interrupted run
goes on where it was; delete that folder after a change to features or models, or its speed-*.json alone to take the times again on a quiet machine.
n is in each table.

    python benchmarks/surrogates.py            # writes docs/surrogates.md
    python benchmarks/surrogates.py --quick    # one seed, few tables, to stdout: to see that it runs
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import published
from published import ROOT, TARGETS, row, table

from robbench import RobBench, analysis
from robbench.papers.entry import published as reported
from robbench.surrogates import fit, splits
from robbench.surrogates.conformal import half_widths
from robbench.surrogates.fitting import Data, gather, scores
from robbench.surrogates.kinds import features_of, kind_of

CACHE = Path(os.environ.get("ROBBENCH_SCRATCH", ROOT / "scratch")) / "surrogates"
ATTACKED = TARGETS[:5]
BOTH = ("blend", "ensemble")
"""The default, and what comes nearest to the ceiling."""
QUICK = "--quick" in sys.argv
SEEDS = range(1 if QUICK else 5)
Record = dict[Any, Any]


def cached(name: str, compute: Callable[[], Any]) -> Any:
    """What `compute` returned, in this run or an earlier one."""
    return published.cached(CACHE / f"{name}.json", compute)


def main() -> None:
    store = published.published_store(CACHE)
    bench = RobBench(store)
    datasets = ["cifar10"] if QUICK else ["cifar10", "cifar100"]
    lines = [HEADER.format(machine=f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores")]
    for dataset in datasets:
        lines += models(bench, dataset)
    lines += coverage(bench) + speed(store, bench)
    if not QUICK:
        lines += feature_sets(bench) + paper_setting(bench) + learning_curves(bench) + important(bench)
    text = "\n".join([*lines, LEFT])
    if QUICK:
        print(text)
    else:
        (ROOT / "docs" / "surrogates.md").write_text(text, encoding="utf-8")


HEADER = """# Surrogates: what can be predicted, and how well

Produced by `benchmarks/surrogates.py` on {machine}.  R² is on architectures that no model has learned from: of five splits of the groups
of functional twins, 80% on the training side and 20% on the test side, so that no function is on both; ± is the standard deviation over the splits.
The ceiling is the share of the variance of the same test rows that is not noise, by the spread of functional twins; nothing predicts beyond
it.  The networks that ignore their input (five classes) are always on the training side.

Hyper-parameters were chosen by `benchmarks/selection.py` on the development groups alone: three in ten groups, which the key of a group
names, and which are on the training side of every split.  No group of a test side had a part in the choice, on either dataset; test
sides are drawn from the other seven in ten.

    forest, boosting    of the structure, for six targets together
    networks            the same, which learn every other accuracy beside them, on all datasets
    blend               0.7 of networks, 0.3 of boosting: what `robbench fit` fits if no kind is named
    graph               networks along the cell's graph, of structure and wiring
    ensemble            0.4 of graph, 0.6 of a blend, of structure and wiring
"""


LEFT = """## Your predictor beside ours

A surrogate says which architectures it has learned from, so that another predictor learns from the same ones and both are judged on others:

    split = bench.split_of("pgd@1/255")
    mine.fit(split.training, bench.query_many(split.training, "pgd@1/255"))
    ours = bench.predict_many(split.held_out, "pgd@1/255")[:, 0]

What is held out was measured, and is no functional twin of anything that was learned from: the same function trained twice would give the answer
away.  The widths of the surrogate's intervals come from `split.calibration`; a comparison of intervals leaves these architectures out.
`bench.surrogates()` lists the surrogates of a store.

## What was tried, and what is left

On the development groups, with figures in [selection.md](selection.md): fewer and more targets to learn from (those of other datasets help most),
longer training, widths, rates, decay, and the settings of boosting.  There too, in single trials of three folds of which no figures were kept:
corruptions as further targets changed little; the operations on the edges, beside the structure, made networks worse; networks that run
along the cell's graph, each operation a small network and each node the sum of what arrives, with the same features beside them, were better for
PGD, APGD and Square than as many without the graph.  These are built since, as the kinds `graph` and `ensemble`, and so are features of how signals
grow in the untrained network (`signal`), and of the network that is trained (`wiring`), by which twins are told apart; [ceiling.md](ceiling.md) has them beside
the blend, and how many architectures 98% of the ceiling would take.

The features and the kinds of model were settled before there were development groups, and so in part on architectures that are on test sides here;
then, Gaussian processes on the same features (four kernels) were well behind.  Not tried: pretraining on other spaces.

The curves still rise with the number of architectures.  The ceiling takes twins of different classes for repeated measurements of one
thing.  Where training tells them apart (a convolution of zeros learns an offset; duplicates share weights or do not), it is too low:
[twins.md](twins.md) says by how much.  By its interval, it is not known better than about 0.01.
"""


def rows_for(kind: str, bench: RobBench, dataset: str) -> Data:
    """The same rows for every kind, with the features that it takes by itself."""
    return gather(bench.measurements, "+".join(TARGETS), features_of(kind, "structure", bench.space), dataset=dataset)


def fitted(kind: str, data: Data, learned: np.ndarray, seed: int) -> Any:
    return kind_of(kind).fit(data.features[learned], data.targets[learned], len(TARGETS), seed, data.names)


def models(bench: RobBench, dataset: str) -> list[str]:
    """Every model on the same splits."""

    def run(seed: int) -> Record:
        data = rows_for("blend", bench, dataset)
        train_side = splits.split(splits.TWIN, data.twins, seed=seed)
        measured = data.targets[~train_side]
        forest, blend, ensemble = (
            fitted(kind, rows_for(kind, bench, dataset), train_side, seed) for kind in ("forest", "blend", "ensemble")
        )
        tested, with_terms = data.features[~train_side], rows_for("ensemble", bench, dataset).features[~train_side]
        predicted = {"forest": forest.predict(tested), "boosting": blend.boosting.predict(tested)}
        predicted |= {"networks": blend.networks.predict(tested), "blend": blend.predict(tested)}
        predicted |= {"graph": ensemble.graph.predict(with_terms), "ensemble": ensemble.predict(with_terms)}
        found: Record = {name: [scores(measured[:, i], values[:, i]) for i in range(len(TARGETS))] for name, values in predicted.items()}
        found["ceiling"] = [{"r2": analysis.ceiling_of(measured[:, i], data.twins.group[~train_side], 2).r2} for i in range(len(TARGETS))]
        return found

    records = [cached(f"models-{dataset}-{seed}", partial(run, seed)) for seed in SEEDS]
    n = records[0]["blend"][0]["n"]
    lines = [f"## {dataset}: by model", "", f"About {n} test classes a split. Attacks at eps 1/255.", ""]
    lines += table(["R²", *TARGETS])
    paper = [paper_r2(dataset, target) for target in TARGETS]
    lines.append(row("Lukasik et al. (2023): 15 proxies, forest, random split", paper))
    for name in ("forest", "boosting", "networks", "blend", "graph", "ensemble", "ceiling"):
        lines.append(
            row(
                f"{name}, split by twins" if name != "ceiling" else "noise ceiling",
                [spread([record[name][i]["r2"] for record in records]) for i in range(len(TARGETS))],
            )
        )

    def means(name: str, measure: str) -> list[float]:
        return [statistics.fmean(record[name][i][measure] for record in records) for i in range(len(TARGETS))]

    ceilings = means("ceiling", "r2")
    for name in BOTH:
        shares = [100 * mean / ceiling for mean, ceiling in zip(means(name, "r2"), ceilings, strict=True)]
        lines.append(row(f"{name} / ceiling", [f"{share:.1f}%" for share in shares]))
    for measure, title in (("kendall", "Kendall τ"), ("spearman", "Spearman ρ"), ("mae", "mean absolute error")):
        lines += [row(f"{name}, {title}", [f"{mean:.4f}" for mean in means(name, measure)]) for name in BOTH]
    whole = [
        cached(f"ceiling-{dataset}-{i}", partial(analysis.noise_ceiling, bench, target, dataset=dataset))
        for i, target in enumerate(TARGETS)
    ]
    lines += ["", "The ceiling over all rows:", "", *table(["noise ceiling", *TARGETS])]
    lines.append(row("R²", [f"{found[0]:.4f}" for found in whole]))
    lines.append(row("95% interval", [f"{found[1]:.4f} to {found[2]:.4f}" for found in whole]))
    lines.append(row("noise of one measurement (standard deviation)", [f"{found[4]:.4f}" for found in whole]))
    lines.append(row("degrees of freedom", [str(found[3]) for found in whole]))
    return [*lines, ""]


def coverage(bench: RobBench) -> list[str]:
    """Fitted on 64%, calibrated on 16%, tested on the rest; both of these are drawn from the groups that are not for development."""

    def run(kind: str, seed: int) -> list[list[float]]:
        rows = rows_for(kind, bench, "cifar10")
        outside = ~splits.split(splits.TWIN, rows.twins, seed=seed)
        known = np.flatnonzero(~outside)
        calibrating = known[~splits.split(splits.TWIN, rows.twins.of_rows(known), seed=1000 + seed)]
        model = fitted(kind, rows, np.setdiff1d(known, calibrating), seed)
        before, means = model.predict(rows.features[calibrating]), model.predict(rows.features[outside])
        found = []
        for i in range(len(TARGETS)):
            half = half_widths(before[:, i], rows.targets[calibrating, i] - before[:, i], means[:, i], 0.9)
            inside = np.abs(rows.targets[outside, i] - means[:, i]) <= half
            found.append([float(inside.mean()), float(2 * np.median(half))])
        return found

    lines = ["## Intervals", "", "cifar10, level 90%: fitted on 64% of the groups, calibrated on 16%, tested on the other 20%.", ""]
    lines += table(["", *TARGETS])
    for kind in BOTH:
        records = [cached(f"coverage-{kind}-{seed}", partial(run, kind, seed)) for seed in SEEDS]
        for place, title in enumerate(("coverage", "median width")):
            lines.append(row(f"{kind}, {title}", [spread([record[i][place] for record in records], 3) for i in range(len(TARGETS))]))
    return [*lines, ""]


def speed(store: Path, bench: RobBench) -> list[str]:
    """In a fresh process, on a store that holds one surrogate."""

    def run(kind: str, target: str) -> Record:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "store.h5")
            path.write_bytes(store.read_bytes())
            start, used = time.perf_counter(), time.process_time()
            fit(RobBench(path), target, model=kind).save(path)
            seconds = [time.perf_counter() - start, time.process_time() - used]
            one_thread = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
            measured = subprocess.run([sys.executable, "-c", CLOCK, str(path)], check=True, capture_output=True, text=True, env=one_thread)
            return {"fit": seconds, "size": path.stat().st_size - store.stat().st_size, **json.loads(measured.stdout)}

    asked = {"blend, pgd@1/255": ("blend", "pgd@1/255"), **{f"{kind}, all six": (kind, "+".join(TARGETS)) for kind in BOTH}}
    found = {name: cached(f"speed-{kind}-{len(target.split('+'))}", partial(run, kind, target)) for name, (kind, target) in asked.items()}
    lines = [
        "## How fast",
        "",
        "cifar10.  Fitted on all cores; asked in a fresh process, its products of matrices in one thread, medians.  Beside the time on the clock",
        "stands, in brackets, the processor's (of all threads together): what a busy machine adds to the first is not in the second.",
        "",
        *table(["", *found]),
    ]
    milliseconds = [f"{{:.{digits}f}} ms" for digits in range(5)]
    for name, key, scale, text in (
        ("fit, and put into the store", "fit", 1, "{:.1f} s"),
        ("load from the store", "load", 1e3, milliseconds[1]),
        ("first prediction: features and predictions of every cell", "first", 1e3, milliseconds[0]),
        ("a prediction after that", "next", 1e3, milliseconds[4]),
        ("evaluating all 15,625", "all", 1e3, milliseconds[0]),
    ):
        lines.append(row(name, ["{} ({})".format(*(text.format(scale * seconds) for seconds in one[key])) for one in found.values()]))
    lines.append(row("what it adds to the file", [f"{one['size'] / 1e6:.2f} MB" for one in found.values()]))
    return [*lines, ""]


CLOCK = """
import json, statistics, sys, time
from robbench import RobBench
from robbench.surrogates import Surrogate
path = sys.argv[1]

def clocked(act, times):
    found = []
    for _ in range(times):
        start, used = time.perf_counter(), time.process_time()
        result = act()
        found.append((time.perf_counter() - start, time.process_time() - used))
    return result, [statistics.median(one) for one in zip(*found)]

bench = RobBench(path)
archs = [str(cell) for cell in bench.architectures]
_, first = clocked(lambda: bench.predict(archs[0], "pgd", eps=1 / 255), 1)
bench.predict_many(archs, "pgd", eps=1 / 255)
some = iter(archs)
_, following = clocked(lambda: bench.predict(next(some), "pgd", eps=1 / 255), 1000)
store = bench.measurements.store
surrogate, load = clocked(lambda: Surrogate.of(store.surrogate(*store.surrogates()[0])), 25)
table = surrogate.table(bench.measurements)
_, whole = clocked(lambda: surrogate.predict(table.values)[table.row_of], 7)
print(json.dumps({"first": first, "next": following, "load": load, "all": whole}))
"""


def feature_sets(bench: RobBench) -> list[str]:
    """One model, boosting, from each set."""
    sets = ["operations", "paths", "nodes", "structure", "structure+proxies"]

    def run(features: str) -> list[Record]:
        found: list[Record] = analysis.predictability(bench, TARGETS, features=features, model="boosting", seeds=SEEDS).to_dict("records")
        return found

    lines = [
        "## By features",
        "",
        "cifar10, boosting, split by twins. With proxies, the evaluated cells that have one.",
        "",
        *table(["R²", *TARGETS]),
    ]
    for features in sets:
        records = cached(f"features-{features}", partial(run, features))
        lines.append(row(features, [spread([one["r2"] for one in records if one["target"] == target]) for target in TARGETS]))
    return [*lines, ""]


def paper_setting(bench: RobBench) -> list[str]:
    """Published proxies, a forest, a random split."""
    found = cached(
        "paper",
        lambda: analysis.predictability(bench, ATTACKED, features="proxies", model="forest", split="random", seeds=SEEDS).to_dict(
            "records"
        ),
    )
    ours = [statistics.fmean(one["r2"] for one in found if one["target"] == target) for target in ATTACKED]
    theirs = [paper_r2("cifar10", target) for target in ATTACKED]
    lines = [
        "## The paper's setting",
        "",
        f"13 published proxies of cifar10, forest, random split, n={found[0]['size']} + {found[0]['n']}; five targets at once.",
    ]
    lines += [
        "The paper had 15: two that are not published are missing here, the Frobenius norm of the Jacobian and the largest eigenvalue of the Hessian.",
        "",
        *table(["R²", *ATTACKED]),
    ]
    lines += [row("Lukasik et al. (2023), 15 proxies", theirs), row("here, 13 proxies", [f"{value:.3f}" for value in ours])]
    lines.append(row("difference", [f"{value - float(other):+.3f}" for value, other in zip(ours, theirs, strict=True)]))
    lines += [
        "",
        "Where the difference is beyond 0.05, the missing two may be why. It was not tested.",
    ]
    return [*lines, ""]


def learning_curves(bench: RobBench) -> list[str]:
    """R² and τ by how many architectures were learned from."""
    sizes = [50, 100, 300, 1000, None]

    def run(seed: int) -> list[Record]:
        found: list[Record] = analysis.predictability(bench, TARGETS, sizes=sizes, seeds=[seed]).to_dict("records")
        return found

    records = [one for seed in list(SEEDS)[:3] for one in cached(f"curve-{seed}", partial(run, seed))]
    lines = [
        "## Learning curves",
        "",
        "cifar10, blend, structure; R² / Kendall τ, mean of three splits.",
        "",
        *table(["learned from", *TARGETS]),
    ]
    for at, size in enumerate(sizes):
        chosen = [one for i, one in enumerate(records) if i // len(TARGETS) % len(sizes) == at]
        cells = []
        for target in TARGETS:
            of = [one for one in chosen if one["target"] == target]
            cells.append(f"{statistics.fmean(one['r2'] for one in of):.3f} / {statistics.fmean(one['kendall'] for one in of):.3f}")
        lines.append(row(f"all ({chosen[0]['size']})" if size is None else str(size), cells))
    return [*lines, ""]


def important(bench: RobBench) -> list[str]:
    """Which features matter, as in Tables 2 and 3 of the paper."""
    lines = ["## Which features matter", "", "cifar10, forest, split by twins: the ten that cost most R² when permuted.", ""]
    for target in ("clean", "pgd@1/255"):
        found = cached(f"importance-{target.partition('@')[0]}", partial(top_ten, bench, target))
        lines += [f"**{target}**", "", *table(["feature", "permutation", "impurity"])]
        lines += [row(f"`{name}`", [f"{permutation:.3f}", f"{impurity:.3f}"]) for name, permutation, impurity in found] + [""]
    lines += [
        "Each proxy alone, and all but it (forest, random split):",
        "",
        *table(["proxy", "clean: alone", "clean: without", "pgd: alone", "pgd: without"]),
    ]
    found = {target: cached(f"subsets-{target.partition('@')[0]}", partial(each_proxy, bench, target)) for target in ("clean", "pgd@1/255")}
    for name in found["clean"]:
        lines.append(row(name, [f"{found[target][name][how]:.3f}" for target in found for how in ("alone", "without")]))
    return [*lines, ""]


def top_ten(bench: RobBench, target: str) -> list[list[Any]]:
    found = analysis.importance(bench, target, repeats=1).head(10)
    return [[name, permutation, impurity] for name, impurity, permutation in found.itertuples()]


def each_proxy(bench: RobBench, target: str) -> dict[Any, Any]:
    return analysis.subsets(bench, target).to_dict("index")


def paper_r2(dataset: str, target: str) -> str:
    """The paper's R²; empty where it reports none."""
    numbers = reported("lukasik2023-table1")
    assert numbers is not None, "the numbers of Table 1 ship with the package"
    return "".join(f"{r2:.2f}" for r2 in numbers[(numbers["dataset"] == dataset) & (numbers["target"] == target)]["paper"])


def spread(values: list[float], digits: int = 4) -> str:
    deviation = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.{digits}f}{deviation}"


if __name__ == "__main__":
    main()
