"""Everything built in, judged on the published data: proxies, predictors and searches.  Writes docs/leaderboard.md.

Needs the published data (ROBBENCH_REFERENCE, or ../shared/reference beside the repository) and the extra `surrogates`.  What is finished is kept in
scratch/leaderboard: cut it whenever you like, and go on with the same command.  Twenty minutes of a core; it gives way to whatever else runs.

    python benchmarks/leaderboard.py                       # writes docs/leaderboard.md
    python benchmarks/leaderboard.py --out report.html     # the same elsewhere, in any form of a report
    python benchmarks/leaderboard.py --only searches       # measures this part, and writes nothing
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from boards import TUNED, board, learning, regrets
from published import REFERENCE, ROOT, TARGETS

from robbench import RobBench
from robbench.judge import Report, Section, from_store, judge_predictor, judge_proxy, judge_search
from robbench.judge.lukasik import LUKASIK
from robbench.judge.report import made_by, write
from robbench.measurements.tables import held_proxies
from robbench.papers import reported
from robbench.papers.reported import TABLES
from robbench.sources import import_source

FOLDER = ROOT / "scratch" / "leaderboard"
DOCUMENT = ROOT / "docs" / "leaderboard.md"
FILES = (
    ("jung2023", "jung2023"),
    ("nbsuite_zero", "nbsuite_zero/zc_nasbench201_cifar10.csv"),
    ("nbsuite_zero", "nbsuite_zero/zc_nasbench201_ImageNet16-120.csv"),
    ("nasrobbench201", "nasrobbench201/NAS-RobBench-201_html.json"),
)
STANDARD, ADVERSARIAL = "standard", "pgd-8/255"
OBJECTIVES = [*TARGETS, "clean+pgd@1/255"]
SETTINGS: tuple[tuple[str, str, str | None, list[str], int], ...] = (
    ("standard", STANDARD, None, OBJECTIVES, 20),
    ("standard-twin", STANDARD, "twin", OBJECTIVES, 20),
    ("pgd-8-255", ADVERSARIAL, None, ["clean", "fgsm@8/255", "pgd@8/255"], 20),
)
"""Of searches: a folder, the training, the noise, the objectives, and how many runs."""
SPLITS, RESAMPLES, FEW = 3, 200, 40
"""Resamples; few for what proxies add, each for itself."""
SHOWN: dict[str, Any] = {"workers": 2, "progress": True}
SURROGATES = ("blend", "networks", "boosting", "forest", "small", "process", "ridge")
"""All but those along the graph, of which a fit takes several times as long, whatever it learns from."""
ONE = "synflow"
"""Of the published proxies, all of which stand in its report."""
Proxies = dict[tuple[str, str], dict[str, pd.DataFrame]]


def store() -> Path:
    """The published data, imported where it is not there yet."""
    path, partial = FOLDER / "published.h5", FOLDER / "partial.h5"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        for source, file in FILES:
            import_source(source, REFERENCE / file, partial)
        partial.rename(path)
    return path


def proxies(bench: RobBench) -> Proxies:
    """For each data set with published proxies, and each of these and each attribute: the tables of its report; intervals are in that of `ONE`, which has all of them."""
    found: Proxies = {}
    for dataset in bench.measurements.store.datasets():
        held = held_proxies(bench.measurements, dataset)
        for name in [*held, *bench.space.attributes] if ONE in held else []:
            resamples = RESAMPLES if name == ONE else FEW
            report = judge_proxy(bench, from_store(bench, name, dataset), datasets=[dataset], resamples=resamples, keep=FOLDER / "proxies")
            found[dataset, name] = {section.title: section.table for section in report.sections}
    return found


def predictors(bench: RobBench) -> pd.DataFrame:
    """Learning curves of the kinds of surrogates that are fitted in seconds, and of the paper's; benchmarks/surrogates.py has the others."""
    asked: dict[str, Any] = {"metrics": TARGETS, "splits": SPLITS, "training": STANDARD, "keep": FOLDER / "predictors", **SHOWN}
    return judge_predictor(bench, SURROGATES[0], beside=(*SURROGATES[1:], LUKASIK), limit=None, **asked).section("learning curves")


