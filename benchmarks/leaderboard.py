"""Everything built in, judged on the published data: proxies, predictors and searches.  Writes docs/leaderboard.md.

Needs the published data (ROBBENCH_REFERENCE, or ../shared/reference beside the repository) and the extra `surrogates`.  What is finished is kept in
scratch/leaderboard: cut it whenever you like, and go on with the same command.  Half an hour of two cores; it gives way to whatever else runs.

    python benchmarks/leaderboard.py                       # writes docs/leaderboard.md
    python benchmarks/leaderboard.py --out report.html     # the same elsewhere, in any form of a report
    python benchmarks/leaderboard.py --only searches       # measures this part, and writes nothing
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from published import REFERENCE, ROOT, TARGETS

from robbench import RobBench
from robbench.judge import Report, from_store, judge_predictor, judge_proxy, judge_search
from robbench.judge.keeping import kept_in
from robbench.judge.report import made_by
from robbench.measurements.tables import held_proxies
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
SETTINGS: tuple[tuple[str, str, str | None, list[str]], ...] = (
    ("standard", STANDARD, None, OBJECTIVES),
    ("standard-twin", STANDARD, "twin", OBJECTIVES),
    ("pgd-8-255", ADVERSARIAL, None, ["clean", "fgsm@8/255", "pgd@8/255"]),
)
"""Of searches: a folder, the training, the noise, and the objectives."""
RUNS, SPLITS, WORKERS = 20, 3, 2
PREDICTORS = ("ridge", "forest", "process", "networks", "blend")


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


def proxies(bench: RobBench) -> dict[tuple[str, str], dict[str, pd.DataFrame]]:
    """For each data set with published proxies, and each of these and each attribute: the tables of its report."""
    kept, found = kept_in(FOLDER / "proxies", made_by(bench, 0), []), {}
    for dataset in bench.measurements.store.datasets():
        held = held_proxies(bench.measurements, dataset)
        for name in [*held, *bench.space.attributes] if set(held) - {"params", "flops"} else []:
            tables = kept.done((dataset, name), lambda name=name, dataset=dataset: _tables(bench, name, dataset))
            found[dataset, name] = {title: pd.DataFrame.from_records(rows) for title, rows in tables.items()}
    return found


def _tables(bench: RobBench, name: str, dataset: str) -> dict[str, Any]:
    report = judge_proxy(bench, from_store(bench, name, dataset), datasets=[dataset])
    return dict(json.loads(report.json())["sections"])


def predictors(bench: RobBench) -> pd.DataFrame:
    """Learning curves of all kinds of surrogates; of the one for few architectures where there are few."""
    asked: dict[str, Any] = {"metrics": TARGETS, "splits": SPLITS, "training": STANDARD, "keep": FOLDER / "predictors", "progress": True}
    reports = [judge_predictor(bench, "boosting", beside=PREDICTORS, **asked), judge_predictor(bench, "small", beside=(), sizes=(50, 200), **asked)]
    curves = [report.section("learning curves") for report in reports]
    return pd.concat([curves[0], curves[1][curves[1]["predictor"] == "small"]], ignore_index=True)


def searches(bench: RobBench) -> dict[str, Report]:
    """A report of random search beside all others, for each setting."""
    return {
        name: judge_search(
            bench, "random", objectives=objectives, runs=RUNS, noise=noise, training=training, workers=WORKERS, keep=FOLDER / "searches" / name, progress=True
        )
        for name, training, noise, objectives in SETTINGS
    }  # fmt: skip


PARTS: dict[str, Callable[[RobBench], Any]] = {"proxies": proxies, "predictors": predictors, "searches": searches}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, help="Measure this part, and write nothing.")
    parser.add_argument("--out", type=Path, default=DOCUMENT)
    options = parser.parse_args()
    os.nice(10)
    bench, start = RobBench(store(), dataset="cifar10"), time.process_time()
    found = {name: measure(bench) for name, measure in PARTS.items() if options.only in (None, name)}
    print(f"{time.process_time() - start:.0f} s of a core, without what was kept and what workers did", file=sys.stderr)


if __name__ == "__main__":
    main()