def searches(bench: RobBench) -> dict[str, tuple[Report, Report]]:
    """For each setting, reports of random search and of tuned random search, each beside all others in the same runs."""
    found = {}
    for name, training, noise, objectives, runs in SETTINGS:
        asked: dict[str, Any] = {"objectives": objectives, "runs": runs, "noise": noise, "training": training, **SHOWN}
        random, tuned = (judge_search(bench, method, keep=FOLDER / "searches" / name, **asked) for method in ("random", TUNED))
        found[name] = random, tuned
    return found


def papers() -> list[Section]:
    """What papers report, table by table."""
    found = []
    for name, entry in TABLES.items():
        rows = reported(table=name)
        if not entry.dataset:
            rows["metric"] = rows["dataset"] + " " + rows["metric"]
        rows["metric"] = (rows["metric"] + " " + rows["attacker"].astype(str)).str.strip()
        values = zip(rows["reported"].to_numpy(np.float64), rows["sd"].to_numpy(np.float64), strict=True)
        rows["text"] = [f"{value:.10g}" + (f" ± {sd:.10g}" if sd == sd else "") for value, sd in values]
        title, says = f"as reported: {entry.paper}, {entry.table}", f"{entry.dataset or 'Several data sets'}: {entry.protocol}."
        found.append(Section(title, says, rows, ("architecture",), ("metric", "text")))
    return found


def composed(bench: RobBench, found: dict[str, Any]) -> Report:
    """The page."""
    sections: list[Section] = []
    short = {"Proxies, under attacks": list[str](), "Predictors": list[str](), "Searches": list[str]()}
    for dataset, training in ((CIFAR10, STANDARD), (CIFAR10, ADVERSARIAL), ("ImageNet16-120", ADVERSARIAL)):
        tables = {name: by_title for (of, name), by_title in found["proxies"].items() if of == dataset}
        section, said = board(tables, ONE, training, f"proxies of {dataset}, {NAMES[training]}")
        sections.append(section)
        short["Proxies, under attacks"].append(f"on {dataset} after {NAMES[training]} {said}")
    learned, said = learning(found["predictors"], f"predictors of {CIFAR10}, {NAMES[STANDARD]}")
    sections += learned
    short["Predictors"].append(said)
    for folder, title in SEARCHED.items():
        random, tuned = found["searches"][folder]
        section, said = regrets(random, tuned, f"searches of {title}")
        sections.append(section)
        short["Searches"].append(f"on {title}, {said}")
    made = {
        **made_by(bench, 0, resamples=RESAMPLES, resamples_of_gains=FEW, splits=SPLITS, budget=100, proxy=ONE),
        "store": " and ".join(dict(FILES)),
    }
    said_first = tuple(f"{part}: {'; '.join(sentences)}." for part, sentences in short.items())
    return Report("leaderboard", "everything built in, on the published data", (SUMMARY, *said_first), (), (*sections, *papers()), made)


CIFAR10 = "cifar10"
NAMES = {STANDARD: "standard training", ADVERSARIAL: "adversarial training (PGD at 8/255)"}
SEARCHED = {
    "standard": "cifar10, standard training",
    "standard-twin": "cifar10, standard training, asked with the noise of training",
    "pgd-8-255": "cifar10, adversarial training (PGD at 8/255)",
}
SUMMARY = (
    "Proxies, predictors and searches beside each other and beside what noise allows, on Jung et al. (2023), NAS-Bench-Suite-Zero (2022) and NAS-RobBench-201 (2024). Written"
    " by benchmarks/leaderboard.py, its reading, too; docs/judge.md says how the numbers are made. What papers report of the architectures that their searches found"
    " stands at the end: it was measured by them, and not here. In short:"
)
PARTS: dict[str, Callable[[RobBench], Any]] = {"proxies": proxies, "predictors": predictors, "searches": searches}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, help="Measure this part, and write nothing.")
    parser.add_argument("--out", type=Path, default=DOCUMENT)
    options = parser.parse_args()
    os.nice(10)
    bench, start = RobBench(store(), dataset="cifar10"), time.process_time()
    found = {name: measure(bench) for name, measure in PARTS.items() if options.only in (None, name)}
    if options.only is None:
        write([composed(bench, found)], options.out)
    print(f"{time.process_time() - start:.0f} s of a core, without what was kept and what workers did", file=sys.stderr)


if __name__ == "__main__":
    main()
